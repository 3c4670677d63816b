"""ROC and precision-recall curves, one point per distinct score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import FloatVector, IntVector
from medimg_cnn._vectors import Missing
from medimg_cnn.evaluation._accuracy import NO_NEGATIVES, NO_POSITIVES
from medimg_cnn.evaluation._inputs import Outcome, Scored, as_scored

__all__ = ["PrecisionRecallCurve", "RocCurve", "precision_recall_curve", "roc_curve", "step_counts"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RocCurve:
    """Sensitivity and specificity at every threshold that classifies differently.

    Attributes:
        thresholds: (k,) falling, the first infinite (nothing positive), then each distinct score.
        sensitivity: (k,) from 0 to 1; NaN where no image has the condition.
        specificity: (k,) from 1 to 0; NaN where every image has it.
        true_positives: (k,) counts.
        false_positives: (k,) counts.
        reason: why one of them is undefined, or empty.
    """

    thresholds: FloatVector
    sensitivity: FloatVector
    specificity: FloatVector
    true_positives: IntVector
    false_positives: IntVector
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrecisionRecallCurve:
    """Precision (PPV) and recall (sensitivity) at every distinct score.

    Attributes:
        thresholds: (k,) falling, each distinct score.
        precision: (k,) share of the called that have the condition.
        recall: (k,) share of those with the condition that are called; NaN without positives.
        reason: why recall is undefined, or empty.
    """

    thresholds: FloatVector
    precision: FloatVector
    recall: FloatVector
    reason: str = ""


def roc_curve(
    y: Outcome, score: ArrayLike | None = None, *, positive: object = None, missing: Missing = "raise"
) -> RocCurve:
    """Return the empirical ROC curve; no point is left out.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        score: (n,) scores, higher = more likely diseased.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        missing: "raise" or "drop" rows whose score is NaN.

    Raises:
        ArgumentError: malformed input; see ``auroc``.

    Example:
        >>> curve = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        >>> curve.thresholds.tolist()
        [inf, 0.8, 0.4, 0.35, 0.1]
        >>> curve.sensitivity.tolist()
        [0.0, 0.5, 0.5, 1.0, 1.0]
    """
    data = as_scored(y, score, positive=positive, missing=missing)
    thresholds, tp, fp = step_counts(data)
    tp, fp = np.concatenate(([0], tp)), np.concatenate(([0], fp))
    with np.errstate(invalid="ignore"):
        return RocCurve(
            thresholds=np.concatenate(([np.inf], thresholds)),
            sensitivity=tp / np.float64(data.positives),
            specificity=(data.negatives - fp) / np.float64(data.negatives),
            true_positives=tp,
            false_positives=fp,
            reason=_missing_class(data),
        )


def precision_recall_curve(
    y: Outcome, score: ArrayLike | None = None, *, positive: object = None, missing: Missing = "raise"
) -> PrecisionRecallCurve:
    """Return the precision-recall curve; arguments and errors as in ``roc_curve``.

    Example:
        >>> precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).recall.tolist()
        [0.5, 0.5, 1.0, 1.0]
    """
    data = as_scored(y, score, positive=positive, missing=missing)
    thresholds, tp, fp = step_counts(data)
    with np.errstate(invalid="ignore"):
        recall = tp / np.float64(data.positives)
    return PrecisionRecallCurve(
        thresholds=thresholds,
        precision=tp / (tp + fp),
        recall=recall,
        reason=NO_POSITIVES if data.positives == 0 else "",
    )


def step_counts(data: Scored) -> tuple[FloatVector, IntVector, IntVector]:
    """Return distinct scores, falling, with the true and false positives at each as threshold."""
    order = np.argsort(-data.score, kind="stable")
    ranked, ill = data.score[order], data.y[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    tp = np.cumsum(ill)[last].astype(np.int64)
    return ranked[last], tp, (last + 1 - tp).astype(np.int64)


def _missing_class(data: Scored) -> str:
    if data.positives == 0:
        return NO_POSITIVES
    return NO_NEGATIVES if data.negatives == 0 else ""
