"""Net benefit of two models on the same cases, and its difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import BoolVector, FloatVector
from medimg_cnn._vectors import Missing, as_vector
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._clustered import clustered_share, few_patients, t_quantile
from medimg_cnn.evaluation._combine import Limits
from medimg_cnn.evaluation._estimate import Estimate
from medimg_cnn.evaluation._inputs import Scored, as_scored, check_level
from medimg_cnn.evaluation._proportions import proportion
from medimg_cnn.evaluation._scoring_rules import clustered_mean_error

__all__ = [
    "NetBenefitFigure",
    "check_probabilities",
    "compare_net_benefit",
    "gains",
    "net_benefit_limits",
    "net_benefit_of",
    "paired_scores",
    "two_share_limits",
]

FEW_DIFFERING = 10
"""Images (or patients) that gain differently from two models; below it "too few" is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetBenefitFigure:
    """Net benefit of two models at one threshold probability, per image, in units of true positives.

    Attributes:
        threshold: threshold probability, the same for both models.
        a: of the first model.
        b: of the second.
        difference: a - b, paired.
    """

    threshold: float
    a: Estimate
    b: Estimate
    difference: Estimate


def compare_net_benefit(
    y: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    thresholds: ArrayLike | None = None,
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
) -> tuple[NetBenefitFigure, ...]:
    """Return the paired difference of two decision curves at each threshold probability.

    Each image gains 1 (a true positive), -t / (1 - t) (a false positive) or 0 (no action) from a model; the
    difference of net benefits is the mean over images of the difference of these gains, and its interval
    that of a mean, by patient where patients are known; ``reason`` says "too few" where fewer than 10 gain
    differently. The net benefit of each model has the limits of ``decision_curve``. Both models are read at
    the same threshold probability, so both must be calibrated for it to be fair. Each interval holds by itself.

    Source: net benefit, A. J. Vickers and E. B. Elkin 2006, doi:10.1177/0272989X06295361.

    Args:
        y: (n,) outcomes 0/1 or boolean, or texts with ``positive=``.
        a: (n,) probabilities of the first model.
        b: (n,) probabilities of the second.
        thresholds: (k,) inside (0, 1); by default 0.05 to 0.95 by 0.05.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image.
        level: confidence level.
        missing: "raise", or "drop" rows where either probability is NaN.

    Raises:
        ArgumentError: malformed input, or a threshold that is not inside (0, 1).

    Example:
        >>> (row,) = compare_net_benefit([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.8], [0.1, 0.6, 0.7, 0.8], [0.5])
        >>> row.a.value, row.b.value, row.difference.value
        (0.5, 0.25, 0.25)
    """
    first, second = paired_scores(
        y, a, b, positive=positive, patients=patients, missing=missing, probability=True
    )
    points = None if thresholds is None else check_probabilities(thresholds)
    return net_benefit_of(first, second, points, level=check_level(level))


def net_benefit_of(
    first: Scored, second: Scored, thresholds: FloatVector | None = None, *, level: float
) -> tuple[NetBenefitFigure, ...]:
    """Return ``compare_net_benefit`` of checked probabilities of the same cases."""
    points = np.arange(1, 20) / 20 if thresholds is None else thresholds
    found = []
    for threshold in points:
        at = float(threshold)
        a, b = (_single(data, at, level) for data in (first, second))
        gap = _mean(gains(first, at) - gains(second, at), first, level)
        found.append(NetBenefitFigure(threshold=at, a=a, b=b, difference=gap))
    return tuple(found)


def gains(data: Scored, threshold: float) -> FloatVector:
    """Return what each image adds to the net benefit, (n,)."""
    acted = np.where(data.y, 1.0, -threshold / (1.0 - threshold))
    return np.where(data.score >= threshold, acted, 0.0)


def net_benefit_limits(data: Scored, threshold: float, level: float) -> Limits:
    """Return limits of the net benefit TP / n - t / (1 - t) FP / n; NaN where no image is acted on."""
    called = data.score >= threshold
    if not called.any():
        return math.nan, math.nan
    weight = threshold / (1.0 - threshold)
    return two_share_limits((called & data.y, 1.0), (called & ~data.y, weight), data, level)


def two_share_limits(
    plus: tuple[BoolVector, float], minus: tuple[BoolVector, float], data: Scored, level: float
) -> Limits:
    """Return limits of one weighted share of the images less another, from the limits of both.

    With no image in one of them a standard error would take its share of 0 for certain; G. Y. Zou and
    A. Donner 2008, doi:10.1002/sim.3095, with the correlation of the two.
    """
    (first, first_weight), (second, second_weight) = plus, minus
    gain, loss = _share(first, data, level), _share(second, data, level)
    rest = [hit - hit.mean() for hit in (first, second)]
    if data.patients is not None:
        rest = [np.bincount(data.patients, weights=part) for part in rest]
    size = math.sqrt(float(rest[0] @ rest[0]) * float(rest[1] @ rest[1]))
    together = float(rest[0] @ rest[1]) / size if size > 0.0 else 0.0

    def reach(one: float, other: float) -> float:
        one, other = first_weight * one, second_weight * other
        return math.sqrt(max(one**2 + other**2 - 2.0 * together * one * other, 0.0))

    value = first_weight * gain.value - second_weight * loss.value
    below = reach(gain.value - gain.lower, loss.upper - loss.value)
    above = reach(gain.upper - gain.value, loss.value - loss.lower)
    return value - below, value + above


def check_probabilities(thresholds: ArrayLike) -> FloatVector:
    """Return threshold probabilities if each lies inside (0, 1)."""
    points = as_vector("thresholds", thresholds)
    if not ((points > 0.0) & (points < 1.0)).all():
        raise ArgumentError("thresholds: each must lie inside (0, 1), as a probability; got others.")
    return points


def paired_scores(
    y: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    positive: object,
    patients: ArrayLike | None,
    missing: Missing,
    probability: bool = False,
) -> tuple[Scored, Scored]:
    """Return the checked scores of two models on the same cases."""
    scores = [as_vector("a", a), as_vector("b", b)]
    if missing == "drop" and scores[0].size == scores[1].size:
        # A row that one of them lacks is lost to both, so that the cases stay the same.
        gone = np.isnan(scores[0]) | np.isnan(scores[1])
        scores = [np.where(gone, np.nan, score) for score in scores]
    first, second = (
        as_scored(y, score, positive=positive, patients=patients, missing=missing, probability=probability)
        for score in scores
    )
    return first, second


def _share(hit: BoolVector, data: Scored, level: float) -> Estimate:
    if data.patients is None:
        return proportion(int(np.count_nonzero(hit)), data.n, level=level)
    return clustered_share(hit, data.patients, level=level)


def _single(data: Scored, threshold: float, level: float) -> Estimate:
    gain = gains(data, threshold)
    lower, upper = net_benefit_limits(data, threshold, level)
    reason = "" if data.patients is None else few_patients(int(data.patients.max()) + 1)
    if math.isnan(lower):
        reason = (
            "no interval: no image is acted on" if not gain.any() else "no interval: all are of one patient"
        )
    return Estimate(
        value=float(gain.mean()),
        lower=lower,
        upper=upper,
        method="limits of both shares, combined" + (" (by patient)" if data.patients is not None else ""),
        n=data.n,
        level=level,
        reason=reason,
        dropped=data.dropped,
    )


def _mean(gain: FloatVector, data: Scored, level: float) -> Estimate:
    value = float(gain.mean())
    error, freedom = clustered_mean_error(gain, data)
    by_patient = data.patients is not None
    half = t_quantile(level, freedom) * error if freedom > 0 and error > 0.0 else math.nan
    if math.isnan(half):
        reason = "no interval: the images do not differ in what they gain"
    else:
        reason = (few_patients(freedom + 1) if by_patient else "") or _few_differing(gain, data)
    return Estimate(
        value=value,
        lower=math.nan if math.isnan(half) else value - half,
        upper=math.nan if math.isnan(half) else value + half,
        method=f"mean{' by patient' if by_patient else ''}, Wald with t",
        n=data.n,
        level=level,
        reason=reason,
        standard_error=error if half > 0.0 else math.nan,
        dropped=data.dropped,
    )


def _few_differing(gain: FloatVector, data: Scored) -> str:
    differing = np.flatnonzero(gain)
    by_patient = data.patients is not None
    count = (
        int(np.unique(data.patients[differing]).size) if data.patients is not None else int(differing.size)
    )
    if count >= FEW_DIFFERING:
        return ""
    unit = "patient" if by_patient else "image"
    one = count == 1
    return (
        f"too few: only {count} {unit}{'' if one else 's'} gain{'s' if one else ''} differently, and the interval may "
        f"cover less than its level with fewer than {FEW_DIFFERING}"
    )
