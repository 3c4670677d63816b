"""Statistics for the use of a model: prediction sets, abstention, and the precision of a further study."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from medimg_cnn import evaluation
from medimg_cnn._types import BoolVector
from medimg_cnn.evaluation import (
    ConformalCoverage,
    ConformalSets,
    Estimate,
    RiskCoverageCurve,
    SampleSize,
)
from medimg_cnn.reporting._inputs import Inputs

__all__ = [
    "AbstentionRow",
    "FigureName",
    "Plan",
    "abstention_rows",
    "chance_ece",
    "conformal_sets",
    "sample_size_plans",
]

FigureName: TypeAlias = Literal["sensitivity", "specificity", "auroc"]

_ALPHAS = (0.05, 0.1, 0.2)
_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
_HALF_WIDTHS = (0.1, 0.05, 0.03)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbstentionRow:
    """Figures of the cases that the model decides by itself.

    Attributes:
        coverage: share of cases decided.
        kept: how many these are.
        risk: share of them that are wrong.
        sensitivity: among them.
        specificity: among them.
    """

    coverage: float
    kept: int
    risk: Estimate
    sensitivity: Estimate
    specificity: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The study that a figure's interval of a wanted half-width needs.

    Attributes:
        figure: "sensitivity", "specificity" or "auroc".
        half_width: wanted.
        size: the plan; None where it cannot be made.
        reason: why it cannot.
    """

    figure: FigureName
    half_width: float
    size: SampleSize | None
    reason: str = ""


def conformal_sets(inputs: Inputs) -> tuple[tuple[ConformalSets, ConformalCoverage], ...]:
    """Return sets by class at three rates of error with what they cover here; none without calibration."""
    if inputs.calibration is None:
        return ()
    found = []
    for alpha in _ALPHAS:
        sets = evaluation.fit_conformal(inputs.calibration, alpha=alpha)
        coverage = evaluation.conformal_coverage(
            sets, inputs.y, inputs.probability, patients=inputs.clusters, level=inputs.level
        )
        found.append((sets, coverage))
    return tuple(found)


def abstention_rows(inputs: Inputs, curve: RiskCoverageCurve) -> tuple[AbstentionRow, ...]:
    """Return a row for each share decided; cases of equal confidence are kept or left together."""
    sure = evaluation.decision_confidence(inputs.probability, threshold=curve.threshold)
    rows: dict[int, AbstentionRow] = {}
    for share in _SHARES:
        at = int(np.searchsorted(curve.coverage, share - 1e-9))
        kept = sure >= curve.confidence[at]
        ill, called = inputs.y == 1, inputs.decisions
        rows[int(curve.kept[at])] = AbstentionRow(
            coverage=float(curve.coverage[at]),
            kept=int(curve.kept[at]),
            risk=_share(inputs, ill != called, kept, "no case is decided"),
            sensitivity=_share(inputs, called, kept & ill, "no case decided has the condition"),
            specificity=_share(inputs, ~called, kept & ~ill, "every case decided has the condition"),
        )
    return tuple(rows.values())


def sample_size_plans(inputs: Inputs, figures: Mapping[FigureName, Estimate]) -> tuple[Plan, ...]:
    """Return plans at three half-widths for each figure, at the value and the prevalence found here."""
    prevalence = inputs.positives / inputs.n
    plans = []
    for name, estimate in figures.items():
        reason = _no_plan(name, estimate, prevalence)
        for half in _HALF_WIDTHS:
            size = None
            if not reason:
                size = evaluation.sample_size(
                    name,
                    expected=estimate.value,
                    width=2 * half,
                    prevalence=prevalence,
                    level=inputs.level,
                )
            plans.append(Plan(figure=name, half_width=half, size=size, reason=reason))
    return tuple(plans)


def _no_plan(name: FigureName, estimate: Estimate, prevalence: float) -> str:
    if not 0 < prevalence < 1:
        return "there are cases of one class only"
    if math.isnan(estimate.value):
        return estimate.reason
    if name == "auroc" and estimate.value <= 0.5:
        return "the AUROC found is not above 0.5"
    if estimate.value in (0.0, 1.0):
        return f"the value found is {estimate.value:g}; plan with one that leaves room for errors"
    return ""


def _share(inputs: Inputs, hit: BoolVector, among: BoolVector, why: str) -> Estimate:
    if inputs.clusters is None or not among.any():
        return evaluation.proportion(
            int(np.count_nonzero(hit[among])),
            int(np.count_nonzero(among)),
            level=inputs.level,
            why_undefined=why,
        )
    return evaluation.clustered_proportion(
        hit[among], inputs.clusters[among], level=inputs.level, why_undefined=why
    )


def chance_ece(inputs: Inputs, bins: int) -> float:
    """Return the mean expected calibration error of outcomes drawn from the probabilities themselves.

    Drawn anew with the report's seed; images are taken as independent.
    """
    p = inputs.probability
    draws = int(np.clip(2_000_000 // p.size, 20, 400))
    bin_of = np.clip(np.ceil(p * bins).astype(np.int64) - 1, 0, bins - 1)
    rng = np.random.default_rng(inputs.seed)
    total = 0.0
    for _ in range(draws):
        gap = np.bincount(bin_of, weights=(rng.random(p.size) < p) - p, minlength=bins)
        total += float(np.abs(gap).sum()) / p.size
    return total / draws
