"""Comparing two models: on the same cases (paired) and on different ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from medimg_cnn._types import BoolVector, FloatVector, IntVector
from medimg_cnn._vectors import Missing, as_vector
from medimg_cnn.artifacts import Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._auroc import auroc_at, auroc_covariance, auroc_of, placements
from medimg_cnn.evaluation._clustered import class_units, clustered_share, few_patients, t_quantile
from medimg_cnn.evaluation._differences import (
    McNemarTest,
    NonInferiority,
    PairedCounts,
    PairedMethod,
    difference_of_independent,
    mcnemar,
    non_inferiority_of,
    paired_difference,
)
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._inputs import Scored, Threshold, as_scored, check_level, check_threshold
from medimg_cnn.evaluation._inversion import AtLevel, two_sided_p
from medimg_cnn.evaluation._proportions import proportion, z_quantile
from medimg_cnn.evaluation._scoring_rules import clustered_mean_error

__all__ = ["AurocComparison", "Comparison", "PairedFigure", "compare", "compare_auroc", "compare_unpaired"]


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


def compare_auroc(
    y: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
) -> AurocComparison:
    """Return the paired comparison of two AUROCs on the same cases.

    z = (A_a - A_b) / SE with the covariance of E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson 1988
    (doi:10.2307/2531595), or of N. A. Obuchowski 1997 (doi:10.2307/2533958) with ``patients``; then interval
    and p value use Student's t with one less degree of freedom than the patients in the class that has fewer.

    Args:
        y: (n,) outcomes 0/1 or boolean, or texts with ``positive=``.
        a: (n,) scores of the first model, higher = more likely diseased.
        b: (n,) scores of the second.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image.
        level: confidence level.
        missing: "raise", or "drop" rows where either score is NaN.

    Raises:
        ArgumentError: malformed input; see ``auroc``.

    Example:
        >>> test = compare_auroc([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [3, 1, 4, 2, 6, 5])
        >>> round(test.difference.value, 3), round(test.p_value, 2)
        (0.111, 0.48)
    """
    scores_a, scores_b = as_vector("a", a), as_vector("b", b)
    if missing == "drop" and scores_a.size == scores_b.size:
        # A row that one of them lacks is lost to both, so that the cases stay the same.
        gone = np.isnan(scores_a) | np.isnan(scores_b)
        scores_a, scores_b = np.where(gone, np.nan, scores_a), np.where(gone, np.nan, scores_b)
    first = as_scored(y, scores_a, positive=positive, patients=patients, missing=missing)
    second = as_scored(y, scores_b, positive=positive, patients=patients, missing=missing)
    return _paired_auroc(first, second, check_level(level))


def compare(
    a: Predictions,
    b: Predictions,
    *,
    threshold_a: Threshold | None = None,
    threshold_b: Threshold | None = None,
    margin: float | None = None,
    level: float = 0.95,
    method: PairedMethod = "tango",
) -> Comparison:
    """Return the paired comparison of two models on the same cases.

    Cases are matched by sample id; intervals and tests are by patient where patient ids are there.

    Args:
        a: predictions of the new model.
        b: predictions of the reference, on the same cases in any order.
        threshold_a: operating point of a; without both, only the AUROCs are compared.
        threshold_b: operating point of b.
        margin: non-inferiority margin of a against b, for every figure.
        level: confidence level.
        method: of the paired differences of independent images, "tango" or "newcombe".

    Raises:
        ArgumentError: the cases, outcomes or patients are not the same, or only one threshold is given.

    Example:
        >>> cases = {"y_true": [0, 0, 0, 1, 1, 1], "logit": [0.0] * 6, "sample_id": list("abcdef")}
        >>> new = Predictions(probability=[0.1, 0.2, 0.4, 0.6, 0.7, 0.9], **cases)
        >>> old = Predictions(probability=[0.3, 0.1, 0.7, 0.2, 0.8, 0.6], **cases)
        >>> found = compare(new, old, threshold_a=0.5, threshold_b=0.5)
        >>> round(found.auroc.difference.value, 3), found.sensitivity.counts.n10
        (0.333, 1)
    """
    level = check_level(level)
    b = _aligned(a, b)
    first, second = as_scored(a, None), as_scored(b, None)
    area = _paired_auroc(first, second, level)
    figures: dict[str, PairedFigure | None] = dict.fromkeys(("sensitivity", "specificity", "accuracy"))
    cuts = _thresholds(threshold_a, threshold_b)
    if cuts is not None:
        right_a = (first.score >= cuts[0]) == first.y
        right_b = (second.score >= cuts[1]) == second.y
        everyone = np.ones(first.n, dtype=np.bool_)
        for name, among in (("sensitivity", first.y), ("specificity", ~first.y), ("accuracy", everyone)):
            figures[name] = _paired_figure(
                name, first, among, (right_a, right_b), level=level, margin=margin, method=method
            )
    return Comparison(
        auroc=area,
        auroc_non_inferiority=_margin_test(area.difference, margin),
        n=first.n,
        paired=True,
        **figures,
    )


def compare_unpaired(
    a: Predictions,
    b: Predictions,
    *,
    threshold_a: Threshold | None = None,
    threshold_b: Threshold | None = None,
    margin: float | None = None,
    level: float = 0.95,
) -> Comparison:
    """Return the comparison of two sets of predictions on different, independent cases.

    Differences combine the limits of each figure (Newcombe's hybrid for proportions); a p value is 1 less
    the highest level whose interval excludes 0, so that the two never disagree.

    Args:
        a: predictions, for example of another hospital.
        b: predictions of the reference.
        threshold_a: operating point of a; without both, only the AUROCs are compared.
        threshold_b: operating point of b.
        margin: non-inferiority margin of a against b, for every figure.
        level: confidence level.

    Raises:
        ArgumentError: a patient is in both, or only one threshold is given.

    Example:
        >>> def site(*p):
        ...     return Predictions(y_true=[0, 0, 1, 1], logit=[0.0] * 4, probability=p, sample_id=list("abcd"))
        >>> found = compare_unpaired(site(0.1, 0.4, 0.3, 0.9), site(0.2, 0.3, 0.1, 0.8))
        >>> found.auroc.difference.value, found.paired
        (0.25, False)
    """
    level = check_level(level)
    if a.patient_id is not None and b.patient_id is not None:
        common = np.intersect1d(a.patient_id, b.patient_id).size
        if common:
            raise ArgumentError(
                f"a, b: must have no patient in common; got {common}. Use compare() for the same cases."
            )
    first, second = as_scored(a, None), as_scored(b, None)
    area_a, area_b = auroc_at(first), auroc_at(second)
    between = _between(area_a, area_b)
    gap = between(level)
    figures: dict[str, PairedFigure | None] = dict.fromkeys(("sensitivity", "specificity", "accuracy"))
    cuts = _thresholds(threshold_a, threshold_b)
    if cuts is not None:
        for name in figures:
            one, two = (_share_at(name, data, cut) for data, cut in zip((first, second), cuts, strict=True))
            apart = _between(one, two)
            difference = apart(level)
            figures[name] = PairedFigure(
                name=name,
                a=one(level),
                b=two(level),
                difference=difference,
                counts=None,
                mcnemar=None,
                p_value=two_sided_p(apart, 0.0),
                non_inferiority=_margin_test(difference, margin, apart),
            )
    return Comparison(
        auroc=AurocComparison(
            a=area_a(level),
            b=area_b(level),
            difference=gap,
            z=_standardised(gap),
            p_value=two_sided_p(between, 0.0),
            covariance=0.0,
            paired=False,
        ),
        auroc_non_inferiority=_margin_test(gap, margin, between),
        n=first.n,
        paired=False,
        **figures,
    )


def _paired_auroc(first: Scored, second: Scored, level: float) -> AurocComparison:
    a, b = auroc_of(first, level=level), auroc_of(second, level=level)
    method = "DeLong, Wald" if first.patients is None else "Obuchowski, Wald with t"
    if not a.defined:
        gap = undefined(a.reason, method=method, n=first.n, level=level, dropped=first.dropped)
        return AurocComparison(
            a=a, b=b, difference=gap, z=math.nan, p_value=math.nan, covariance=math.nan, paired=True
        )
    place_a, place_b = placements(first), placements(second)
    covariance = auroc_covariance(first, place_a, place_b)
    # Placements of the difference, not the three terms of its variance: those would cancel for near twins.
    apart = replace(
        place_a,
        positive=place_a.positive - place_b.positive,
        negative=place_a.negative - place_b.negative,
        area=place_a.area - place_b.area,
    )
    variance = auroc_covariance(first, apart, apart)
    error = math.sqrt(variance) if variance >= 0.0 else math.nan
    freedom = None if first.patients is None else max(min(class_units(first)) - 1, 1)
    quantile = z_quantile(level) if freedom is None else t_quantile(level, freedom)
    half = quantile * error if error > 0.0 else math.nan
    value = a.value - b.value
    alike = error == 0.0 and value == 0.0
    reason = "" if first.patients is None else few_patients(int(first.patients.max()) + 1)
    if alike:
        reason = "no interval: both rank every pair of cases alike"
    elif not error > 0.0:
        reason = "no interval: the variance of the difference is 0 or undefined"
    gap = bounded(
        value,
        (value - half, value + half),
        low=-1.0,
        high=1.0,
        method=method,
        n=first.n,
        level=level,
        reason=reason,
        standard_error=error,
        dropped=first.dropped,
    )
    return AurocComparison(
        a=a,
        b=b,
        difference=gap,
        z=_standardised(gap),
        p_value=1.0 if alike else _wald_p(gap, freedom),
        covariance=covariance,
        paired=True,
    )


def _paired_figure(
    name: str,
    data: Scored,
    among: BoolVector,
    right: tuple[BoolVector, BoolVector],
    *,
    level: float,
    margin: float | None,
    method: PairedMethod,
) -> PairedFigure:
    hit_a, hit_b = right[0][among], right[1][among]
    test: McNemarTest | None = None
    counts: PairedCounts | None = None
    at: AtLevel | None = None
    why = f"no image counts towards the {name}"
    if data.patients is None or hit_a.size == 0:
        a, b = (
            proportion(int(np.count_nonzero(hit)), int(hit.size), level=level, why_undefined=why)
            for hit in (hit_a, hit_b)
        )
        n11 = int(np.count_nonzero(hit_a & hit_b))
        n10, n01 = int(np.count_nonzero(hit_a & ~hit_b)), int(np.count_nonzero(~hit_a & hit_b))
        counts = PairedCounts(n11=n11, n10=n10, n01=n01, n00=int(hit_a.size) - n11 - n10 - n01)
        at = partial(_paired_at, counts, method)
        difference = at(level)
        test = mcnemar(counts)
        p_value = two_sided_p(at, 0.0)
    else:
        codes = np.unique(data.patients[among], return_inverse=True)[1].astype(np.int64)
        a, b = (clustered_share(hit, codes, level=level) for hit in (hit_a, hit_b))
        counts = PairedCounts.from_vectors(hit_a, hit_b)
        subset = replace(data, y=data.y[among], score=data.score[among], patients=codes)
        difference, freedom = _mean_difference(hit_a.astype(np.float64) - hit_b, subset, level)
        p_value = 1.0 if counts.discordant == 0 else _wald_p(difference, freedom)
    return PairedFigure(
        name=name,
        a=a,
        b=b,
        difference=difference,
        counts=counts,
        mcnemar=test,
        p_value=p_value,
        non_inferiority=_margin_test(difference, margin, at),
    )


def _mean_difference(gain: FloatVector, data: Scored, level: float) -> tuple[Estimate, int]:
    """Return the difference and the degrees of freedom of its interval."""
    error, freedom = clustered_mean_error(gain, data)
    value = float(gain.mean())
    half = t_quantile(level, freedom) * error if freedom > 0 and error > 0.0 else math.nan
    found = bounded(
        value,
        (value - half, value + half),
        low=-1.0,
        high=1.0,
        method="ratio estimator by patient, Wald with t",
        n=data.n,
        level=level,
        reason=few_patients(freedom + 1)
        if half > 0.0
        else "no interval: the two do not differ enough to judge",
        standard_error=error,
    )
    return found, freedom


def _share_at(name: str, data: Scored, threshold: float) -> AtLevel:
    called = data.score >= threshold
    among = {"sensitivity": data.y, "specificity": ~data.y}.get(name, np.ones(data.n, dtype=np.bool_))
    hit, why = (called == data.y)[among], f"no image counts towards the {name}"
    if data.patients is not None:
        return partial(_clustered_at, hit, data.patients[among], why)
    return partial(_proportion_at, int(np.count_nonzero(hit)), int(hit.size), why)


def _clustered_at(hit: BoolVector, codes: IntVector, why: str, level: float) -> Estimate:
    return clustered_share(hit, codes, level=level, why_undefined=why)


def _proportion_at(successes: int, trials: int, why: str, level: float) -> Estimate:
    return proportion(successes, trials, level=level, why_undefined=why)


def _paired_at(counts: PairedCounts, method: PairedMethod, level: float) -> Estimate:
    return paired_difference(counts, level=level, method=method)


def _between(a: AtLevel, b: AtLevel) -> AtLevel:
    def gap(level: float) -> Estimate:
        return difference_of_independent(a(level), b(level), low=-1.0, high=1.0)

    return gap


def _margin_test(
    difference: Estimate, margin: float | None, at: AtLevel | None = None
) -> NonInferiority | None:
    return None if margin is None else non_inferiority_of(difference, margin=margin, at=at)


def _standardised(difference: Estimate) -> float:
    error = difference.standard_error
    return difference.value / error if error > 0.0 else math.nan


def _wald_p(difference: Estimate, freedom: int | None) -> float:
    """Return the two-sided p value of a Wald interval: normal, or t where it has a freedom."""
    z = abs(_standardised(difference))
    if not difference.has_interval or math.isnan(z):
        return math.nan
    return float(2.0 * (special.ndtr(-z) if freedom is None else special.stdtr(freedom, -z)))


def _thresholds(a: Threshold | None, b: Threshold | None) -> tuple[float, float] | None:
    if (a is None) != (b is None):
        raise ArgumentError("threshold_a, threshold_b: both or neither; got one.")
    if a is None or b is None:
        return None
    return check_threshold(a), check_threshold(b)


def _aligned(a: Predictions, b: Predictions) -> Predictions:
    """Return b with its rows in the order of a."""
    order_a, order_b = np.argsort(a.sample_id), np.argsort(b.sample_id)
    if a.n != b.n or not np.array_equal(a.sample_id[order_a], b.sample_id[order_b]):
        common = np.intersect1d(a.sample_id, b.sample_id).size
        raise ArgumentError(
            f"a, b: must hold the same cases (sample ids); {common} are common to {a.n} and {b.n}. "
            "Use select() to keep the common ones, or compare_unpaired() for different cases."
        )
    order = np.empty(a.n, dtype=np.int64)
    order[order_a] = order_b
    patients = None if b.patient_id is None else b.patient_id[order]
    if not np.array_equal(a.y_true, b.y_true[order]):
        raise ArgumentError(
            "a, b: the outcomes of some cases differ. Both must be of the same reference standard."
        )
    if (a.patient_id is None) != (patients is None) or (
        patients is not None and a.patient_id is not None and not np.array_equal(a.patient_id, patients)
    ):
        raise ArgumentError("a, b: the patients of some cases differ. Both must name the same patients.")
    return Predictions(
        y_true=b.y_true[order],
        logit=b.logit[order],
        probability=b.probability[order],
        sample_id=b.sample_id[order],
        patient_id=patients,
        classes=b.classes,
        part=b.part,
    )
