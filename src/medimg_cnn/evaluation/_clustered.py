"""Proportions of images that come several to a patient: the ratio estimator."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from medimg_cnn._types import BoolVector, IntVector
from medimg_cnn._validation import check_choice
from medimg_cnn._vectors import as_labels, same_length
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._inputs import Scored, as_patients, check_level
from medimg_cnn.evaluation._proportions import few_on_a_side, wilson_limits, z_quantile

__all__ = [
    "ClusteredMethod",
    "class_units",
    "clustered_limits",
    "clustered_proportion",
    "clustered_share",
    "effective_number",
    "few_in_class",
    "few_patients",
    "t_quantile",
]

ClusteredMethod: TypeAlias = Literal["wilson", "wald"]
BY_PATIENT = "ratio estimator by patient"
"""How ``method`` of a proportion by patient begins."""
FEW_IN_CLASS = 20
"""Below this number of images (or patients) of a class, the interval of a rank statistic is flagged."""
FEW_PATIENTS = 20
"""Below this number of patients an interval that rests on the spread between patients is flagged."""


def t_quantile(level: float, freedom: float) -> float:
    """Return the two-sided quantile of Student's t."""
    return float(special.stdtrit(freedom, (1.0 + level) / 2.0))


def few_patients(patients: int) -> str:
    """Return the caution for an interval that rests on few patients, or an empty text."""
    if patients >= FEW_PATIENTS:
        return ""
    return (
        f"too few: only {patients} patient{'s' * (patients != 1)}, and the interval is unreliable with fewer than "
        f"{FEW_PATIENTS}"
    )


def class_units(data: Scored) -> tuple[int, int]:
    """Return the independent units with and without the condition: images, or patients where known."""
    if data.patients is None:
        return data.positives, data.negatives
    return int(np.unique(data.patients[data.y]).size), int(np.unique(data.patients[~data.y]).size)


def few_in_class(data: Scored) -> str:
    """Return the caution for an interval that needs more patients, or more of a class, or an empty text."""
    if data.patients is not None and (caution := few_patients(int(data.patients.max()) + 1)):
        return caution
    unit = "image" if data.patients is None else "patient"
    for number, name in zip(class_units(data), ("with", "without"), strict=True):
        if number < FEW_IN_CLASS:
            return (
                f"too few: only {number} {unit}{'s' * (number != 1)} {name} the condition, and the interval may "
                f"cover less than its level with fewer than {FEW_IN_CLASS}"
            )
    return ""


def clustered_proportion(
    success: ArrayLike,
    clusters: ArrayLike,
    *,
    level: float = 0.95,
    method: ClusteredMethod = "wilson",
    why_undefined: str = "no trials",
) -> Estimate:
    """Return a proportion of images whose interval allows for several images of a patient.

    p = sum x_i / sum m_i over patients i with x_i successes in m_i images; its variance is
    I / (I - 1) * sum (x_i - p m_i)^2 / (sum m_i)^2 (ratio estimator; J. N. K. Rao and A. J. Scott 1992,
    doi:10.2307/2532311).

    Args:
        success: (m,) 0/1 or booleans, one per image.
        clusters: (m,) patient of each image, texts or whole numbers.
        level: confidence level.
        method: "wilson": Wilson's interval with the effective number of images p (1 - p) / variance (at
            most the true number) and Student's t with I - 1 degrees of freedom; with no variation between
            images (p of 0 or 1) the number of patients is the effective number. The lower limit is never
            above that of patients without any error, nor the upper below that of patients without any
            success: a few errors tell nothing of how alike the images of a patient are, and a first error
            must not raise the limit. "wald": p +- 1.96 SE.
        why_undefined: the reason given when ``success`` is empty.

    Returns:
        An Estimate in [0, 1]; ``n`` counts images. With one image per patient it is plain Wilson. Below 20
        patients, and with fewer than 10 effective successes or failures, ``reason`` says "too few"; with one
        patient there is no interval.

    Raises:
        ArgumentError: lengths differ, a value is neither 0 nor 1, a patient is missing.

    Example:
        >>> patients = ["a", "a", "b", "b", "c", "c"]
        >>> estimate = clustered_proportion([1, 1, 0, 0, 1, 0], patients)
        >>> round(estimate.value, 3), estimate.reason
        (0.5, 'too few: only 3 patients, and the interval is unreliable with fewer than 20')
    """
    check_choice("method", method, ("wilson", "wald"))
    if np.size(success) == 0:
        return undefined(why_undefined, method=_label(method), n=0, level=check_level(level))
    hit = as_labels("success", success)
    codes = as_patients(clusters)
    same_length(success=hit, clusters=codes)
    return clustered_share(hit, codes, level=check_level(level), method=method)


def clustered_share(
    hit: BoolVector,
    codes: IntVector,
    *,
    level: float,
    method: ClusteredMethod = "wilson",
    why_undefined: str = "no trials",
) -> Estimate:
    """Return ``clustered_proportion`` of checked vectors."""
    label = _label(method)
    trials = int(hit.size)
    if trials == 0:
        return undefined(why_undefined, method=label, n=0, level=level)
    sizes = np.bincount(codes)
    present = sizes > 0
    images = sizes[present].astype(np.float64)
    successes = np.bincount(codes, weights=hit)[present]
    patients = int(images.size)
    share = float(successes.sum()) / trials
    if patients == 1:
        return Estimate(
            value=share,
            method=label,
            n=trials,
            level=level,
            reason="all images are of one patient: there is no spread between patients to judge by",
        )
    spread = float(np.sum((successes - share * images) ** 2))
    variance = patients / (patients - 1) * spread / trials**2 if spread > 1e-20 * trials else 0.0
    error = math.sqrt(variance)
    reason = few_patients(patients)
    if method == "wald" and variance == 0.0:
        limits = (math.nan, math.nan)
        reason = "no interval: the patients do not differ"
    elif method == "wald":
        half = z_quantile(level) * error
        limits = (share - half, share + half)
    else:
        limits = clustered_limits(share, variance, level, trials=trials, patients=patients)
        effective = effective_number(share, variance, trials=trials, patients=patients)
        reason = reason or few_on_a_side(share * effective, effective)
    return bounded(
        share,
        limits,
        low=0.0,
        high=1.0,
        method=label,
        n=trials,
        level=level,
        reason=reason,
        standard_error=error,
    )


def clustered_limits(
    share: float, variance: float, level: float, *, trials: int, patients: int
) -> tuple[float, float]:
    """Return Wilson limits with an effective number of images, held to what so many patients can show.

    With one image each they are plain Wilson limits; one patient alone shows nothing.
    """
    if patients == 1:
        return 0.0, 1.0
    if patients == trials:
        return wilson_limits(share * trials, trials, level)
    quantile = t_quantile(level, patients - 1)
    effective = effective_number(share, variance, trials=trials, patients=patients)
    lower, upper = wilson_limits(share * effective, effective, level, quantile=quantile)
    # A lone error looks independent of its patient's other images, and the effective number leaps.
    without_success = wilson_limits(0.0, patients, level, quantile=quantile)[1]
    return min(lower, 1.0 - without_success), max(upper, without_success)


def effective_number(share: float, variance: float, *, trials: int, patients: int) -> float:
    """Return how many independent images would tell as much; at most as many as there are."""
    if patients == trials:
        return trials
    if not 0.0 < share < 1.0:
        return patients
    return min(trials, share * (1.0 - share) / variance) if variance > 0.0 else trials


def _label(method: ClusteredMethod) -> str:
    return f"{BY_PATIENT}, {'Wilson' if method == 'wilson' else 'Wald'}"
