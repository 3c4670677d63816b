"""A chart as data: what is drawn, in which role, on which axes. Two painters read it, SVG and matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from medimg_cnn._types import FloatVector

__all__ = [
    "Area",
    "Axis",
    "Bars",
    "Chart",
    "Layer",
    "Line",
    "Matrix",
    "Panel",
    "Plot",
    "Points",
    "Role",
    "Rule",
    "number_axis",
]

Role = Literal["main", "second", "reference"]
"""A part to play, not a colour: each painter has its own colour-blind safe palette, light and dark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A range with labelled ticks.

    Attributes:
        label: with its unit, where there is one.
        low: where the axis starts.
        high: where it ends, above ``low``.
        ticks: (position, text) pairs.
        flipped: the axis grows downward; used for lists of rows.
    """

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    flipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """A curve through (x, y); dashed lines are references or second readings."""

    x: FloatVector
    y: FloatVector
    role: Role = "main"
    name: str = ""
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Area:
    """The band between two curves over the same x."""

    x: FloatVector
    lower: FloatVector
    upper: FloatVector
    role: Role = "main"
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """Markers with optional error bars; NaN bars are left out.

    ``shape`` differs between series so that colour is never the only difference.
    """

    x: FloatVector
    y: FloatVector
    role: Role = "main"
    name: str = ""
    shape: Literal["circle", "square", "diamond"] = "circle"
    lower: FloatVector | None = None
    upper: FloatVector | None = None
    horizontal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bars:
    """A histogram: ``edges`` (m + 1,), ``heights`` (m,); ``hatched`` tells two apart without colour."""

    edges: FloatVector
    heights: FloatVector
    role: Role = "main"
    name: str = ""
    hatched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A straight line across the panel at one position, with a short text."""

    at: float
    vertical: bool = True
    text: str = ""
    role: Role = "reference"


Layer: TypeAlias = Line | Area | Points | Bars | Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One set of axes; panels of a plot share the horizontal one. A ``share`` of 1 is a usual height."""

    y: Axis
    layers: tuple[Layer, ...]
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Panels from top to bottom over one horizontal axis.

    Attributes:
        x: the shared horizontal axis, labelled under the last panel.
        panels: from top to bottom; their heights go by ``share``.
        square: the first panel has equal units in both directions.
    """

    x: Axis
    panels: tuple[Panel, ...]
    square: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A confusion matrix: counts, and each count's share of its row.

    Attributes:
        rows: names of the true classes, positive first.
        columns: names of the decisions, positive first.
        counts: ((true positive, false negative), (false positive, true negative)).
        names: what each cell is called, in the same order.
    """

    rows: tuple[str, str]
    columns: tuple[str, str]
    counts: tuple[tuple[int, int], tuple[int, int]]
    names: tuple[tuple[str, str], tuple[str, str]]
    row_title: str = "Truth"
    column_title: str = "Model"


Chart: TypeAlias = Plot | Matrix


def number_axis(label: str, low: float, high: float, *, percent: bool = False, most: int = 6) -> Axis:
    """Return an axis with ticks at round numbers, at most ``most`` steps of them.

    Example:
        >>> number_axis("Probability", 0.0, 1.0).ticks[1]
        (0.2, '0.2')
    """
    if not (np.isfinite(low) and np.isfinite(high)) or high <= low:
        low, high = (low - 0.5, low + 0.5) if np.isfinite(low) else (0.0, 1.0)
    step = _round_step((high - low) / most)
    first = int(np.ceil(low / step - 1e-9))
    last = int(np.floor(high / step + 1e-9))
    decimals = max(0, int(np.ceil(-np.log10(step * (100 if percent else 1)) - 1e-9)))
    ticks = []
    for index in range(first, last + 1):
        value = index * step
        shown = value * 100 if percent else value
        text = f"{shown:,.{decimals}f}" + ("%" if percent else "")
        ticks.append((round(value, 12), text.replace("-", "\N{MINUS SIGN}")))
    return Axis(label=label, low=low, high=high, ticks=tuple(ticks))


def _round_step(rough: float) -> float:
    power = 10.0 ** np.floor(np.log10(rough))
    for factor in (1.0, 2.0, 5.0, 10.0):
        if factor * power >= rough * (1 - 1e-9):
            return float(factor * power)
    return float(10.0 * power)
