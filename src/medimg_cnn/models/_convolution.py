"""3x3 convolution with half the multiplications, for a CPU: Keras's values and gradients, but for rounding.

Four rows of the output are made from six products in place of twelve: Winograd's minimal filtering F(4, 3) (1980,
doi:10.1137/1.9781611970364; for networks Lavin and Gray 2016, doi:10.1109/CVPR.2016.435) from row to row, while along
the columns XLA convolves. See docs/decisions/0085-convolution.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from medimg_cnn._keras import keras

__all__ = ["FastConv2D", "convolution"]

_ROWS = 4
"""Rows of the output that are made together."""

_FEWEST_PIXELS = 1024
"""Of all images of a batch; for fewer, what is done to the kernel costs more than is saved."""

_MOST_VALUES = 2**25
"""Of a batch's images or output: what lies between takes three times their memory, up to nine for gradients."""

_MOST_PIXELS_OF_AN_IMAGE = 400
"""Up to which the kernel's gradient is made from products; XLA's own is faster beyond."""

_FEWEST_CHANNELS = 32

_LEAST_WORK = {False: 2_000_000, True: 15_000_000}
"""Multiplications of a layer for an image from which it pays, not in training and in training."""


@jax.custom_vjp
def convolution(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the 3x3 convolution with stride 1, of images padded with zeros so that they keep their size.

    In float32 the values differ from XLA's by some 1e-6 of the largest.

    Args:
        images: (b, h, w, c), floats.
        kernel: (3, 3, c, d), of the same dtype.

    Returns:
        (b, h, w, d).
    """
    if not _pays(images, kernel.shape[3]):
        return _plain(images, kernel)
    products = [
        _plain(part, row[None])
        for part, row in zip(_of_images(_groups(images)), _of_kernel(kernel), strict=True)
    ]
    rows = jnp.stack(_to_rows(products), axis=2)  # (b, groups, 4, w, d)
    return rows.reshape(rows.shape[0], -1, *rows.shape[3:])[:, : images.shape[1]]


def _forward(images: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return convolution(images, kernel), (images, kernel)


def _backward(kept: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    images, kernel = kept
    # Apart from the rest, or XLA exchanges the axes again in each of the six kernels.
    turned: jax.Array = jax.lax.optimization_barrier(jnp.swapaxes(kernel, 2, 3))  # type: ignore[no-untyped-call]
    turned = turned[::-1, ::-1]
    return convolution(gradient, turned), _gradient_of_kernel(images, gradient)


convolution.defvjp(_forward, _backward)


def _gradient_of_kernel(images: jax.Array, gradient: jax.Array) -> jax.Array:
    high, wide, channels = images.shape[1:]
    filters = gradient.shape[3]
    if high * wide > _MOST_PIXELS_OF_AN_IMAGE or not _pays(images, filters):
        kernel = jnp.zeros((3, 3, channels, filters), images.dtype)  # of which the shape is used
        found: jax.Array = jax.linear_transpose(partial(_plain, images), kernel)(gradient)[0]
        return found
    rows = jnp.pad(gradient, ((0, 0), (0, -high % _ROWS), (0, 0), (0, 0)))
    rows = rows.reshape(rows.shape[0], -1, _ROWS, wide, filters)
    products = []
    for part, row in zip(_of_images(_groups(images)), _from_rows(rows), strict=True):
        padded = jnp.pad(row, ((0, 0), (0, 0), (1, 1), (0, 0)))
        # What each pixel of the images gave to its right neighbour, to its own place, and to its left one.
        given = jnp.concatenate([padded[:, :, 2 - i : 2 - i + wide] for i in range(3)], axis=-1)
        product = part.reshape(-1, channels).T @ given.reshape(-1, 3 * filters)
        products.append(product.reshape(channels, 3, filters))
    return jnp.swapaxes(jnp.stack(_from_kernel(products)), 1, 2)


def _plain(images: jax.Array, kernel: jax.Array) -> jax.Array:
    found: jax.Array = jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return found


def _pays(images: jax.Array, filters: int) -> bool:
    b, high, wide, channels = images.shape
    pixels = b * high * wide
    filled = high >= 3 * -(-high // _ROWS)  # rows that are made beyond the image, to fill the last four
    return filled and pixels >= _FEWEST_PIXELS and pixels * max(channels, filters) <= _MOST_VALUES


def _groups(images: jax.Array) -> list[jax.Array]:
    """Return the six rows of the images that each four of the output are made of, (b, groups, w, c) each."""
    b, high, wide, channels = images.shape
    padded = jnp.pad(images, ((0, 0), (1, -high % _ROWS + _ROWS - 1), (0, 0), (0, 0)))
    rows = padded.reshape(b, -1, _ROWS, wide, channels)
    return [rows[:, :-1, i] for i in range(_ROWS)] + [rows[:, 1:, i] for i in range(2)]


# The three matrices of F(4, 3), for the points 0, 1, -1, 2, -2 and infinity, and the transposes of two.


def _of_images(d: Sequence[jax.Array]) -> list[jax.Array]:
    return [
        4 * d[0] - 5 * d[2] + d[4],
        d[3] + d[4] - 4 * (d[1] + d[2]),
        d[4] - d[3] + 4 * (d[1] - d[2]),
        d[4] - d[2] + 2 * (d[3] - d[1]),
        d[4] - d[2] - 2 * (d[3] - d[1]),
        4 * d[1] - 5 * d[3] + d[5],
    ]


def _of_kernel(g: jax.Array) -> list[jax.Array]:
    even, odd = (g[0] + g[2]) / 6, g[1] / 6
    far, aside = g[0] / 24 + g[2] / 6, g[1] / 12
    return [g[0] / 4, -even - odd, odd - even, far + aside, far - aside, g[2]]


def _to_rows(m: Sequence[jax.Array]) -> list[jax.Array]:
    near, across, far, beyond = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    return [m[0] + near + far, across + 2 * beyond, near + 4 * far, across + 8 * beyond + m[5]]


def _from_rows(y: jax.Array) -> list[jax.Array]:
    """Return the transpose of ``_to_rows`` for (b, groups, 4, w, d)."""
    first, second, third, fourth = (y[:, :, i] for i in range(_ROWS))
    even, odd, far, beyond = first + third, second + fourth, first + 4 * third, 2 * second + 8 * fourth
    return [first, even + odd, even - odd, far + beyond, far - beyond, fourth]


def _from_kernel(u: Sequence[jax.Array]) -> list[jax.Array]:
    """Return the transpose of ``_of_kernel``."""
    even, far = (u[1] + u[2]) / 6, u[3] + u[4]
    return [u[0] / 4 - even + far / 24, (u[2] - u[1]) / 6 + (u[3] - u[4]) / 12, far / 6 - even + u[5]]


class FastConv2D(keras.layers.Conv2D):  # type: ignore[misc] # Keras ships no types
    """Keras's layer with the convolution above; stands in for it on a CPU, and is never saved."""

    @staticmethod
    def fits(layer: Any, *, training: bool) -> bool:
        """Whether ``layer`` is Keras's own layer, of a kind and a size for which ours is the faster."""
        if (
            type(layer) is not keras.layers.Conv2D
            or layer.data_format != "channels_last"
            or layer.padding != "same"
            or layer.groups != 1
            or layer.compute_dtype not in ("float32", "float64")
            or tuple(map(tuple, (layer.kernel_size, layer.strides, layer.dilation_rate)))
            != ((3, 3), (1, 1), (1, 1))
        ):
            return False
        try:
            _, high, wide, channels = layer.input.shape
        except AttributeError:  # so says Keras of a layer that was not called yet
            return False
        if high is None or wide is None or min(channels, layer.filters) < _FEWEST_CHANNELS:
            return False
        return bool(high * wide * 9 * channels * layer.filters >= _LEAST_WORK[training])

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve, in the dtype of the kernel as Keras does."""
        kernel = jnp.asarray(kernel)
        return convolution(jnp.asarray(inputs, kernel.dtype), kernel)
