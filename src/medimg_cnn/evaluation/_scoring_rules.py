"""Proper scoring rules: the Brier score, its decomposition, and the logarithmic loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from medimg_cnn._types import FloatVector, IntVector
from medimg_cnn._validation import check_integer, check_number
from medimg_cnn._vectors import Missing
from medimg_cnn.evaluation._clustered import few_patients, t_quantile
from medimg_cnn.evaluation._estimate import Estimate, bounded
from medimg_cnn.evaluation._inputs import Outcome, Scored, as_scored, check_level

__all__ = [
    "BrierDecomposition",
    "brier_decomposition",
    "brier_of",
    "brier_score",
    "clustered_mean_error",
    "decompose",
    "log_loss",
    "log_loss_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrierDecomposition:
    """Brier score = reliability - resolution + uncertainty + within_bin.

    Attributes:
        brier: mean squared difference of probability and outcome, 0 to 1.
        reliability: how far the observed shares lie from what was forecast; 0 is best.
        resolution: how far the observed shares of the groups lie apart; higher is better.
        uncertainty: prevalence * (1 - prevalence); the score of always forecasting the prevalence.
        within_bin: what binning hides (variance less twice the covariance inside bins); 0 where each
            distinct forecast is its own group.
        skill: 1 - brier / uncertainty; NaN with one class only.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bin: float
    skill: float


def brier_score(
    y: Outcome,
    p: ArrayLike | None = None,
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
    weights: None = None,
) -> Estimate:
    """Return the mean squared difference of probability and outcome; 0 is best.

    The interval is made on the logit scale from the standard error of the mean (by patient where they are
    given) with Student's t.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        p: (n,) probabilities in [0, 1].
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image.
        level: confidence level.
        missing: "raise" or "drop" rows whose probability is NaN.
        weights: not supported; refused in words.

    Raises:
        ArgumentError: malformed input, or a probability outside [0, 1].

    Source: G. W. Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    Example:
        >>> round(brier_score([0, 1, 1], [0.1, 0.8, 0.6]).value, 4)
        0.07
    """
    data = as_scored(
        y, p, positive=positive, patients=patients, missing=missing, probability=True, weights=weights
    )
    return brier_of(data, level=check_level(level))


def log_loss(
    y: Outcome,
    p: ArrayLike | None = None,
    *,
    clip: float = 0.0,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
    weights: None = None,
) -> Estimate:
    """Return the mean negative log likelihood of the outcomes, in nats; 0 is best.

    It is infinite where a probability of exactly 0 or 1 met the other outcome, and says so; ``clip`` moves
    probabilities into [clip, 1 - clip] first. The interval is made on the log scale. Other arguments and
    errors as in ``brier_score``.

    Example:
        >>> round(log_loss([0, 1, 1], [0.1, 0.8, 0.6]).value, 4)
        0.2798
    """
    clip = check_number("clip", clip, low=0.0, high=0.5, high_open=True)
    data = as_scored(
        y, p, positive=positive, patients=patients, missing=missing, probability=True, weights=weights
    )
    return log_loss_of(data, level=check_level(level), clip=clip)


def brier_decomposition(
    y: Outcome,
    p: ArrayLike | None = None,
    *,
    bins: int | None = None,
    positive: object = None,
    missing: Missing = "raise",
) -> BrierDecomposition:
    """Return Murphy's decomposition of the Brier score.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        p: (n,) probabilities in [0, 1].
        bins: None groups equal forecasts (right for forecasts on a few levels); a number makes that many
            equal-width bins (a, b], needed for continuous forecasts, and adds ``within_bin``.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        missing: "raise" or "drop" rows whose probability is NaN.

    Raises:
        ArgumentError: malformed input, or a probability outside [0, 1].

    Source: A. H. Murphy 1973, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; with bins: D. B.
    Stephenson, C. A. S. Coelho, I. T. Jolliffe 2008, doi:10.1175/2007WAF2006116.1.

    Example:
        >>> parts = brier_decomposition([0, 1, 1, 1], [0.2, 0.2, 0.9, 0.9])
        >>> round(parts.reliability, 4), round(parts.resolution, 4), parts.uncertainty
        (0.05, 0.0625, 0.1875)
    """
    return decompose(as_scored(y, p, positive=positive, missing=missing, probability=True), bins=bins)


def brier_of(data: Scored, *, level: float) -> Estimate:
    """Return the Brier score of checked data."""
    return _mean_loss((data.score - data.y) ** 2, data, level, scale="logit", high=1.0)


def log_loss_of(data: Scored, *, level: float, clip: float = 0.0) -> Estimate:
    """Return the logarithmic loss of checked data."""
    p = np.clip(data.score, clip, 1.0 - clip)
    losses = -(special.xlogy(data.y, p) + special.xlog1py(~data.y, -p))
    bad = int(np.count_nonzero(np.isinf(losses)))
    if bad:
        return Estimate(
            value=math.inf,
            method="mean, log scale",
            n=data.n,
            level=level,
            reason=f"{bad} image{'s' * (bad != 1)} had a probability of exactly 0 or 1 and the other outcome",
            dropped=data.dropped,
        )
    return _mean_loss(losses.astype(np.float64) + 0.0, data, level, scale="log", high=math.inf)


def decompose(data: Scored, *, bins: int | None = None) -> BrierDecomposition:
    """Return ``brier_decomposition`` of checked data."""
    if bins is None:
        _, group = np.unique(data.score, return_inverse=True)
    else:
        group = uniform_bins(data.score, check_integer("bins", bins, low=1))
    size = np.bincount(group).astype(np.float64)
    used = size > 0
    with np.errstate(invalid="ignore"):
        forecast = np.bincount(group, weights=data.score) / size
        observed = np.bincount(group, weights=data.y) / size
    size, n = size[used], data.n
    base = data.positives / n
    reliability = float(size @ (forecast[used] - observed[used]) ** 2) / n
    resolution = float(size @ (observed[used] - base) ** 2) / n
    uncertainty = base * (1.0 - base)
    apart = data.score - forecast[group]
    brier = float(np.mean((data.score - data.y) ** 2))
    return BrierDecomposition(
        brier=brier,
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        within_bin=float(np.mean(apart**2 - 2.0 * (data.y - observed[group]) * apart)),
        skill=1.0 - brier / uncertainty if uncertainty > 0.0 else math.nan,
    )


def uniform_bins(p: FloatVector, bins: int) -> IntVector:
    """Return the bin of each probability among equal-width bins (a, b]; 0 belongs to the first."""
    # Division gives the float nearest to k / bins, as a probability typed in decimals is: 0.3 stays in (0.2, 0.3].
    edges = np.arange(1, bins) / bins
    return np.searchsorted(edges, p, side="left")


def clustered_mean_error(values: FloatVector, data: Scored) -> tuple[float, int]:
    """Return the standard error of a mean over images, and the units less one that it rests on."""
    if data.patients is None:
        units = data.n
        error = float(values.std(ddof=1)) / math.sqrt(units) if units > 1 else math.nan
    else:
        sums = np.bincount(data.patients, weights=values - values.mean())
        units = int(sums.size)
        error = math.sqrt(units / (units - 1) * float(sums @ sums)) / data.n if units > 1 else math.nan
    # What rounding of the mean leaves of values that are all equal is no spread.
    return (0.0 if error <= 1e-12 * float(np.abs(values).max()) else error), units - 1


def _mean_loss(losses: FloatVector, data: Scored, level: float, *, scale: str, high: float) -> Estimate:
    value = float(losses.mean())
    error, freedom = clustered_mean_error(losses, data)
    label = f"mean{'' if data.patients is None else ' by patient'}, {scale} scale"
    inside = 0.0 < value < high
    limits = (math.nan, math.nan)
    if data.n == 1 or not error > 0.0 or not inside:
        reason = "no interval: the losses do not vary" if data.n > 1 else "no interval from one image"
        if data.patients is not None and freedom == 0:
            reason = "no interval: all images are of one patient"
    else:
        reason = "" if data.patients is None else few_patients(freedom + 1)
        quantile = t_quantile(level, freedom)
        if scale == "log":
            limits = (value * math.exp(-quantile * error / value), value * math.exp(quantile * error / value))
        else:
            centre, half = special.logit(value), quantile * error / (value * (1.0 - value))
            limits = (float(special.expit(centre - half)), float(special.expit(centre + half)))
    return bounded(
        value,
        limits,
        low=0.0,
        high=high,
        method=label,
        n=data.n,
        level=level,
        reason=reason,
        standard_error=error,
        dropped=data.dropped,
    )
