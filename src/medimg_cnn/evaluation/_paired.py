"""The figures of two models on the same cases."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from medimg_cnn._types import BoolVector, FloatVector
from medimg_cnn.evaluation._auroc import auroc_caution, auroc_covariance, auroc_of, placements
from medimg_cnn.evaluation._clustered import class_units, clustered_share, few_patients, t_quantile
from medimg_cnn.evaluation._compared import AurocComparison, PairedFigure, margin_test, standardised, wald_p
from medimg_cnn.evaluation._differences import (
    McNemarTest,
    PairedCounts,
    PairedMethod,
    mcnemar,
    paired_difference,
)
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._inputs import Scored
from medimg_cnn.evaluation._inversion import AtLevel, two_sided_p
from medimg_cnn.evaluation._proportions import proportion, z_quantile
from medimg_cnn.evaluation._scoring_rules import clustered_mean_error

__all__ = ["paired_auroc", "paired_figure"]

_NEVER_APART = "no interval: the two are right and wrong on the same images"
_NO_SPREAD = "no interval: the difference does not vary between patients"


def paired_auroc(first: Scored, second: Scored, level: float) -> AurocComparison:
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
    # A Wald interval, so it runs short where that of either area would.
    reason = next(filter(None, (auroc_caution(first, area.value, "wald") for area in (a, b))), "")
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
        z=standardised(gap),
        p_value=1.0 if alike else wald_p(gap, freedom),
        covariance=covariance,
        paired=True,
    )


def paired_figure(
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
        p_value = 1.0 if counts.discordant == 0 else wald_p(difference, freedom)
    return PairedFigure(
        name=name,
        a=a,
        b=b,
        difference=difference,
        counts=counts,
        mcnemar=test,
        p_value=p_value,
        non_inferiority=margin_test(difference, margin, at),
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
        reason=few_patients(freedom + 1) if half > 0.0 else _NO_SPREAD if gain.any() else _NEVER_APART,
        standard_error=error,
    )
    return found, freedom


def _paired_at(counts: PairedCounts, method: PairedMethod, level: float) -> Estimate:
    return paired_difference(counts, level=level, method=method)
