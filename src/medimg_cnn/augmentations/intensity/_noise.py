"""Additive noise and speckle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from medimg_cnn.augmentations._arrays import per_image
from medimg_cnn.augmentations._base import Augmentation, Params, register
from medimg_cnn.augmentations._checks import check_drawn
from medimg_cnn.augmentations.intensity._random_field import normal_field

__all__ = ["Noise", "Speckle"]


@dataclass(frozen=True, kw_only=True)
class _NoiseBase(Augmentation):
    sigma: float
    _strength_fields: ClassVar[Mapping[str, float]] = {"sigma": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("sigma", high=1.0)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``sigma`` (n,) and ``seed`` (n,), uint32, from which ``apply`` makes the field."""
        n, *_ = self._rows(n, image_shape)
        value_key, seed_key = jax.random.split(key)
        return {
            "sigma": self._draw(value_key, n, self.sigma, low=0.0),
            "seed": jax.random.bits(seed_key, (n,), jnp.uint32),
        }


@register
@dataclass(frozen=True, kw_only=True)
class Noise(_NoiseBase):
    """Add noise of a standard deviation drawn evenly from [0, sigma]; clipped to 0 to 1.

    The noise is nearly normal (the number of ones among 32 hashed bits, smoothed; kurtosis 2.94), independent
    from pixel to pixel and channel to channel. It is made from one 32-bit seed an image instead of from
    JAX's generator, at a twentieth of the cost; good for training, not for simulation studies.
    Params: ``sigma`` (n,) and ``seed`` (n,), uint32.

    Attributes:
        sigma: the largest standard deviation, 0 to 1.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax
        >>> grey = jax.numpy.full((1, 64, 64, 1), 0.5)
        >>> drawn = {"sigma": jax.numpy.array([0.1]), "seed": jax.numpy.array([7], "uint32")}
        >>> round(float(Noise(sigma=0.1).apply(drawn, grey).std()), 2)
        0.1
    """

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Add the noise and clip."""
        images = check_drawn(params, images)
        field = normal_field(params["seed"], images.shape[1:])
        return jnp.clip(images + per_image(params["sigma"]) * field, 0.0, 1.0)


@register
@dataclass(frozen=True, kw_only=True)
class Speckle(_NoiseBase):
    """Multiply by 1 + noise: the grain of ultrasound and optical coherence tomography.

    The standard deviation is drawn evenly from [0, sigma]; black stays black; clipped to 0 to 1. The
    noise is that of ``Noise``. Params: ``sigma`` (n,) and ``seed`` (n,), uint32.

    Attributes:
        sigma: the largest standard deviation, as a share of the grey value, 0 to 1.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax
        >>> black = jax.numpy.zeros((1, 4, 4, 1))
        >>> float(Speckle(sigma=0.3)(jax.random.key(0), black).max())
        0.0
    """

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Multiply and clip."""
        images = check_drawn(params, images)
        field = normal_field(params["seed"], images.shape[1:])
        return jnp.clip(images + images * (per_image(params["sigma"]) * field), 0.0, 1.0)
