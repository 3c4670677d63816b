"""The area under the ROC curve: DeLong's variance, and Obuchowski's for several images of a patient."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from medimg_cnn._types import FloatVector
from medimg_cnn._validation import check_choice, check_fraction, check_integer
from medimg_cnn._vectors import Missing
from medimg_cnn.evaluation._accuracy import NO_NEGATIVES, NO_POSITIVES
from medimg_cnn.evaluation._clustered import class_units, few_in_class, t_quantile
from medimg_cnn.evaluation._combine import Limits
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._inputs import Outcome, Scored, as_scored, check_level
from medimg_cnn.evaluation._proportions import z_quantile

__all__ = [
    "AurocMethod",
    "Placements",
    "auroc",
    "auroc_at",
    "auroc_caution",
    "auroc_covariance",
    "auroc_of",
    "hanley_mcneil_error",
    "placements",
]

AurocMethod: TypeAlias = Literal["logit", "wald"]
FEW_MISPLACED = 3.5
"""Size of the smaller class times the distance of the AUROC from 0 or 1; below it "too few" is said, because
simulated coverage of the 95% interval leaves 0.93 to 0.97 (decision 0035)."""
HELD_BELOW = 2.5
"""Below it the far limit is drawn towards the score limit, which it reaches at perfect separation."""


@dataclass(frozen=True, slots=True, eq=False)
class Placements:
    """Placement values of one score: their mean, in either class, is the AUROC.

    Attributes:
        positive: for each positive the share of negatives below it, ties counting half.
        negative: for each negative the share of positives above it, ties counting half.
        area: the AUROC.
    """

    positive: FloatVector
    negative: FloatVector
    area: float


def auroc(
    y: Outcome,
    score: ArrayLike | None = None,
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    method: AurocMethod = "logit",
    missing: Missing = "raise",
    weights: None = None,
) -> Estimate:
    """Return the AUROC: the chance that a diseased image scores above one without disease (ties half).

    Never flipped: a value under 0.5 says that higher scores go with health. Variance by DeLong 1988
    (doi:10.2307/2531595) in O(n log n); with ``patients`` by Obuchowski 1997 (doi:10.2307/2533958), which
    equals it when every patient has one image.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions (which bring score and
            patients along).
        score: (n,) finite, higher = more likely diseased; any scale.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image, where a patient may have several.
        level: confidence level.
        method: "logit": A +- on the logit scale, standard error SE / (A (1 - A)) (M. S. Pepe 2003); stays
            inside (0, 1) and covers better near 1; where few pairs are misplaced the far limit is drawn
            towards Newcombe's score limit, and ``method`` of the Estimate says so. "wald": A +- 1.96 SE, clipped.
        missing: "raise", or "drop" rows whose score is NaN (counted in ``dropped``).
        weights: not supported; refused in words.

    Returns:
        An Estimate in [0, 1]; ``n`` counts images. NaN with one class only. At perfect separation (and with
        one image in a class) DeLong's variance is 0 (or undefined), and Newcombe's score interval
        (2006, method 5, doi:10.1002/sim.2324) is given, counting patients where they are known. A
        constant score has the value 0.5 and no interval. ``reason`` says "too few" with fewer than 20
        images in a class or 20 patients, and where the value is too near to 1 for their number. By
        patient, the logit interval uses Student's t with one less degree of freedom than the patients in
        the class that has fewer.

    Raises:
        ArgumentError: lengths differ, there is no row, a score is missing or infinite, outcomes are
            neither 0/1 nor named by ``positive``, or weights are given.

    Example:
        >>> print(auroc([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.5, 0.8, 0.9]))
        0.889 (0.261 to 0.995)
    """
    check_choice("method", method, ("logit", "wald"))
    data = as_scored(y, score, positive=positive, patients=patients, missing=missing, weights=weights)
    return auroc_of(data, level=check_level(level), method=method)


def auroc_caution(data: Scored, area: float, method: AurocMethod) -> str:
    """Return why the interval of this AUROC may not cover as it says, or an empty text."""
    return few_in_class(data) or _near_an_end(data, min(class_units(data)), area, method)


def hanley_mcneil_error(area: float, *, positives: int, negatives: int) -> float:
    """Return the standard error of a published AUROC from its value and the class sizes alone.

    For when the scores are not at hand; with scores use ``auroc``. Exponential model, Q1 = A / (2 - A),
    Q2 = 2 A^2 / (1 + A): J. A. Hanley and B. J. McNeil 1982, doi:10.1148/radiology.143.1.7063747.

    Args:
        area: AUROC, 0 to 1.
        positives: images with the condition, at least 1.
        negatives: images without it, at least 1.

    Raises:
        ArgumentError: an argument is outside its range.

    Example:
        >>> round(hanley_mcneil_error(0.893, positives=51, negatives=58), 3)
        0.033
    """
    a = check_fraction("area", area)
    m = check_integer("positives", positives, low=1)
    n = check_integer("negatives", negatives, low=1)
    first, second = a / (2.0 - a), 2.0 * a * a / (1.0 + a)
    total = a * (1.0 - a) + (m - 1) * (first - a * a) + (n - 1) * (second - a * a)
    return math.sqrt(max(total, 0.0) / (m * n))


def auroc_of(data: Scored, *, level: float, method: AurocMethod = "logit") -> Estimate:
    """Return the AUROC of checked data."""
    return auroc_at(data, method=method)(level)


def auroc_at(data: Scored, *, method: AurocMethod = "logit") -> Callable[[float], Estimate]:
    """Return what gives the AUROC of checked data with its interval of any confidence level."""
    name = "Obuchowski" if data.patients is not None else "DeLong"
    plain = f"{name}, {'logit' if method == 'logit' else 'Wald'}"
    if data.positives == 0 or data.negatives == 0:
        why = NO_POSITIVES if data.positives == 0 else NO_NEGATIVES
        return lambda level: undefined(why, method=plain, n=data.n, level=level, dropped=data.dropped)
    place = placements(data, by_row=data.patients is not None)
    variance = auroc_covariance(data, place, place)
    units = class_units(data)
    error = math.sqrt(variance) if variance >= 0.0 else math.nan
    reason = auroc_caution(data, place.area, method)
    constant = bool(data.score.min() == data.score.max())
    if constant:
        reason = "every score is the same: the images say nothing of how far the value could vary"

    def estimate(level: float) -> Estimate:
        label, limits = plain, (math.nan, math.nan)
        if constant:
            pass
        elif min(units) < 2 or not variance > 0.0:
            limits = score_limits(place.area, *units, z_quantile(level))
            label = f"{name} variance is 0 or undefined; Newcombe 2006 score"
        elif method == "wald":
            half = z_quantile(level) * error
            limits = (place.area - half, place.area + half)
        else:
            quantile = z_quantile(level) if data.patients is None else t_quantile(level, min(units) - 1)
            alone = logit_limits(place.area, error, quantile)
            limits = _held_limits(place.area, alone, units, z_quantile(level))
            label = plain if limits == alone else f"{plain}, drawn to Newcombe 2006 score"
        return bounded(
            place.area,
            limits,
            low=0.0,
            high=1.0,
            method=label,
            n=data.n,
            level=level,
            reason=reason,
            standard_error=error,
            dropped=data.dropped,
        )

    return estimate


def placements(data: Scored, *, by_row: bool = True) -> Placements:
    """Return placement values in the order of the rows of each class, or (faster) of the scores."""
    ill, well = data.score[data.y], data.score[~data.y]
    if not by_row:
        return _placed(np.sort(ill), np.sort(well))
    ill_order, well_order = np.argsort(ill, kind="stable"), np.argsort(well, kind="stable")
    placed = _placed(ill[ill_order], well[well_order])
    scattered = Placements(np.empty(ill.size), np.empty(well.size), placed.area)
    scattered.positive[ill_order] = placed.positive
    scattered.negative[well_order] = placed.negative
    return scattered


def auroc_covariance(data: Scored, first: Placements, second: Placements) -> float:
    """Return the covariance of two AUROCs on the same images; NaN where a class has too few units."""
    m, n = first.positive.size, first.negative.size
    if data.patients is None:
        if min(m, n) < 2:
            return math.nan
        return (
            _covariance(first.positive, second.positive) / m
            + _covariance(first.negative, second.negative) / n
        )
    sums = [_patient_sums(data, place) for place in (first, second)]
    ill = np.bincount(data.patients, weights=data.y) > 0
    well = np.bincount(data.patients, weights=~data.y) > 0
    with_ill, with_well = int(ill.sum()), int(well.sum())
    total = ill.size
    if min(with_ill, with_well) < 2:
        return math.nan
    (ill_a, well_a), (ill_b, well_b) = sums
    between_ill = with_ill / ((with_ill - 1) * m) * float(ill_a @ ill_b)
    between_well = with_well / ((with_well - 1) * n) * float(well_a @ well_b)
    across = total / (total - 1) * float(ill_a @ well_b + ill_b @ well_a)
    return between_ill / m + between_well / n + across / (m * n)


def logit_limits(area: float, error: float, quantile: float) -> Limits:
    """Return limits made on the logit scale, for an area inside (0, 1)."""
    if not 0.0 < area < 1.0:
        return math.nan, math.nan
    centre, half = special.logit(area), quantile * error / (area * (1.0 - area))
    return float(special.expit(centre - half)), float(special.expit(centre + half))


def score_limits(area: float, positives: int, negatives: int, quantile: float) -> Limits:
    """Return the limits of Newcombe 2006, method 5 (doi:10.1002/sim.2324): defined at 0 and 1 too."""
    pairs = positives * negatives
    mean = (positives + negatives) / 2.0 - 1.0

    def scaled(theta: float) -> float:
        extra = 1.0 + mean * ((1.0 - theta) / (2.0 - theta) + theta / (1.0 + theta))
        return quantile**2 * extra / pairs

    def excess(theta: float) -> float:
        return (theta - area) ** 2 - theta * (1.0 - theta) * scaled(theta)

    if area in {0.0, 1.0}:  # one root is the end itself; the other solves the rest of the equation
        inner = float(optimize.brentq(lambda theta: (1.0 - theta) - theta * scaled(theta), 0.0, 1.0))
        return (inner, 1.0) if area == 1.0 else (0.0, 1.0 - inner)
    return float(optimize.brentq(excess, 0.0, area)), float(optimize.brentq(excess, area, 1.0))


def _held_limits(area: float, limits: Limits, units: tuple[int, int], quantile: float) -> Limits:
    """Return the limits, the one far from the end no nearer to it than the score limit, where few are misplaced.

    One misplaced pair gives a tiny variance, and a far limit nearer to 1 than that of perfect separation.
    """
    misplaced = min(units) * min(area, 1.0 - area)
    weight = 1.0 - misplaced / HELD_BELOW
    if weight <= 0.0:
        return limits
    lower, upper = limits
    score_lower, score_upper = score_limits(area, *units, quantile)
    if area >= 0.5:
        lower += weight * min(0.0, score_lower - lower)
    if area <= 0.5:
        upper += weight * max(0.0, score_upper - upper)
    return lower, upper


def _placed(ill: FloatVector, well: FloatVector) -> Placements:
    positive = np.searchsorted(well, ill, side="left") + np.searchsorted(well, ill, side="right")
    negative = np.searchsorted(ill, well, side="left") + np.searchsorted(ill, well, side="right")
    m, n = ill.size, well.size
    return Placements(
        positive=positive / (2.0 * n),
        negative=1.0 - negative / (2.0 * m),
        area=float(positive.sum() / (2.0 * m * n)),
    )


def _covariance(first: FloatVector, second: FloatVector) -> float:
    if first[0] == first.min() == first.max() or second[0] == second.min() == second.max():
        return 0.0  # exactly: rounding of the mean must not leave a variance
    return float((first - first.mean()) @ (second - second.mean())) / (first.size - 1)


def _patient_sums(data: Scored, place: Placements) -> tuple[FloatVector, FloatVector]:
    """Return per patient the sum of placement values less what is expected, for each class."""
    assert data.patients is not None  # noqa: S101 - narrows the type
    total = int(data.patients.max()) + 1
    ill = np.bincount(data.patients[data.y], weights=place.positive - place.area, minlength=total)
    well = np.bincount(data.patients[~data.y], weights=place.negative - place.area, minlength=total)
    # A patient's sum is a multiple of half a rank; what rounding leaves instead of 0 is no spread.
    return np.where(np.abs(ill) < 1e-12, 0.0, ill), np.where(np.abs(well) < 1e-12, 0.0, well)


def _near_an_end(data: Scored, units: int, area: float, method: AurocMethod) -> str:
    if units * min(area, 1.0 - area) >= FEW_MISPLACED:
        return ""
    unit = "images" if data.patients is None else "patients"
    effect = (
        "may cover less than its level"
        if method == "wald"
        else "leans on an assumed shape of the scores and may cover more than its level"
    )
    where = f"too few {unit} in the smaller class ({units}) for an AUROC so near to {round(area)}"
    return f"{where}, so the interval {effect}"
