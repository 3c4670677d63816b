"""How many images a study needs for an interval of a wanted width."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from scipy import special

from medimg_cnn._validation import check_choice, check_fraction, check_number
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._auroc import logit_limits
from medimg_cnn.evaluation._inputs import check_level
from medimg_cnn.evaluation._proportions import wilson_limits, z_quantile

__all__ = ["SampleSize", "sample_size"]

Target: TypeAlias = Literal["sensitivity", "specificity", "auroc"]
_LARGEST = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSize:
    """A planned study.

    Attributes:
        target: the figure whose interval was planned for.
        expected: its value as assumed.
        width: wanted full width of the interval.
        positives: images with the condition that are needed.
        negatives: images without it.
        total: both.
        expected_width: width of the interval at the expected value with these numbers.
        prevalence: as assumed.
        design_effect: by which images of the same patient were inflated.
        level: confidence level.
    """

    target: Target
    expected: float
    width: float
    positives: int
    negatives: int
    total: int
    expected_width: float
    prevalence: float
    design_effect: float
    level: float


def sample_size(
    target: Target,
    *,
    expected: float,
    width: float,
    prevalence: float,
    images_per_patient: float = 1.0,
    intraclass_correlation: float = 0.0,
    level: float = 0.95,
) -> SampleSize:
    """Return the smallest study whose interval, at the expected value, is no wider than wanted.

    Sensitivity and specificity: Wilson's interval. AUROC: the logit interval with the variance of two
    normal distributions of equal spread, A (1 - A) + (m + n - 2)(Q - A^2), over m n, where
    Q = A - 2 T(h, 1 / sqrt 3), h the normal quantile of A and T Owen's function. The width of one study
    varies around the expected one: about half of them come out somewhat wider.

    Args:
        target: "sensitivity", "specificity" or "auroc".
        expected: value that is hoped for; inside (0, 1), for "auroc" above 0.5.
        width: full width, upper less lower bound; inside (0, 1).
        prevalence: share of positives among the images, inside (0, 1).
        images_per_patient: mean number, 1 or more.
        intraclass_correlation: how alike images of a patient are, 0 to 1; the numbers are multiplied by
            1 + (images_per_patient - 1) * intraclass_correlation.
        level: confidence level.

    Raises:
        ArgumentError: an argument is outside its range.

    Example:
        >>> plan = sample_size("sensitivity", expected=0.9, width=0.1, prevalence=0.2)
        >>> plan.positives, plan.negatives, plan.total
        (141, 562, 703)
    """
    check_choice("target", target, ("sensitivity", "specificity", "auroc"))
    level = check_level(level)
    value = check_fraction("expected", expected, open_ends=True)
    if target == "auroc" and value <= 0.5:
        raise ArgumentError(f"expected: must be above 0.5 for the AUROC; got {value}.")
    wanted = check_fraction("width", width, open_ends=True)
    share = check_fraction("prevalence", prevalence, open_ends=True)
    size = check_number("images_per_patient", images_per_patient, low=1.0)
    alike = check_fraction("intraclass_correlation", intraclass_correlation)
    effect = 1.0 + (size - 1.0) * alike

    def numbers(total: int) -> tuple[int, int]:
        positives = min(total - 1, max(1, round(total * share)))
        return positives, total - positives

    def width_at(total: int) -> float:
        positives, negatives = (number / effect for number in numbers(total))
        if target == "auroc":
            return _auroc_width(value, positives, negatives, level)
        trials = positives if target == "sensitivity" else negatives
        lower, upper = wilson_limits(value * trials, trials, level)
        return upper - lower

    total = _smallest(lambda total: width_at(total) <= wanted, start=2)
    positives, negatives = numbers(total)
    return SampleSize(
        target=target,
        expected=value,
        width=wanted,
        positives=positives,
        negatives=negatives,
        total=total,
        expected_width=width_at(total),
        prevalence=share,
        design_effect=effect,
        level=level,
    )


def _auroc_width(area: float, positives: float, negatives: float, level: float) -> float:
    h = float(special.ndtri(area))
    both = area - 2.0 * float(special.owens_t(h, 1.0 / math.sqrt(3.0)))
    variance = area * (1.0 - area) + (positives + negatives - 2.0) * (both - area**2)
    lower, upper = logit_limits(area, math.sqrt(variance / (positives * negatives)), z_quantile(level))
    return upper - lower


def _smallest(enough: Callable[[int], bool], *, start: int) -> int:
    """Return the smallest number that is enough, by doubling and halving."""
    high = start
    while not enough(high):
        high *= 2
        if high > _LARGEST:
            raise ArgumentError("width: is too small to be reached with any practical number of images.")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
