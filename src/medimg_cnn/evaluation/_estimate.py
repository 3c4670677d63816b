"""One number of an evaluation, with its interval and with what a reader must know about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from medimg_cnn._validation import check_fraction, check_integer
from medimg_cnn.errors import ArgumentError

__all__ = ["Estimate", "bounded", "undefined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its two-sided confidence interval.

    Attributes:
        value: the figure; NaN where it is undefined, and then ``reason`` says why.
        lower: lower bound; NaN where there is no interval.
        upper: upper bound; NaN where there is no interval.
        method: how the interval was made, for example "Wilson".
        n: what the figure rests on: the trials of a proportion, else the number of images.
        level: confidence level of the interval, above 0 and below 1.
        reason: why the value or the interval is missing, or a caution; empty where neither is needed.
        standard_error: on the scale of ``value``; NaN where the method has none.
        dropped: rows left out because their score was missing (``missing="drop"``).

    Raises:
        ArgumentError: the bounds do not enclose the value, one bound is missing and the other is not,
            a figure without value has bounds, or no reason is given for a missing value.

    Example:
        >>> print(Estimate(value=0.931, lower=0.902, upper=0.958, method="DeLong, logit", n=400))
        0.931 (0.902 to 0.958)
        >>> print(Estimate(value=math.nan, method="Wilson", n=0, reason="no positives"))
        undefined (no positives)
    """

    value: float
    lower: float = math.nan
    upper: float = math.nan
    method: str
    n: int
    level: float = 0.95
    reason: str = ""
    standard_error: float = math.nan
    dropped: int = 0

    def __post_init__(self) -> None:
        for name in ("value", "lower", "upper", "standard_error"):
            object.__setattr__(self, name, float(getattr(self, name)))
        object.__setattr__(self, "n", check_integer("n", self.n, low=0))
        object.__setattr__(self, "dropped", check_integer("dropped", self.dropped, low=0))
        object.__setattr__(self, "level", check_fraction("level", self.level, open_ends=True))
        if math.isnan(self.lower) != math.isnan(self.upper):
            raise ArgumentError(f"lower, upper: both or neither; got {self.lower} and {self.upper}.")
        if not self.defined and not (math.isnan(self.lower) and self.reason):
            raise ArgumentError("value: a figure that is undefined has no bounds, and a reason.")
        if self.has_interval and not self.lower <= self.value <= self.upper:
            raise ArgumentError(
                f"lower, upper: must enclose the value {self.value}; got {self.lower} to {self.upper}."
            )

    @property
    def defined(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.lower)

    @property
    def width(self) -> float:
        """Upper less lower bound; NaN where there is no interval."""
        return self.upper - self.lower

    def format(self, digits: int = 3) -> str:
        """Return the figure as text, with ``digits`` decimals.

        Example:
            >>> Estimate(value=0.5, lower=0.25, upper=0.75, method="Wilson", n=10).format(2)
            '0.50 (0.25 to 0.75)'
        """
        if not self.defined:
            return f"undefined ({self.reason})"
        if not self.has_interval:
            why = self.reason.removeprefix("no interval: ") or "none was asked for"
            return f"{self.value:.{digits}f} (no interval: {why})"
        return f"{self.value:.{digits}f} ({self.lower:.{digits}f} to {self.upper:.{digits}f})"

    def __str__(self) -> str:
        return self.format()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as strict JSON values: NaN is None, infinities are "inf" and "-inf"."""
        return {item.name: _json(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Estimate:
        """Build the figure from what ``to_dict`` gave."""
        numbers = {"value", "lower", "upper", "standard_error"}
        values: dict[str, Any] = {
            name: (math.nan if value is None else float(value)) if name in numbers else value
            for name, value in content.items()
        }
        return cls(**values)


def bounded(
    value: float,
    limits: tuple[float, float],
    *,
    method: str,
    n: int,
    level: float,
    low: float = -math.inf,
    high: float = math.inf,
    reason: str = "",
    standard_error: float = math.nan,
    dropped: int = 0,
) -> Estimate:
    """Return an Estimate whose limits are held inside [low, high] and around the value."""
    lower, upper = limits
    if math.isnan(lower) or math.isnan(upper):
        lower = upper = math.nan
    else:
        lower, upper = max(low, min(lower, value)), min(high, max(upper, value))
    return Estimate(
        value=value,
        lower=lower,
        upper=upper,
        method=method,
        n=n,
        level=level,
        reason=reason,
        standard_error=standard_error,
        dropped=dropped,
    )


def undefined(reason: str, *, method: str, n: int, level: float, dropped: int = 0) -> Estimate:
    """Return an Estimate without a value, for a reason in words."""
    return Estimate(value=math.nan, method=method, n=n, level=level, reason=reason, dropped=dropped)


def _json(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")
