"""Choosing a threshold by a rule, on data that is not the test data."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import FloatVector, IntVector
from medimg_cnn._validation import check_choice, check_fraction, check_number
from medimg_cnn._vectors import Missing
from medimg_cnn.artifacts import OperatingPoint, Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._inputs import Outcome, Scored, as_scored
from medimg_cnn.evaluation._roc import step_counts

__all__ = ["Rule", "choose_operating_point"]

Rule: TypeAlias = Literal["youden", "sensitivity", "specificity", "cost", "fixed"]


def choose_operating_point(
    y: Outcome,
    p: ArrayLike | None = None,
    *,
    rule: Rule = "youden",
    target: float | None = None,
    cost_ratio: float | None = None,
    prevalence: float | None = None,
    threshold: float | None = None,
    chosen_on: str | None = None,
    positive: object = None,
    missing: Missing = "raise",
) -> OperatingPoint:
    """Return the threshold that a rule picks on these data; judge it on others.

    Candidates are the cuts between neighbouring distinct scores; the threshold is their midpoint, so that
    a last-digit change of a score does not change its class. "Everything positive" is the lowest score,
    "nothing positive" the next float above the highest.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        p: (n,) scores, usually probabilities; higher = more likely diseased.
        rule: "youden": largest sensitivity + specificity - 1. "sensitivity" or "specificity": the cut that
            reaches ``target`` with the best value of the other. "cost": smallest
            ``cost_ratio`` * FN + FP. "fixed": ``threshold`` as given. Where cuts tie, the one with the
            higher sensitivity is taken; with "specificity", the one with the higher specificity.
        target: for "sensitivity" and "specificity", above 0 and up to 1.
        cost_ratio: for "cost": how many false positives are as bad as one false negative; above 0.
        prevalence: for "cost": where the model will be used; by default as in these data.
        threshold: for "fixed".
        chosen_on: the data these are, kept in the record; a report flags "test". By default the ``part`` of
            the Predictions, and "unknown" for arrays and for "fixed", which chooses nothing. With
            Predictions the text must name their part (but for "fixed").
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        missing: "raise" or "drop" rows whose score is NaN.

    Raises:
        ArgumentError: an argument that the rule needs is missing, one that it does not use is given, or
            (but for "fixed") the data hold one class only or ``chosen_on`` contradicts the Predictions.

    Source: W. J. Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.

    Example:
        >>> choose_operating_point([0, 0, 1, 1], [0.125, 0.5, 0.375, 0.75], rule="sensitivity", target=0.9)
        OperatingPoint(threshold=0.25, rule='sensitivity >= 0.9', chosen_on='unknown')
    """
    check_choice("rule", rule, ("youden", "sensitivity", "specificity", "cost", "fixed"))
    needs = {"sensitivity": "target", "specificity": "target", "cost": "cost_ratio", "fixed": "threshold"}
    given = {"target": target, "cost_ratio": cost_ratio, "prevalence": prevalence, "threshold": threshold}
    allowed = {needs.get(rule, "")} | ({"prevalence"} if rule == "cost" else set())
    for name, value in given.items():
        if value is None and name == needs.get(rule):
            raise ArgumentError(f"{name}: is needed for rule={rule!r}; got None.")
        if value is not None and name not in allowed:
            raise ArgumentError(f"{name}: is not used by rule={rule!r}; got {value!r}. Leave it out.")
    if threshold is not None:
        return OperatingPoint(
            threshold=check_number("threshold", threshold),
            rule="fixed",
            chosen_on="unknown" if chosen_on is None else chosen_on,
        )
    origin = _origin(y, chosen_on)
    data = as_scored(y, p, positive=positive, missing=missing)
    if data.positives == 0 or data.negatives == 0:
        raise ArgumentError(
            "y: both classes are needed to choose a threshold; got one only. "
            "Use data with both, or rule='fixed' with threshold=."
        )
    scores, tp, fp = step_counts(data)
    tp, fp = np.concatenate(([0], tp)), np.concatenate(([0], fp))
    first = False
    gain: FloatVector | IntVector
    if rule == "youden":
        gain, name = tp * data.negatives - fp * data.positives, "youden"
    elif rule == "cost":
        ratio = check_number("cost_ratio", cost_ratio, low=0.0, low_open=True)
        gain = _saving(tp, fp, data, ratio, prevalence)
        name = f"cost ratio {ratio:g}" + ("" if prevalence is None else f" at prevalence {prevalence:g}")
    else:
        wanted = check_number("target", target, low=0.0, high=1.0, low_open=True)
        name = f"{rule} >= {wanted:g}"
        if rule == "sensitivity":
            gain = np.where(tp / data.positives >= wanted, data.negatives - fp, -1)
        else:
            gain = np.where((data.negatives - fp) / data.negatives >= wanted, tp, -1)
            first = True
    best = np.flatnonzero(gain == gain.max())
    cut = _cuts(scores)[best[0 if first else -1]]
    return OperatingPoint(threshold=float(cut), rule=name, chosen_on=origin)


def _origin(y: Outcome, chosen_on: str | None) -> str:
    """Return what data these are; Predictions know it themselves and are not overruled."""
    if not isinstance(y, Predictions):
        return "unknown" if chosen_on is None else chosen_on
    if chosen_on is None:
        return y.part
    if y.part not in chosen_on.lower():
        raise ArgumentError(
            f"chosen_on: must name the part of the Predictions, {y.part!r}; got {chosen_on!r}. Leave it out, "
            "or give the Predictions the part that they are."
        )
    return chosen_on


def _saving(
    tp: IntVector, fp: IntVector, data: Scored, ratio: float, prevalence: float | None
) -> FloatVector:
    """Return what each cut saves against calling nothing positive, up to a common factor."""
    if prevalence is None:
        return np.asarray(ratio * tp - fp, dtype=np.float64)
    share = check_fraction("prevalence", prevalence, open_ends=True)
    return np.asarray(
        ratio * share * tp / data.positives - (1.0 - share) * fp / data.negatives, dtype=np.float64
    )


def _cuts(scores: FloatVector) -> FloatVector:
    """Return one threshold per cut of falling distinct scores: none positive, ..., all positive."""
    upper, lower = scores[:-1], scores[1:]
    middle = lower + (upper - lower) / 2.0
    middle = np.where(middle > lower, middle, upper)  # between two neighbouring floats there is none
    return np.concatenate(([np.nextafter(scores[0], np.inf)], middle, [scores[-1]]))
