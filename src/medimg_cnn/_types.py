"""Names for the arrays and small values that travel through the library."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BoolVector",
    "FloatVector",
    "Image",
    "ImageSize",
    "Images",
    "IntVector",
    "JsonValue",
    "PathLike",
    "StrVector",
]

PathLike: TypeAlias = str | os.PathLike[str]
ImageSize: TypeAlias = tuple[int, int]
"""(height, width) in pixels."""

Image: TypeAlias = NDArray[np.float32]
"""(height, width, channels), float32, 0 to 1."""

Images: TypeAlias = NDArray[np.float32]
"""(n, height, width, channels), float32, 0 to 1."""

FloatVector: TypeAlias = NDArray[np.float64]
"""(n,), float64."""

IntVector: TypeAlias = NDArray[np.int64]
"""(n,), int64."""

BoolVector: TypeAlias = NDArray[np.bool_]
"""(n,), bool."""

StrVector: TypeAlias = NDArray[np.str_]
"""(n,), unicode strings."""

JsonValue: TypeAlias = Any
"""What ``json`` can write: None, bool, int, float, str, and lists and string-keyed dicts of these."""
