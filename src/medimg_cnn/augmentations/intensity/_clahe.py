"""Contrast-limited adaptive histogram equalisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from medimg_cnn._validation import check_integer
from medimg_cnn.augmentations._arrays import between, per_image
from medimg_cnn.augmentations._base import Augmentation, Params, register
from medimg_cnn.augmentations._checks import check_drawn

__all__ = ["CLAHE"]

_BINS = 256


@register
@dataclass(frozen=True, kw_only=True)
class CLAHE(Augmentation):
    """Blend in the image after contrast-limited adaptive histogram equalisation.

    Some archives hold radiographs that were so processed, others the plain ones; this makes both from
    each. The image is cut into tiles; each tile's histogram (256 bins) is cut off at ``clip`` times its
    mean, the excess spread over all bins, and the cumulated histogram is the tile's curve; a pixel takes
    the mean of the four nearest tiles' curves, weighted by nearness, and so a smooth result (Zuiderveld
    1994). Between bins the curve is a straight line, so that 16-bit images get no steps. With three
    channels the curves are those of their mean, and the channels are scaled together, which keeps
    the hue. Params: ``amount`` (n,), the share of the equalised image.

    Attributes:
        amount: the largest share, 0 to 1, drawn evenly from 0 to this.
        clip: the limit, in multiples of the mean bin, 1 to 40; lower is gentler.
        tiles: how many tiles each side is cut into, 1 to 16; never smaller than a pixel.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    References:
        Zuiderveld (1994), "Contrast limited adaptive histogram equalization", Graphics Gems IV, 474-485.

    Example:
        >>> import jax
        >>> dull = 0.45 + 0.1 * jax.random.uniform(jax.random.key(0), (1, 32, 32, 1))
        >>> sharp = CLAHE(clip=10).apply({"amount": jax.numpy.ones(1)}, dull)
        >>> bool(sharp.std() > 2 * dull.std())
        True
    """

    amount: float = 1.0
    clip: float = 3.0
    tiles: int = 8
    _strength_fields: ClassVar[Mapping[str, float]] = {"amount": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("amount", high=1.0)
        self._set_number("clip", low=1.0, high=40.0)
        self._set("tiles", check_integer("tiles", self.tiles, low=1, high=16))

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``amount`` (n,)."""
        n, *_ = self._rows(n, image_shape)
        return {"amount": self._draw(key, n, self.amount, low=0.0)}

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Equalise and blend; not computed at all where no image was drawn."""
        images = check_drawn(params, images)
        amount = params["amount"]
        result: jax.Array = jax.lax.cond(
            (amount > 0).any(), lambda plain: self._blended(plain, amount), lambda plain: plain, images
        )
        return result

    def _blended(self, images: jax.Array, amount: jax.Array) -> jax.Array:
        grey = jnp.clip(images.mean(axis=-1), 0.0, 1.0)
        change = _equalised(grey, self.clip, self.tiles) - grey
        if images.shape[-1] > 1:
            change_each = images * (change / jnp.maximum(grey, 1e-6))[..., None]
        else:
            change_each = change[..., None]
        return jnp.clip(images + per_image(amount) * change_each, 0.0, 1.0)


def _equalised(grey: jax.Array, clip: float, tiles: int) -> jax.Array:
    n, height, width = grey.shape
    down, across = min(tiles, height), min(tiles, width)
    tall, wide = -(-height // down), -(-width // across)
    padded = jnp.pad(grey, ((0, 0), (0, down * tall - height), (0, across * wide - width)), mode="edge")
    tiled = padded.reshape(n, down, tall, across, wide).swapaxes(2, 3).reshape(n, down * across, tall * wide)
    curves = _curves(tiled, clip)

    # Nearest tiles of each row and column, by their centres.
    above, below, y_weight = _neighbours(height, tall, down)
    before, behind, x_weight = _neighbours(width, wide, across)
    level = grey * (_BINS - 1)
    bin_below = jnp.clip(jnp.floor(level).astype(jnp.int32), 0, _BINS - 2)
    part = level - bin_below
    first = (jnp.arange(n) * (down * across))[:, None, None]
    flat = curves.reshape(-1)

    def curve_of(row: jax.Array, column: jax.Array) -> jax.Array:
        place = (first + row[None, :, None] * across + column[None, None, :]) * _BINS + bin_below
        low = flat.at[place].get(mode="promise_in_bounds")
        return low + part * (flat.at[place + 1].get(mode="promise_in_bounds") - low)

    upper = between(curve_of(above, before), curve_of(above, behind), x_weight[None, None, :])
    lower = between(curve_of(below, before), curve_of(below, behind), x_weight[None, None, :])
    return between(upper, lower, y_weight[None, :, None])


def _curves(tiled: jax.Array, clip: float) -> jax.Array:
    """The cumulated, clipped histogram of each tile: (n, tiles, pixels) to (n, tiles, 256), 0 to 1."""
    pixels = tiled.shape[-1]
    level = jnp.round(tiled * (_BINS - 1)).astype(jnp.int32)
    histogram = jnp.arange(tiled.shape[0] * tiled.shape[1], dtype=jnp.int32).reshape(*tiled.shape[:2], 1)
    counts = jnp.zeros((histogram.size * _BINS,), jnp.float32)
    counts = counts.at[histogram * _BINS + level].add(1.0, mode="promise_in_bounds")
    counts = counts.reshape(*tiled.shape[:2], _BINS)
    limit = clip * pixels / _BINS
    kept = jnp.minimum(counts, limit)
    kept = kept + (pixels - kept.sum(axis=-1, keepdims=True)) / _BINS
    # Cumulated by a matrix product, which XLA computes once: it would redo a cumsum at every look-up.
    upto = jnp.triu(jnp.full((_BINS, _BINS), 1.0 / pixels, jnp.float32))
    return jnp.clip(jnp.einsum("ntb,bk->ntk", kept, upto, precision="highest"), 0.0, 1.0)


def _neighbours(size: int, tile: int, count: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    place = (jnp.arange(size, dtype=jnp.float32) + 0.5) / tile - 0.5
    first = jnp.floor(place)
    index = first.astype(jnp.int32)
    return jnp.clip(index, 0, count - 1), jnp.clip(index + 1, 0, count - 1), place - first
