"""Small image folders that the tests of the dataset are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def write_png(path: Path, *, seed: int, size: int = 12, colour: bool = False, bits: int = 8) -> Path:
    """Write one image of noise; equal seeds give equal files."""
    shape = (size, size, 3) if colour else (size, size)
    high, kind = (256, np.uint8) if bits == 8 else (65_536, np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, high, shape, dtype=kind)).save(path)
    return path


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes <root>/<folder>/p<patient>_<i>.png, two images a patient."""

    def make(folders: Mapping[str, int], *, root: str = "images", seed: int = 0) -> Path:
        number = seed * 1_000_000
        for folder, count in folders.items():
            for index in range(count):
                write_png(tmp_path / root / folder / f"p{number // 2}_{index}.png", seed=number)
                number += 1
        return tmp_path / root

    return make


@pytest.fixture
def make_arrays() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Return a function that gives n random 8-bit images and alternating labels 0 and 1."""

    def make(n: int = 60, *, size: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        images = np.random.default_rng(seed).integers(0, 256, (n, size, size), dtype=np.uint8)
        return images, np.arange(n) % 2

    return make
