"""Affine maps of the plane, one an image, kept as six vectors.

A map takes a pixel of the output to the place in the input that it is read from. Coordinates are in
pixels from the image's centre, x to the right and y down, so angles are true on images that are not square.
Six vectors instead of matrices: products of ones and zeros stay exact on every device, where a matrix
product may be rounded to fewer bits.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["AffineMap"]


class AffineMap(NamedTuple):
    """x' = xx x + xy y + x0 and y' = yx x + yy y + y0; each field is float32 (n,)."""

    xx: jax.Array
    xy: jax.Array
    x0: jax.Array
    yx: jax.Array
    yy: jax.Array
    y0: jax.Array

    @classmethod
    def identity(cls, n: int) -> AffineMap:
        """The map that changes nothing."""
        one, zero = jnp.ones((n,), jnp.float32), jnp.zeros((n,), jnp.float32)
        return cls(one, zero, zero, zero, one, zero)

    def after(self, first: AffineMap) -> AffineMap:
        """The map that does ``first``, then this one."""
        return AffineMap(
            self.xx * first.xx + self.xy * first.yx,
            self.xx * first.xy + self.xy * first.yy,
            self.xx * first.x0 + self.xy * first.y0 + self.x0,
            self.yx * first.xx + self.yy * first.yx,
            self.yx * first.xy + self.yy * first.yy,
            self.yx * first.x0 + self.yy * first.y0 + self.y0,
        )

    def moves(self) -> jax.Array:
        """Whether any image's map is not the identity; bool ()."""
        still = AffineMap.identity(self.xx.shape[0])
        return jnp.stack([part != rest for part, rest in zip(self, still, strict=True)]).any()

    def of(self, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Map coordinates that broadcast to (n, height, width)."""
        xx, xy, x0, yx, yy, y0 = (part[:, None, None] for part in self)
        return xx * x + xy * y + x0, yx * x + yy * y + y0
