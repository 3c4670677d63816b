"""Gaussian blur."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from medimg_cnn.augmentations._base import Augmentation, Params, register
from medimg_cnn.augmentations._checks import check_images

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
        images = check_images("images", images)
        sigma = params["sigma"][:, None]
        reach = math.ceil(3 * self.sigma)
        distance = jnp.arange(-reach, reach + 1, dtype=jnp.float32)[None]
        bell = jnp.exp(-0.5 * (distance / jnp.where(sigma > 0, sigma, 1.0)) ** 2)
        weights = jnp.where(sigma > 0, bell, distance == 0)
        weights = weights / weights.sum(axis=1, keepdims=True)
        for axis in (1, 2):
            images = _along(images, weights, axis, reach)
        return images


def _along(images: jax.Array, weights: jax.Array, axis: int, reach: int) -> jax.Array:
    """Sum shifted copies.

    Behind a branch, so that XLA does not compute one pass anew for each tap of the next.
    """

    def blurred(sharp: jax.Array) -> jax.Array:
        size = sharp.shape[axis]
        edges = [(0, 0)] * 4
        edges[axis] = (reach, reach)
        padded = jnp.pad(sharp, edges, mode="edge")
        total = jnp.zeros_like(sharp)
        for tap in range(2 * reach + 1):
            part = jax.lax.slice_in_dim(padded, tap, tap + size, axis=axis)
            total = total + weights[:, tap, None, None, None] * part
        # The weights add to 1 only up to rounding.
        return jnp.clip(total, 0.0, 1.0)

    centre_only = weights[:, reach] == 1.0
    result: jax.Array = jax.lax.cond(centre_only.all(), lambda sharp: sharp, blurred, images)
    return result
