"""Differences of two proportions, independent or paired, and what an interval says of a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from medimg_cnn._validation import check_choice, check_integer, check_number
from medimg_cnn._vectors import as_labels, same_length
from medimg_cnn.evaluation._clustered import t_quantile
from medimg_cnn.evaluation._combine import Limits, difference_limits
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._inputs import check_level
from medimg_cnn.evaluation._inversion import AtLevel, one_sided_p
from medimg_cnn.evaluation._proportions import proportion, wilson_limits, z_quantile

__all__ = [
    "McNemarTest",
    "NonInferiority",
    "PairedCounts",
    "difference_of_independent",
    "mcnemar",
    "non_inferiority",
    "non_inferiority_of",
    "paired_difference",
    "proportion_difference",
]

PairedMethod: TypeAlias = Literal["tango", "newcombe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedCounts:
    """Two yes-or-no results on the same cases, for example "a is right" and "b is right".

    Attributes:
        n11: yes for both.
        n10: yes for a only.
        n01: yes for b only.
        n00: yes for neither.

    Raises:
        ArgumentError: a count is negative or not a whole number.

    Example:
        >>> PairedCounts.from_vectors([1, 1, 0, 1], [1, 0, 0, 0])
        PairedCounts(n11=1, n10=2, n01=0, n00=1)
    """

    n11: int
    n10: int
    n01: int
    n00: int

    def __post_init__(self) -> None:
        for name in ("n11", "n10", "n01", "n00"):
            object.__setattr__(self, name, check_integer(name, getattr(self, name), low=0))

    @property
    def n(self) -> int:
        """All cases."""
        return self.n11 + self.n10 + self.n01 + self.n00

    @property
    def discordant(self) -> int:
        """Cases on which the two differ."""
        return self.n10 + self.n01

    @classmethod
    def from_vectors(cls, a: ArrayLike, b: ArrayLike) -> PairedCounts:
        """Count (n,) results 0/1 or boolean of the same cases in the same order."""
        first, second = as_labels("a", a), as_labels("b", b)
        same_length(a=first, b=second)
        n11 = int(np.count_nonzero(first & second))
        n10 = int(np.count_nonzero(first)) - n11
        n01 = int(np.count_nonzero(second)) - n11
        return cls(n11=n11, n10=n10, n01=n01, n00=int(first.size) - n11 - n10 - n01)


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemarTest:
    """McNemar's test that two paired proportions are equal, in four versions.

    Attributes:
        chi2: (b - c)^2 / (b + c) for the discordant counts b and c; NaN without any.
        p_chi2: its p value, 1 degree of freedom.
        chi2_corrected: (|b - c| - 1)^2 / (b + c), with the continuity correction.
        p_chi2_corrected: its p value.
        p_exact: two-sided binomial p value; conservative.
        p_mid: two-sided mid-p value; the one to report by default.
        discordant: b + c. With 0 every p value is 1.
    """

    chi2: float
    p_chi2: float
    chi2_corrected: float
    p_chi2_corrected: float
    p_exact: float
    p_mid: float
    discordant: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NonInferiority:
    """What the interval of a difference (new - reference; higher is better) says of a margin.

    Attributes:
        difference: the difference with its two-sided interval.
        margin: the largest loss that is acceptable, 0 or more.
        noninferior: lower bound > -margin; None where there is no interval.
        superior: lower bound > 0; None where there is no interval.
        equivalent: the whole interval inside (-margin, margin); None where there is no interval.
        z: (difference + margin) / standard error; NaN where the method has no standard error. The decision
            is by the interval, which need not be difference +- 1.96 SE.
        p_one_sided: of the hypothesis difference <= -margin, of the method of the interval: below
            1 - ``level_one_sided`` if and only if ``noninferior``. NaN where it cannot be had (``reason``).
        level_one_sided: confidence of the lower bound by itself, (1 + level) / 2.
        reason: why there is no p value, or empty.
    """

    difference: Estimate
    margin: float
    noninferior: bool | None
    superior: bool | None
    equivalent: bool | None
    z: float
    p_one_sided: float
    level_one_sided: float
    reason: str = ""


def proportion_difference(
    successes_a: int, trials_a: int, successes_b: int, trials_b: int, *, level: float = 0.95
) -> Estimate:
    """Return p_a - p_b of two independent groups, with Newcombe's hybrid score interval.

    Source: R. G. Newcombe 1998, method 10, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.

    Raises:
        ArgumentError: a count is negative, not whole, or above its trials.

    Example:
        >>> print(proportion_difference(56, 70, 48, 80))
        0.200 (0.052 to 0.334)
    """
    return difference_of_independent(
        proportion(successes_a, trials_a, level=level),
        proportion(successes_b, trials_b, level=level),
        low=-1.0,
        high=1.0,
    )


def difference_of_independent(a: Estimate, b: Estimate, *, low: float, high: float) -> Estimate:
    """Return a - b for two independent figures, from the limits of each."""
    n = a.n + b.n
    method = (
        "Newcombe hybrid" if a.method == b.method == "Wilson" else f"limits of each, combined ({a.method})"
    )
    for part in (a, b):
        if not part.defined:
            return undefined(part.reason, method=method, n=n, level=a.level)
    limits: Limits = (math.nan, math.nan)
    reason = "; ".join(dict.fromkeys(item.reason for item in (a, b) if item.reason))
    if a.has_interval and b.has_interval:
        limits = difference_limits(a.value, (a.lower, a.upper), b.value, (b.lower, b.upper))
    return bounded(
        a.value - b.value,
        limits,
        low=low,
        high=high,
        method=method,
        n=n,
        level=a.level,
        reason=reason,
        standard_error=math.hypot(a.standard_error, b.standard_error),
    )


def mcnemar(counts: PairedCounts) -> McNemarTest:
    """Return McNemar's test of two results on the same cases.

    Source: Q. McNemar 1947, doi:10.1007/BF02295996; mid-p: M. W. Fagerland, S. Lydersen, P. Laake 2013,
    doi:10.1186/1471-2288-13-91.

    Example:
        >>> round(mcnemar(PairedCounts(n11=794, n10=150, n01=86, n00=570)).chi2, 4)
        17.3559
    """
    total, gap = counts.discordant, abs(counts.n10 - counts.n01)
    if total == 0:
        return McNemarTest(
            chi2=math.nan,
            p_chi2=1.0,
            chi2_corrected=math.nan,
            p_chi2_corrected=1.0,
            p_exact=1.0,
            p_mid=1.0,
            discordant=0,
        )
    fewer = min(counts.n10, counts.n01)
    tail, point = float(stats.binom.cdf(fewer, total, 0.5)), float(stats.binom.pmf(fewer, total, 0.5))
    chi2, corrected = gap**2 / total, max(gap - 1, 0) ** 2 / total
    return McNemarTest(
        chi2=chi2,
        p_chi2=float(stats.chi2.sf(chi2, 1)),
        chi2_corrected=corrected,
        p_chi2_corrected=float(stats.chi2.sf(corrected, 1)),
        p_exact=min(1.0, 2.0 * tail),
        p_mid=min(1.0, 2.0 * tail - point),
        discordant=total,
    )


def paired_difference(
    counts: PairedCounts, *, level: float = 0.95, method: PairedMethod = "tango"
) -> Estimate:
    """Return p_a - p_b = (n10 - n01) / n of two results on the same cases.

    Args:
        counts: how often both, either and neither said yes.
        level: confidence level.
        method: "tango": score interval (T. Tango 1998,
            doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B), which agrees with the
            score test. "newcombe": hybrid of Wilson limits with a corrected phi (R. G. Newcombe 1998,
            method 10, doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C).

    Returns:
        An Estimate in [-1, 1], defined without discordant cases too; undefined without cases.

    Raises:
        ArgumentError: an unknown method or level.

    Example:
        >>> print(paired_difference(PairedCounts(n11=43, n10=0, n01=1, n00=0)))
        -0.023 (-0.118 to 0.059)
    """
    check_choice("method", method, ("tango", "newcombe"))
    level = check_level(level)
    label = "Tango score" if method == "tango" else "Newcombe paired"
    if counts.n == 0:
        return undefined("there are no cases", method=label, n=0, level=level)
    limits = _tango(counts, level) if method == "tango" else _newcombe_paired(counts, level)
    share = (counts.n10 - counts.n01) / counts.n
    return bounded(
        share,
        limits,
        low=-1.0,
        high=1.0,
        method=label,
        n=counts.n,
        level=level,
        standard_error=math.sqrt(max(counts.discordant / counts.n - share**2, 0.0) / counts.n),
    )


def non_inferiority(difference: Estimate, *, margin: float) -> NonInferiority:
    """Return whether a difference (new - reference) rules out a loss beyond ``margin``.

    The decision is by the lower bound of the two-sided interval, so a 95% interval is a one-sided test at
    2.5%. The margin must have been set before the data were seen. The p value follows from an interval of
    the form value +- quantile times SE (normal or Student's t); of other intervals ``compare`` and
    ``compare_unpaired`` give it, which know how the interval was made.

    Raises:
        ArgumentError: the margin is negative or not finite.

    Example:
        >>> gain = Estimate(value=0.02, lower=-0.03, upper=0.07, method="Wald", n=200, standard_error=0.0255)
        >>> non_inferiority(gain, margin=0.05).noninferior
        True
    """
    return non_inferiority_of(difference, margin=margin)


def non_inferiority_of(difference: Estimate, *, margin: float, at: AtLevel | None = None) -> NonInferiority:
    """Return ``non_inferiority``; ``at`` gives the same difference with an interval of any level."""
    margin = check_number("margin", margin, low=0.0)
    known = difference.has_interval
    error = difference.standard_error
    p_value = _wald_p(difference, -margin) if at is None else one_sided_p(at, -margin)
    reason = ""
    if math.isnan(p_value):
        reason = "no p value: the interval is not a multiple of the standard error to either side"
        if not known:
            reason = "no p value: there is no interval"
    return NonInferiority(
        difference=difference,
        margin=margin,
        noninferior=difference.lower > -margin if known else None,
        superior=difference.lower > 0.0 if known else None,
        equivalent=(difference.lower > -margin and difference.upper < margin) if known else None,
        z=(difference.value + margin) / error if error > 0.0 else math.nan,
        p_one_sided=p_value,
        level_one_sided=(1.0 + difference.level) / 2.0,
        reason=reason,
    )


def _wald_p(difference: Estimate, null: float) -> float:
    """Return the one-sided p value of a symmetric interval: normal, or t with the freedom it shows."""
    error = difference.standard_error
    if not (difference.has_interval and error > 0.0):
        return math.nan
    below, above = difference.value - difference.lower, difference.upper - difference.value
    half = above if difference.lower == -1.0 else below  # a bound may have been clipped
    if not (math.isclose(below, above, rel_tol=1e-6) or {difference.lower, difference.upper} & {-1.0, 1.0}):
        return math.nan
    z = z_quantile(difference.level)
    if abs(half / (z * error) - 1.0) < 0.01:  # rounded figures too
        return float(special.ndtr((null - difference.value) * z / half))
    if not z * error < half <= t_quantile(difference.level, 1) * error:
        return math.nan

    def excess(freedom: float) -> float:
        return t_quantile(difference.level, freedom) * error - half

    freedom = float(optimize.brentq(excess, 1.0, 1e4))
    return float(special.stdtr(freedom, (null - difference.value) / error))


def _tango(counts: PairedCounts, level: float) -> Limits:
    n, b, c = counts.n, counts.n10, counts.n01
    z = z_quantile(level)
    share = (b - c) / n
    # Where nothing varies the value itself solves the equation too; the other root has a closed form.
    if counts.discordant == 0:
        return -(z**2) / (n + z**2), z**2 / (n + z**2)
    if abs(b - c) == n:
        inner = (n - z**2) / (n + z**2)
        return (inner, 1.0) if b > c else (-1.0, -inner)

    def excess(delta: float, side: float) -> float:
        linear = -b - c + (2 * n - b + c) * delta
        root = math.sqrt(max(linear**2 + 8 * n * c * delta * (1.0 - delta), 0.0))
        nuisance = (root - linear) / (4 * n)
        variance = max(n * (2.0 * nuisance + delta * (1.0 - delta)), 0.0)
        return side * (b - c - n * delta) - z * math.sqrt(variance)

    lower = float(optimize.brentq(excess, -1.0, share, args=(1.0,)))
    upper = float(optimize.brentq(excess, share, 1.0, args=(-1.0,)))
    return lower, upper


def _newcombe_paired(counts: PairedCounts, level: float) -> Limits:
    n = counts.n
    yes_a, yes_b = counts.n11 + counts.n10, counts.n11 + counts.n01
    a, b = yes_a / n, yes_b / n
    low_a, high_a = wilson_limits(yes_a, n, level)
    low_b, high_b = wilson_limits(yes_b, n, level)
    cross = float(counts.n11 * counts.n00 - counts.n10 * counts.n01)
    if cross > 0:
        cross = max(cross - n / 2.0, 0.0)
    margins = math.sqrt(float(yes_a) * (n - yes_a)) * math.sqrt(float(yes_b) * (n - yes_b))
    phi = cross / margins if margins > 0.0 else 0.0

    def spread(first: float, second: float) -> float:
        return math.sqrt(max(first**2 - 2.0 * phi * first * second + second**2, 0.0))

    return a - b - spread(a - low_a, high_b - b), a - b + spread(high_a - a, b - low_b)
