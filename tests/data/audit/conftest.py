"""Small pictures that differ as photographs do, and a way to load them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from medimg_cnn.data import Dataset, load_dataset
from medimg_cnn.errors import MedimgCnnWarning

Scenes = Callable[..., NDArray[np.uint8]]
Load = Callable[..., tuple[Dataset, list[str]]]


@pytest.fixture
def scenes() -> Scenes:
    """Return a function that gives n blurred patterns, (n, size, size) uint8, no two alike."""

    def make(n: int = 60, *, size: int = 32, seed: int = 0, blur: float = 1.0) -> NDArray[np.uint8]:
        noise = np.random.default_rng(seed).standard_normal((n, size, size))
        smooth = ndimage.gaussian_filter(noise, (0, blur, blur), mode="nearest")
        smooth -= smooth.mean(axis=(1, 2), keepdims=True)
        smooth /= smooth.std(axis=(1, 2), keepdims=True)
        return np.clip(128 + 30 * smooth, 0, 255).astype(np.uint8)

    return make


@pytest.fixture
def load() -> Load:
    """Return a function that loads arrays and gives the dataset with the texts of its warnings."""

    def run(
        images: NDArray[Any], labels: NDArray[Any] | None = None, **options: Any
    ) -> tuple[Dataset, list[str]]:
        labels = np.arange(len(images)) % 2 if labels is None else labels
        options = {"patients": np.arange(len(images)), "positive": 1} | options
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", MedimgCnnWarning)
            data = load_dataset((images, labels), **options)
        return data, [str(item.message) for item in caught]

    return run
