"""Intervals of figures made of two proportions, from the limits of each (MOVER and plug-in)."""

from __future__ import annotations

import math
from typing import TypeAlias

from medimg_cnn.evaluation._formulas import RANGES, evaluate

__all__ = ["Limits", "difference_limits", "plug_in_limits"]

Limits: TypeAlias = tuple[float, float]


def difference_limits(first: float, first_limits: Limits, second: float, second_limits: Limits) -> Limits:
    """Return limits of ``first - second`` for two independent figures (method of variance recovery).

    With Wilson limits of two proportions this is Newcombe's hybrid score interval, his method 10
    (1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I).
    """
    difference = first - second
    below = math.hypot(first - first_limits[0], second_limits[1] - second)
    above = math.hypot(first_limits[1] - first, second - second_limits[0])
    return difference - below, difference + above


def plug_in_limits(name: str, prevalence: float, sensitivity: Limits, specificity: Limits) -> Limits:
    """Return limits of a figure from both lower and both upper limits of sensitivity and specificity.

    It is used where a cell of the table is empty and the usual variance is 0 or infinite. Every figure
    here rises (or, for the negative likelihood ratio, falls) with both, so the corners bound it; taking
    both limits at once makes the interval wider than its level, on the safe side.
    """
    ends = [
        evaluate(
            name,
            prevalence * s,
            (1.0 - prevalence) * (1.0 - c),
            prevalence * (1.0 - s),
            (1.0 - prevalence) * c,
        )
        for s, c in zip(sensitivity, specificity, strict=True)
    ]
    low, high = RANGES[name]
    if name == "lr_negative":
        ends.reverse()
    return (
        low if math.isnan(ends[0]) else ends[0],
        high if math.isnan(ends[1]) else ends[1],
    )
