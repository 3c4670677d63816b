"""MRI bias field: slow changes of brightness across the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from medimg_cnn._validation import check_integer
from medimg_cnn.augmentations._arrays import per_image
from medimg_cnn.augmentations._base import Augmentation, Params, register
from medimg_cnn.augmentations._checks import check_drawn

__all__ = ["BiasField"]


@register
@dataclass(frozen=True, kw_only=True)
class BiasField(Augmentation):
    """Multiply by a smooth field, as an uneven receive coil does in magnetic resonance imaging.

    The field is the exponential of a polynomial in the pixel's position (the usual model, Van Leemput et
    al. 1999), here in Legendre polynomials, which keep the terms independent; divided by its mean, so
    that the brightness over all stays. Clipped to 0 to 1. Params: ``coefficients``
    (n, order + 1, order + 1), row degree by column degree.

    Attributes:
        amount: coefficients are drawn evenly from [-amount, amount]; 0 to 1. At 0.3 one edge may be
            about 1.8 times as bright as the other by the linear term alone.
        order: the highest degree, 1 to 5.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    References:
        Van Leemput, Maes, Vandermeulen & Suetens (1999), doi:10.1109/42.811268.

    Example:
        >>> import jax
        >>> grey = jax.numpy.full((1, 8, 8, 1), 0.4)
        >>> field = BiasField(amount=0.3)(jax.random.key(0), grey)
        >>> bool(field.std() > 0)
        True
    """

    amount: float
    order: int = 3
    _strength_fields: ClassVar[Mapping[str, float]] = {"amount": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("amount", high=1.0)
        self._set("order", check_integer("order", self.order, low=1, high=5))

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``coefficients`` (n, order + 1, order + 1)."""
        n, *_ = self._rows(n, image_shape)
        terms = self.order + 1
        drawn, chosen = self._draws(key, n, terms * terms)
        drawn = (2 * drawn - 1).T.reshape(n, terms, terms) * self.amount
        degree = jnp.arange(terms)[:, None] + jnp.arange(terms)[None]
        kept = (degree > 0) & (degree <= self.order) & chosen[:, None, None]
        return {"coefficients": jnp.where(kept, drawn, 0.0)}

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Multiply by the field, of mean 1, and clip."""
        images = check_drawn(params, images)
        rows, columns = (_legendre(size, self.order) for size in images.shape[1:3])
        log_field = jnp.einsum("hi,nij,wj->nhw", rows, params["coefficients"], columns, precision="highest")
        field = jnp.exp(log_field)
        even = field / field.mean(axis=(1, 2), keepdims=True)
        drawn = params["coefficients"].any(axis=(1, 2))
        return jnp.clip(images * jnp.where(per_image(drawn), even[..., None], 1.0), 0.0, 1.0)


def _legendre(size: int, order: int) -> jax.Array:
    """Legendre polynomials of degree 0 to ``order`` at ``size`` places from -1 to 1; (size, order + 1)."""
    place = (jnp.arange(size, dtype=jnp.float32) - (size - 1) / 2) * (2 / max(size - 1, 1))
    values = [jnp.ones_like(place), place]
    for degree in range(1, order):
        values.append(((2 * degree + 1) * place * values[-1] - degree * values[-2]) / (degree + 1))
    return jnp.stack(values, axis=-1)
