"""Maximum likelihood of a logistic model with one predictor, for calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from medimg_cnn._types import BoolVector, FloatVector, IntVector

__all__ = ["LogisticFit", "fit_logistic", "log_likelihood", "matching_intercept", "separated"]

_STEPS = 100
_TOLERANCE = 1e-18


@dataclass(frozen=True, slots=True, eq=False)
class LogisticFit:
    """Coefficients (k,), their covariance (k, k), and the log likelihood; ``ok`` says it converged."""

    coefficients: FloatVector
    covariance: NDArray[np.float64]
    log_likelihood: float
    ok: bool


def fit_logistic(
    y: BoolVector,
    design: NDArray[np.float64],
    *,
    offset: FloatVector | None = None,
    start: FloatVector | None = None,
    patients: IntVector | None,
) -> LogisticFit:
    """Fit by Newton's method with step halving; with ``patients`` the covariance is the sandwich by patient.

    Args:
        y: (n,) outcomes.
        design: (n, k) predictors.
        offset: (n,) added to the linear predictor with coefficient 1.
        start: (k,) coefficients to begin with; by default 0.
        patients: (n,) codes, or None for independent images.
    """
    shift = np.zeros(y.size) if offset is None else offset
    beta = np.zeros(design.shape[1]) if start is None else start
    current = log_likelihood(y, design @ beta + shift)
    ok = False
    information = np.eye(beta.size)
    for _ in range(_STEPS):
        probability = special.expit(design @ beta + shift)
        score = design.T @ (y - probability)
        information = design.T @ (design * (probability * (1.0 - probability))[:, None])
        try:
            step = np.linalg.solve(information, score)
        except np.linalg.LinAlgError:
            break
        # How far the top is, in standard errors squared: free of the scale of the predictors.
        done = float(score @ step) <= _TOLERANCE
        candidate = log_likelihood(y, design @ (beta + step) + shift)
        while not done and candidate < current:
            step = step / 2.0
            candidate = log_likelihood(y, design @ (beta + step) + shift)
            done = float(score @ step) <= _TOLERANCE
        beta, current = beta + step, candidate
        if done:
            ok = bool(np.isfinite(beta).all())
            break
    covariance = _covariance(
        information, scores=(y - special.expit(design @ beta + shift))[:, None] * design, patients=patients
    )
    return LogisticFit(beta, covariance, current, ok)


def matching_intercept(y: BoolVector, offset: FloatVector) -> float:
    """Return the intercept at which as many positives are expected as observed; needs both classes."""
    observed = int(np.count_nonzero(y))
    middle = float(special.logit(observed / y.size))

    def excess(intercept: float) -> float:
        return float(np.sum(special.expit(intercept + offset))) - observed

    low, high = middle - float(offset.max()) - 1.0, middle - float(offset.min()) + 1.0
    return float(optimize.brentq(excess, low, high, xtol=1e-12))


def log_likelihood(y: BoolVector, linear: FloatVector) -> float:
    """Return the sum over images of the log likelihood of a linear predictor on the logit scale."""
    return float(np.sum(special.log_expit(np.where(y, linear, -linear))))


def separated(y: BoolVector, predictor: FloatVector) -> bool:
    """Return whether one cut on the predictor splits the classes, so that no finite slope fits best."""
    ill, well = predictor[y], predictor[~y]
    return bool(ill.min() >= well.max() or ill.max() <= well.min())


def _covariance(
    information: NDArray[np.float64], *, scores: NDArray[np.float64], patients: IntVector | None
) -> NDArray[np.float64]:
    try:
        bread = np.linalg.inv(information)
    except np.linalg.LinAlgError:
        return np.full_like(information, math.nan)
    if patients is None:
        return np.asarray(bread, dtype=np.float64)
    sums = np.column_stack([np.bincount(patients, weights=column) for column in scores.T])
    units = sums.shape[0]
    if units < 2:
        return np.full_like(information, math.nan)
    return np.asarray(units / (units - 1) * bread @ (sums.T @ sums) @ bread, dtype=np.float64)
