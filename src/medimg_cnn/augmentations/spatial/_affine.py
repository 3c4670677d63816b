"""Rotation, shift, zoom and shear."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from medimg_cnn._validation import check_flag, check_number, explain
from medimg_cnn.augmentations._base import Params, register
from medimg_cnn.augmentations.spatial._affine_map import AffineMap
from medimg_cnn.augmentations.spatial._spatial import AffineAugmentation
from medimg_cnn.errors import ArgumentError

__all__ = ["Rotation", "Shear", "Shift", "Zoom"]


@register
@dataclass(frozen=True, kw_only=True)
class Rotation(AffineAugmentation):
    """Turn the image about its centre by an angle drawn evenly from [-degrees, degrees].

    Angles are true in pixels: on an image that is not square a circle stays a circle. A positive angle
    turns the picture anticlockwise. Params: ``angle`` (n,), degrees.

    Attributes:
        degrees: the largest angle, 0 to 180.
        probability: the share of images that are changed, 0 to 1.
        border: what comes in from outside: "constant", "edge" or "reflect".
        fill: the value outside for the border "constant", 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax
        >>> images = jax.random.uniform(jax.random.key(0), (2, 6, 4, 1))
        >>> turn = Rotation(degrees=15)
        >>> turn(jax.random.key(1), images).shape
        (2, 6, 4, 1)
        >>> bool((turn.apply({"angle": jax.numpy.zeros(2)}, images) == images).all())
        True
    """

    degrees: float
    _strength_fields: ClassVar[Mapping[str, float]] = {"degrees": 180.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("degrees", high=180.0)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``angle`` (n,), degrees."""
        n, *_ = self._rows(n, image_shape)
        return {"angle": self._draw(key, n, self.degrees)}

    def affine_map(self, params: Params, image_shape: tuple[int, int, int]) -> AffineMap:
        """Return the rotation by ``angle``."""
        del image_shape
        angle = params["angle"] * (math.pi / 180)
        cos, sin, zero = jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(angle)
        return AffineMap(cos, -sin, zero, sin, cos, zero)


@register
@dataclass(frozen=True, kw_only=True)
class Shift(AffineAugmentation):
    """Move the image by a share of its height and of its width, each drawn evenly from [-s, s].

    Params: ``down`` and ``right`` (n,), pixels (fractions of a pixel are interpolated).

    Attributes:
        fraction: the largest shift as a share of the side, 0 to 1; one number, or (vertical, horizontal).
        probability: the share of images that are changed, 0 to 1.
        border: what comes in from outside: "constant", "edge" or "reflect".
        fill: the value outside for the border "constant", 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax.numpy as jnp
        >>> row = jnp.array([0.1, 0.2, 0.3]).reshape(1, 1, 3, 1)
        >>> moved = Shift(fraction=0.5).apply({"down": jnp.zeros(1), "right": jnp.ones(1)}, row)
        >>> [round(float(v), 1) for v in moved.ravel()]
        [0.0, 0.1, 0.2]
    """

    fraction: float | tuple[float, float]
    _strength_fields: ClassVar[Mapping[str, float]] = {"fraction": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.fraction, (tuple, list)):
            if len(self.fraction) != 2:
                raise ArgumentError(
                    explain("fraction", "must be one number or (vertical, horizontal)", self.fraction)
                )
            pair = tuple(check_number("fraction", part, low=0.0, high=1.0) for part in self.fraction)
            self._set("fraction", pair)
        else:
            self._set_number("fraction", high=1.0)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``down`` and ``right`` (n,), pixels."""
        n, height, width, _ = self._rows(n, image_shape)
        vertical, horizontal = (
            self.fraction if isinstance(self.fraction, tuple) else (self.fraction, self.fraction)
        )
        drawn, chosen = self._draws(key, n, 2)
        drawn = 2 * drawn - 1
        return {
            "down": jnp.where(chosen, drawn[0] * (vertical * height), 0.0),
            "right": jnp.where(chosen, drawn[1] * (horizontal * width), 0.0),
        }

    def affine_map(self, params: Params, image_shape: tuple[int, int, int]) -> AffineMap:
        """Return the translation; the output is read from the other side."""
        del image_shape
        down, right = params["down"], params["right"]
        return AffineMap.identity(down.shape[0])._replace(x0=-right, y0=-down)


@register
@dataclass(frozen=True, kw_only=True)
class Zoom(AffineAugmentation):
    """Enlarge or shrink about the centre by a factor from 1 / (1 + amount) to 1 + amount.

    The factor is drawn evenly on a logarithmic scale, so that enlarging and shrinking are as likely.
    Params: ``vertical`` and ``horizontal`` (n,), factors; above 1 the content grows.

    Attributes:
        amount: 0.1 means factors from 0.909 to 1.1; 0 to 3.
        stretch: how far height and width may differ, likewise; 0 keeps the proportions. 0 to 1.
        probability: the share of images that are changed, 0 to 1.
        border: what comes in from outside: "constant", "edge" or "reflect".
        fill: the value outside for the border "constant", 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax
        >>> drawn = Zoom(amount=0.2).params(jax.random.key(0), 100, (8, 8, 1))
        >>> bool((drawn["vertical"] == drawn["horizontal"]).all())
        True
        >>> 1 / 1.2 <= float(drawn["vertical"].min()) < float(drawn["vertical"].max()) <= 1.2
        True
    """

    amount: float
    stretch: float = 0.0
    _strength_fields: ClassVar[Mapping[str, float]] = {"amount": 3.0, "stretch": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("amount", high=3.0)
        self._set_number("stretch", high=1.0)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``vertical`` and ``horizontal`` (n,), factors."""
        n, *_ = self._rows(n, image_shape)
        drawn, chosen = self._draws(key, n, 2)
        drawn = 2 * drawn - 1
        size = drawn[0] * math.log1p(self.amount)
        shape = drawn[1] * (math.log1p(self.stretch) / 2)
        return {
            "vertical": jnp.exp(jnp.where(chosen, size + shape, 0.0)),
            "horizontal": jnp.exp(jnp.where(chosen, size - shape, 0.0)),
        }

    def affine_map(self, params: Params, image_shape: tuple[int, int, int]) -> AffineMap:
        """Return the scaling about the centre."""
        del image_shape
        vertical, horizontal = params["vertical"], params["horizontal"]
        return AffineMap.identity(vertical.shape[0])._replace(xx=1.0 / horizontal, yy=1.0 / vertical)


@register
@dataclass(frozen=True, kw_only=True)
class Shear(AffineAugmentation):
    """Slant the image: rows slide along x and columns along y, by angles from [-degrees, degrees].

    Params: ``along_x`` and ``along_y`` (n,), degrees.

    Attributes:
        degrees: the largest angle, 0 to 40; at 45 in both directions the image would collapse.
        vertical: also slide columns along y; without it only rows slide.
        probability: the share of images that are changed, 0 to 1.
        border: what comes in from outside: "constant", "edge" or "reflect".
        fill: the value outside for the border "constant", 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import jax
        >>> drawn = Shear(degrees=5).params(jax.random.key(0), 3, (8, 8, 1))
        >>> sorted(drawn)
        ['along_x', 'along_y']
    """

    degrees: float
    vertical: bool = False
    _strength_fields: ClassVar[Mapping[str, float]] = {"degrees": 40.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("degrees", high=40.0)
        self._set("vertical", check_flag("vertical", self.vertical))

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``along_x`` and ``along_y`` (n,), degrees."""
        n, *_ = self._rows(n, image_shape)
        drawn, chosen = self._draws(key, n, 2)
        drawn = self.degrees * (2 * drawn - 1)
        return {
            "along_x": jnp.where(chosen, drawn[0], 0.0),
            "along_y": jnp.where(chosen & self.vertical, drawn[1], 0.0),
        }

    def affine_map(self, params: Params, image_shape: tuple[int, int, int]) -> AffineMap:
        """Return the shear about the centre."""
        del image_shape
        along_x = jnp.tan(params["along_x"] * (math.pi / 180))
        along_y = jnp.tan(params["along_y"] * (math.pi / 180))
        return AffineMap.identity(along_x.shape[0])._replace(xy=along_x, yx=along_y)
