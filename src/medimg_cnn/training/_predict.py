"""Logits for many images, in batches of one size so that one compiled function serves all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from medimg_cnn._types import FloatVector, Images, IntVector
from medimg_cnn.training._step import LogitFunction

__all__ = ["ReadImages", "predict_logits"]

ReadImages: TypeAlias = Callable[[IntVector], Images]
"""Positions (m,) to images (m, height, width, channels) float32."""


def predict_logits(
    function: LogitFunction,
    weights: list[Any],
    other: list[Any],
    read: ReadImages,
    n: int,
    *,
    batch_size: int,
    between: Callable[[], None] = lambda: None,
) -> FloatVector:
    """Return the logits, (n,) float64, of n images in their order; ``between`` is called before each batch."""
    size = min(batch_size, n)
    parts = []
    for start in range(0, n, size):
        between()
        # The last batch is filled with its first image; the surplus is cut off below.
        rows = np.arange(start, start + size)
        rows[rows >= n] = start
        parts.append(function(weights, other, read(rows)))
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])[:n]
