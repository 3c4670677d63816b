"""Changes of colour: H&E stains, and the light under which a photograph was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from medimg_cnn._validation import explain
from medimg_cnn.augmentations._base import Augmentation, Params, register
from medimg_cnn.augmentations._checks import check_drawn
from medimg_cnn.errors import ArgumentError

__all__ = ["ColourJitter", "StainJitter"]

# Optical density of haematoxylin, eosin and DAB in red, green and blue: Ruifrok & Johnston (2001), table 2.
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_STAINS = _STAINS / np.linalg.norm(_STAINS, axis=1, keepdims=True)
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@register
@dataclass(frozen=True, kw_only=True)
class StainJitter(Augmentation):
    """Change how strongly the stains of an H&E image took.

    The colour is split into haematoxylin, eosin and a third, residual stain by optical density; the
    amount c of each becomes c (1 + a) + b, with a drawn evenly from [-scale, scale] and b from
    [-offset, offset]; then the colour is put together again. Laboratories differ in just this way.
    Needs three channels, red, green and blue. Params: ``scale`` and ``offset`` (n, 3).

    Attributes:
        scale: the largest relative change of a stain, 0 to 1.
        offset: the largest added optical density (natural logarithm), 0 to 1. It also tints the
            unstained background.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule, or the images do not have three channels.

    References:
        Ruifrok & Johnston (2001), Anal Quant Cytol Histol 23:291-299;
        Tellez et al. (2018), doi:10.1109/TMI.2018.2820199.

    Example:
        >>> import jax
        >>> pink = jax.numpy.full((1, 2, 2, 3), jax.numpy.array([0.9, 0.6, 0.8]))
        >>> StainJitter(scale=0.1)(jax.random.key(0), pink).shape
        (1, 2, 2, 3)
    """

    scale: float
    offset: float = 0.0
    _strength_fields: ClassVar[Mapping[str, float]] = {"scale": 1.0, "offset": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("scale", high=1.0)
        self._set_number("offset", high=1.0)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``scale`` and ``offset`` (n, 3), one a stain."""
        n, _, _, channels = self._rows(n, image_shape)
        _check_colour(self, channels)
        drawn, chosen = self._draws(key, n, 6)
        drawn = jnp.where(chosen, 2 * drawn - 1, 0.0)
        return {"scale": drawn[:3].T * self.scale, "offset": drawn[3:].T * self.offset}

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Change the amounts of the stains and clip."""
        images = check_drawn(params, images)
        _check_colour(self, images.shape[-1])
        from_density = np.linalg.inv(_STAINS)
        density = -jnp.log(jnp.clip(images, 1 / 255, 1.0))
        # The image is multiplied by what the change lets through, so that no change is exactly none.
        added = [jnp.zeros(images.shape[:3], jnp.float32) for _ in range(3)]
        for stain in range(3):
            amount = sum(density[..., k] * float(from_density[k, stain]) for k in range(3))
            scale, offset = (params[name][:, stain, None, None] for name in ("scale", "offset"))
            change = amount * scale + offset
            added = [total + change * float(_STAINS[stain, k]) for k, total in enumerate(added)]
        return jnp.clip(images * jnp.exp(-jnp.stack(added, axis=-1)), 0.0, 1.0)


@register
@dataclass(frozen=True, kw_only=True)
class ColourJitter(Augmentation):
    """Change the colour of the light and the saturation of a photograph.

    Red, green and blue are multiplied by factors of their own (the light, the camera's white balance),
    then colours are moved from or to their own grey. Needs three channels. Clipped to 0 to 1.
    Params: ``gain`` (n, 3) and ``saturation`` (n,), factors.

    Attributes:
        gain: how far each channel's factor may lie from 1, 0 to 1.
        saturation: how far the saturation's factor may lie from 1, 0 to 1.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule, or the images do not have three channels.

    Example:
        >>> import jax.numpy as jnp
        >>> red = jnp.array([1.0, 0.0, 0.0]).reshape(1, 1, 1, 3)
        >>> drawn = {"gain": jnp.ones((1, 3)), "saturation": jnp.zeros(1)}
        >>> [round(float(v), 3) for v in ColourJitter().apply(drawn, red).ravel()]
        [0.299, 0.299, 0.299]
    """

    gain: float = 0.05
    saturation: float = 0.2
    _strength_fields: ClassVar[Mapping[str, float]] = {"gain": 1.0, "saturation": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("gain", high=1.0)
        self._set_number("saturation", high=1.0)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``gain`` (n, 3) and ``saturation`` (n,)."""
        n, _, _, channels = self._rows(n, image_shape)
        _check_colour(self, channels)
        drawn, chosen = self._draws(key, n, 4)
        drawn = jnp.where(chosen, 2 * drawn - 1, 0.0)
        return {"gain": 1.0 + drawn[:3].T * self.gain, "saturation": 1.0 + drawn[3] * self.saturation}

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Multiply the channels, change the saturation, clip."""
        images = check_drawn(params, images)
        _check_colour(self, images.shape[-1])
        lit = images * params["gain"][:, None, None, :]
        grey = sum(lit[..., k] * float(_LUMINANCE[k]) for k in range(3))
        factor = params["saturation"][:, None, None, None] - 1.0
        return jnp.clip(lit + factor * (lit - jnp.expand_dims(jnp.asarray(grey), -1)), 0.0, 1.0)


def _check_colour(augmentation: Augmentation, channels: int) -> None:
    if channels != 3:
        raise ArgumentError(
            explain(
                type(augmentation).__name__,
                "needs images of three channels, red, green and blue",
                f"{channels} channels",
                "Load the images with channels=3, or leave this step out.",
            )
        )
