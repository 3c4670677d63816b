"""Logits for many images, in batches of one size so that one compiled function serves all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np

from medimg_cnn._types import FloatVector, Images, IntVector
from medimg_cnn.training._devices import Devices
from medimg_cnn.training._step import LogitFunction

__all__ = ["ReadImages", "augmented_views", "predict_logits"]

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
    devices: Devices | None = None,
) -> FloatVector:
    """Return the logits, (n,) float64, of n images in their order; ``between`` is called before each batch.

    With several devices each batch is divided among them; each process reads its part, and has all logits.
    """
    size = min(batch_size, n) if devices is None else devices.filled(min(batch_size, n))
    parts = []
    for start in range(0, n, size):
        between()
        # The last batch is filled with its first image; the surplus is cut off below.
        rows = np.arange(start, start + size)
        rows[rows >= n] = start
        images = read(rows) if devices is None else devices.divide(read(devices.own(rows)))
        parts.append(function(weights, other, images))
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])[:n]


def augmented_views(
    read: ReadImages, augment: Any, shape: tuple[int, int, int], *, draws: int, seed: int
) -> list[ReadImages]:
    """Return ways to read images of this shape: as they are, and augmented ``draws`` times.

    All images get the same views, so that an answer does not depend on an image's place among the others.
    """
    apply = jax.jit(augment.apply)

    def view(draw: int) -> ReadImages:
        drawn = augment.params(jax.random.fold_in(jax.random.key(seed), draw), 1, shape)
        return lambda rows: np.asarray(
            apply({name: value[np.zeros_like(rows)] for name, value in drawn.items()}, read(rows))
        )

    return [read, *(view(draw) for draw in range(draws))]
