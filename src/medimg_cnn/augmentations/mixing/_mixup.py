"""Mixup: averages of two images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import jax

from medimg_cnn.augmentations._arrays import per_image
from medimg_cnn.augmentations._base import Params, register
from medimg_cnn.augmentations._checks import check_drawn
from medimg_cnn.augmentations.mixing._mixing import MixingAugmentation, partners
from medimg_cnn.errors import ArgumentError

__all__ = ["MixUp"]


@register
@dataclass(frozen=True, kw_only=True)
class MixUp(MixingAugmentation):
    """Average each image with another of the batch, and their labels with the same weights.

    Labels become fractions, so probabilities are drawn towards the middle: calibrate afterwards.
    Params: ``partner`` (n,), int32, the place of the other image in the batch; ``weight`` (n,), the
    share that the image keeps of itself, 0.5 to 1.

    Attributes:
        alpha: of the beta distribution of the weights, above 0 to 10; 0.2 mixes few pairs evenly.
        probability: the share of images that are mixed, 0 to 1.

    Raises:
        ArgumentError: an option breaks its rule.

    References:
        Zhang, Cisse, Dauphin & Lopez-Paz (2018), "mixup: beyond empirical risk minimization",
        arXiv:1710.09412.

    Example:
        >>> import jax.numpy as jnp
        >>> pair, labels = jnp.stack([jnp.zeros((2, 2, 1)), jnp.ones((2, 2, 1))]), jnp.array([0.0, 1.0])
        >>> drawn = {"partner": jnp.array([1, 0]), "weight": jnp.array([0.75, 1.0])}
        >>> mix = MixUp()
        >>> mix.apply(drawn, pair)[:, 0, 0, 0].tolist(), mix.apply_labels(drawn, labels).tolist()
        ([0.25, 1.0], [0.25, 1.0])
    """

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw ``partner`` and ``weight`` (n,)."""
        n, *_ = self._rows(n, image_shape)
        partner, weight, _ = self._partner_and_weight(key, n)
        return {"partner": partner, "weight": weight}

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Average with the partners."""
        images = check_drawn(params, images)
        other = images[partners(params)]
        return images + (1.0 - per_image(params["weight"])) * (other - images)

    def apply_masks(self, params: Params, masks: jax.Array) -> NoReturn:
        """Refuse: an average of masks is none.

        Raises:
            ArgumentError: always.
        """
        del params, masks
        raise ArgumentError(
            "MixUp: an average of masks is not a mask. Use CutMix, or leave MixUp out where masks are used."
        )
