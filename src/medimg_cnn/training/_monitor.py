"""The figure of validation by which an epoch is chosen: one of ``evaluation``'s."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medimg_cnn import evaluation as of
from medimg_cnn._types import FloatVector
from medimg_cnn.artifacts import Calibration
from medimg_cnn.training._config import Monitor

__all__ = ["monitored", "turned"]

_BY_PROBABILITY: dict[Monitor, Callable[..., Any]] = {
    "brier_score": of.brier_score,
    "log_loss": of.log_loss,
}
_BY_DECISION: dict[Monitor, Callable[..., Any]] = {
    "accuracy": of.accuracy,
    "balanced_accuracy": of.balanced_accuracy,
    "f1": of.f1,
    "kappa": of.kappa,
    "mcc": of.mcc,
}


def monitored(name: Monitor, labels: Any, logit: FloatVector, correction: Calibration) -> float:
    """Return the figure of logits (n,); NaN where it is not defined, as with one class only.

    ``correction`` brings probabilities back to the training data's prevalence. Decisions are at 0.5 of these.
    """
    if name == "auroc":
        value = of.auroc(labels, logit).value
    elif name == "auprc":
        value = of.auprc(labels, logit, bootstrap=100).value  # the fewest; its interval is not used
    elif name in _BY_PROBABILITY:
        value = _BY_PROBABILITY[name](labels, correction.apply(logit)).value
    else:
        counts = of.ConfusionCounts.from_scores(labels, correction.apply(logit), 0.5)
        value = _BY_DECISION[name](counts).value
    return float(value)


def turned(name: Monitor, value: float) -> float:
    """Return the figure so that more is better."""
    return -value if name in _BY_PROBABILITY else value
