"""Fitting the map from logit to probability that travels with a model."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import BoolVector, FloatVector
from medimg_cnn._validation import check_choice
from medimg_cnn._vectors import as_labels, as_vector, same_length
from medimg_cnn.artifacts import Calibration
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning
from medimg_cnn.evaluation._logistic import fit_logistic, separated

__all__ = ["fit_calibration"]


def fit_calibration(
    logit: ArrayLike,
    y: ArrayLike,
    *,
    method: Literal["identity", "temperature", "platt"] = "temperature",
    positive: object = None,
    fitted_on: str = "validation",
) -> Calibration:
    """Return the calibration of least logarithmic loss on data that did not train the model.

    "temperature" divides the logit by one number (C. Guo et al. 2017, arXiv:1706.04599), which leaves the
    ranking and the decision at 0.5 alone; "platt" fits slope and intercept. Both are the maximum
    likelihood of a logistic model, found by Newton's method.

    Args:
        logit: (n,) finite model outputs before the sigmoid.
        y: (n,) outcomes 0/1 or boolean, or texts with ``positive=``.
        method: "identity", "temperature" or "platt".
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        fitted_on: the data these are, kept in the record.

    Returns:
        Where no useful map exists (one class only, a cut that separates the classes, logits that do not
        vary, or scores that point the wrong way), the identity, with a MedimgCnnWarning that says why.

    Raises:
        ArgumentError: lengths differ, a logit is not finite, or outcomes are unclear.

    Example:
        >>> fit_calibration([-4.0, -2.0, 1.0, -1.0, 3.0, 5.0], [0, 0, 0, 1, 1, 1]).parameters[0][0]
        'temperature'
    """
    check_choice("method", method, ("identity", "temperature", "platt"))
    outcome, values = as_labels("y", y, positive=positive), as_vector("logit", logit)
    same_length(logit=values, y=outcome)
    if not np.isfinite(values).all():
        raise ArgumentError("logit: must be finite; got NaN or infinities.")
    if method == "identity":
        return Calibration(fitted_on=fitted_on)
    why = ""
    if outcome.all() or not outcome.any():
        why = "only one class is present"
    elif method == "platt" and values.min() == values.max():
        why = "the logits do not vary"
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


def _unbounded(outcome: BoolVector, values: FloatVector) -> bool:
    """Return whether a slope without intercept could grow for ever: the cut that separates is 0."""
    signed = np.where(outcome, values, -values)
    return bool((signed >= 0.0).all() or (signed <= 0.0).all())
