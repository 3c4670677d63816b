"""Predictive values at a prevalence other than that of the study."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from medimg_cnn._validation import check_fraction
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._clustered import BY_PATIENT
from medimg_cnn.evaluation._combine import Limits, difference_limits
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._proportions import z_quantile

__all__ = ["predictive_values"]


def predictive_values(
    sensitivity: Estimate, specificity: Estimate, *, prevalence: float
) -> tuple[Estimate, Estimate]:
    """Return (PPV, NPV) at a stated prevalence, by Bayes' theorem, with logit intervals.

    The interval is that of N. D. Mercaldo, K. F. Lau, X. H. Zhou 2007 (doi:10.1002/sim.2677): the delta
    method on the logit of the predictive value, from the standard errors of sensitivity and specificity
    and the normal quantile. For proportions by patient, whose limits rest on Student's t, these limits are
    combined on the same scale instead (log sensitivity less log of 1 - specificity, variance recovered from
    each side). Where one of them is 0 or 1 its standard error is 0, and the
    values at both lower and both upper limits are given instead, a wider and safe interval. The
    prevalence is taken as known.

    Args:
        sensitivity: as ``sensitivity`` or ``clustered_proportion`` gives it.
        specificity: likewise, of the same level.
        prevalence: inside (0, 1), where the test will be used.

    Raises:
        ArgumentError: the levels differ or the prevalence is not inside (0, 1).

    Example:
        >>> from medimg_cnn.evaluation import ConfusionCounts, sensitivity, specificity
        >>> counts = ConfusionCounts(tp=670, fp=202, fn=74, tn=640)
        >>> ppv, npv = predictive_values(sensitivity(counts), specificity(counts), prevalence=0.01)
        >>> print(ppv.format(4))
        0.0365 (0.0325 to 0.0411)
    """
    share = check_fraction("prevalence", prevalence, open_ends=True)
    if sensitivity.level != specificity.level:
        raise ArgumentError(
            f"specificity: must have the level of sensitivity ({sensitivity.level}); got {specificity.level}."
        )
    n = sensitivity.n + specificity.n
    for part in (sensitivity, specificity):
        if not part.defined:
            lost = undefined(part.reason, method="Bayes", n=n, level=part.level)
            return lost, lost
    return (
        _value("positive", sensitivity, specificity, share, n=n),
        _value("negative", sensitivity, specificity, share, n=n),
    )


def _bayes(call: str, sens: float, spec: float, share: float) -> float:
    """Return the share of those with this call who are rightly called; NaN where none is called so."""
    if call == "positive":
        right, wrong = sens * share, (1.0 - spec) * (1.0 - share)
    else:
        right, wrong = spec * (1.0 - share), (1.0 - sens) * share
    return right / (right + wrong) if right + wrong > 0.0 else math.nan


def _value(call: str, sens: Estimate, spec: Estimate, share: float, *, n: int) -> Estimate:
    value = _bayes(call, sens.value, spec.value, share)
    if math.isnan(value):
        why = f"no image was called {call}"
        return undefined(why, method="Bayes", n=n, level=sens.level)
    hit, miss = (sens, spec) if call == "positive" else (spec, sens)
    method, reason, error = "Bayes, Mercaldo logit", "", math.nan
    limits: Limits
    by_patient = any(part.method.startswith(BY_PATIENT) and part.has_interval for part in (sens, spec))
    if by_patient and hit.value > 0.0 and miss.value < 1.0 and hit.has_interval and miss.has_interval:
        limits = _recovered(hit, miss, special.logit(value))
        method = "Bayes, limits by patient combined on the logit scale"
        error = value * (1.0 - value) * _spread(hit, miss)
    elif hit.standard_error > 0.0 and miss.standard_error > 0.0:
        spread = _spread(hit, miss)
        centre, half = special.logit(value), z_quantile(sens.level) * spread
        limits = (float(special.expit(centre - half)), float(special.expit(centre + half)))
        error = value * (1.0 - value) * spread
    elif sens.has_interval and spec.has_interval:
        limits = (
            _bayes(call, sens.lower, spec.lower, share),
            _bayes(call, sens.upper, spec.upper, share),
        )
        low, high = (
            (0.0 if math.isnan(limits[0]) else limits[0]),
            (1.0 if math.isnan(limits[1]) else limits[1]),
        )
        limits = (low, high)
        method = "Bayes, limits of sensitivity and specificity combined"
        reason = "sensitivity or specificity is 0 or 1: a safe interval is given"
    else:
        limits = (math.nan, math.nan)
        reason = "no interval: one of sensitivity and specificity has none"
    caution = sens.reason or spec.reason
    return bounded(
        value,
        limits,
        low=0.0,
        high=1.0,
        method=method,
        n=n,
        level=sens.level,
        reason=f"{reason}; {caution}" if reason and caution else reason or caution,
        standard_error=error,
    )


def _spread(hit: Estimate, miss: Estimate) -> float:
    return math.hypot(hit.standard_error / hit.value, miss.standard_error / (1.0 - miss.value))


def _recovered(hit: Estimate, miss: Estimate, centre: float) -> Limits:
    """Return the limits whose logit is ``centre`` plus what log(hit) - log(1 - miss) may be off."""
    with np.errstate(divide="ignore"):
        first = [float(x) for x in np.log([hit.lower, hit.value, hit.upper])]
        second = [float(x) for x in np.log1p([-miss.upper, -miss.value, -miss.lower])]
    low, high = difference_limits(first[1], (first[0], first[2]), second[1], (second[0], second[2]))
    middle = first[1] - second[1]
    return float(special.expit(centre + low - middle)), float(special.expit(centre + high - middle))
