"""Columns of numbers, such as age, as subgroups: cut into bands."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import FloatVector, StrVector
from medimg_cnn._validation import explain
from medimg_cnn.data.sources._tables import is_missing
from medimg_cnn.errors import ArgumentError

__all__ = ["MOST_VALUES", "Cuts", "bands", "cut_columns", "read_subgroups"]

MOST_VALUES = 10
"""A column of more different numbers than these is cut into bands where the user says nothing."""

NOT_RECORDED = "not recorded"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_CODE = re.compile(r"[+-]?0\d")

Cuts = Mapping[str, "tuple[float, ...] | None"]


def bands(values: ArrayLike, cuts: Sequence[float] | None = None, *, name: str = "values") -> StrVector:
    """Return the band in which each number lies, as a text for a subgroup column.

    Args:
        values: (n,) numbers, or texts of numbers; missing ones become "not recorded".
        cuts: increasing; a band begins at its cut point. None: the quartiles of the values.
        name: of the column, for messages.

    Raises:
        ArgumentError: a value is not a number, or the cuts do not increase.

    Example:
        >>> bands([35, 40, 59, 60, None], (40, 60)).tolist()
        ['under 40', '40 to 59', '40 to 59', '60 and over', 'not recorded']
        >>> bands([0.5, 1.25, 3.0], (1, 2.5)).tolist()
        ['under 1', '1 to under 2.5', '2.5 and over']
    """
    texts = [
        "" if is_missing(value) else str(value).strip() for value in np.asarray(values, dtype=object).ravel()
    ]
    wrong = next((text for text in texts if text and not _NUMBER.fullmatch(text)), None)
    if wrong is not None:
        raise ArgumentError(
            explain(name, "every value must be a number, or missing, to be cut into bands", wrong)
        )
    return _cut(texts, _checked(name, cuts) if cuts is not None else _quartiles(texts))


def read_subgroups(source: object, subgroups: object) -> tuple[Any, dict[str, tuple[float, ...] | None]]:
    """Return the subgroups as the source takes them, and the cut points of the columns that are to be cut.

    Columns of arrays are given by their values, and numbers among them are cut as those of a table. Texts given for
    arrays are subgroups as they are.

    Raises:
        ArgumentError: they are neither names nor a mapping, or cut points do not increase.
    """
    if isinstance(subgroups, str) or not isinstance(subgroups, (Mapping, Sequence, np.ndarray)):
        rule = "must be names of columns, or a mapping from them"
        raise ArgumentError(
            explain("subgroups", rule, subgroups, 'For example ("sex",) or {"age": (40, 60)}.')
        )
    if not isinstance(subgroups, Mapping):
        return tuple(subgroups), dict.fromkeys(map(str, subgroups))
    if isinstance(source, tuple):
        return subgroups, {
            str(name): None for name, values in subgroups.items() if np.asarray(values).dtype.kind in "iuf"
        }
    cuts = {
        str(name): None
        if given is None
        else ()
        if isinstance(given, Sequence) and not given
        else _checked(f"subgroups[{name!r}]", given)
        for name, given in subgroups.items()
    }
    return tuple(cuts), cuts


def cut_columns(
    columns: Mapping[str, Sequence[str]], cuts: Cuts
) -> tuple[dict[str, Sequence[str]], dict[str, Sequence[str]], list[str]]:
    """Return the columns with those cut that are to be, what was cut unasked, and a sentence about each of these.

    Raises:
        ArgumentError: a column that is to be cut has other values than numbers.
    """
    after: dict[str, Sequence[str]] = dict(columns)
    before: dict[str, Sequence[str]] = {}
    notes = []
    for name, given in cuts.items():
        if name not in columns or given == ():
            continue
        values = columns[name]
        if given is not None:
            after[name] = bands(values, given, name=f"subgroups[{name!r}]").tolist()
        elif (count := _different_numbers(values)) > MOST_VALUES:
            edges = _quartiles(values)
            before[name], after[name] = values, _cut(values, edges).tolist()
            notes.append(
                f"The subgroup column {name!r} holds {count} different numbers, and was cut at its quartiles, "
                f"{', '.join(map(_format, edges))}. To cut it elsewhere pass subgroups={{{name!r}: (...)}}, with () to "
                "keep each number."
            )
    return after, before, notes


def _different_numbers(values: Sequence[str]) -> int:
    """Return how many different numbers a column holds; 0 where it holds other texts, or codes such as 007."""
    found = {value for value in values if not is_missing(value)}
    if any(_CODE.match(value) or not _NUMBER.fullmatch(value) for value in found):
        return 0
    return len({float(value) for value in found})


def _numbers(texts: Sequence[str]) -> FloatVector:
    return np.array([math.nan if is_missing(text) else float(text) for text in texts], dtype=np.float64)


def _quartiles(texts: Sequence[str]) -> tuple[float, ...]:
    """Return up to three cut points; whole where all values are, else with three digits of the range."""
    known = _numbers(texts)
    known = known[~np.isnan(known)]
    if known.size == 0 or known.min() == known.max():
        return ()
    edges = np.quantile(known, (0.25, 0.5, 0.75), method="higher")
    if (known % 1 != 0).any():
        edges = np.round(edges, 2 - math.floor(math.log10(known.max() - known.min())))
    return tuple(edge for edge in np.unique(edges).tolist() if edge > known.min())


def _checked(name: str, cuts: object) -> tuple[float, ...]:
    rule = "cut points must be finite numbers that increase"
    step = "For example (40, 60): under 40, 40 to 59, 60 and over."
    try:
        edges = np.asarray(cuts, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(explain(name, rule, cuts, step)) from error
    if edges.ndim != 1 or edges.size == 0 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise ArgumentError(explain(name, rule, cuts, step))
    return tuple(edges.tolist())


def _cut(texts: Sequence[str], edges: tuple[float, ...]) -> StrVector:
    numbers = _numbers(texts)
    known = numbers[~np.isnan(numbers)]
    if not edges:
        return np.array([_format(number) for number in numbers], dtype=np.str_)
    whole = bool((known % 1 == 0).all()) and all(edge % 1 == 0 for edge in edges)
    names = [f"under {_format(edges[0])}"]
    for low, high in pairwise(edges):
        if not whole:
            names.append(f"{_format(low)} to under {_format(high)}")
        elif high - low == 1:
            names.append(_format(low))
        else:
            names.append(f"{_format(low)} to {_format(high - 1)}")
    names.append(f"{_format(edges[-1])} and over")
    place = np.searchsorted(edges, np.nan_to_num(numbers), side="right")
    return np.where(np.isnan(numbers), NOT_RECORDED, np.asarray(names)[place])


def _format(number: float) -> str:
    return NOT_RECORDED if math.isnan(number) else np.format_float_positional(number, trim="-")
