"""Decision curve: the net benefit of acting on a probability, against acting on all or on none."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import BoolVector, FloatVector
from medimg_cnn._vectors import Missing
from medimg_cnn.evaluation._inputs import Outcome, Scored, as_scored, check_level
from medimg_cnn.evaluation._net_benefit import check_probabilities, net_benefit_limits, two_share_limits

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
        lower: (k,) lower bound of ``net_benefit``, each threshold by itself; NaN where no image is
            acted on.
        upper: (k,) upper bound.
        over_all_lower: (k,) lower bound of ``net_benefit`` less ``treat_all``, from the images that are not
            acted on; NaN where there are none.
        over_all_upper: (k,) upper bound.
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
    over_all_lower: FloatVector
    over_all_upper: FloatVector
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
    """Return the decision curve with pointwise intervals, from the limits of the shares that it is made of.

    A standard error would take few true positives without a false one for certain, where a single false one would
    cost more than all of them (G. Y. Zou and A. Donner 2008, doi:10.1002/sim.3095).

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        p: (n,) probabilities in [0, 1].
        thresholds: (k,) inside (0, 1); by default 0.01 to 0.99 by 0.01.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image; intervals are then by patient.
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
    points = np.arange(1, 100) / 100 if thresholds is None else check_probabilities(thresholds)
    odds = points / (1.0 - points)
    share = data.positives / data.n
    columns = np.array([_at(data.y, data.score >= t) for t in points]).reshape(-1, 2)
    net = columns[:, 0] - columns[:, 1] * odds
    limits = np.array([net_benefit_limits(data, float(t), level) for t in points]).reshape(-1, 2)
    over = np.array([_over_all(data, float(t), level) for t in points]).reshape(-1, 2)
    treat_all = share - (1.0 - share) * odds
    return DecisionCurve(
        thresholds=points,
        net_benefit=net,
        treat_all=treat_all,
        treat_none=np.zeros(points.size),
        lower=limits[:, 0],
        upper=limits[:, 1],
        over_all_lower=over[:, 0],
        over_all_upper=over[:, 1],
        net_intervention_avoided=(net - treat_all) / odds,
        true_positive_rate=columns[:, 0],
        false_positive_rate=columns[:, 1],
        prevalence=share,
        n=data.n,
        level=level,
    )


def _over_all(data: Scored, threshold: float, level: float) -> tuple[float, float]:
    """Return limits of the net benefit less that of acting on all: t / (1 - t) TN / n - FN / n."""
    left = data.score < threshold
    if not left.any():
        return math.nan, math.nan
    return two_share_limits(
        (left & ~data.y, threshold / (1.0 - threshold)), (left & data.y, 1.0), data, level
    )


def _at(y: BoolVector, called: BoolVector) -> tuple[float, float]:
    n = y.size
    return np.count_nonzero(called & y) / n, np.count_nonzero(called & ~y) / n
