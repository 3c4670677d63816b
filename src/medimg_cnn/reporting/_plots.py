"""The report's charts from two arrays, as matplotlib Figures for a notebook or a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from medimg_cnn.artifacts import OperatingPoint, Predictions
from medimg_cnn.reporting._clinical_report import clinical_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from medimg_cnn.reporting._report import ClinicalReport

__all__ = [
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_decision_curve",
    "plot_roc",
    "plot_score_histogram",
]


def plot_roc(
    y_true: Predictions | ArrayLike,
    probability: ArrayLike | None = None,
    *,
    positive: object = None,
    operating_point: OperatingPoint | float | None = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
) -> Figure:
    """Return the ROC curve with the operating point and its intervals.

    Args:
        y_true: as in ``clinical_report``.
        probability: as in ``clinical_report``.
        positive: as in ``clinical_report``.
        operating_point: as in ``clinical_report``.
        patients: as in ``clinical_report``.
        level: of the intervals.

    Raises:
        ArgumentError: an argument breaks its rule, or there are cases of one class only.

    Example:
        >>> figure = plot_roc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        >>> figure.axes[0].get_ylabel()
        'Sensitivity'
    """
    return _report(
        y_true,
        probability,
        positive=positive,
        operating_point=operating_point,
        patients=patients,
        level=level,
    ).plot_roc()


def plot_calibration(
    y_true: Predictions | ArrayLike,
    probability: ArrayLike | None = None,
    *,
    positive: object = None,
    level: float = 0.95,
) -> Figure:
    """Return the reliability diagram with the distribution of the probabilities under it.

    Args:
        y_true: as in ``clinical_report``.
        probability: as in ``clinical_report``.
        positive: as in ``clinical_report``.
        level: of the intervals.

    Raises:
        ArgumentError: an argument breaks its rule.

    Example:
        >>> len(plot_calibration([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).axes)
        2
    """
    return _report(y_true, probability, positive=positive, level=level).plot_calibration()


def plot_confusion_matrix(
    y_true: Predictions | ArrayLike,
    probability: ArrayLike | None = None,
    *,
    positive: object = None,
    operating_point: OperatingPoint | float | None = None,
) -> Figure:
    """Return the confusion matrix at the operating point.

    Args:
        y_true: as in ``clinical_report``.
        probability: as in ``clinical_report``.
        positive: as in ``clinical_report``.
        operating_point: as in ``clinical_report``.

    Raises:
        ArgumentError: an argument breaks its rule.

    Example:
        >>> plot_confusion_matrix([0, 1], [0.2, 0.9]).axes[0].get_xlabel()
        'Model'
    """
    return _report(
        y_true, probability, positive=positive, operating_point=operating_point
    ).plot_confusion_matrix()


def plot_score_histogram(
    y_true: Predictions | ArrayLike,
    probability: ArrayLike | None = None,
    *,
    positive: object = None,
    operating_point: OperatingPoint | float | None = None,
) -> Figure:
    """Return the histograms of the probabilities of each class, with the threshold.

    Args:
        y_true: as in ``clinical_report``.
        probability: as in ``clinical_report``.
        positive: as in ``clinical_report``.
        operating_point: as in ``clinical_report``.

    Raises:
        ArgumentError: an argument breaks its rule.

    Example:
        >>> len(plot_score_histogram([0, 1], [0.2, 0.9]).axes)
        2
    """
    return _report(
        y_true, probability, positive=positive, operating_point=operating_point
    ).plot_score_histogram()


def plot_decision_curve(
    y_true: Predictions | ArrayLike,
    probability: ArrayLike | None = None,
    *,
    positive: object = None,
    operating_point: OperatingPoint | float | None = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
) -> Figure:
    """Return net benefit against the threshold probability, with acting on all and on none.

    Args:
        y_true: as in ``clinical_report``.
        probability: as in ``clinical_report``.
        positive: as in ``clinical_report``.
        operating_point: as in ``clinical_report``.
        patients: as in ``clinical_report``.
        level: of the intervals.

    Raises:
        ArgumentError: an argument breaks its rule, or there are cases of one class only.

    Example:
        >>> plot_decision_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).axes[0].get_ylabel()
        'Net benefit'
    """
    return _report(
        y_true,
        probability,
        positive=positive,
        operating_point=operating_point,
        patients=patients,
        level=level,
    ).plot_decision_curve()


def _report(
    y_true: Predictions | ArrayLike,
    probability: ArrayLike | None,
    *,
    positive: object,
    operating_point: OperatingPoint | float | None = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
) -> ClinicalReport:
    """A report without sections: only what the asked-for chart needs is computed."""
    return clinical_report(
        y_true,
        probability,
        positive=positive,
        operating_point=operating_point,
        patients=patients,
        level=level,
        sections=(),
    )
