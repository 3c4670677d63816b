"""Logits for many images, in batches of one size so that one compiled function serves all."""

from __future__ import annotations

from typing import Any

import numpy as np

from medimg_cnn._types import FloatVector
from medimg_cnn.training._source import ImageSource
from medimg_cnn.training._step import LogitFunction

__all__ = ["predict_logits"]


def predict_logits(
    function: LogitFunction, weights: list[Any], other: list[Any], source: ImageSource, *, batch_size: int
) -> FloatVector:
    """Return the logits, (n,) float64, of the source's images in their order."""
    size = min(batch_size, source.n)
    parts = []
    for start in range(0, source.n, size):
        # The last batch is filled with its first image; the surplus is cut off below.
        rows = np.arange(start, start + size)
        rows[rows >= source.n] = start
        parts.append(function(weights, other, source.read(rows)))
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])[: source.n]
