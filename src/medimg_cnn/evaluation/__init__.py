"""Diagnostic-accuracy statistics on NumPy and SciPy alone.

A score calls an image positive if and only if it is at or above the threshold; higher means more disease.
Every figure is an ``Estimate``; what is undefined is NaN, with the reason in words.
"""

from medimg_cnn.evaluation._abstention import RiskCoverageCurve, decision_confidence, risk_coverage_curve
from medimg_cnn.evaluation._accuracy import (
    accuracy,
    balanced_accuracy,
    diagnostic_odds_ratio,
    f1,
    jaccard,
    kappa,
    lr_negative,
    lr_positive,
    mcc,
    npv,
    number_needed_to_diagnose,
    ppv,
    predicted_prevalence,
    prevalence,
    sensitivity,
    specificity,
    youden_index,
)
from medimg_cnn.evaluation._aggregation import PatientScores, aggregate_by_patient
from medimg_cnn.evaluation._auprc import auprc
from medimg_cnn.evaluation._auroc import auroc, hanley_mcneil_error
from medimg_cnn.evaluation._calibration import CalibrationSummary, calibration, expected_calibration_error
from medimg_cnn.evaluation._clustered import clustered_proportion
from medimg_cnn.evaluation._compared import AurocComparison, Comparison, PairedFigure
from medimg_cnn.evaluation._comparison import compare, compare_auroc
from medimg_cnn.evaluation._conformal import (
    ConformalCoverage,
    ConformalSets,
    conformal_coverage,
    conformal_quantile,
    fit_conformal,
)
from medimg_cnn.evaluation._counts import ConfusionCounts
from medimg_cnn.evaluation._decision_curve import DecisionCurve, decision_curve
from medimg_cnn.evaluation._differences import (
    McNemarTest,
    NonInferiority,
    PairedCounts,
    mcnemar,
    non_inferiority,
    paired_difference,
    proportion_difference,
)
from medimg_cnn.evaluation._estimate import Estimate
from medimg_cnn.evaluation._net_benefit import NetBenefitFigure, compare_net_benefit
from medimg_cnn.evaluation._operating_characteristics import (
    OperatingCharacteristics,
    operating_characteristics,
    threshold_table,
)
from medimg_cnn.evaluation._operating_point import choose_operating_point
from medimg_cnn.evaluation._predictive_values import predictive_values
from medimg_cnn.evaluation._proportions import proportion
from medimg_cnn.evaluation._recalibration import fit_calibration
from medimg_cnn.evaluation._reliability import ReliabilityCurve, reliability_curve
from medimg_cnn.evaluation._resampling import bootstrap
from medimg_cnn.evaluation._roc import PrecisionRecallCurve, RocCurve, precision_recall_curve, roc_curve
from medimg_cnn.evaluation._sample_size import SampleSize, sample_size
from medimg_cnn.evaluation._scoring_rules import (
    BrierDecomposition,
    brier_decomposition,
    brier_score,
    log_loss,
)
from medimg_cnn.evaluation._subgroups import (
    SubgroupDifference,
    SubgroupEstimate,
    subgroup_differences,
    subgroup_estimates,
)
from medimg_cnn.evaluation._unpaired import compare_unpaired

__all__ = [
    "AurocComparison",
    "BrierDecomposition",
    "CalibrationSummary",
    "Comparison",
    "ConformalCoverage",
    "ConformalSets",
    "ConfusionCounts",
    "DecisionCurve",
    "Estimate",
    "McNemarTest",
    "NetBenefitFigure",
    "NonInferiority",
    "OperatingCharacteristics",
    "PairedCounts",
    "PairedFigure",
    "PatientScores",
    "PrecisionRecallCurve",
    "ReliabilityCurve",
    "RiskCoverageCurve",
    "RocCurve",
    "SampleSize",
    "SubgroupDifference",
    "SubgroupEstimate",
    "accuracy",
    "aggregate_by_patient",
    "auprc",
    "auroc",
    "balanced_accuracy",
    "bootstrap",
    "brier_decomposition",
    "brier_score",
    "calibration",
    "choose_operating_point",
    "clustered_proportion",
    "compare",
    "compare_auroc",
    "compare_net_benefit",
    "compare_unpaired",
    "conformal_coverage",
    "conformal_quantile",
    "decision_confidence",
    "decision_curve",
    "diagnostic_odds_ratio",
    "expected_calibration_error",
    "f1",
    "fit_calibration",
    "fit_conformal",
    "hanley_mcneil_error",
    "jaccard",
    "kappa",
    "log_loss",
    "lr_negative",
    "lr_positive",
    "mcc",
    "mcnemar",
    "non_inferiority",
    "npv",
    "number_needed_to_diagnose",
    "operating_characteristics",
    "paired_difference",
    "ppv",
    "precision_recall_curve",
    "predicted_prevalence",
    "predictive_values",
    "prevalence",
    "proportion",
    "proportion_difference",
    "reliability_curve",
    "risk_coverage_curve",
    "roc_curve",
    "sample_size",
    "sensitivity",
    "specificity",
    "subgroup_differences",
    "subgroup_estimates",
    "threshold_table",
    "youden_index",
]
