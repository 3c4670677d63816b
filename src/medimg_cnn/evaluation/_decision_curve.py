"""Decision curve: the net benefit of acting on a probability, against acting on all or on none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import BoolVector, FloatVector
from medimg_cnn._vectors import Missing, as_vector
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._clustered import t_quantile
from medimg_cnn.evaluation._inputs import Outcome, as_scored, check_level
from medimg_cnn.evaluation._scoring_rules import clustered_mean_error

__all__ = ["DecisionCurve", "decision_curve"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecisionCurve:
    """Net benefit per image, in units of true positives, at each threshold probability.

    Attributes:
        thresholds: (k,) threshold probabilities, inside (0, 1): at t one false positive weighs as much as
            t / (1 - t) true positives.
        net_benefit: (k,) TP / n - FP / n * t / (1 - t) of acting where p >= t.
        treat_all: (k,) net benefit of acting on every image.
        treat_none: (k,) zeros.
        lower: (k,) lower bound of ``net_benefit``, each threshold by itself; NaN where nothing varies.
        upper: (k,) upper bound.
        net_intervention_avoided: (k,) interventions spared per image against treating all, at no loss.
        true_positive_rate: (k,) TP / n.
        false_positive_rate: (k,) FP / n.
        prevalence: of these images.
        n: images.
        level: confidence level.
    """

    thresholds: FloatVector
    net_benefit: FloatVector
    treat_all: FloatVector
    treat_none: FloatVector
    lower: FloatVector
    upper: FloatVector
    net_intervention_avoided: FloatVector
    true_positive_rate: FloatVector
    false_positive_rate: FloatVector
    prevalence: float
    n: int
    level: float


def decision_curve(
    y: Outcome,
    p: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
) -> DecisionCurve:
    """Return the decision curve with pointwise intervals from the standard error of the mean.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        p: (n,) probabilities in [0, 1].
        thresholds: (k,) inside (0, 1); by default 0.01 to 0.99 by 0.01.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image; the standard error is then by patient.
        level: confidence level.
        missing: "raise" or "drop" rows whose probability is NaN.

    Raises:
        ArgumentError: malformed input, or a threshold that is not inside (0, 1).

    Source: A. J. Vickers and E. B. Elkin 2006, doi:10.1177/0272989X06295361.

    Example:
        >>> curve = decision_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], [0.2, 0.5])
        >>> curve.net_benefit.tolist(), curve.treat_all.tolist()
        ([0.4375, 0.25], [0.375, 0.0])
    """
    data = as_scored(y, p, positive=positive, patients=patients, missing=missing, probability=True)
    level = check_level(level)
    points = np.arange(1, 100) / 100 if thresholds is None else as_vector("thresholds", thresholds)
    if not ((points > 0.0) & (points < 1.0)).all():
        raise ArgumentError("thresholds: each must lie inside (0, 1), as a probability; got others.")
    odds = points / (1.0 - points)
    share = data.positives / data.n
    columns = np.array([_at(data.y, data.score >= t) for t in points]).reshape(-1, 2)
    net = columns[:, 0] - columns[:, 1] * odds
    half = np.full(points.size, np.nan)
    for index, (t, weight) in enumerate(zip(points, odds, strict=True)):
        gain = np.where(data.score >= t, np.where(data.y, 1.0, -weight), 0.0)
        if gain.min() < gain.max():
            error, freedom = clustered_mean_error(gain, data)
            half[index] = t_quantile(level, freedom) * error if freedom > 0 and error > 0.0 else np.nan
    treat_all = share - (1.0 - share) * odds
    return DecisionCurve(
        thresholds=points,
        net_benefit=net,
        treat_all=treat_all,
        treat_none=np.zeros(points.size),
        lower=net - half,
        upper=net + half,
        net_intervention_avoided=(net - treat_all) / odds,
        true_positive_rate=columns[:, 0],
        false_positive_rate=columns[:, 1],
        prevalence=share,
        n=data.n,
        level=level,
    )


def _at(y: BoolVector, called: BoolVector) -> tuple[float, float]:
    n = y.size
    return np.count_nonzero(called & y) / n, np.count_nonzero(called & ~y) / n
