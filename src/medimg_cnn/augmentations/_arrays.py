"""Two small array helpers that several augmentations share."""

from __future__ import annotations

import jax

__all__ = ["between", "per_image"]


def per_image(value: jax.Array) -> jax.Array:
    """Shape one number an image, (n,), to broadcast with images."""
    return value[:, None, None, None]


def between(a: jax.Array, b: jax.Array, weight: jax.Array) -> jax.Array:
    """Interpolate from ``a`` to ``b``; exactly ``a`` where the weight is 0."""
    return a + weight * (b - a)
