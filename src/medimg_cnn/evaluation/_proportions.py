"""Intervals of a proportion: Wilson's score interval and Clopper and Pearson's exact one."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from scipy import special

from medimg_cnn._types import FloatVector
from medimg_cnn._validation import check_choice, check_integer
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._inputs import check_level

__all__ = [
    "ProportionMethod",
    "clopper_pearson_limits",
    "few_on_a_side",
    "proportion",
    "wilson_band",
    "wilson_limits",
    "z_quantile",
]

ProportionMethod: TypeAlias = Literal["wilson", "clopper-pearson"]
FEW_ON_A_SIDE = 10
"""Successes or failures; below it Wilson's coverage leaves 0.93 to 0.97 for some shares (decision 0035)."""
_NAMES: dict[str, str] = {"wilson": "Wilson", "clopper-pearson": "Clopper-Pearson"}


def z_quantile(level: float) -> float:
    """Return the two-sided normal quantile of a confidence level, 1.96 for 0.95."""
    return float(special.ndtri((1.0 + level) / 2.0))


def wilson_limits(
    successes: float, trials: float, level: float, *, quantile: float | None = None
) -> tuple[float, float]:
    """Return Wilson's limits; ``trials`` may be an effective number and need not be whole."""
    z = z_quantile(level) if quantile is None else quantile
    share = successes / trials
    centre = share + z * z / (2.0 * trials)
    half = z * math.sqrt(max(share * (1.0 - share), 0.0) / trials + (z / (2.0 * trials)) ** 2)
    scale = 1.0 + z * z / trials
    # At 0 and 1 the closed end is exact; rounding would leave it a hair inside.
    lower = 0.0 if share <= 0.0 else max(0.0, (centre - half) / scale)
    upper = 1.0 if share >= 1.0 else min(1.0, (centre + half) / scale)
    return lower, upper


def wilson_band(successes: FloatVector, trials: FloatVector, level: float) -> tuple[FloatVector, FloatVector]:
    """Return Wilson's limits for vectors; NaN where there is no trial."""
    limits = [
        wilson_limits(float(x), float(m), level) if m > 0 else (math.nan, math.nan)
        for x, m in zip(successes, trials, strict=True)
    ]
    lower, upper = np.array(limits, dtype=np.float64).reshape(-1, 2).T
    return lower, upper


def few_on_a_side(successes: float, trials: float) -> str:
    """Return the caution for Wilson's interval of few successes or few failures, or an empty text."""
    if min(successes, trials - successes) >= FEW_ON_A_SIDE - 1e-9:
        return ""
    return (
        f"too few on one side (fewer than {FEW_ON_A_SIDE}), so the interval may cover somewhat less or more than "
        "its level (0.91 to 0.98 where 0.95 is meant)"
    )


def clopper_pearson_limits(successes: int, trials: int, level: float) -> tuple[float, float]:
    """Return Clopper and Pearson's exact limits, from the beta quantiles."""
    tail = (1.0 - level) / 2.0
    lower = 0.0 if successes == 0 else float(special.betaincinv(successes, trials - successes + 1, tail))
    upper = (
        1.0
        if successes == trials
        else float(special.betaincinv(successes + 1, trials - successes, 1.0 - tail))
    )
    return lower, upper


def proportion(
    successes: int,
    trials: int,
    *,
    level: float = 0.95,
    method: ProportionMethod = "wilson",
    why_undefined: str = "no trials",
) -> Estimate:
    """Return a proportion with its interval.

    Args:
        successes: 0 to ``trials``.
        trials: 0 or more; with 0 the proportion is undefined.
        level: confidence level.
        method: "wilson" (score interval, E. B. Wilson 1927, doi:10.1080/01621459.1927.10502953; mean
            coverage near the level) or "clopper-pearson" (exact, doi:10.1093/biomet/26.4.404; coverage
            never under the level, so wider).
        why_undefined: the reason given when there are no trials.

    Returns:
        An Estimate in [0, 1]; ``standard_error`` is sqrt(p (1 - p) / n). With "wilson" and fewer than 10
        successes or failures ``reason`` says that these are too few for coverage near the level.

    Raises:
        ArgumentError: a count is negative or not whole, or there are more successes than trials.

    Example:
        >>> print(proportion(81, 263))
        0.308 (0.255 to 0.366)
    """
    level = check_level(level)
    check_choice("method", method, tuple(_NAMES))
    trials = check_integer("trials", trials, low=0)
    successes = check_integer("successes", successes, low=0)
    if successes > trials:
        raise ArgumentError(f"successes: must be at most trials ({trials}); got {successes}.")
    if trials == 0:
        return undefined(why_undefined, method=_NAMES[method], n=0, level=level)
    limits = wilson_limits if method == "wilson" else clopper_pearson_limits
    share = successes / trials
    return bounded(
        share,
        limits(successes, trials, level),
        low=0.0,
        high=1.0,
        method=_NAMES[method],
        n=trials,
        level=level,
        reason=few_on_a_side(successes, trials) if method == "wilson" else "",
        standard_error=math.sqrt(share * (1.0 - share) / trials),
    )
