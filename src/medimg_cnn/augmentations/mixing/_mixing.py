"""What mixup and CutMix share: a partner for each image, and weights from a beta distribution."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from medimg_cnn._validation import explain
from medimg_cnn.augmentations._base import Augmentation, Params
from medimg_cnn.augmentations._checks import check_rows
from medimg_cnn.errors import ArgumentError

__all__ = ["MixingAugmentation", "partners"]

_QUANTILES = 1024


@dataclass(frozen=True, kw_only=True)
class MixingAugmentation(Augmentation):
    """An augmentation that mixes each image, and its label, with another of the batch.

    Attributes:
        alpha: the beta distribution's parameter, above 0 to 10; larger mixes more evenly.
        probability: the share of images that are mixed, 0 to 1.
    """

    alpha: float = 0.2
    _strength_fields: ClassVar[Mapping[str, float]] = {"probability": 1.0}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_number("alpha", high=10.0, low_open=True)

    @property
    def mixes(self) -> bool:
        """True: labels change too."""
        return True

    def apply_labels(self, params: Params, labels: jax.Array) -> jax.Array:
        """Mix the labels, (n,) or (n, ...), by the weights with which the images were mixed."""
        check_rows(params, labels.shape[0])
        weight = params["weight"].reshape(-1, *(1 for _ in labels.shape[1:]))
        return labels + (1.0 - weight) * (labels[partners(params)] - labels)

    @abstractmethod
    def apply_masks(self, params: Params, masks: jax.Array) -> jax.Array:
        """Mix masks, where that has a meaning."""

    def _partner_and_weight(self, key: jax.Array, n: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Draw a partner (n,), int32, the share (n,), 0.5 to 1, that an image keeps, and two even draws (2, n).

        The partner is the image a random number of places on in the batch, never the image itself unless
        it is alone. Shares below a half are taken from 1: with the partner's own turn the pairs come
        out the same, and a label stays nearest to its image.
        """
        key, step_key = jax.random.split(key)
        step = jax.random.randint(step_key, (), 1, max(n, 2), jnp.int32)
        partner = (jnp.arange(n, dtype=jnp.int32) + step) % max(n, 1)
        drawn, chosen = self._draws(key, n, 3)
        table = jnp.asarray(_beta_quantiles(self.alpha))
        share = jnp.interp(drawn[0] * (_QUANTILES - 1), jnp.arange(_QUANTILES, dtype=jnp.float32), table)
        weight = jnp.where(chosen, jnp.maximum(share, 1.0 - share), 1.0)
        return partner, weight, drawn[1:]


def partners(params: Params) -> jax.Array:
    """Return the places of the other images, (n,) int32; outside of ``jax.jit`` one that is none is refused."""
    partner = params["partner"]
    if not isinstance(partner, jax.core.Tracer):
        values = np.asarray(partner)
        outside = values[(values < 0) | (values >= values.size)]
        if outside.size:
            raise ArgumentError(
                explain(
                    "params",
                    f"must name partners from 0 to {values.size - 1}, their places in the batch",
                    int(outside[0]),
                    "Draw for these images, all of them.",
                )
            )
    return partner


@cache
def _beta_quantiles(alpha: float) -> NDArray[np.float32]:
    # Rejection sampling, as in jax.random.beta, is slow to compile and to run; a table does.
    from scipy.special import betaincinv

    return np.asarray(betaincinv(alpha, alpha, np.linspace(0.0, 1.0, _QUANTILES)), np.float32)
