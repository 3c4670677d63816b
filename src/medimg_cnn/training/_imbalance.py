"""Class weights, and the correction that brings probabilities back to the prevalence of the training data."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from medimg_cnn.artifacts import Calibration
from medimg_cnn.training._config import TrainerConfig

__all__ = ["class_weights", "prior_correction"]


def class_weights(config: TrainerConfig, labels: NDArray[np.int8]) -> tuple[float, float]:
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


def prior_correction(weights: tuple[float, float]) -> Calibration:
    """Return the calibration that undoes class weights.

    Weighting multiplies the odds that the network learns by w_positive / w_negative, so the logit is
    lowered by the log of that (Elkan 2001, "The foundations of cost-sensitive learning", theorem 2).
    """
    negative, positive = weights
    if negative == positive:
        return Calibration()
    return Calibration(
        method="platt",
        parameters=(("slope", 1.0), ("intercept", math.log(negative / positive))),
        fitted_on="class weights (prior correction)",
    )
