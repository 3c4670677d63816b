"""Two epochs of ImageFolder through DataLoader, as usual and with a grey loader; prints the seconds as JSON."""

from __future__ import annotations

import json
import sys
import time

from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Grayscale, Resize, ToTensor


def grey(path: str) -> Image.Image:
    """Open a picture as grey; torchvision's own loader makes it colour first."""
    with Image.open(path) as image:
        return image.convert("L")


def main() -> None:
    """Read the folder named first at the size named second."""
    folder, size = sys.argv[1], int(sys.argv[2])
    resized = [Resize((size, size)), ToTensor()]
    epochs = {}
    for name in ("torch", "torch, grey loader"):
        seconds = []
        start = time.perf_counter()
        if name == "torch":
            images = ImageFolder(folder, Compose([Grayscale(), *resized]))
        else:
            images = ImageFolder(folder, Compose(resized), loader=grey)
        loader = DataLoader(images, batch_size=32, shuffle=True, num_workers=2, persistent_workers=True)
        for _ in range(2):
            count = sum(len(labels) for _, labels in loader)
            seconds.append(time.perf_counter() - start)
            start = time.perf_counter()
        epochs[name] = seconds
        del loader
    sys.stdout.write(json.dumps({"images": count, "epochs": epochs}) + "\n")


if __name__ == "__main__":
    main()
