"""p values read off intervals: the level at which an interval just reaches the value in question."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from scipy import optimize

from medimg_cnn.evaluation._estimate import Estimate

__all__ = ["SMALLEST_P", "AtLevel", "one_sided_p", "two_sided_p"]

AtLevel: TypeAlias = Callable[[float], Estimate]
SMALLEST_P = 1e-12
"""Where an interval of level 1 - 1e-12 still excludes the value, this is given."""
_NEARLY_ONE = 1.0 - 1e-9


def two_sided_p(at: AtLevel, null: float) -> float:
    """Return the p value of "the figure is ``null``": 1 less the highest level that excludes it.

    So p is below 0.05 if and only if the 95% interval excludes ``null``. NaN where there is no interval.

    Args:
        at: gives the estimate with its interval of a confidence level; higher levels hold lower ones.
        null: the value in question.
    """
    item = at(0.95)
    if not item.has_interval:
        return math.nan
    if item.value == null:
        return 1.0
    above = item.value > null

    def margin(log_p: float) -> float:
        found = at(1.0 - 10.0**log_p)
        return found.lower - null if above else null - found.upper

    low, high = math.log10(SMALLEST_P), math.log10(_NEARLY_ONE)
    if margin(low) > 0.0:
        return SMALLEST_P
    if margin(high) <= 0.0:
        return 1.0
    return float(10.0 ** optimize.brentq(margin, low, high, xtol=1e-12))


def one_sided_p(at: AtLevel, null: float) -> float:
    """Return the p value of "the figure is ``null`` or less": below 0.025 if and only if 95% lies above."""
    tail = two_sided_p(at, null) / 2.0
    return tail if at(0.95).value >= null else 1.0 - tail
