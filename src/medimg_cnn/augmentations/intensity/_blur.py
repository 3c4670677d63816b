"""Gaussian blur."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from medimg_cnn.augmentations._base import Augmentation, Params, register
from medimg_cnn.augmentations._checks import check_drawn

__all__ = ["Blur"]


@register
@dataclass(frozen=True, kw_only=True)
class Blur(Augmentation):
    """Blur by a Gaussian whose standard deviation is drawn evenly from [0, sigma] pixels.

    Outside the image the edge pixel is taken. Params: ``sigma`` (n,), pixels.

    Attributes:
        sigma: the largest standard deviation, pixels, 0 to 16. The cost grows with it: the kernel
            reaches three times as far.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax.numpy as jnp
        >>> dot = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2, 0].set(1.0)
        >>> soft = Blur(sigma=1).apply({"sigma": jnp.ones(1)}, dot)
        >>> round(float(soft[0, 2, 2, 0]), 2)
        0.16
    """

    sigma: float
    _strength_fields: ClassVar[Mapping[str, float]] = {"sigma": 16.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("sigma", high=16.0)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``sigma`` (n,), pixels."""
        n, *_ = self._rows(n, image_shape)
        return {"sigma": self._draw(key, n, self.sigma, low=0.0)}

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Blur the rows, then the columns."""
        images = check_drawn(params, images)
        sigma = params["sigma"][:, None]
        reach = math.ceil(3 * self.sigma)
        distance = jnp.arange(-reach, reach + 1, dtype=jnp.float32)[None]
        bell = jnp.exp(-0.5 * (distance / jnp.where(sigma > 0, sigma, 1.0)) ** 2)
        weights = jnp.where(sigma > 0, bell, distance == 0)
        weights = weights / weights.sum(axis=1, keepdims=True)
        n, height, width, channels = images.shape
        images = _along(images, weights, axis=1, step=1)
        # Channels join the columns: with rows of three XLA's inner loop would be three long.
        flat = images.reshape(n, height, width * channels)
        return _along(flat, weights, axis=2, step=channels).reshape(n, height, width, channels)


def _along(images: jax.Array, weights: jax.Array, *, axis: int, step: int) -> jax.Array:
    """Sum copies shifted by multiples of ``step`` along an axis.

    Behind a branch, so that XLA writes the padded image once: it would make it anew for each tap, eight
    times slower.
    """
    taps, size = weights.shape[1], images.shape[axis]
    reach, one = taps // 2, (1,) * (images.ndim - 1)
    first = jax.lax.slice_in_dim(images, 0, step, axis=axis)
    last = jax.lax.slice_in_dim(images, size - step, size, axis=axis)
    padded = jnp.concatenate([first] * reach + [images] + [last] * reach, axis=axis)

    def blurred(padded: jax.Array) -> jax.Array:
        total: jax.Array = jnp.zeros_like(images)
        for tap in range(taps):
            part = jax.lax.slice_in_dim(padded, tap * step, tap * step + size, axis=axis)
            total = total + weights[:, tap].reshape(-1, *one) * part
        # The weights add to 1 only up to rounding.
        return jnp.clip(total, 0.0, 1.0)

    def sharp(padded: jax.Array) -> jax.Array:
        return jax.lax.slice_in_dim(padded, reach * step, reach * step + size, axis=axis)

    centre_only = (weights[:, reach] == 1.0).all()
    result: jax.Array = jax.lax.cond(centre_only, sharp, blurred, padded)
    return result
