"""Operating points, prevalences and subgroups as ``clinical_report`` takes them, in one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import StrVector
from medimg_cnn._validation import check_fraction, explain
from medimg_cnn.artifacts import FitResult, OperatingPoint
from medimg_cnn.data._bands import MOST_VALUES, bands
from medimg_cnn.errors import ArgumentError

__all__ = [
    "PointOrPoints",
    "as_operating_point",
    "as_prevalences",
    "as_texts",
    "group_columns",
    "operating_points",
]

_DEFAULT_THRESHOLD = 0.5
_DEFAULT_ORIGIN = "not chosen on data (default 0.5)"
PointOrPoints: TypeAlias = OperatingPoint | float | Sequence[OperatingPoint | float] | None


def operating_points(given: PointOrPoints, result: FitResult | None) -> tuple[OperatingPoint, ...]:
    """Return the points, the main one first: those given, else that of the run, else 0.5.

    Raises:
        ArgumentError: there is none, or a rule is given instead of a threshold.
    """
    if given is None:
        if result is not None:
            return (result.operating_point,)
        return (OperatingPoint(threshold=_DEFAULT_THRESHOLD, rule="fixed", chosen_on=_DEFAULT_ORIGIN),)
    several = _listed(given)
    if not several:
        raise ArgumentError("operating_point: must hold at least one point; got none. Leave it out for 0.5.")
    return tuple(as_operating_point(point) for point in several)


def as_operating_point(given: object) -> OperatingPoint:
    """Return the point; a bare threshold becomes one of unknown origin.

    Raises:
        ArgumentError: it is the name of a rule, or no number.
    """
    if isinstance(given, OperatingPoint):
        return given
    if isinstance(given, str):
        raise ArgumentError(
            explain(
                "operating_point",
                "must be a threshold or an OperatingPoint, not the name of a rule",
                given,
                "A threshold must be chosen on other cases than those judged: pass "
                f'choose_operating_point(y, p, rule="{given}", chosen_on="validation") of validation cases, or '
                f'train with Trainer(..., operating_point="{given}").',
            )
        )
    number: Any = given  # the record checks it
    return OperatingPoint(threshold=number, rule="fixed", chosen_on="unknown")


def as_prevalences(given: float | Sequence[float]) -> tuple[float, ...]:
    """Return one or several prevalences as a tuple, each inside (0, 1).

    Raises:
        ArgumentError: one is not a number inside (0, 1).
    """
    return tuple(check_fraction("prevalences", value, open_ends=True) for value in _listed(given))


def _listed(given: object) -> list[object]:
    """Return what is in a sequence; a number, a text or an array of no dimension is one thing."""
    several = isinstance(given, (Sequence, np.ndarray)) and not isinstance(given, str) and np.ndim(given) > 0
    return list(given) if several else [given]  # type: ignore[call-overload]  # the name hides its type


def group_columns(subgroups: Mapping[str, ArrayLike] | None, n: int) -> dict[str, StrVector]:
    """Return column name -> (n,) groups, blanks called "not recorded".

    Raises:
        ArgumentError: it is no mapping, or a column has another length.
    """
    if subgroups is None:
        return {}
    if not hasattr(subgroups, "items"):
        raise ArgumentError(
            explain(
                "subgroups",
                "must map column names to one group per case, or be a pandas table",
                subgroups,
                'Pass such as {"site": sites}. Columns that Predictions hold are shown without naming them.',
            )
        )
    return {str(name): _groups(f"subgroups[{name!r}]", column, n) for name, column in subgroups.items()}


def _groups(name: str, values: ArrayLike, n: int) -> StrVector:
    texts = as_texts(name, values, n)
    if np.asarray(values).dtype.kind in "iuf" and len(set(texts[texts != "nan"].tolist())) > MOST_VALUES:
        return bands(values, name=name)
    blank = np.isin(np.char.lower(np.char.strip(texts)), ("", "nan", "none", "<na>", "nat"))
    return np.where(blank, "not recorded", texts)


def as_texts(name: str, values: ArrayLike, n: int) -> StrVector:
    """Return (n,) values as texts.

    Raises:
        ArgumentError: there are not n.
    """
    array = np.asarray(values)
    if array.shape != (n,):
        raise ArgumentError(f"{name}: must have the shape ({n},) of y_true; got {array.shape}.")
    return array.astype(np.str_)
