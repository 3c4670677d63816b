"""Noise from a counter: a hash of the pixel's position and the image's seed.

Drawing a normal number for every pixel with JAX's own generator costs more than all other steps of a chain
together (docs/decisions/0051-noise-from-a-hash.md has the measurements). Augmentation needs noise that looks
right and can be drawn again, not one that withstands a test suite for simulation.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["normal_field"]

# Steele & Vigna's golden-ratio increment, and the mixing constants of Wellons's "lowbias32" hash.
_STEP, _FIRST, _SECOND = 0x9E3779B9, 0x7FEB352D, 0x846CA68B
_DEVIATION = math.sqrt(8 + 1 / 12)


def normal_field(seeds: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draw nearly normal noise of mean 0 and standard deviation 1, one field a seed.

    The number of ones among 32 random bits is binomial, spread by an even draw over one step: close to
    a normal distribution up to 5 standard deviations (kurtosis 2.94, all values within 5.8). It is a
    function of the seed and of the position alone, and the same on every device.

    Args:
        seeds: uint32 (n,).
        shape: of one field.

    Returns:
        float32 (n, *shape).
    """
    size = int(np.prod(shape))
    position = jax.lax.iota(jnp.uint32, size).reshape(1, *shape)
    bits = _mix(position * jnp.uint32(_STEP) + _mix(seeds).reshape(-1, *(1 for _ in shape)))
    ones = jax.lax.population_count(bits).astype(jnp.int32).astype(jnp.float32)
    low = ((bits * jnp.uint32(_STEP)) >> 16).astype(jnp.int32).astype(jnp.float32)
    field: jax.Array = (ones + low * (1 / 65_536) - (16.5 - 0.5 / 65_536)) * (1 / _DEVIATION)
    return field


def _mix(bits: jax.Array) -> jax.Array:
    bits = (bits ^ (bits >> 16)) * jnp.uint32(_FIRST)
    bits = (bits ^ (bits >> 15)) * jnp.uint32(_SECOND)
    return bits ^ (bits >> 16)
