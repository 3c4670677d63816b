"""Brightness, contrast, gamma and CT window: each maps grey values to grey values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from medimg_cnn.augmentations._arrays import per_image
from medimg_cnn.augmentations._base import Augmentation, Params, register
from medimg_cnn.augmentations._checks import check_drawn

__all__ = ["Brightness", "Contrast", "Gamma", "WindowJitter"]


@register
@dataclass(frozen=True, kw_only=True)
class Brightness(Augmentation):
    """Add an amount drawn evenly from [-amount, amount]; the result is clipped to 0 to 1.

    Params: ``added`` (n,).

    Attributes:
        amount: the largest change, 0 to 1, where 1 is the whole range from black to white.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax.numpy as jnp
        >>> grey = jnp.full((1, 1, 1, 1), 0.25)
        >>> float(Brightness(amount=0.5).apply({"added": jnp.array([0.5])}, grey)[0, 0, 0, 0])
        0.75
    """

    amount: float
    _strength_fields: ClassVar[Mapping[str, float]] = {"amount": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("amount", high=1.0)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``added`` (n,)."""
        n, *_ = self._rows(n, image_shape)
        return {"added": self._draw(key, n, self.amount)}

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Add and clip."""
        images = check_drawn(params, images)
        return jnp.clip(images + per_image(params["added"]), 0.0, 1.0)


@register
@dataclass(frozen=True, kw_only=True)
class Contrast(Augmentation):
    """Stretch or shrink grey values about the image's mean by a factor from 1 - amount to 1 + amount.

    The mean is taken over all pixels and channels of each image. The result is clipped to 0 to 1.
    Params: ``factor`` (n,).

    Attributes:
        amount: how far the factor may lie from 1, 0 to 1.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax.numpy as jnp
        >>> pair = jnp.array([0.25, 0.75]).reshape(1, 1, 2, 1)
        >>> flat = Contrast(amount=1).apply({"factor": jnp.zeros(1)}, pair)
        >>> [float(v) for v in flat.ravel()]
        [0.5, 0.5]
    """

    amount: float
    _strength_fields: ClassVar[Mapping[str, float]] = {"amount": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("amount", high=1.0)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``factor`` (n,)."""
        n, *_ = self._rows(n, image_shape)
        return {"factor": 1.0 + self._draw(key, n, self.amount)}

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Stretch about the mean and clip."""
        images = check_drawn(params, images)
        mean = images.mean(axis=(1, 2, 3), keepdims=True)
        # In this form a factor of 1 adds exactly nothing.
        return jnp.clip(images + (per_image(params["factor"]) - 1.0) * (images - mean), 0.0, 1.0)


@register
@dataclass(frozen=True, kw_only=True)
class Gamma(Augmentation):
    """Raise grey values to a power from 1 / (1 + amount) to 1 + amount, even on a logarithmic scale.

    Black stays black and white stays white: a change of the display curve. Params: ``exponent`` (n,).

    Attributes:
        amount: 0.2 means exponents from 0.833 to 1.2; 0 to 3.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax.numpy as jnp
        >>> grey = jnp.full((1, 1, 1, 1), 0.5)
        >>> round(float(Gamma(amount=1).apply({"exponent": jnp.array([2.0])}, grey)[0, 0, 0, 0]), 4)
        0.25
    """

    amount: float
    _strength_fields: ClassVar[Mapping[str, float]] = {"amount": 3.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("amount", high=3.0)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``exponent`` (n,)."""
        n, *_ = self._rows(n, image_shape)
        return {"exponent": jnp.exp(self._draw(key, n, math.log1p(self.amount)))}

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Raise to the power."""
        images = check_drawn(params, images)
        exponent = per_image(params["exponent"])
        # exp and log are rounded, so an exponent of 1 must be passed around them.
        powered = jnp.exp(exponent * jnp.log(jnp.clip(images, 1e-12, 1.0)))
        powered = jnp.where(images > 0.0, jnp.clip(powered, 0.0, 1.0), 0.0)
        return jnp.where(exponent == 1.0, images, powered)


@register
@dataclass(frozen=True, kw_only=True)
class WindowJitter(Augmentation):
    """Move and stretch the CT window through which the image was read.

    Grey values from 0 to 1 are a window of Hounsfield units, for example 0 = -1000 and 1 = 400. Readers
    choose windows a little differently; this redraws the image as through another window. What the
    first window cut off does not come back. Params: ``centre`` and ``width`` (n,): the new window's
    shift and its width, both in widths of the old.

    Attributes:
        centre: the largest shift, as a share of the window's width, 0 to 0.5.
        width: 0.1 means windows from 1 / 1.1 to 1.1 times as wide, 0 to 1.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax.numpy as jnp
        >>> grey = jnp.full((1, 1, 1, 1), 0.5)
        >>> drawn = {"centre": jnp.array([0.25]), "width": jnp.array([1.0])}
        >>> float(WindowJitter(centre=0.25, width=0).apply(drawn, grey)[0, 0, 0, 0])
        0.25
    """

    centre: float = 0.05
    width: float = 0.1
    _strength_fields: ClassVar[Mapping[str, float]] = {"centre": 0.5, "width": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("centre", high=0.5)
        self._set_number("width", high=1.0)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``centre`` and ``width`` (n,)."""
        n, *_ = self._rows(n, image_shape)
        drawn, chosen = self._draws(key, n, 2)
        drawn = 2 * drawn - 1
        return {
            "centre": jnp.where(chosen, drawn[0] * self.centre, 0.0),
            "width": jnp.exp(jnp.where(chosen, drawn[1] * math.log1p(self.width), 0.0)),
        }

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Redraw through the new window and clip."""
        images = check_drawn(params, images)
        slope = 1.0 / per_image(params["width"])
        # (value - 0.5 - centre) / width + 0.5, arranged so that the old window adds exactly nothing.
        offset = 0.5 * (1.0 - slope) - per_image(params["centre"]) * slope
        return jnp.clip(images * slope + offset, 0.0, 1.0)
