"""A small set of images in memory that has what the trainer needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from medimg_cnn.artifacts import DatasetFingerprint


@dataclass
class MemorySource:
    images: np.ndarray
    labels: np.ndarray
    part: str = "train"
    classes: tuple[str, str] = ("no", "yes")
    patient_ids: np.ndarray | None = None
    subgroups: dict[str, np.ndarray] = field(default_factory=dict)
    fingerprint: DatasetFingerprint | None = None

    @property
    def n(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @property
    def sample_ids(self) -> np.ndarray:
        return np.array([f"{self.part}_{index}" for index in range(self.n)])

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self.images[indices]


@pytest.fixture(scope="session")
def make_source() -> Callable[..., MemorySource]:
    """Images in which a bright square, in half of them, is the sign; ``signal`` 0 hides it."""

    def make(
        n: int = 60,
        *,
        part: str = "train",
        signal: float = 0.5,
        seed: int = 0,
        size: int = 12,
        positives: float = 0.5,
    ) -> MemorySource:
        rng = np.random.default_rng(seed)
        labels = (np.arange(n) < round(n * positives)).astype(np.int8)
        images = rng.uniform(0.2, 0.5, (n, size, size, 1)).astype(np.float32)
        for index in np.flatnonzero(labels):
            row, column = rng.integers(0, size - 4, 2)
            images[index, row : row + 4, column : column + 4] += signal
        return MemorySource(np.clip(images, 0, 1), labels, part=part)

    return make
