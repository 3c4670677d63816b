"""Comparing two models on different, independent cases."""

from __future__ import annotations

from functools import partial

import numpy as np

from medimg_cnn._types import BoolVector, IntVector
from medimg_cnn.artifacts import Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._auroc import auroc_at
from medimg_cnn.evaluation._clustered import clustered_share
from medimg_cnn.evaluation._compared import (
    AurocComparison,
    Comparison,
    PairedFigure,
    both_thresholds,
    margin_test,
    standardised,
)
from medimg_cnn.evaluation._differences import difference_of_independent
from medimg_cnn.evaluation._estimate import Estimate
from medimg_cnn.evaluation._inputs import Scored, Threshold, as_scored, check_level
from medimg_cnn.evaluation._inversion import AtLevel, two_sided_p
from medimg_cnn.evaluation._proportions import proportion

__all__ = ["compare_unpaired"]


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
    cuts = both_thresholds(threshold_a, threshold_b)
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
                non_inferiority=margin_test(difference, margin, apart),
            )
    return Comparison(
        auroc=AurocComparison(
            a=area_a(level),
            b=area_b(level),
            difference=gap,
            z=standardised(gap),
            p_value=two_sided_p(between, 0.0),
            covariance=0.0,
            paired=False,
        ),
        auroc_non_inferiority=margin_test(gap, margin, between),
        n=first.n,
        paired=False,
        sensitivity=figures["sensitivity"],
        specificity=figures["specificity"],
        accuracy=figures["accuracy"],
    )


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


def _between(a: AtLevel, b: AtLevel) -> AtLevel:
    def gap(level: float) -> Estimate:
        return difference_of_independent(a(level), b(level), low=-1.0, high=1.0)

    return gap
