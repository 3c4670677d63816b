"""How numbers are put into words: one place, so that every renderer says the same."""

from __future__ import annotations

import math

from medimg_cnn.evaluation import Estimate

__all__ = [
    "count_of",
    "estimate_text",
    "hundred_interval",
    "interval_text",
    "number_text",
    "of_hundred",
    "percent_text",
    "plural",
]

UNDEFINED = "not defined"
_MINUS = "\N{MINUS SIGN}"


def number_text(value: float, digits: int = 3) -> str:
    """Return a number with ``digits`` decimals and a true minus sign; large ones lose decimals.

    Example:
        >>> number_text(0.93149), number_text(float("nan")), number_text(1234.5)
        ('0.931', 'not defined', '1,234')
    """
    if isinstance(value, int):
        return f"{value:,}".replace("-", _MINUS)
    if math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "\N{INFINITY}" if value > 0 else f"{_MINUS}\N{INFINITY}"
    digits = _fewer(abs(value), digits)
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", _MINUS)


def percent_text(value: float, digits: int = 1) -> str:
    """Return a share as per cent.

    Example:
        >>> percent_text(0.4234)
        '42.3%'
    """
    return UNDEFINED if math.isnan(value) else number_text(100 * value, digits) + "%"


def interval_text(estimate: Estimate, *, digits: int = 3, percent: bool = False) -> str:
    """Return "0.902 to 0.958", or "" where there is no interval."""
    if not estimate.has_interval:
        return ""
    places = _places(estimate, digits)
    return f"{_shown(estimate.lower, places, percent)} to {_shown(estimate.upper, places, percent)}"


def estimate_text(estimate: Estimate, *, digits: int = 3, percent: bool = False) -> str:
    """Return "0.931 (0.902 to 0.958)"; "not defined" where it is not, without a false number."""
    if math.isnan(estimate.value):
        return UNDEFINED
    value = _shown(estimate.value, _places(estimate, digits), percent)
    interval = interval_text(estimate, digits=digits, percent=percent)
    return f"{value} ({interval})" if interval else value


def of_hundred(value: float) -> str:
    """Return a share as a count of 100, never rounding to none or all what is neither.

    Example:
        >>> of_hundred(0.931), of_hundred(0.998), of_hundred(1.0), of_hundred(0.002)
        ('93', 'more than 99', '100', 'fewer than 1')
    """
    hundred = 100 * value
    if 0 < hundred < 0.5:
        return "fewer than 1"
    if 99.5 <= hundred < 100:
        return "more than 99"
    return f"{math.floor(hundred + 0.5)}"


def hundred_interval(estimate: Estimate) -> str:
    """Return " (88 to 96)" for a share, or "" where there is no interval."""
    if not estimate.has_interval:
        return ""
    return f" ({of_hundred(estimate.lower)} to {of_hundred(estimate.upper)})"


def plural(count: int, noun: str, many: str = "") -> str:
    """Return the count with its noun.

    Example:
        >>> plural(1, "image"), plural(2000, "image")
        ('1 image', '2,000 images')
    """
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def count_of(part: int, whole: int) -> str:
    """Return "12 of 40 (30.0%)"."""
    return f"{part:,} of {whole:,}" + (f" ({percent_text(part / whole)})" if whole else "")


def _places(estimate: Estimate, digits: int) -> int:
    """One number of decimals for the value and both bounds, set by the largest of them."""
    sizes = [abs(v) for v in (estimate.value, estimate.lower, estimate.upper) if math.isfinite(v)]
    return _fewer(max(sizes, default=0.0), digits)


def _fewer(size: float, digits: int) -> int:
    if size >= 1000:
        return 0
    if size >= 100:
        return min(digits, 1)
    return min(digits, 2) if size >= 10 else digits


def _shown(value: float, digits: int, percent: bool) -> str:
    return percent_text(value, digits) if percent else number_text(value, digits)
