"""Max pooling whose gradient XLA computes fast on a CPU: the same values and gradients as Keras's, ties included.

The gradient of XLA's own pooling visits the windows one after another; here it is a few whole-array operations, one for
each place in the window. See docs/decisions/0081-max-pooling.md.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp

from medimg_cnn._keras import keras

__all__ = ["FastMaxPooling2D", "max_pool"]

Pair: TypeAlias = tuple[int, int]


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def max_pool(images: jax.Array, size: Pair, strides: Pair, padding: Literal["valid", "same"]) -> jax.Array:
    """Return the largest value of each window and channel of (b, h, w, c) floats.

    The gradient goes to the first of equal values, row by row, as in XLA.

    Args:
        images: (b, h, w, c), floats.
        size: rows and columns of a window.
        strides: rows and columns from a window to the next.
        padding: "valid": windows that lie inside; "same": as many as the strides give, cut at the border.
    """
    found: jax.Array = jax.lax.reduce_window(
        images, -jnp.inf, jax.lax.max, (1, *size, 1), (1, *strides, 1), padding.upper()
    )
    return found


def _forward(
    images: jax.Array, size: Pair, strides: Pair, padding: Literal["valid", "same"]
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    found = max_pool(images, size, strides, padding)
    return found, (images, found)


def _backward(
    size: Pair, strides: Pair, padding: str, kept: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array]:
    images, found = kept
    edges = jax.lax.padtype_to_pads(images.shape[1:3], size, strides, padding.upper())
    padded = jnp.pad(images, ((0, 0), *edges, (0, 0)), constant_values=-jnp.inf)
    rows, columns = padded.shape[1:3]
    (down, across), (high, wide) = strides, found.shape[1:3]
    taken = jnp.zeros(found.shape, bool)
    total = jnp.zeros(padded.shape, gradient.dtype)
    for row in range(size[0]):
        for column in range(size[1]):
            end = (row + (high - 1) * down + 1, column + (wide - 1) * across + 1)
            first = ~taken & (padded[:, row : end[0] : down, column : end[1] : across] == found)
            taken |= first
            # Each value back to the place it came from, with zeros between.
            total += jax.lax.pad(
                jnp.where(first, gradient, 0),
                jnp.zeros((), gradient.dtype),
                (
                    (0, 0, 0),
                    (row, rows - end[0], down - 1),
                    (column, columns - end[1], across - 1),
                    (0, 0, 0),
                ),
            )
    (top, _), (left, _) = edges
    return (total[:, top : top + images.shape[1], left : left + images.shape[2]],)


max_pool.defvjp(_forward, _backward)


class FastMaxPooling2D(keras.layers.MaxPooling2D):  # type: ignore[misc] # Keras ships no types
    """Keras's layer with the gradient above; stands in for it while the trainer trains, and is never saved."""

    @staticmethod
    def fits(layer: Any) -> bool:
        """Whether ``layer`` is Keras's own layer, with the channels last and windows for which ours is the faster.

        It takes one pass for each place in the window: 16 at most, and 9 where windows overlap at every pixel.
        """
        if type(layer) is not keras.layers.MaxPooling2D or layer.data_format != "channels_last":
            return False
        places = math.prod(layer.pool_size)
        return bool(places <= (9 if 1 in layer.strides else 16))

    def call(self, inputs: Any) -> Any:
        """Pool."""
        return max_pool(inputs, tuple(self.pool_size), tuple(self.strides), self.padding)
