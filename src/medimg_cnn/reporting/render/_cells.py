"""Cells as plain text, for the formats that have no other kind."""

from __future__ import annotations

import math

from medimg_cnn.evaluation import Estimate
from medimg_cnn.reporting._document import Cell, Check, Column, KeyFigure, Picture
from medimg_cnn.reporting._format import estimate_text, number_text

__all__ = ["BADGES", "badge", "cell_text", "key_figure_text", "picture_text"]

BADGES = {
    "pass": "Passed",
    "warn": "Take care",
    "fail": "Problem",
    "not applicable": "Not checked",
}
"""What each outcome is called in front of a reader; "not checked" never looks like "passed"."""


def badge(check: Check) -> str:
    """Return the words that stand for a check's outcome."""
    return BADGES[check.outcome]


def cell_text(value: Cell, column: Column) -> str:
    """Return a table cell as text."""
    if value is None:
        return "none"
    if isinstance(value, Estimate):
        text = estimate_text(value, digits=column.digits)
        return f"{text}: {value.reason}" if math.isnan(value.value) and value.reason else text
    if isinstance(value, (int, float)):
        return number_text(value, column.digits)
    return value


def key_figure_text(item: KeyFigure) -> str:
    """Return a key figure's value with its interval."""
    percent = item.scale == "percent"
    text = estimate_text(item.estimate, digits=1 if percent else 3, percent=percent)
    if not item.estimate.reason:
        return text
    return (
        f"{text}; take care: {item.estimate.reason}"
        if item.estimate.defined
        else f"{text}: {item.estimate.reason}"
    )


def picture_text(picture: Picture) -> str:
    """Return a picture's caption, and what its map shows where it has one."""
    return picture.caption if picture.map_png is None else f"{picture.caption}. {picture.map_alt}"
