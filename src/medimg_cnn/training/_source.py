"""What the trainer needs of a set of images. ``medimg_cnn.data.Split`` has it; so may your own class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Images, IntVector, StrVector
from medimg_cnn.artifacts import DatasetFingerprint

__all__ = ["ImageSource"]


@runtime_checkable
class ImageSource(Protocol):
    """Labelled images with random access.

    Attributes:
        n: number of images.
        labels: (n,) int8, 1 = positive.
        image_shape: (height, width, channels).
        sample_ids: (n,) texts, each its own.
        patient_ids: (n,) texts, or None where not known.
        subgroups: column name -> (n,) texts.
        classes: (negative, positive) names.
        part: "train", "validation", "test" or another name.
        fingerprint: of the dataset, or None.
    """

    @property
    def n(self) -> int: ...
    @property
    def labels(self) -> NDArray[np.int8]: ...
    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    @property
    def sample_ids(self) -> StrVector: ...
    @property
    def patient_ids(self) -> StrVector | None: ...
    @property
    def subgroups(self) -> Mapping[str, StrVector]: ...
    @property
    def classes(self) -> tuple[str, str]: ...
    @property
    def part(self) -> str: ...
    @property
    def fingerprint(self) -> DatasetFingerprint | None: ...

    def read(self, indices: IntVector) -> Images:
        """Return the images at ``indices``, (len(indices), height, width, channels) float32 in 0-1."""
        ...
