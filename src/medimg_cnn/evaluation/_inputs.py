"""Outcomes, scores and patients as every function of this package takes them, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medimg_cnn._types import BoolVector, FloatVector, IntVector
from medimg_cnn._validation import check_choice, check_fraction, check_number, explain, suggest
from medimg_cnn.artifacts import OperatingPoint, Predictions
from medimg_cnn.errors import ArgumentError

__all__ = [
    "Missing",
    "Outcome",
    "Scored",
    "Threshold",
    "as_labels",
    "as_patients",
    "as_scored",
    "as_vector",
    "check_level",
    "check_threshold",
]

Missing: TypeAlias = Literal["raise", "drop"]
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
    groups = None if patients is None else _raw_vector("patients", patients)
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


def as_labels(name: str, y: ArrayLike, *, positive: object = None) -> BoolVector:
    """Return outcomes as booleans, True for the positive class.

    Raises:
        ArgumentError: a value is missing; without ``positive``, a value is neither 0, 1 nor a boolean;
            with it, there are more than two classes or none of the two is ``positive``.
    """
    array = _raw_vector(name, y)
    if array.dtype.kind == "O":
        array = _unboxed(name, array)
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ArgumentError(f"{name}: must have no missing outcome; got {int(np.isnan(array).sum())}.")
    text = array.dtype.kind in "US"
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    if positive is None:
        if text:
            raise ArgumentError(
                explain(
                    name,
                    "texts do not say which class is positive",
                    np.unique(array)[:5].tolist(),
                    "Pass positive=, the name of the class that has the condition.",
                )
            )
        if array.dtype.kind not in "biuf" or not ((array == 0) | (array == 1)).all():
            raise ArgumentError(
                explain(
                    name,
                    "every outcome must be 0 or 1, or a boolean",
                    np.unique(array)[:5].tolist(),
                    "Pass positive= to say which value has the condition.",
                )
            )
        return np.asarray(array == 1, dtype=np.bool_)
    found = np.unique(array).tolist()
    if isinstance(positive, str) != text or len(found) > 2:
        raise ArgumentError(
            explain(name, f"must have two classes, one of them {positive!r} (positive)", found[:5])
        )
    if len(found) == 2 and positive not in found:
        hint = suggest(str(positive), [str(item) for item in found])
        raise ArgumentError(explain("positive", "must be one of the two classes", positive, hint))
    return np.asarray(array == positive, dtype=np.bool_)


def as_vector(name: str, values: ArrayLike) -> FloatVector:
    """Return numbers as (n,) float64; a column (n, 1) is taken as a vector."""
    array = _raw_vector(name, values)
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ArgumentError(explain(name, "must be numbers", array[:3].tolist())) from error
    if array.dtype.kind not in "biuf":
        raise ArgumentError(explain(name, "must be real numbers", f"dtype {array.dtype}"))
    return array.astype(np.float64)


def as_patients(groups: ArrayLike) -> IntVector:
    """Return patient ids, texts or whole numbers, as codes 0, 1, ... (n,).

    Raises:
        ArgumentError: an id is missing.
    """
    array = _raw_vector("patients", groups)
    if array.dtype.kind == "O":
        if any(item is None or item != item for item in array.tolist()):  # noqa: PLR0124 - NaN and NaT
            raise ArgumentError("patients: must have no missing id. Give each image a patient.")
        array = array.astype(np.str_)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ArgumentError("patients: must have no missing id. Give each image a patient.")
    _, codes = np.unique(array, return_inverse=True)
    return codes.astype(np.int64)


def same_length(**vectors: NDArray[Any]) -> None:
    """Raise ArgumentError unless all vectors have one length."""
    sizes = {name: int(vector.size) for name, vector in vectors.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise ArgumentError(f"{', '.join(sizes)}: must have the same length; {listed}.")


def check_level(level: float) -> float:
    """Return the confidence level if it lies inside (0, 1)."""
    return check_fraction("level", level, open_ends=True)


def check_threshold(threshold: Threshold) -> float:
    """Return the threshold; infinities are allowed ("everything" and "nothing is positive"), NaN is not."""
    value = float(threshold.threshold if isinstance(threshold, OperatingPoint) else threshold)
    if np.isinf(value):
        return value
    return check_number("threshold", value)


def _raw_vector(name: str, values: object) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        step = f"Pass the column of the positive class, {name}[:, 1]." if array.ndim == 2 else ""
        raise ArgumentError(explain(name, "must be a vector", f"shape {array.shape}", step))
    if array.size == 0:
        raise ArgumentError(f"{name}: must hold at least one value; got none.")
    return array


def _unboxed(name: str, array: NDArray[Any]) -> NDArray[Any]:
    items = array.tolist()
    if all(isinstance(item, str) for item in items):
        return array.astype(np.str_)
    if all(isinstance(item, (bool, int, float, np.bool_, np.number)) for item in items):
        return array.astype(np.float64)
    raise ArgumentError(
        explain(name, "must be all texts or all numbers, none of them missing", sorted(map(repr, items))[:5])
    )
