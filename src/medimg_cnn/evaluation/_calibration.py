"""Calibration: do the probabilities mean what they say?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from medimg_cnn._types import FloatVector
from medimg_cnn._validation import check_choice, check_integer, check_number
from medimg_cnn._vectors import Missing
from medimg_cnn.evaluation._accuracy import NO_NEGATIVES, NO_POSITIVES
from medimg_cnn.evaluation._clustered import clustered_share, few_in_class, t_quantile
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._inputs import Outcome, Scored, as_scored, check_level
from medimg_cnn.evaluation._logistic import (
    LogisticFit,
    fit_logistic,
    log_likelihood,
    matching_intercept,
    separated,
)
from medimg_cnn.evaluation._proportions import proportion, z_quantile
from medimg_cnn.evaluation._reliability import BinStrategy, binned
from medimg_cnn.evaluation._scoring_rules import (
    BrierDecomposition,
    brier_of,
    decompose,
)

__all__ = ["CalibrationSummary", "calibration", "calibration_of", "expected_calibration_error"]

FLOAT32_HALF_STEP = 2.0**-24
"""The distance from 1 of the largest float32 below it, halved: nearer than this a float32 sigmoid says 1."""
_NO_INFORMATION = 1e-4
"""Information on a shift of all logits, below which its standard error is over 100 and its value of rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSummary:
    """How well probabilities agree with outcomes.

    Attributes:
        slope: coefficient b of logit P(y = 1) = a + b logit(p); 1 is best, below 1 means that the
            probabilities are too extreme.
        intercept_joint: a of the same model, with the slope free.
        calibration_in_the_large: intercept with the slope held at 1 (an offset); 0 is best, above 0 means
            that the probabilities are too low on the whole. It is another number than
            ``intercept_joint``.
        observed_expected: observed over expected number of positives; 1 is best.
        brier: Brier score.
        brier_parts: its decomposition over the same bins as ``ece``.
        ece: expected calibration error over equal-width bins (a, b].
        mce: largest calibration error of a bin.
        spiegelhalter_z: standard normal if the probabilities are right (D. J. Spiegelhalter 1986,
            doi:10.1002/sim.4780050506); NaN where every probability is 0 or 1.
        spiegelhalter_p: two-sided p value of it.
        unreliability_chi2: likelihood ratio of intercept 0 and slope 1 against both free, 2 degrees of
            freedom (D. R. Cox 1958); NaN where the slope is undefined.
        unreliability_p: its p value. Both tests take images as independent.
        bins: number of bins of ``ece``, ``mce`` and ``brier_parts``.
        n: images.
        note: what was done to the input (probabilities of exactly 0 or 1 moved), or empty.
    """

    slope: Estimate
    intercept_joint: Estimate
    calibration_in_the_large: Estimate
    observed_expected: Estimate
    brier: Estimate
    brier_parts: BrierDecomposition
    ece: Estimate
    mce: Estimate
    spiegelhalter_z: float
    spiegelhalter_p: float
    unreliability_chi2: float
    unreliability_p: float
    bins: int
    n: int
    note: str = ""

    def as_dict(self) -> dict[str, Estimate]:
        """Return the figures that have an Estimate, by name."""
        names = (
            "slope",
            "intercept_joint",
            "calibration_in_the_large",
            "observed_expected",
            "brier",
            "ece",
            "mce",
        )
        return {name: getattr(self, name) for name in names}


def calibration(
    y: Outcome,
    p: ArrayLike | None = None,
    *,
    bins: int = 10,
    clip: float = FLOAT32_HALF_STEP,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
    weights: None = None,
) -> CalibrationSummary:
    """Return slope, both intercepts, observed over expected, Brier score, ECE and two tests.

    Slope and intercepts have Wald intervals from the information matrix; with ``patients`` from the
    sandwich by patient with Student's t. Observed over expected carries the limits of the calibration in the
    large: the expected number after the intercept is moved to each, over that before. So it excludes 1 if
    and only if the other excludes 0. With one class it has the interval of the observed share, wider.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        p: (n,) probabilities in [0, 1].
        bins: equal-width bins for ECE, MCE and the decomposition.
        clip: for slope, intercepts and their test only: probabilities nearer than this to 0 or 1 are moved
            there, because their logit is infinite. The default is where float32 rounds to 1.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image.
        level: confidence level.
        missing: "raise" or "drop" rows whose probability is NaN.
        weights: not supported; refused in words.

    Returns:
        The slope is NaN with one class, with one distinct probability, or where a threshold separates the
        classes (the best slope is then infinite).

    Raises:
        ArgumentError: malformed input, or a probability outside [0, 1].

    Source: terms of B. Van Calster et al. 2016, doi:10.1016/j.jclinepi.2015.12.005.

    Example:
        >>> y = [0, 0, 1, 0, 1, 1, 0, 1]
        >>> summary = calibration(y, [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9])
        >>> round(summary.slope.value, 2), round(summary.observed_expected.value, 2)
        (0.74, 1.03)
    """
    data = as_scored(
        y, p, positive=positive, patients=patients, missing=missing, probability=True, weights=weights
    )
    return calibration_of(data, bins=bins, clip=clip, level=check_level(level))


def expected_calibration_error(
    y: Outcome,
    p: ArrayLike | None = None,
    *,
    bins: int = 10,
    strategy: BinStrategy = "uniform",
    positive: object = None,
    missing: Missing = "raise",
) -> Estimate:
    """Return the mean over images of |observed share - mean probability| of their bin (a, b].

    Bins are of equal width ("uniform") or of about equal numbers of images ("quantile").

    No interval: the figure is pushed upwards by chance in small bins, and resampling pushes it further.

    Example:
        >>> y, p = [0, 1, 0, 0, 1, 1, 1, 1, 1, 0], [0.22, 0.48, 0.49, 0.96, 0.55, 0.64, 0.78, 0.82, 0.34, 0.87]
        >>> round(expected_calibration_error(y, p, bins=5).value, 3)
        0.315
    """
    data = as_scored(y, p, positive=positive, missing=missing, probability=True)
    check_choice("strategy", strategy, ("uniform", "quantile"))
    return _binned_errors(data, check_integer("bins", bins, low=1), 0.95, strategy)[0]


def calibration_of(data: Scored, *, bins: int, clip: float, level: float) -> CalibrationSummary:
    """Return ``calibration`` of checked data."""
    bins = check_integer("bins", bins, low=1)
    clip = check_number("clip", clip, low=0.0, high=0.5, low_open=True, high_open=True)
    moved = int(np.count_nonzero((data.score < clip) | (data.score > 1.0 - clip)))
    logit = special.logit(np.clip(data.score, clip, 1.0 - clip))
    slope, intercept, chi2 = _slope_and_intercept(data, logit, level)
    large = _in_the_large(data, logit, level)
    z = _spiegelhalter(data)
    ece, mce = _binned_errors(data, bins, level)
    return CalibrationSummary(
        slope=slope,
        intercept_joint=intercept,
        calibration_in_the_large=large,
        observed_expected=_observed_expected(data, logit, large, level),
        brier=brier_of(data, level=level),
        brier_parts=decompose(data, bins=bins),
        ece=ece,
        mce=mce,
        spiegelhalter_z=z,
        spiegelhalter_p=math.nan if math.isnan(z) else float(2.0 * special.ndtr(-abs(z))),
        unreliability_chi2=chi2,
        unreliability_p=math.nan if math.isnan(chi2) else float(stats.chi2.sf(chi2, 2)),
        bins=bins,
        n=data.n,
        note=_moved(moved, clip),
    )


def _moved(number: int, clip: float) -> str:
    if number == 0:
        return ""
    which = (
        "1 probability at or next to 0 or 1 was"
        if number == 1
        else f"{number} probabilities at or next to 0 or 1 were"
    )
    return f"{which} moved to {clip:.1e} from it"


def _slope_and_intercept(data: Scored, logit: FloatVector, level: float) -> tuple[Estimate, Estimate, float]:
    why = _one_class(data)
    if not why and logit.min() == logit.max():
        why = "every probability is the same"
    if not why and separated(data.y, logit):
        why = "a threshold separates the classes, so that the best slope is infinite"
    fit: LogisticFit | None = None
    if not why:
        design = np.column_stack([np.ones(data.n), logit])
        fit = fit_logistic(
            data.y,
            design,
            start=np.array([special.logit(data.positives / data.n), 0.0]),
            patients=data.patients,
        )
        if not fit.ok:
            why = "the fit did not converge"
    if fit is None or why:
        missing = undefined(why, method=_method(data), n=data.n, level=level, dropped=data.dropped)
        return missing, missing, math.nan
    chi2 = max(0.0, 2.0 * (fit.log_likelihood - log_likelihood(data.y, logit)))
    return _coefficient(data, fit, 1, level), _coefficient(data, fit, 0, level), chi2


def _in_the_large(data: Scored, logit: FloatVector, level: float) -> Estimate:
    why = _one_class(data)
    if not why:
        # Flat where the probabilities are far off, so that Newton's method needs a start near the top.
        start = np.array([matching_intercept(data.y, logit)])
        fit = fit_logistic(data.y, np.ones((data.n, 1)), offset=logit, start=start, patients=data.patients)
        shifted = special.expit(fit.coefficients[0] + logit)
        if float(np.sum(shifted * (1.0 - shifted))) < _NO_INFORMATION:
            why = "the probabilities are all next to 0 or 1, and no shift fits better than another"
        elif fit.ok:
            return _coefficient(data, fit, 0, level)
        else:
            why = "the fit did not converge"
    return undefined(why, method=_method(data), n=data.n, level=level, dropped=data.dropped)


def _coefficient(data: Scored, fit: LogisticFit, index: int, level: float) -> Estimate:
    value = float(fit.coefficients[index])
    variance = float(fit.covariance[index, index])
    error = math.sqrt(variance) if variance >= 0.0 else math.nan
    quantile = z_quantile(level)
    if data.patients is not None:
        patients = int(data.patients.max()) + 1
        quantile = t_quantile(level, patients - 1) if patients > 1 else math.nan
    reason = few_in_class(data)
    half = quantile * error
    if error < 1e-9:  # of rounding: outcomes of each patient cancel
        half, reason = math.nan, "no interval: the patients do not differ"
    return bounded(
        value,
        (value - half, value + half),
        method=_method(data),
        n=data.n,
        level=level,
        reason=reason,
        standard_error=error,
        dropped=data.dropped,
    )


def _observed_expected(data: Scored, logit: FloatVector, large: Estimate, level: float) -> Estimate:
    expected = float(data.score.mean())
    if data.patients is None:
        observed = proportion(data.positives, data.n, level=level)
    else:
        observed = clustered_share(data.y, data.patients, level=level)
    method = f"{observed.method} of the observed share, expectation fixed"
    if expected == 0.0:
        why = "every probability is 0, so that none is expected"
        return undefined(why, method=method, n=data.n, level=level, dropped=data.dropped)
    limits = (observed.lower / expected, observed.upper / expected)
    reason, error = observed.reason, observed.standard_error / expected
    carried = (
        float(special.expit(logit + large.lower).mean()) / expected,
        float(special.expit(logit + large.upper).mean()) / expected,
    )
    # Patients whose outcomes cancel, or probabilities of 0 and 1, leave rounding errors for a width.
    if carried[1] - carried[0] > 1e-6 * observed.value / expected:
        # Given the probabilities, outcomes vary less than the prevalence of a new sample does.
        method = "limits of the calibration in the large, carried over"
        limits = carried
        moved = special.expit(logit + large.value)
        reason = large.reason
        error = large.standard_error * float(np.mean(moved * (1.0 - moved))) / expected
    return bounded(
        observed.value / expected,
        limits,
        low=0.0,
        method=method,
        n=data.n,
        level=level,
        reason=reason,
        standard_error=error,
        dropped=data.dropped,
    )


def _spiegelhalter(data: Scored) -> float:
    p = data.score
    variance = float(np.sum((1.0 - 2.0 * p) ** 2 * p * (1.0 - p)))
    if not variance > 0.0:
        return math.nan
    return float(np.sum((data.y - p) * (1.0 - 2.0 * p))) / math.sqrt(variance)


def _binned_errors(
    data: Scored, bins: int, level: float, strategy: BinStrategy = "uniform"
) -> tuple[Estimate, Estimate]:
    _, size, forecast, observed = binned(data, bins=bins, strategy=strategy)
    used = size > 0
    gaps = np.abs(observed[used] - forecast[used])
    values = (float(size[used] @ gaps) / data.n, float(gaps.max()))
    first, second = (
        Estimate(
            value=value,
            method=f"{size.size} {'equal-width' if strategy == 'uniform' else 'quantile'} bins (a, b]",
            n=data.n,
            level=level,
            reason="chance in small bins pushes it upwards, and resampling pushes it further",
            dropped=data.dropped,
        )
        for value in values
    )
    return first, second


def _one_class(data: Scored) -> str:
    if data.positives == 0:
        return NO_POSITIVES
    return NO_NEGATIVES if data.negatives == 0 else ""


def _method(data: Scored) -> str:
    return "maximum likelihood, Wald" if data.patients is None else "maximum likelihood, sandwich by patient"
