"""What a comparison of two models holds, and what the paired and the unpaired one share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._differences import (
    McNemarTest,
    NonInferiority,
    PairedCounts,
    non_inferiority_of,
)
from medimg_cnn.evaluation._estimate import Estimate
from medimg_cnn.evaluation._inputs import Threshold, check_threshold
from medimg_cnn.evaluation._inversion import AtLevel
from medimg_cnn.evaluation._net_benefit import NetBenefitFigure

__all__ = [
    "AurocComparison",
    "Comparison",
    "PairedFigure",
    "both_thresholds",
    "margin_test",
    "standardised",
    "wald_p",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AurocComparison:
    """Two AUROCs and their difference a - b.

    Attributes:
        a: AUROC of a.
        b: AUROC of b.
        difference: a - b with its interval; ``standard_error`` inside.
        z: difference over its standard error; NaN where that is 0.
        p_value: two-sided, of the method of the interval: below 1 - level if and only if the interval
            excludes 0. 1 where the two rank every pair of cases alike, NaN where there is no interval.
        covariance: of the two AUROCs; 0 for different cases, NaN where undefined.
        paired: whether both were measured on the same cases.
    """

    a: Estimate
    b: Estimate
    difference: Estimate
    z: float
    p_value: float
    covariance: float
    paired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedFigure:
    """Sensitivity, specificity or accuracy of two models at their own thresholds.

    Attributes:
        name: of the figure.
        a: of the first model.
        b: of the second.
        difference: a - b.
        counts: cases right by both, a only, b only, neither; None for different cases.
        mcnemar: the test; None with several images of a patient and for different cases.
        p_value: two-sided, of the method of the interval of ``difference``: below 1 - level if and only if
            the interval excludes 0. With "tango" it is McNemar's without correction; the exact and the
            mid-p value are in ``mcnemar``.
        non_inferiority: None unless a margin was given.
    """

    name: str
    a: Estimate
    b: Estimate
    difference: Estimate
    counts: PairedCounts | None
    mcnemar: McNemarTest | None
    p_value: float
    non_inferiority: NonInferiority | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two models compared.

    Net reclassification is left out on purpose: it can favour a model that adds noise
    (J. Hilden and T. A. Gerds 2014, doi:10.1002/sim.5804).

    Attributes:
        auroc: AUROCs and their difference.
        auroc_non_inferiority: None unless a margin was given.
        sensitivity: None without thresholds.
        specificity: None without thresholds.
        accuracy: None without thresholds.
        net_benefit: at threshold probabilities 0.05 to 0.95 by 0.05; empty for different cases, whose
            prevalence differs too, and for cases of one class.
        n: images of a (and of b, where paired).
        paired: whether both were measured on the same cases.
    """

    auroc: AurocComparison
    auroc_non_inferiority: NonInferiority | None
    sensitivity: PairedFigure | None
    specificity: PairedFigure | None
    accuracy: PairedFigure | None
    n: int
    paired: bool
    net_benefit: tuple[NetBenefitFigure, ...] = ()


def margin_test(
    difference: Estimate, margin: float | None, at: AtLevel | None = None
) -> NonInferiority | None:
    return None if margin is None else non_inferiority_of(difference, margin=margin, at=at)


def standardised(difference: Estimate) -> float:
    error = difference.standard_error
    return difference.value / error if error > 0.0 else math.nan


def wald_p(difference: Estimate, freedom: int | None) -> float:
    """Return the two-sided p value of a Wald interval: normal, or t where it has a freedom."""
    z = abs(standardised(difference))
    if not difference.has_interval or math.isnan(z):
        return math.nan
    return float(2.0 * (special.ndtr(-z) if freedom is None else special.stdtr(freedom, -z)))


def both_thresholds(a: Threshold | None, b: Threshold | None) -> tuple[float, float] | None:
    if (a is None) != (b is None):
        raise ArgumentError("threshold_a, threshold_b: both or neither; got one.")
    if a is None or b is None:
        return None
    return check_threshold(a), check_threshold(b)
