"""The same chain by torchvision, albumentations and MONAI, each image drawn anew, in two processes on a core each."""

from __future__ import annotations

import json
import math
import multiprocessing
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

SECONDS = 2.0


def torchvision_chain() -> Callable[[np.ndarray], Any]:
    """On float32 tensors, channels first."""
    import torch
    from torchvision.transforms import v2

    chain = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(brightness=0.1, contrast=0.2),
            v2.GaussianNoise(sigma=0.03),
        ]
    )
    return lambda image: chain(torch.from_numpy(image).permute(2, 0, 1))


def albumentations_chain() -> Callable[[np.ndarray], Any]:
    """On float32 arrays, by OpenCV."""
    import albumentations as a
    import cv2

    cv2.setNumThreads(1)
    chain = a.Compose(
        [
            a.HorizontalFlip(),
            a.Affine(rotate=(-10, 10), translate_percent=(-0.1, 0.1), scale=(0.9, 1.1), p=1.0),
            a.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.2, p=1.0),
            a.GaussNoise(std_range=(0.03, 0.03), p=1.0),
        ]
    )
    return lambda image: chain(image=image)["image"]


def monai_chain() -> Callable[[np.ndarray], Any]:
    """On float32 tensors, channels first."""
    import torch
    from monai import transforms as t

    chain: Any = None

    def run(image: np.ndarray) -> Any:
        nonlocal chain
        if chain is None:
            shift = 0.1 * image.shape[0]
            chain = t.Compose(
                [
                    t.RandFlip(prob=0.5, spatial_axis=1),
                    t.RandAffine(
                        prob=1.0,
                        rotate_range=math.radians(10),
                        translate_range=(shift, shift),
                        scale_range=(0.1, 0.1),
                        padding_mode="zeros",
                    ),
                    t.RandShiftIntensity(0.1, prob=1.0),
                    t.RandScaleIntensity(0.2, prob=1.0),
                    t.RandGaussianNoise(prob=1.0, std=0.03),
                ]
            )
        return chain(torch.from_numpy(image).permute(2, 0, 1))

    return run


CHAINS = {"torchvision": torchvision_chain, "albumentations": albumentations_chain, "MONAI": monai_chain}


def work(name: str, shape: tuple[int, ...], barrier: Any, counts: Any) -> None:
    """Augment until the time is over, at once with the others; say how many images it were."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    chain = CHAINS[name]()
    images = np.random.default_rng(0).random((32, *shape), dtype=np.float32)
    for image in images[:8]:
        chain(image)
    barrier.wait()
    count, end = 0, time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        chain(images[count % 32])
        count += 1
    counts.put(count)


def main() -> None:
    """Print the images a second of each library at the shape given."""
    shape = tuple(int(side) for side in sys.argv[1].split("x"))
    context = multiprocessing.get_context("spawn")
    found = {}
    for name in CHAINS:
        barrier, counts = context.Barrier(2), context.Queue()
        workers = [context.Process(target=work, args=(name, shape, barrier, counts)) for _ in range(2)]
        for worker in workers:
            worker.start()
        found[name] = sum(counts.get() for _ in workers) / SECONDS
        for worker in workers:
            worker.join()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
