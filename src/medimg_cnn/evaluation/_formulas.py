"""Point values from the four counts, for numbers and arrays alike; NaN is 0/0, infinity is x/0."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from medimg_cnn._types import FloatVector

__all__ = ["FORMULAS", "Formula"]

Formula: TypeAlias = Callable[[FloatVector, FloatVector, FloatVector, FloatVector], FloatVector]


def youden_index(tp: FloatVector, fp: FloatVector, fn: FloatVector, tn: FloatVector) -> FloatVector:
    return tp / (tp + fn) - fp / (fp + tn)


def balanced_accuracy(tp: FloatVector, fp: FloatVector, fn: FloatVector, tn: FloatVector) -> FloatVector:
    return (tp / (tp + fn) + tn / (fp + tn)) / 2.0


def f1(tp: FloatVector, fp: FloatVector, fn: FloatVector, tn: FloatVector) -> FloatVector:  # noqa: ARG001
    return 2.0 * tp / (2.0 * tp + fp + fn)


def mcc(tp: FloatVector, fp: FloatVector, fn: FloatVector, tn: FloatVector) -> FloatVector:
    # In pairs: all four at once would leave the range of exact floats, and a perfect table gives exactly 1.
    scale = np.sqrt((tp + fp) * (tp + fn)) * np.sqrt((tn + fp) * (tn + fn))
    return np.asarray((tp * tn - fp * fn) / scale, dtype=np.float64)


def kappa(tp: FloatVector, fp: FloatVector, fn: FloatVector, tn: FloatVector) -> FloatVector:
    chance = (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn)
    return 2.0 * (tp * tn - fp * fn) / chance


def lr_positive(tp: FloatVector, fp: FloatVector, fn: FloatVector, tn: FloatVector) -> FloatVector:
    return (tp / (tp + fn)) / (fp / (fp + tn))


def lr_negative(tp: FloatVector, fp: FloatVector, fn: FloatVector, tn: FloatVector) -> FloatVector:
    return (fn / (tp + fn)) / (tn / (fp + tn))


def diagnostic_odds_ratio(tp: FloatVector, fp: FloatVector, fn: FloatVector, tn: FloatVector) -> FloatVector:
    return (tp * tn) / (fp * fn)


FORMULAS: dict[str, Formula] = {
    "youden_index": youden_index,
    "balanced_accuracy": balanced_accuracy,
    "f1": f1,
    "mcc": mcc,
    "kappa": kappa,
    "lr_positive": lr_positive,
    "lr_negative": lr_negative,
    "diagnostic_odds_ratio": diagnostic_odds_ratio,
}
RANGES: dict[str, tuple[float, float]] = {
    "youden_index": (-1.0, 1.0),
    "balanced_accuracy": (0.0, 1.0),
    "f1": (0.0, 1.0),
    "mcc": (-1.0, 1.0),
    "kappa": (-1.0, 1.0),
    "lr_positive": (0.0, np.inf),
    "lr_negative": (0.0, np.inf),
    "diagnostic_odds_ratio": (0.0, np.inf),
}


def evaluate(name: str, tp: float, fp: float, fn: float, tn: float) -> float:
    """Return one figure for one table."""
    with np.errstate(divide="ignore", invalid="ignore"):
        cells = (np.float64(tp), np.float64(fp), np.float64(fn), np.float64(tn))
        value = float(FORMULAS[name](*cells))  # type: ignore[arg-type]  # a scalar is a 0-d array
    low, high = RANGES[name]
    return value if np.isnan(value) else min(high, max(low, value))
