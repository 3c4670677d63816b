"""Outcomes, scores and patients as every function of this package takes them, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import BoolVector, FloatVector, IntVector
from medimg_cnn._validation import check_choice, check_fraction, check_number, explain
from medimg_cnn._vectors import Missing, as_labels, as_vector, raw_vector, same_length
from medimg_cnn.artifacts import OperatingPoint, Predictions
from medimg_cnn.errors import ArgumentError

__all__ = [
    "Outcome",
    "Scored",
    "Threshold",
    "as_patients",
    "as_scored",
    "check_level",
    "check_threshold",
]

Outcome: TypeAlias = ArrayLike | Predictions
Threshold: TypeAlias = float | OperatingPoint


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Checked input: (n,) outcomes and scores, and patients as codes from 0, where they are known."""

    y: BoolVector
    score: FloatVector
    patients: IntVector | None
    dropped: int

    @property
    def n(self) -> int:
        return int(self.y.size)

    @property
    def positives(self) -> int:
        return int(np.count_nonzero(self.y))

    @property
    def negatives(self) -> int:
        return self.n - self.positives


def as_scored(
    y: Outcome,
    score: ArrayLike | None,
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    missing: Missing = "raise",
    probability: bool = False,
    weights: object = None,
) -> Scored:
    """Return checked outcomes and scores; ``y`` may be Predictions, which hold all three columns.

    Raises:
        ArgumentError: lengths differ, there is no row, an outcome is neither 0 nor 1 and ``positive`` is
            not given, a score is missing (unless dropped) or infinite, a probability lies outside
            [0, 1], or weights are given.
    """
    if weights is not None:
        raise ArgumentError(
            "weights: are not supported: the intervals here hold for unweighted images. Leave them out; "
            "for several images of a patient pass patients=, for another prevalence predictive_values()."
        )
    check_choice("missing", missing, ("raise", "drop"))
    if isinstance(y, Predictions):
        if positive is not None:
            raise ArgumentError("positive: Predictions already say which class is positive. Leave it out.")
        score = y.probability if score is None else score
        patients = y.patient_id if patients is None else patients
        y = y.y_true
    if score is None:
        raise ArgumentError("score: is needed unless the first argument is Predictions. Pass it second.")
    outcome = as_labels("y", y, positive=positive)
    values = as_vector("score", score)
    same_length(y=outcome, score=values)
    groups = None if patients is None else raw_vector("patients", patients)
    if groups is not None:
        same_length(y=outcome, patients=groups)
    gone = np.isnan(values)
    dropped = int(np.count_nonzero(gone))
    if dropped:
        if missing == "raise":
            raise ArgumentError(
                explain(
                    "score",
                    "must have no missing value",
                    f"{dropped} of {values.size} that are NaN",
                    'Find out why; missing="drop" leaves these rows out and counts them.',
                )
            )
        keep = ~gone
        outcome, values = outcome[keep], values[keep]
        groups = None if groups is None else groups[keep]
    if values.size == 0:
        raise ArgumentError("score: must hold at least one value that is not missing; got none.")
    if np.isinf(values).any():
        raise ArgumentError("score: must be finite; got infinities. Pass probabilities instead of logits.")
    if probability and not ((values >= 0) & (values <= 1)).all():
        raise ArgumentError(
            explain(
                "p",
                "must be probabilities, from 0 to 1",
                f"{values.min():g} to {values.max():g}",
                "Apply the sigmoid to logits; divide per cent by 100.",
            )
        )
    return Scored(
        y=outcome,
        score=values,
        patients=None if groups is None else as_patients(groups),
        dropped=dropped,
    )


def as_patients(groups: ArrayLike) -> IntVector:
    """Return patient ids, texts or whole numbers, as codes 0, 1, ... (n,).

    Raises:
        ArgumentError: an id is missing.
    """
    array = raw_vector("patients", groups)
    if array.dtype.kind == "O":
        if any(item is None or item != item for item in array.tolist()):  # noqa: PLR0124 - NaN and NaT
            raise ArgumentError("patients: must have no missing id. Give each image a patient.")
        array = array.astype(np.str_)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ArgumentError("patients: must have no missing id. Give each image a patient.")
    _, codes = np.unique(array, return_inverse=True)
    return codes.astype(np.int64)


def check_level(level: float) -> float:
    """Return the confidence level if it lies inside (0, 1)."""
    return check_fraction("level", level, open_ends=True)


def check_threshold(threshold: Threshold) -> float:
    """Return the threshold; infinities are allowed ("everything" and "nothing is positive"), NaN is not."""
    value = float(threshold.threshold if isinstance(threshold, OperatingPoint) else threshold)
    if np.isinf(value):
        return value
    return check_number("threshold", value)
