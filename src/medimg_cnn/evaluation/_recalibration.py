"""Fitting the map from logit to probability that travels with a model."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from medimg_cnn._types import BoolVector, FloatVector
from medimg_cnn._validation import check_choice
from medimg_cnn._vectors import as_labels, as_vector, same_length
from medimg_cnn.artifacts import Calibration
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning
from medimg_cnn.evaluation._logistic import fit_logistic, separated

__all__ = ["fit_calibration"]

_FEW = 100
"""Of the rarer class, for isotonic; see decision 0065."""


def fit_calibration(
    logit: ArrayLike,
    y: ArrayLike,
    *,
    method: Literal["identity", "temperature", "platt", "isotonic"] = "temperature",
    positive: object = None,
    fitted_on: str = "validation",
) -> Calibration:
    """Return the calibration of least logarithmic loss on data that did not train the model.

    "temperature" divides the logit by one number (C. Guo et al. 2017, arXiv:1706.04599), which leaves the
    ranking and the decision at 0.5 alone; "platt" fits slope and intercept. Both are the maximum
    likelihood of a logistic model, found by Newton's method. "isotonic" is the rising step function of least
    squares (Zadrozny and Elkan 2002, doi:10.1145/775047.775151) with straight lines between its steps; it makes
    ties, and its ends are kept 1 / (2 n + 2) away from 0 and 1, so that no outcome is called impossible. It wants many
    images: below about 1,000 "platt" was the better one (Niculescu-Mizil and Caruana 2005,
    doi:10.1145/1102351.1102430).

    Args:
        logit: (n,) finite model outputs before the sigmoid.
        y: (n,) outcomes 0/1 or boolean, or texts with ``positive=``.
        method: "identity", "temperature", "platt" or "isotonic".
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        fitted_on: the data these are, kept in the record.

    Returns:
        Where no useful map exists (one class only, a cut that separates the classes, logits that do not
        vary, or scores that point the wrong way), the identity, with a MedimgCnnWarning that says why. "isotonic" of
        fewer than 100 images of a class is fitted, with a warning.

    Raises:
        ArgumentError: lengths differ, a logit is not finite, or outcomes are unclear.

    Example:
        >>> fit_calibration([-4.0, -2.0, 1.0, -1.0, 3.0, 5.0], [0, 0, 0, 1, 1, 1]).parameters[0][0]
        'temperature'
    """
    check_choice("method", method, ("identity", "temperature", "platt", "isotonic"))
    outcome, values = as_labels("y", y, positive=positive), as_vector("logit", logit)
    same_length(logit=values, y=outcome)
    if not np.isfinite(values).all():
        raise ArgumentError("logit: must be finite; got NaN or infinities.")
    if method == "identity":
        return Calibration(fitted_on=fitted_on)
    why = ""
    if outcome.all() or not outcome.any():
        why = "only one class is present"
    elif method in {"platt", "isotonic"} and values.min() == values.max():
        why = "the logits do not vary"
    elif method == "isotonic":
        calibration = _isotonic(outcome, values, fitted_on)
        if calibration is not None:
            _warn_of_few(outcome)
            return calibration
        why = "higher logits go with health here"
    elif separated(outcome, values) and (method == "platt" or _unbounded(outcome, values)):
        why = "a cut separates the classes, so that the likelihood has no maximum"
    if not why:
        design = (
            values[:, None] if method == "temperature" else np.column_stack([values, np.ones(values.size)])
        )
        fit = fit_logistic(outcome, design, patients=None)
        slope = float(fit.coefficients[0])
        if not fit.ok:
            why = "the fit did not converge"
        elif slope <= 0.0:
            why = "higher logits go with health here"
        elif method == "temperature":
            return Calibration(
                method="temperature", parameters=(("temperature", 1.0 / slope),), fitted_on=fitted_on
            )
        else:
            return Calibration(
                method="platt",
                parameters=(("slope", slope), ("intercept", float(fit.coefficients[1]))),
                fitted_on=fitted_on,
            )
    warnings.warn(
        f"The probabilities are left uncalibrated ({method} asked for): {why}.",
        MedimgCnnWarning,
        stacklevel=2,
    )
    return Calibration(fitted_on=fitted_on)


def _warn_of_few(outcome: BoolVector) -> None:
    few = min(int(outcome.sum()), int((~outcome).sum()))
    if few < _FEW:
        warnings.warn(
            f"The isotonic calibration is fitted on {few} images of the rarer class, and follows their chance: with "
            f"fewer than {_FEW} take method 'platt', which has two numbers to fit.",
            MedimgCnnWarning,
            stacklevel=3,
        )


def _isotonic(outcome: BoolVector, values: FloatVector, fitted_on: str) -> Calibration | None:
    """Return the isotonic map; None where it is one constant."""
    logits, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    shares = np.bincount(where, outcome) / counts
    steps = isotonic_regression(shares, weights=counts).x
    if steps[0] == steps[-1]:
        return None
    # The first and the last logit of each step; between two steps a straight line.
    changes = steps[1:] != steps[:-1]
    ends = np.append(True, changes) | np.append(changes, True)
    margin = 1.0 / (2.0 * values.size + 2.0)
    probabilities = np.clip(steps[ends], margin, 1.0 - margin)
    return Calibration(
        method="isotonic",
        parameters=(
            ("logits", tuple(logits[ends].tolist())),
            ("probabilities", tuple(probabilities.tolist())),
        ),
        fitted_on=fitted_on,
    )


def _unbounded(outcome: BoolVector, values: FloatVector) -> bool:
    """Return whether a slope without intercept could grow for ever: the cut that separates is 0."""
    signed = np.where(outcome, values, -values)
    return bool((signed >= 0.0).all() or (signed <= 0.0).all())
