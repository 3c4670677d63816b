"""CutMix: a rectangle of another image pasted in."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from medimg_cnn.augmentations._base import Params, register
from medimg_cnn.augmentations._checks import check_drawn, check_masks, check_moved_masks
from medimg_cnn.augmentations.mixing._mixing import MixingAugmentation, partners

__all__ = ["CutMix"]


@register
@dataclass(frozen=True, kw_only=True)
class CutMix(MixingAugmentation):
    """Paste a rectangle of another image of the batch; labels are mixed by the area.

    Two things differ from the paper: rectangles lie wholly within the image, so that their area is the
    one drawn (there they are cut off at the border), and an image keeps at least half of itself (shares
    below a half are taken from 1). Sides are rounded down to whole pixels; on an image of few of them a
    rectangle may be empty. The label follows the area that was pasted.

    Careful where the sign of disease is small: the label counts area, and the lesion may lie in the
    other part. Params: ``partner`` (n,), int32; ``top``, ``left``, ``bottom``, ``right`` (n,), int32
    pixels, the last two exclusive; ``weight`` (n,), the share of the image's own area that is left.

    Attributes:
        alpha: of the beta distribution of the weights, above 0 to 10; 1 draws areas evenly.
        probability: the share of images that are mixed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    References:
        Yun et al. (2019), doi:10.1109/ICCV.2019.00612.

    Example:
        >>> import jax
        >>> images, labels = jax.numpy.zeros((4, 8, 8, 1)).at[0].set(1.0), jax.numpy.eye(4)[0]
        >>> mix = CutMix(alpha=1.0)
        >>> mixed, soft = mix.batch(jax.random.key(0), images, labels)
        >>> bool(abs(mixed.mean(axis=(1, 2, 3)) - soft).max() < 1e-6)  # labels follow the area
        True
    """

    alpha: float = 1.0

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``partner``, the rectangle and ``weight``."""
        n, height, width, _ = self._rows(n, image_shape)
        partner, weight, (down, across) = self._partner_and_weight(key, n)
        # Just below the root of a half: rounding in float32 must not lift a product to the next whole pixel.
        side = jnp.minimum(jnp.sqrt(1.0 - weight), 0.7071)
        tall = jnp.floor(side * height).astype(jnp.int32)
        wide = jnp.floor(side * width).astype(jnp.int32)
        # Placed within the image, so that the area is the one that was drawn.
        top = jnp.floor(down * (height - tall + 1)).astype(jnp.int32)
        left = jnp.floor(across * (width - wide + 1)).astype(jnp.int32)
        return {
            "partner": partner,
            "top": top,
            "left": left,
            "bottom": top + tall,
            "right": left + wide,
            "weight": 1.0 - (tall * wide).astype(jnp.float32) / (height * width),
        }

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Paste the rectangles of the partners."""
        return _paste(params, check_drawn(params, images))

    def apply_masks(self, params: Params, masks: jax.Array) -> jax.Array:
        """Paste the same rectangles of the partners' masks."""
        return _paste(params, check_moved_masks(check_masks(params, masks)))


def _paste(params: Params, images: jax.Array) -> jax.Array:
    height, width = images.shape[1:3]
    y, x = jnp.arange(height)[None, :, None, None], jnp.arange(width)[None, None, :, None]
    top, left, bottom, right = (
        params[side][:, None, None, None] for side in ("top", "left", "bottom", "right")
    )
    inside = (y >= top) & (y < bottom) & (x >= left) & (x < right)
    return jnp.where(inside, images[partners(params)], images)
