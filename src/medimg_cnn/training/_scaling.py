"""The scale of the loss in float16, whose small gradients would otherwise become 0.

It doubles after 2,000 steps without an overflow, and halves at one, when the step is left out
(Micikevicius et al. 2018, "Mixed precision training", arXiv:1710.03740).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["finite", "first_scale", "next_scale"]

_FIRST, _MOST, _PATIENCE = 2.0**15, 2.0**24, 2000.0


def first_scale(precision: str) -> list[Any]:
    """Return the scale and the steps since it changed; nothing where the precision needs none."""
    return [np.float32(_FIRST), np.float32(0)] if precision == "float16" else []


def finite(gradients: Any, scale: jax.Array) -> jax.Array:
    """Whether the step is to be taken: all gradients are finite, or no smaller scale would make them so."""
    found = [jnp.isfinite(value).all() for value in jax.tree.leaves(gradients)]
    return jnp.stack(found).all() | (scale <= 1.0)


def next_scale(scaling: list[jax.Array], taken: jax.Array) -> list[jax.Array]:
    """Return the scale and the steps since it changed, after a step that was taken or left out."""
    scale, steps = scaling
    grows = taken & (steps + 1.0 >= _PATIENCE)
    grown = jnp.where(grows, jnp.minimum(2.0 * scale, _MOST), scale)
    return [
        jnp.where(taken, grown, jnp.maximum(scale / 2.0, 1.0)),
        jnp.where(taken & ~grows, steps + 1.0, 0.0),
    ]
