"""Diagnostic-accuracy statistics on NumPy and SciPy alone.

A score calls an image positive if and only if it is at or above the threshold; higher means more disease.
Every figure is an ``Estimate``; what is undefined is NaN, with the reason in words.
"""

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
from medimg_cnn.evaluation._auprc import auprc
from medimg_cnn.evaluation._auroc import auroc
from medimg_cnn.evaluation._calibration import CalibrationSummary, calibration, expected_calibration_error
from medimg_cnn.evaluation._clustered import clustered_proportion
from medimg_cnn.evaluation._counts import ConfusionCounts
from medimg_cnn.evaluation._decision_curve import DecisionCurve, decision_curve
from medimg_cnn.evaluation._estimate import Estimate
from medimg_cnn.evaluation._operating_characteristics import (
    OperatingCharacteristics,
    operating_characteristics,
    threshold_table,
)
from medimg_cnn.evaluation._operating_point import choose_operating_point
from medimg_cnn.evaluation._proportions import proportion
from medimg_cnn.evaluation._reliability import ReliabilityCurve, reliability_curve
from medimg_cnn.evaluation._resampling import bootstrap
from medimg_cnn.evaluation._roc import PrecisionRecallCurve, RocCurve, precision_recall_curve, roc_curve
from medimg_cnn.evaluation._scoring_rules import (
    BrierDecomposition,
    brier_decomposition,
    brier_score,
    log_loss,
)

__all__ = [
    "BrierDecomposition",
    "CalibrationSummary",
    "ConfusionCounts",
    "DecisionCurve",
    "Estimate",
    "OperatingCharacteristics",
    "PrecisionRecallCurve",
    "ReliabilityCurve",
    "RocCurve",
    "accuracy",
    "auprc",
    "auroc",
    "balanced_accuracy",
    "bootstrap",
    "brier_decomposition",
    "brier_score",
    "calibration",
    "choose_operating_point",
    "clustered_proportion",
    "decision_curve",
    "diagnostic_odds_ratio",
    "expected_calibration_error",
    "f1",
    "jaccard",
    "kappa",
    "log_loss",
    "lr_negative",
    "lr_positive",
    "mcc",
    "npv",
    "number_needed_to_diagnose",
    "operating_characteristics",
    "ppv",
    "precision_recall_curve",
    "predicted_prevalence",
    "prevalence",
    "proportion",
    "reliability_curve",
    "roc_curve",
    "sensitivity",
    "specificity",
    "threshold_table",
    "youden_index",
]
