"""The inputs together with every statistic that sections ask for, each computed once, by ``evaluation``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from medimg_cnn import evaluation
from medimg_cnn._types import StrVector
from medimg_cnn.artifacts import OperatingPoint
from medimg_cnn.evaluation import (
    CalibrationSummary,
    ConformalCoverage,
    ConformalSets,
    DecisionCurve,
    Estimate,
    OperatingCharacteristics,
    PrecisionRecallCurve,
    ReliabilityCurve,
    RiskCoverageCurve,
    RocCurve,
    SubgroupDifference,
    SubgroupEstimate,
)
from medimg_cnn.reporting._checks import run_checks
from medimg_cnn.reporting._document import Check
from medimg_cnn.reporting._inputs import Inputs
from medimg_cnn.reporting._uncertainty import (
    AbstentionRow,
    FigureName,
    Plan,
    abstention_rows,
    conformal_sets,
    sample_size_plans,
)

__all__ = ["Evidence", "SubgroupTable"]

_OTHER_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_SMALL = 20
_MOST_GROUPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgroupTable:
    """The groups of one column.

    Attributes:
        estimates: one row per group shown.
        differences: of each group from the largest; intervals hold together (Bonferroni).
        groups_left_out: groups that are not shown, because only the largest are.
        cases_left_out: how many cases they hold.
    """

    estimates: tuple[SubgroupEstimate, ...]
    differences: tuple[SubgroupDifference, ...]
    groups_left_out: int
    cases_left_out: int


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a section may use. Each statistic is computed when first asked for and then kept.

    Attributes:
        inputs: the checked cases and choices.
    """

    inputs: Inputs

    @property
    def both_classes(self) -> bool:
        """Whether there are cases of both classes."""
        return self.inputs.positives > 0 and self.inputs.negatives > 0

    @property
    def few(self) -> int:
        """Below this many cases of a class, intervals are not to be trusted."""
        return _SMALL

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """Every check with its outcome."""
        return run_checks(self)

    @cached_property
    def operating(self) -> OperatingCharacteristics:
        """Every figure at the operating point; with one class only, those that need both are undefined."""
        inputs = self.inputs
        found = evaluation.operating_characteristics(
            inputs.y,
            inputs.probability,
            inputs.operating_point.threshold,
            patients=inputs.clusters,
            level=inputs.level,
            bootstrap=inputs.bootstrap,
            seed=inputs.seed,
        )
        return found if self.both_classes else _of_one_class(found)

    @cached_property
    def points(self) -> tuple[tuple[OperatingPoint, OperatingCharacteristics], ...]:
        """Every operating point with its figures, the main one first."""
        inputs = self.inputs
        if not inputs.other_points:
            return ((inputs.operating_point, self.operating),)
        cuts = sorted({point.threshold for point in inputs.other_points})
        rows = evaluation.threshold_table(
            inputs.y,
            inputs.probability,
            cuts,
            patients=inputs.clusters,
            level=inputs.level,
            bootstrap=100,  # only the proportions are shown, which need none
            seed=inputs.seed,
        )
        if not self.both_classes:
            rows = tuple(_of_one_class(row) for row in rows)
        at = dict(zip(cuts, rows, strict=True))
        others = tuple((point, at[point.threshold]) for point in inputs.other_points)
        return ((inputs.operating_point, self.operating), *others)

    @cached_property
    def auroc(self) -> Estimate:
        """Area under the ROC curve."""
        inputs = self.inputs
        return evaluation.auroc(inputs.y, inputs.probability, patients=inputs.clusters, level=inputs.level)

    @cached_property
    def auprc(self) -> Estimate:
        """Area under the precision-recall curve, as average precision; undefined with one class only."""
        inputs = self.inputs
        found = evaluation.auprc(
            inputs.y,
            inputs.probability,
            patients=inputs.clusters,
            level=inputs.level,
            bootstrap=inputs.bootstrap,
            seed=inputs.seed,
        )
        return found if self.both_classes else _not_judged(found)

    @cached_property
    def roc(self) -> RocCurve:
        """The ROC curve."""
        return evaluation.roc_curve(self.inputs.y, self.inputs.probability)

    @cached_property
    def precision_recall(self) -> PrecisionRecallCurve:
        """The precision-recall curve."""
        return evaluation.precision_recall_curve(self.inputs.y, self.inputs.probability)

    @cached_property
    def predictive_values(self) -> tuple[tuple[float, Estimate, Estimate], ...]:
        """(prevalence, PPV, NPV) at every stated prevalence, the intended one among them."""
        wanted = set(self.inputs.prevalences)
        if self.inputs.intended_prevalence is not None:
            wanted.add(self.inputs.intended_prevalence)
        rows = []
        for prevalence in sorted(wanted):
            ppv, npv = evaluation.predictive_values(
                self.operating.sensitivity, self.operating.specificity, prevalence=prevalence
            )
            rows.append((prevalence, ppv, npv))
        return tuple(rows)

    @cached_property
    def threshold_table(self) -> tuple[OperatingCharacteristics, ...]:
        """The figures at a grid of thresholds and at the operating point, rising."""
        inputs = self.inputs
        chosen = inputs.operating_point.threshold
        grid = sorted({*_OTHER_THRESHOLDS, chosen})
        rows = evaluation.threshold_table(
            inputs.y,
            inputs.probability,
            grid,
            patients=inputs.clusters,
            level=inputs.level,
            bootstrap=100,  # only the proportions are shown, which need none
            seed=inputs.seed,
        )
        if not self.both_classes:
            rows = tuple(_of_one_class(row) for row in rows)
        return tuple(self.operating if row.threshold == chosen else row for row in rows)

    @cached_property
    def subgroups(self) -> Mapping[str, SubgroupTable]:
        """Figures by group, and differences from the largest group, for each column."""
        return {name: self._subgroup_table(groups) for name, groups in self.inputs.subgroups.items()}

    def _subgroup_table(self, groups: StrVector) -> SubgroupTable:
        inputs = self.inputs
        names, sizes = np.unique(groups, return_counts=True)
        shown = names[np.argsort(-sizes, kind="stable")[:_MOST_GROUPS]]
        keep = np.isin(groups, shown)
        patients = None if inputs.clusters is None else inputs.clusters[keep]
        threshold = inputs.operating_point.threshold
        y, probability, groups = inputs.y[keep], inputs.probability[keep], groups[keep]
        return SubgroupTable(
            estimates=evaluation.subgroup_estimates(
                y,
                probability,
                groups,
                threshold=threshold,
                patients=patients,
                minimum=_SMALL,
                level=inputs.level,
            ),
            differences=evaluation.subgroup_differences(
                y,
                probability,
                groups,
                threshold=threshold,
                adjust="bonferroni",
                patients=patients,
                minimum=_SMALL,
                level=inputs.level,
            ),
            groups_left_out=int(names.size - shown.size),
            cases_left_out=int((~keep).sum()),
        )

    @cached_property
    def log_loss(self) -> Estimate:
        """Mean binary cross-entropy, in nats."""
        inputs = self.inputs
        return evaluation.log_loss(inputs.y, inputs.probability, patients=inputs.clusters, level=inputs.level)

    @cached_property
    def calibration(self) -> CalibrationSummary:
        """Slope, intercepts, observed to expected, Brier score, calibration errors."""
        inputs = self.inputs
        return evaluation.calibration(
            inputs.y, inputs.probability, patients=inputs.clusters, level=inputs.level
        )

    @property
    def brier_score(self) -> Estimate:
        """Mean squared error of the probabilities."""
        return self.calibration.brier

    @property
    def calibration_estimates(self) -> Mapping[str, Estimate]:
        """Every figure of the probabilities by its stable name."""
        summary = self.calibration
        return {
            "log_loss": self.log_loss,
            "brier_score": summary.brier,
            "calibration_slope": summary.slope,
            "calibration_intercept": summary.intercept_joint,
            "calibration_in_the_large": summary.calibration_in_the_large,
            "observed_expected": summary.observed_expected,
            "expected_calibration_error": summary.ece,
        }

    @cached_property
    def reliability(self) -> ReliabilityCurve:
        """Predicted and observed in ten groups of about equal size."""
        inputs = self.inputs
        return evaluation.reliability_curve(
            inputs.y,
            inputs.probability,
            strategy="quantile",
            patients=inputs.clusters,
            level=inputs.level,
        )

    @cached_property
    def conformal(self) -> tuple[tuple[ConformalSets, ConformalCoverage], ...]:
        """Prediction sets at three rates of error with their coverage; none without calibration data."""
        return conformal_sets(self.inputs)

    @cached_property
    def risk_coverage(self) -> RiskCoverageCurve | None:
        """Error rate against the share decided; None where the threshold is not inside (0, 1)."""
        inputs = self.inputs
        threshold = inputs.operating_point.threshold
        if not 0 < threshold < 1:
            return None
        return evaluation.risk_coverage_curve(
            inputs.y, inputs.probability, threshold=threshold, level=inputs.level
        )

    @cached_property
    def abstention(self) -> tuple[AbstentionRow, ...]:
        """The figures when the least certain tenths are left to a person."""
        return () if self.risk_coverage is None else abstention_rows(self.inputs, self.risk_coverage)

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """Cases that narrower intervals would need."""
        figures: dict[FigureName, Estimate] = {
            "sensitivity": self.operating.sensitivity,
            "specificity": self.operating.specificity,
            "auroc": self.auroc,
        }
        return sample_size_plans(self.inputs, figures)

    @cached_property
    def decision(self) -> DecisionCurve:
        """Net benefit over threshold probabilities."""
        inputs = self.inputs
        return evaluation.decision_curve(
            inputs.y, inputs.probability, patients=inputs.clusters, level=inputs.level
        )


def _of_one_class(row: OperatingCharacteristics) -> OperatingCharacteristics:
    """Leave out what is 0% or 100% for want of the other class, and says nothing of the model."""
    return replace(
        row,
        ppv=_not_judged(row.ppv),
        npv=_not_judged(row.npv),
        accuracy=_not_judged(row.accuracy),
        f1=_not_judged(row.f1),
        jaccard=_not_judged(row.jaccard),
    )


def _not_judged(estimate: Estimate) -> Estimate:
    return Estimate(
        value=math.nan,
        method=estimate.method,
        n=estimate.n,
        level=estimate.level,
        reason="cannot be judged: the cases are of one class only",
    )
