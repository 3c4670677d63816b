"""torchvision's ResNet-18 from scratch, from files to the test AUROC, with a curve by the way.

Rotation, shift, zoom, brightness and contrast are those of the chest preset, drawn for each image and done for the
batch at once, which is the fast way in torch. AdamW and a cosine after a warm-up; the epoch with the best validation
AUROC is kept, and training stops after ten epochs without a better one.
"""

from __future__ import annotations

import copy
import csv
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from _quality import Clock, auroc
from PIL import Image
from torch.nn import functional
from torchvision.models import resnet18

BATCH = 32
PATIENCE = 10
PARTS = {"train": "train", "validation": "val", "test": "test"}
Part = tuple[torch.Tensor, torch.Tensor]


def read(name: str, shared: Path) -> dict[str, Part]:
    """Return images, uint8 (n, 1, height, width), and labels of train, validation and test."""
    if name == "nih":
        folder, found = shared / "nih_cxr_pneumonia", {}
        with (folder / "reference_split.csv").open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        for part, key in PARTS.items():
            own = [row for row in rows if row["split"] == key]
            films = [
                np.asarray(
                    Image.open(folder / row["file"])
                    .convert("L")
                    .resize((128, 128), Image.Resampling.BILINEAR, reducing_gap=3.0)
                )
                for row in own
            ]
            labels = torch.tensor([float(row["label"]) for row in own])
            found[part] = torch.from_numpy(np.stack(films))[:, None], labels
        return found
    with np.load(shared / f"{name}mnist.npz") as arrays:
        return {
            part: (
                torch.from_numpy(arrays[f"{key}_images"])[:, None],
                torch.from_numpy(arrays[f"{key}_labels"][:, 0]).float(),
            )
            for part, key in PARTS.items()
        }


def augmented(images: torch.Tensor) -> torch.Tensor:
    """Return images, float (n, 1, side, side) in 0-1, each drawn anew."""

    def draw(amount: float) -> torch.Tensor:
        return (torch.rand(len(images)) * 2 - 1) * amount

    angle, zoom = draw(math.radians(15)), torch.exp(draw(math.log1p(0.2)))
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    rows = torch.stack([cos, -sin, 2 * draw(0.12), sin, cos, 2 * draw(0.12)], 1).reshape(-1, 2, 3)
    grid = functional.affine_grid(rows, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    brighter = moved + draw(0.15)[:, None, None, None]
    mean = brighter.mean((1, 2, 3), keepdim=True)
    return ((brighter - mean) * (1 + draw(0.25))[:, None, None, None] + mean).clamp(0, 1)


def main() -> None:
    """Train on the data set and with the seed named, in the folder of data named."""
    name, seed, shared = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    clock = Clock()
    torch.manual_seed(seed)
    parts = read(name, shared)
    network = resnet18(num_classes=1)
    network.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    network = network.to(memory_format=torch.channels_last)
    images, labels = parts["train"]
    steps = math.ceil(len(labels) / BATCH)
    epochs = min(40, max(15, math.ceil(1000 / steps)))
    warm = min(200, epochs * steps // 10)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.01)

    def rate(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.01 + 0.99 * (1 + math.cos(math.pi * (step - warm) / (epochs * steps - warm))) / 2

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)

    def judged(part: str) -> float:
        network.eval()
        with torch.inference_mode():
            x, y = parts[part]
            logits = torch.cat([network(some.float() / 255)[:, 0] for some in x.split(128)])
        return auroc(logits.numpy(), y.numpy())

    best, kept, waited = -1.0, copy.deepcopy(network.state_dict()), 0
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(labels)).split(BATCH):
            batch = augmented(images[rows].float() / 255).contiguous(memory_format=torch.channels_last)
            loss = functional.binary_cross_entropy_with_logits(network(batch)[:, 0], labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        validated = judged("validation")
        waited += 1
        if validated > best:
            best, kept, waited = validated, copy.deepcopy(network.state_dict()), 0
        since = time.time()
        clock.point(judged("test"), since)
        if waited == PATIENCE:
            break
    network.load_state_dict(kept)
    clock.end(judged("test"))


if __name__ == "__main__":
    main()
