"""Cutout: parts of the image are hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from medimg_cnn._validation import check_integer
from medimg_cnn.augmentations._base import Augmentation, Params, register
from medimg_cnn.augmentations._checks import check_drawn

__all__ = ["Cutout"]


@register
@dataclass(frozen=True, kw_only=True)
class Cutout(Augmentation):
    """Hide rectangles, so that the network does not lean on one place.

    Sides are drawn evenly from 0 to ``size`` of the image's side and centres anywhere, so that a
    rectangle may reach over the edge. Where the sign of disease is small, a hole can hide it: keep
    ``size`` below the lesion. Params: ``top``, ``left``, ``bottom``, ``right`` (n, holes), int32 pixels,
    the last two exclusive.

    Attributes:
        size: the largest side, as a share of the image's side, 0 to 1.
        holes: how many rectangles, 1 to 16.
        fill: the value put in, 0 to 1.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    References:
        DeVries & Taylor (2017), "Improved regularization of convolutional neural networks with cutout",
        arXiv:1708.04552.

    Example:
        >>> import jax.numpy as jnp
        >>> drawn = {"top": [[0]], "left": [[0]], "bottom": [[1]], "right": [[1]]}
        >>> drawn = {name: jnp.array(value) for name, value in drawn.items()}
        >>> Cutout(size=0.5).apply(drawn, jnp.ones((1, 2, 2, 1))).ravel().tolist()
        [0.0, 1.0, 1.0, 1.0]
    """

    size: float
    holes: int = 1
    fill: float = 0.0
    _strength_fields: ClassVar[Mapping[str, float]] = {"size": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("size", high=1.0)
        self._set_number("fill", high=1.0)
        self._set("holes", check_integer("holes", self.holes, low=1, high=16))

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``top``, ``left``, ``bottom`` and ``right`` (n, holes), pixels."""
        n, height, width, _ = self._rows(n, image_shape)
        drawn, chosen = self._draws(key, n, 4 * self.holes)
        tall, wide, down, across = drawn.reshape(4, self.holes, n).transpose(0, 2, 1)
        tall = jnp.round(tall * self.size * height).astype(jnp.int32) * chosen[:, None]
        wide = jnp.round(wide * self.size * width).astype(jnp.int32) * chosen[:, None]
        top = jnp.floor(down * height).astype(jnp.int32) - tall // 2
        left = jnp.floor(across * width).astype(jnp.int32) - wide // 2
        return {"top": top, "left": left, "bottom": top + tall, "right": left + wide}

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Fill the rectangles."""
        images = check_drawn(params, images)
        height, width = images.shape[1:3]
        y, x = jnp.arange(height)[None, :, None, None], jnp.arange(width)[None, None, :, None]
        for hole in range(self.holes):
            top, left, bottom, right = (
                params[side][:, hole, None, None, None] for side in ("top", "left", "bottom", "right")
            )
            inside = (y >= top) & (y < bottom) & (x >= left) & (x < right)
            images = jnp.where(inside, self.fill, images)
        return images
