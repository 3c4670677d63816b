"""Elastic deformation as a sum of plane waves, so that it joins the one resample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import jax
import jax.numpy as jnp

from medimg_cnn._validation import check_integer, check_number, explain
from medimg_cnn.augmentations._base import Params, register
from medimg_cnn.augmentations.spatial._affine_map import AffineMap
from medimg_cnn.augmentations.spatial._spatial import Resampled
from medimg_cnn.errors import ArgumentError

__all__ = ["Elastic"]

_STEEPEST = 0.25


@register
@dataclass(frozen=True, kw_only=True)
class Elastic(Resampled):
    """Bend the image by a smooth random displacement field.

    The field is the classical one of white noise smoothed by a Gaussian (Simard et al. 2003), drawn
    through its spectrum: a Gaussian field is the sum of many plane waves with normal wave vectors and
    even phases (random Fourier features, Rahimi & Recht 2007). A wave on an affine grid is a product of
    a row part and a column part, so the field costs one small matrix product, and the waves themselves
    are what ``params`` gives: ``waves`` (n, 2, k, 2), radians over the shorter side; ``phases``
    (n, 2, k), radians; ``amplitude`` (n,), share of the shorter side.

    Attributes:
        displacement: the largest standard deviation of the displacement, as a share of the shorter
            side; drawn evenly from 0 to this. At most a quarter of ``smoothness``: there fewer
            than one field in a hundred folds the image over itself somewhere; beyond, more and more.
        smoothness: the length over which neighbours move together, as a share of the shorter side,
            0.02 to 1.
        count: how many waves, 4 to 256; more come closer to a Gaussian field.
        probability: the share of images that are changed, 0 to 1.
        border: what comes in from outside: "constant", "edge" or "reflect".
        fill: the value outside for the border "constant", 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    References:
        Simard, Steinkraus & Platt (2003), doi:10.1109/ICDAR.2003.1227801;
        Rahimi & Recht (2007), "Random features for large-scale kernel machines", NIPS 20.

    Example:
        >>> import jax
        >>> images = jax.random.uniform(jax.random.key(0), (2, 8, 8, 1))
        >>> Elastic(displacement=0.02)(jax.random.key(1), images).shape
        (2, 8, 8, 1)
    """

    displacement: float
    smoothness: float = 0.15
    count: int = 24
    _strength_fields: ClassVar[Mapping[str, float]] = {"displacement": 0.25}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("displacement", high=0.25)
        self._set_number("smoothness", low=0.02, high=1.0)
        self._set("count", check_integer("count", self.count, low=4, high=256))
        if self.displacement > _STEEPEST * self.smoothness:
            raise ArgumentError(
                explain(
                    "displacement",
                    f"must be at most {_STEEPEST:g} times smoothness ({self.smoothness:g}), "
                    "or too many fields fold the image over itself",
                    self.displacement,
                    "Lower the displacement or raise the smoothness.",
                )
            )

    def scaled(self, strength: float) -> Self:
        """Multiply the displacement, up to the largest that is allowed."""
        strength = check_number("strength", strength, low=0.0)
        return replace(self, displacement=min(self.displacement * strength, _STEEPEST * self.smoothness))

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``waves``, ``phases`` and ``amplitude``."""
        n, *_ = self._rows(n, image_shape)
        wave_key, key = jax.random.split(key)
        waves = jax.random.normal(wave_key, (n, 2, self.count, 2), jnp.float32) / self.smoothness
        drawn, chosen = self._draws(key, n, 2 * self.count + 1)
        phases = (2 * math.pi) * drawn[1:].T.reshape(n, 2, self.count)
        amplitude = jnp.where(chosen, self.displacement * drawn[0], 0.0)
        return {"waves": waves, "phases": phases, "amplitude": amplitude}

    def moves(self, params: Params) -> jax.Array:
        """Whether any amplitude is above 0."""
        return (params["amplitude"] != 0).any()

    def displacements(
        self, params: Params, image_shape: tuple[int, int, int], at: AffineMap
    ) -> tuple[jax.Array, jax.Array]:
        """The displacement along x and y, pixels, each (n, height, width).

        Args:
            params: what was drawn.
            image_shape: (height, width, channels).
            at: where the field is evaluated: this map of the pixel grid.
        """
        height, width, _ = image_shape
        n = params["amplitude"].shape[0]
        # Behind a branch, so that XLA does not compute the field anew for each tap that is read with it.
        field: jax.Array = jax.lax.cond(
            self.moves(params),
            lambda: _field(params, height, width, at),
            lambda: jnp.zeros((2, n, height, width), jnp.float32),
        )
        return field[0], field[1]


def _field(params: Params, height: int, width: int, at: AffineMap) -> jax.Array:
    """The displacement along x and along y, pixels, (2, n, height, width)."""
    side = min(height, width)
    waves, phases = params["waves"] / (2 * math.pi * side), params["phases"] / (2 * math.pi)
    wave_x, wave_y = waves[..., 0], waves[..., 1]
    xx, xy, x0, yx, yy, y0 = (part[:, None, None] for part in at)
    # In whole turns: wave . at(x, y) + phase = along_x x + along_y y + start
    along_x = (wave_x * xx + wave_y * yx)[..., None, :]
    along_y = (wave_x * xy + wave_y * yy)[..., None, :]
    start = (wave_x * x0 + wave_y * y0 + phases)[..., None, :]
    x = (jnp.arange(width, dtype=jnp.float32) - (width - 1) / 2)[:, None]
    y = (jnp.arange(height, dtype=jnp.float32) - (height - 1) / 2)[:, None]
    by_row, by_column = along_y * y + start, along_x * x
    # cos(a + b) = cos a cos b + cos(a + a quarter) cos(b - a quarter)
    rows = jnp.concatenate([_cosine(by_row), _cosine(by_row + 0.25)], axis=-1)
    columns = jnp.concatenate([_cosine(by_column), _cosine(by_column - 0.25)], axis=-1)
    field = jnp.einsum("ndhk,ndwk->dnhw", rows, columns, precision="highest")
    size = params["amplitude"] * (side * math.sqrt(2 / phases.shape[-1]))
    return field * size[:, None, None]


def _cosine(turns: jax.Array) -> jax.Array:
    """The cosine of an angle in whole turns, to 1e-5; XLA's own is several times slower on a CPU."""
    half = math.pi * (turns - jnp.round(turns))
    square = half * half
    sine = 1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72)))
    return 1 - 2 * square * sine * sine
