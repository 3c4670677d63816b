"""From images to patients: one outcome and one score for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import BoolVector, FloatVector, IntVector
from medimg_cnn._validation import check_choice
from medimg_cnn._vectors import Missing
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._inputs import Outcome, as_scored

__all__ = ["PatientScores", "aggregate_by_patient"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatientScores:
    """One row per patient, in the order of their ids.

    Attributes:
        y: (patients,) True where any image of the patient has the condition.
        score: (patients,) the aggregated score.
        images: (patients,) how many images went into it.
        mixed: patients with images of both classes.
    """

    y: BoolVector
    score: FloatVector
    images: IntVector
    mixed: int


def aggregate_by_patient(
    y: Outcome,
    score: ArrayLike | None = None,
    *,
    patients: ArrayLike | None = None,
    how: Literal["mean", "max", "median"] = "mean",
    positive: object = None,
    missing: Missing = "raise",
) -> PatientScores:
    """Return one outcome and one score per patient, for an analysis at the level of patients.

    A patient is positive where any image is. The threshold of images does not carry over to patients
    ("max" raises scores with the number of images); choose one on aggregated validation scores.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions with patients.
        score: (n,) scores, higher = more likely diseased.
        patients: (n,) patient of each image.
        how: "mean", "max" or "median" of the scores.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        missing: "raise" or "drop" rows whose score is NaN.

    Raises:
        ArgumentError: malformed input, or patients are not given.

    Example:
        >>> rows = aggregate_by_patient([0, 1, 0], [0.25, 0.75, 0.1], patients=["a", "a", "b"])
        >>> rows.y.tolist(), rows.score.tolist(), rows.mixed
        ([True, False], [0.5, 0.1], 1)
    """
    check_choice("how", how, ("mean", "max", "median"))
    data = as_scored(y, score, positive=positive, patients=patients, missing=missing)
    if data.patients is None:
        raise ArgumentError("patients: are needed to aggregate by patient. Pass the patient of each image.")
    images = np.bincount(data.patients).astype(np.int64)
    ill = np.bincount(data.patients, weights=data.y).astype(np.int64)
    parts = np.split(data.score[np.argsort(data.patients, kind="stable")], np.cumsum(images)[:-1])
    summaries: dict[str, Callable[[FloatVector], np.floating]] = {
        "mean": np.mean,
        "max": np.max,
        "median": np.median,
    }
    return PatientScores(
        y=ill > 0,
        score=np.array([float(summaries[how](part)) for part in parts]),
        images=images,
        mixed=int(np.count_nonzero((ill > 0) & (ill < images))),
    )
