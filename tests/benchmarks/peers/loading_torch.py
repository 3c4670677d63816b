"""Two epochs of ImageFolder through DataLoader; prints the seconds of each as JSON."""

from __future__ import annotations

import json
import sys
import time

from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Grayscale, Resize, ToTensor


def main() -> None:
    """Read the folder named first at the size named second."""
    folder, size = sys.argv[1], int(sys.argv[2])
    seconds = []
    start = time.perf_counter()
    images = ImageFolder(folder, Compose([Grayscale(), Resize((size, size)), ToTensor()]))
    loader = DataLoader(images, batch_size=32, shuffle=True, num_workers=2, persistent_workers=True)
    for _ in range(2):
        count = sum(len(labels) for _, labels in loader)
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
    sys.stdout.write(json.dumps({"images": count, "epochs": {"torch": seconds}}) + "\n")


if __name__ == "__main__":
    main()
