"""Flips and quarter turns: pixels change places, and no value changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import jax
import jax.numpy as jnp

from medimg_cnn._validation import check_flag, check_number
from medimg_cnn.augmentations._base import Params, register
from medimg_cnn.augmentations.spatial._affine_map import AffineMap
from medimg_cnn.augmentations.spatial._spatial import AffineAugmentation
from medimg_cnn.errors import ArgumentError

__all__ = ["Flip", "QuarterTurn", "flip"]


@register
@dataclass(frozen=True, kw_only=True)
class Flip(AffineAugmentation):
    """Mirror the image left to right, top to bottom, or both, each with ``probability``.

    Not for images in which a side means something: the heart in a chest X-ray, the liver in an
    abdominal CT. Params: ``horizontal`` and ``vertical`` (n,), bool.

    Attributes:
        horizontal: mirror left and right.
        vertical: mirror top and bottom, drawn on its own.
        probability: of each, 0 to 1.
        border: not used; a flip brings in nothing from outside.
        fill: not used.

    Raises:
        ArgumentError: an option breaks its rule, or neither direction is on.

    Example:
        >>> import jax.numpy as jnp
        >>> row = jnp.array([0.1, 0.2, 0.3]).reshape(1, 1, 3, 1)
        >>> on, off = jnp.array([True]), jnp.array([False])
        >>> flipped = Flip().apply({"horizontal": on, "vertical": off}, row)
        >>> [round(float(v), 1) for v in flipped.ravel()]
        [0.3, 0.2, 0.1]
    """

    horizontal: bool = True
    vertical: bool = False
    probability: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("horizontal", check_flag("horizontal", self.horizontal))
        self._set("vertical", check_flag("vertical", self.vertical))
        if not (self.horizontal or self.vertical):
            raise ArgumentError("horizontal, vertical: at least one must be True; got False for both.")

    @property
    def needs_border(self) -> bool:
        """A flip brings in nothing from outside."""
        return False

    def scaled(self, strength: float) -> Self:
        """Multiply the probability, never above its own value: always flipping is no augmentation."""
        strength = check_number("strength", strength, low=0.0)
        return replace(self, probability=self.probability * min(strength, 1.0))

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``horizontal`` and ``vertical`` (n,), bool."""
        n, *_ = self._rows(n, image_shape)
        drawn, _ = self._draws(key, n, 2)
        on = drawn < self.probability
        return {"horizontal": on[0] & self.horizontal, "vertical": on[1] & self.vertical}

    def affine_map(self, params: Params, image_shape: tuple[int, int, int]) -> AffineMap:
        """Return the mirroring about the centre."""
        del image_shape
        horizontal, vertical = params["horizontal"], params["vertical"]
        return AffineMap.identity(horizontal.shape[0])._replace(
            xx=jnp.where(horizontal, -1.0, 1.0), yy=jnp.where(vertical, -1.0, 1.0)
        )


def flip(params: Params, images: jax.Array) -> jax.Array:
    """Mirror without sampling: several times faster where nothing else moves pixels."""
    horizontal = params["horizontal"][:, None, None, None]
    vertical = params["vertical"][:, None, None, None]
    images = jnp.where(horizontal, images[:, :, ::-1], images)
    return jnp.where(vertical, images[:, ::-1], images)


@register
@dataclass(frozen=True, kw_only=True)
class QuarterTurn(AffineAugmentation):
    """Turn by 0, 90, 180 or 270 degrees anticlockwise, each as likely; exact, nothing interpolated.

    For images without an up: pathology tiles, dermoscopy. Where the image is not square only 0 and 180
    degrees are drawn, since the others would not fit. Params: ``turns`` (n,), int32, 0 to 3.

    Attributes:
        probability: the share of images that are drawn for, 0 to 1.
        border: not used; nothing comes in from outside.
        fill: not used.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax.numpy as jnp
        >>> square = jnp.array([[0.1, 0.2], [0.3, 0.4]]).reshape(1, 2, 2, 1)
        >>> turned = QuarterTurn().apply({"turns": jnp.array([1])}, square)
        >>> [round(float(v), 1) for v in turned.ravel()]
        [0.2, 0.4, 0.1, 0.3]
    """

    @property
    def needs_border(self) -> bool:
        """A quarter turn brings in nothing from outside."""
        return False

    def scaled(self, strength: float) -> Self:
        """Multiply the probability, never above its own value."""
        strength = check_number("strength", strength, low=0.0)
        return replace(self, probability=self.probability * min(strength, 1.0))

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``turns`` (n,), int32."""
        n, height, width, _ = self._rows(n, image_shape)
        drawn, chosen = self._draws(key, n, 1)
        turns = jnp.floor(drawn[0] * 4).astype(jnp.int32)
        turns = turns if height == width else turns // 2 * 2
        return {"turns": jnp.where(chosen, turns, 0)}

    def affine_map(self, params: Params, image_shape: tuple[int, int, int]) -> AffineMap:
        """Return the turn; its sines and cosines are exact."""
        del image_shape
        turns = params["turns"] % 4
        cos = jnp.array([1.0, 0.0, -1.0, 0.0], jnp.float32)[turns]
        sin = jnp.array([0.0, 1.0, 0.0, -1.0], jnp.float32)[turns]
        zero = jnp.zeros_like(cos)
        return AffineMap(cos, -sin, zero, sin, cos, zero)
