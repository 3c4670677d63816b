"""Rare positives: what is done about them, and the correction that makes probabilities honest again.

Class weights, balanced sampling, logit adjustment and focal loss each make a network learn something else than
the probability in the population. What each does to the logit is known, and is undone at the end.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import FloatVector, IntVector
from medimg_cnn.artifacts import Calibration
from medimg_cnn.errors import MedimgCnnWarning
from medimg_cnn.training._config import TrainerConfig

__all__ = ["Imbalance", "warn_of_smoothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imbalance:
    """How a run treats the classes; pairs are (negatives, positives).

    Attributes:
        weights: of an image of each class in the loss.
        draws: images of each class that an epoch shows; None: every image once.
        counts: images of each class in training.
        offset: added to the logit inside the loss (logit adjustment).
        gamma: of the focal loss; None for cross-entropy.
    """

    weights: tuple[float, float]
    draws: tuple[int, int] | None
    counts: tuple[int, int]
    offset: float
    gamma: float | None

    @classmethod
    def plan(cls, config: TrainerConfig, labels: NDArray[np.int8]) -> Imbalance:
        """Return what a configuration means for these labels."""
        positives = int(labels.sum())
        counts = (labels.size - positives, positives)
        draws = (labels.size - labels.size // 2, labels.size // 2)
        return cls(
            weights=_class_weights(config, labels),
            draws=draws if config.sampling == "balanced" and min(counts) and min(draws) else None,
            counts=counts,
            # Menon et al. 2021, "Long-tail learning via logit adjustment", arXiv:2007.07314, equation 10.
            offset=config.logit_adjustment * math.log(counts[1] / counts[0]) if min(counts) else 0.0,
            gamma=config.focal_gamma if config.loss == "focal" else None,
        )

    @property
    def effective_weights(self) -> tuple[float, float]:
        """What an image of each class counts in an epoch: its weight times how often it is shown."""
        if self.draws is None:
            return self.weights
        negative, positive = (
            weight * draws / count
            for weight, draws, count in zip(self.weights, self.draws, self.counts, strict=True)
        )
        return negative, positive

    @property
    def shift(self) -> float:
        """What weights, draws and offset do to the log odds that the network learns."""
        negative, positive = self.effective_weights
        return math.log(positive / negative) - self.offset

    def start(self, bias: Any) -> Any:
        """Return where the last bias starts, from where it was for the plain odds, so that this need not be learnt."""
        if self.gamma is None:
            return bias + self.shift
        return self.correction().inverse(np.asarray(bias, np.float64)).astype(bias.dtype)

    def starting_weights(self, model: Any) -> list[NDArray[Any]]:
        """Return copies of a model's trainable weights, its last bias started from where ``start`` says.

        Only where the last kernel is all zeros, as ``build_cnn`` leaves it: then the bias is the prior, and all that
        the network knows. Elsewhere the bias has been learnt, maybe under the same treatment of the classes.
        """
        last = model.get_layer("logit")
        kernel, bias = getattr(last, "kernel", None), getattr(last, "bias", None)
        weights = [np.array(variable.value) for variable in model.trainable_variables]
        if kernel is None or bias is None or np.any(np.asarray(kernel.value)):
            return weights
        return [
            np.asarray(self.start(value), np.float32) if variable is bias else value
            for variable, value in zip(model.trainable_variables, weights, strict=True)
        ]

    def order(self, labels: NDArray[np.int8], *, seed: int, epoch: int) -> IntVector:
        """Return the positions of an epoch's images, (n,) int64: a pure function of seed and epoch.

        With balanced sampling each class gives half of them: the rarer one as often as it takes, the other one a
        part that changes from epoch to epoch.
        """
        rng = np.random.default_rng([seed, epoch])
        if self.draws is None:
            return rng.permutation(labels.size)
        chosen = []
        for label, draws in enumerate(self.draws):
            rows = np.flatnonzero(labels == label)
            whole, rest = divmod(draws, rows.size)
            chosen += [rows] * whole + [rng.permutation(rows)[:rest]]
        return rng.permutation(np.concatenate(chosen))

    def loss(self, logit: FloatVector, labels: NDArray[np.int8]) -> float:
        """Return the loss of logits (n,), weighted as training was; in nats."""
        weights = np.where(labels == 1, self.effective_weights[1], self.effective_weights[0])
        z = logit + self.offset if self.offset else logit
        losses = np.logaddexp(0.0, z) - labels * z
        if self.gamma is not None:
            losses = losses * np.exp(-self.gamma * np.logaddexp(0.0, np.where(labels == 1, z, -z)))
        return float(np.average(losses, weights=weights))

    def correction(self) -> Calibration:
        """Return the calibration that brings probabilities back to the prevalence of the training data.

        Weighting or drawing multiplies the odds that the network learns by the ratio of the effective weights
        (Elkan 2001, "The foundations of cost-sensitive learning", theorem 2); logit adjustment subtracts its
        offset; focal loss bends the logit (see ``Calibration``).
        """
        negative, positive = self.effective_weights
        intercept = math.log(negative / positive) if negative != positive else 0.0
        means = [
            words
            for words, used in (
                ("class weights", self.weights[0] != self.weights[1]),
                ("balanced sampling", self.draws is not None),
                ("logit adjustment", self.offset != 0.0),
                ("focal loss", self.gamma is not None),
            )
            if used
        ]
        fitted_on = f"{', '.join(means)} (prior correction)"
        if self.gamma is not None:
            parameters = (
                ("gamma", self.gamma),
                ("offset", self.offset),
                ("slope", 1.0),
                ("intercept", intercept),
            )
            return Calibration(method="focal", parameters=parameters, fitted_on=fitted_on)
        if intercept + self.offset == 0.0:
            return Calibration()
        return Calibration(
            method="platt",
            parameters=(("slope", 1.0), ("intercept", intercept + self.offset)),
            fitted_on=fitted_on,
        )


def warn_of_smoothing(config: TrainerConfig) -> None:
    """Say what smoothed labels do to the probabilities, which is not undone, where no calibration is fitted."""
    s = config.label_smoothing
    if s == 0.0 or config.calibration != "none":
        return
    warnings.warn(
        f"label_smoothing={s:g} pulls the probabilities towards 0.5: the network learns {s:g} where the truth is 0, "
        f"and {s + 0.01 * (1 - 2 * s):.2g} where it is 0.01. The ranking does not suffer, the probabilities do. Pass "
        "calibration='platt', which is fitted on validation, or leave label_smoothing out.",
        MedimgCnnWarning,
        stacklevel=3,
    )


def _class_weights(config: TrainerConfig, labels: NDArray[np.int8]) -> tuple[float, float]:
    """Return (weight of the negatives, weight of the positives); (1, 1) without weighting.

    "balanced" gives each class half of the total weight: n / (2 * n_class). All are scaled so that their
    mean over the images is 1, which leaves the learning rate its meaning.
    """
    if config.class_weight is None:
        return 1.0, 1.0
    if config.class_weight == "balanced":
        n, positives = labels.size, int(labels.sum())
        if positives in (0, n):
            return 1.0, 1.0
        return n / (2 * (n - positives)), n / (2 * positives)
    negative, positive = config.class_weight
    mean = negative + (positive - negative) * float(labels.mean())
    return negative / mean, positive / mean
