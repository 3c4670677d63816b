"""Abstention: how the error falls when the least certain images are left to a person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from medimg_cnn._types import BoolVector, FloatVector, IntVector
from medimg_cnn._validation import check_fraction
from medimg_cnn._vectors import Missing, as_vector
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._clustered import clustered_limits
from medimg_cnn.evaluation._inputs import Outcome, as_scored, check_level
from medimg_cnn.evaluation._proportions import wilson_band

__all__ = ["RiskCoverageCurve", "decision_confidence", "risk_coverage_curve"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RiskCoverageCurve:
    """Error rate among the images that are kept, from the most certain few to all.

    Attributes:
        confidence: (k,) falling; at each point images with at least this confidence are kept.
        coverage: (k,) share of images kept.
        risk: (k,) share of the kept that are wrong.
        lower: (k,) Wilson bound of ``risk``, each point by itself; by patient where patients are known, as
            in ``clustered_proportion``.
        upper: (k,) upper bound.
        sensitivity: (k,) among the kept; NaN where none has the condition.
        specificity: (k,) among the kept; NaN where all have it.
        kept: (k,) images.
        area: mean risk over coverage (AURC); lower is better.
        threshold: of the decision.
    """

    confidence: FloatVector
    coverage: FloatVector
    risk: FloatVector
    lower: FloatVector
    upper: FloatVector
    sensitivity: FloatVector
    specificity: FloatVector
    kept: IntVector
    area: float
    threshold: float


def decision_confidence(p: ArrayLike, *, threshold: float = 0.5) -> FloatVector:
    """Return how far each probability lies from the decision: |logit(p) - logit(threshold)|.

    Args:
        p: (n,) probabilities of the positive class, in [0, 1].
        threshold: of the decision; inside (0, 1).

    Returns:
        (n,) float64, 0 or more, rounded to 12 decimals; infinite for probabilities of 0 and 1.

    Raises:
        ArgumentError: a value is not a probability, or the threshold is not inside (0, 1).

    Example:
        >>> decision_confidence([0.1, 0.5, 0.9]).round(3).tolist()
        [2.197, 0.0, 2.197]
    """
    cut = check_fraction("threshold", threshold, open_ends=True)
    values = as_vector("p", p)
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ArgumentError("p: must be probabilities, from 0 to 1, none of them missing.")
    # Rounded: 0.1 and 0.9 are as far from 0.5 as each other, and must not be told apart by a last digit.
    return np.round(np.abs(special.logit(values) - float(special.logit(cut))), 12).astype(np.float64)


def risk_coverage_curve(
    y: Outcome,
    p: ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    confidence: ArrayLike | None = None,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
) -> RiskCoverageCurve:
    """Return error rate against coverage; images of equal confidence are kept or left together.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        p: (n,) probabilities of the positive class.
        threshold: an image is called positive if and only if p >= threshold; inside (0, 1).
        confidence: (n,) any measure, higher = surer; by default |logit(p) - logit(threshold)|, the
            distance from the decision.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image; bounds are then by patient (0 to 1 while one alone is kept).
        level: confidence level of the bounds.
        missing: "raise" or "drop" rows whose probability is NaN.

    Raises:
        ArgumentError: malformed input, or a confidence that is NaN.

    Source: Y. Geifman and R. El-Yaniv 2017, arXiv:1705.08500.

    Example:
        >>> curve = risk_coverage_curve([0, 0, 1, 1], [0.1, 0.6, 0.7, 0.9])
        >>> curve.coverage.tolist(), curve.risk.tolist()
        ([0.5, 0.75, 1.0], [0.0, 0.0, 0.25])
    """
    data = as_scored(y, p, positive=positive, patients=patients, missing=missing, probability=True)
    cut = check_fraction("threshold", threshold, open_ends=True)
    sure: FloatVector
    if confidence is None:
        sure = decision_confidence(data.score, threshold=cut)
    else:
        sure = as_vector("confidence", confidence)
        if data.dropped or sure.size != data.n or np.isnan(sure).any():
            raise ArgumentError(
                f"confidence: must have a value for each of the {data.n} images, none missing; got {sure.size}."
            )
    order = np.argsort(-sure, kind="stable")
    ranked = sure[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    ill, called = data.y[order], data.score[order] >= cut
    kept = (last + 1).astype(np.int64)
    wrong = np.cumsum(ill != called)[last]
    positives = np.cumsum(ill)[last]
    found, cleared = np.cumsum(ill & called)[last], np.cumsum(~ill & ~called)[last]
    risk = wrong / kept
    level = check_level(level)
    if data.patients is None:
        lower, upper = wilson_band(wrong.astype(np.float64), kept.astype(np.float64), level)
    else:
        lower, upper = _band_by_patient(data.patients[order], ill != called, last, level)
    with np.errstate(invalid="ignore"):
        sensitivity, specificity = found / positives, cleared / (kept - positives)
    return RiskCoverageCurve(
        confidence=ranked[last],
        coverage=kept / data.n,
        risk=risk,
        lower=lower,
        upper=upper,
        sensitivity=sensitivity,
        specificity=specificity,
        kept=kept,
        area=float(np.diff(kept, prepend=0) @ risk) / data.n,
        threshold=cut,
    )


def _band_by_patient(
    patients: IntVector, wrong: BoolVector, last: IntVector, level: float
) -> tuple[FloatVector, FloatVector]:
    """Return ``clustered_limits`` of the first ``last + 1`` images, for each, from running sums."""
    order = np.argsort(patients, kind="stable")
    first = np.searchsorted(patients[order], patients)
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    running = np.concatenate(([0], np.cumsum(wrong[order])))
    images = (place - first + 1).astype(np.float64)  # of the patient so far, this one included
    errors = (running[place + 1] - running[first]).astype(np.float64)
    before = errors - wrong
    squares = np.cumsum(errors**2 - before**2)[last]
    products = np.cumsum(errors * images - before * (images - 1.0))[last]
    sizes = np.cumsum(2.0 * images - 1.0)[last]
    kept, found = last + 1, np.cumsum(wrong)[last]
    units = np.cumsum(images == 1.0)[last]
    share = found / kept
    spread = squares - 2.0 * share * products + share**2 * sizes
    limits = [
        clustered_limits(
            float(p),
            float(m / (m - 1) * s / n**2) if m > 1 and s > 1e-12 * n else 0.0,
            level,
            trials=int(n),
            patients=int(m),
        )
        for p, s, n, m in zip(share, spread, kept, units, strict=True)
    ]
    lower, upper = np.array(limits, dtype=np.float64).T
    return np.minimum(lower, share), np.maximum(upper, share)
