"""Sampling a batch of images at given coordinates: the inner loop of every geometric change."""

from __future__ import annotations

from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp

from medimg_cnn.augmentations._arrays import between

__all__ = ["Border", "sample"]

Border: TypeAlias = Literal["constant", "edge", "reflect"]


def sample(
    images: jax.Array, x: jax.Array, y: jax.Array, *, border: Border, fill: float, nearest: bool = False
) -> jax.Array:
    """Read images at fractional pixel coordinates.

    Args:
        images: (n, height, width, channels).
        x: columns, float32 (n, height', width'); 0 is the centre of the first pixel.
        y: rows, likewise.
        border: what lies outside: ``fill``, the nearest edge pixel, or the image mirrored about its
            edge pixels (which are not repeated).
        fill: the value outside for the border "constant".
        nearest: take the nearest pixel instead of interpolating between four; keeps the dtype and the
            set of values.

    Returns:
        (n, height', width', channels). At whole coordinates the pixels themselves, bit for bit.
    """
    n, height, width, channels = images.shape
    if border == "constant":
        # A frame of one pixel: beyond it there is nothing but the fill, so coordinates may stop there.
        images = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=fill)
        x, y = jnp.clip(x, -1.0, width) + 1.0, jnp.clip(y, -1.0, height) + 1.0
    elif border == "reflect":
        x, y = _mirror(x, width), _mirror(y, height)
    height, width = images.shape[1:3]
    first = (jnp.arange(n, dtype=jnp.int32) * (height * width))[:, None, None]
    flat = images.reshape((n * height * width, channels) if channels > 1 else (-1,))

    def read(row: jax.Array, column: jax.Array) -> jax.Array:
        # Indices are clipped below, so the promise holds and XLA needs no bounds check of its own.
        return flat.at[first + row * width + column].get(mode="promise_in_bounds")

    if nearest:
        column = jnp.clip(jnp.floor(x + 0.5).astype(jnp.int32), 0, width - 1)
        row = jnp.clip(jnp.floor(y + 0.5).astype(jnp.int32), 0, height - 1)
        return read(row, column).reshape((*x.shape, channels))

    left, top = jnp.floor(x), jnp.floor(y)
    right_weight, bottom_weight = x - left, y - top
    if channels > 1:
        right_weight, bottom_weight = right_weight[..., None], bottom_weight[..., None]
    column, row = left.astype(jnp.int32), top.astype(jnp.int32)
    columns = jnp.clip(column, 0, width - 1), jnp.clip(column + 1, 0, width - 1)
    rows = jnp.clip(row, 0, height - 1), jnp.clip(row + 1, 0, height - 1)
    upper = between(read(rows[0], columns[0]), read(rows[0], columns[1]), right_weight)
    lower = between(read(rows[1], columns[0]), read(rows[1], columns[1]), right_weight)
    return between(upper, lower, bottom_weight).reshape((*x.shape, channels))


def _mirror(position: jax.Array, size: int) -> jax.Array:
    if size == 1:
        return jnp.zeros_like(position)
    period = 2.0 * (size - 1)
    folded = position - period * jnp.floor(position / period)
    return jnp.where(folded > size - 1, period - folded, folded)
