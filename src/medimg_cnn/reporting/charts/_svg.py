"""Draws a chart as inline SVG whose colours are CSS variables, so that it follows light, dark and print.

Hand-written rather than matplotlib's: text stays text, the page's theme applies, and a chart is a few
kilobytes. Every colour comes by class from the page's style sheet, so a strict content-security policy
holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from medimg_cnn._types import FloatVector
from medimg_cnn.reporting.charts._spec import (
    Area,
    Axis,
    Bars,
    Chart,
    Layer,
    Line,
    Matrix,
    Panel,
    Plot,
    Points,
    Rule,
)

__all__ = ["draw_svg"]

_WIDTH = 440.0
_RIGHT = 14.0
_TOP = 8.0
_BOTTOM = 50.0
_GAP = 20.0
_LEGEND_ROW = 20.0
_CHARACTER = 7.3  # mean advance of a 13 px sans-serif letter, on the wide side
_HEIGHT = 250.0


@dataclass(frozen=True, slots=True)
class _Frame:
    """Maps data to the drawing's units inside one panel."""

    x: Axis
    y: Axis
    left: float
    top: float
    width: float
    height: float

    def px(self, value: FloatVector | float) -> FloatVector:
        share = (np.asarray(value, dtype=np.float64) - self.x.low) / (self.x.high - self.x.low)
        return np.asarray(self.left + share * self.width)

    def py(self, value: FloatVector | float) -> FloatVector:
        share = (np.asarray(value, dtype=np.float64) - self.y.low) / (self.y.high - self.y.low)
        return np.asarray(self.top + (share if self.y.flipped else 1 - share) * self.height)


def draw_svg(chart: Chart, *, key: str, alt: str, alt_id: str = "") -> str:
    """Return an ``<svg>`` element.

    Args:
        chart: what to draw.
        key: unique on the page; names the clip paths and patterns.
        alt: the text alternative, read out in place of the picture.
        alt_id: the element of the page that holds the text alternative already, where one does.
    """
    if isinstance(chart, Matrix):
        height, parts = _matrix(chart)
    else:
        height, parts = _plot(chart, key)
    named = f'aria-labelledby="{escape(alt_id)}"' if alt_id else f'aria-label="{escape(alt)}"'
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH:g} {height:g}" width="{_WIDTH:g}" height="{height:g}" '
        f'role="img" {named}>' + "".join(parts) + "</svg>"
    )


def _plot(plot: Plot, key: str) -> tuple[float, list[str]]:
    left = _left_margin(plot.panels)
    width = _WIDTH - left - _RIGHT
    legend_height, legend = _legend(plot, left)
    unit = (width if plot.square else _HEIGHT) / (plot.panels[0].share if plot.square else 1.0)
    parts = [_patterns(key), *legend]
    top = _TOP + legend_height
    for index, panel in enumerate(plot.panels):
        height = unit * panel.share
        frame = _Frame(plot.x, panel.y, left, top, width, height)
        parts.extend(_panel(frame, panel, f"{key}-{index}", last=index == len(plot.panels) - 1))
        top += height + _GAP
    bottom = top - _GAP
    parts.append(_text(left + width / 2, bottom + 42, plot.x.label, "axis-label", anchor="middle"))
    return round(bottom + _BOTTOM, 1), parts


def _panel(frame: _Frame, panel: Panel, key: str, *, last: bool) -> list[str]:
    right, bottom = frame.left + frame.width, frame.top + frame.height
    parts = [
        (
            f'<clipPath id="{escape(key)}"><rect x="{_n(frame.left - 1)}" y="{_n(frame.top - 6)}" '
            f'width="{_n(frame.width + 7)}" height="{_n(frame.height + 12)}"/></clipPath>'
        )
    ]
    for value, text in panel.y.ticks:
        y = float(frame.py(value))
        parts.append(_segment(frame.left, y, right, y, "grid"))
        parts.append(_text(frame.left - 8, y + 4.5, text, "tick", anchor="end"))
    for value, text in frame.x.ticks:
        x = float(frame.px(value))
        parts.append(_segment(x, frame.top, x, bottom, "grid"))
        if last:
            parts.append(_text(x, bottom + 19, text, "tick", anchor="middle"))
    parts.append(f'<g clip-path="url(#{escape(key)})">')
    for layer in panel.layers:
        parts.extend(_layer(frame, layer, key))
    parts.append("</g>")
    parts.append(_segment(frame.left, bottom, right, bottom, "axis"))
    if not panel.y.flipped:
        parts.append(_segment(frame.left, frame.top, frame.left, bottom, "axis"))
    if panel.y.label:
        middle = frame.top + frame.height / 2
        parts.append(
            f'<text class="axis-label" text-anchor="middle" '
            f'transform="translate(14 {_n(middle)}) rotate(-90)">{escape(panel.y.label)}</text>'
        )
    return parts


def _layer(frame: _Frame, layer: Layer, key: str) -> Iterable[str]:
    if isinstance(layer, Line):
        dashed = " dashed" if layer.dashed else ""
        yield f'<path class="line {layer.role}{dashed}" d="{_path(frame.px(layer.x), frame.py(layer.y))}"/>'
    elif isinstance(layer, Area):
        x = frame.px(np.concatenate([layer.x, layer.x[::-1]]))
        y = frame.py(np.concatenate([layer.upper, layer.lower[::-1]]))
        if x.size and np.isfinite(y).all():
            yield f'<path class="area {layer.role}" d="{_path(x, y)}Z"/>'
    elif isinstance(layer, Points):
        yield from _points(frame, layer)
    elif isinstance(layer, Bars):
        yield from _bars(frame, layer, key)
    else:
        yield from _rule(frame, layer)


def _points(frame: _Frame, layer: Points) -> Iterable[str]:
    xs, ys = frame.px(layer.x), frame.py(layer.y)
    if layer.lower is not None and layer.upper is not None:
        for x, y, low, high in zip(xs, ys, layer.lower, layer.upper, strict=True):
            if not (math.isfinite(low) and math.isfinite(high)):
                continue
            if layer.horizontal:
                ends = (float(frame.px(low)), float(y), float(frame.px(high)), float(y))
            else:
                ends = (float(x), float(frame.py(low)), float(x), float(frame.py(high)))
            yield _segment(*ends, f"bar-line {layer.role}")
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            yield _marker(float(x), float(y), layer.shape, layer.role)


def _marker(x: float, y: float, shape: str, role: str, size: float = 4.2) -> str:
    if shape == "circle":
        return f'<circle class="mark {role}" cx="{_n(x)}" cy="{_n(y)}" r="{_n(size)}"/>'
    turn = f' transform="rotate(45 {_n(x)} {_n(y)})"' if shape == "diamond" else ""
    return (
        f'<rect class="mark {role}" x="{_n(x - size)}" y="{_n(y - size)}" width="{_n(2 * size)}" '
        f'height="{_n(2 * size)}"{turn}/>'
    )


def _bars(frame: _Frame, layer: Bars, key: str) -> Iterable[str]:
    xs = frame.px(layer.edges)
    base = float(frame.py(max(frame.y.low, 0.0)))
    panel_free = key.rsplit("-", 1)[0]
    for left, right, height in zip(xs[:-1], xs[1:], layer.heights, strict=True):
        if height == 0 or not math.isfinite(height):
            continue
        tip = float(frame.py(height))
        box = (
            f'x="{_n(left + 0.5)}" y="{_n(min(tip, base))}" width="{_n(max(right - left - 1, 0.5))}" '
            f'height="{_n(max(abs(base - tip), 0.75))}"'
        )
        yield f'<rect class="bar {layer.role}" {box}/>'
        if layer.hatched:
            yield f'<rect fill="url(#{escape(panel_free)}-hatch)" {box}/>'


def _rule(frame: _Frame, layer: Rule) -> Iterable[str]:
    if layer.vertical:
        x = float(frame.px(layer.at))
        yield _segment(x, frame.top, x, frame.top + frame.height, f"rule {layer.role}")
        if layer.text:
            late = layer.at > (frame.x.low + frame.x.high) / 2
            yield _text(
                x + (-5 if late else 5), frame.top + 13, layer.text, "tick", anchor="end" if late else "start"
            )
    else:
        y = float(frame.py(layer.at))
        yield _segment(frame.left, y, frame.left + frame.width, y, f"rule {layer.role}")
        if layer.text:
            yield _text(frame.left + frame.width - 4, y - 5, layer.text, "tick", anchor="end")


def _legend(plot: Plot, left: float) -> tuple[float, list[str]]:
    named = [
        layer for panel in plot.panels for layer in panel.layers if not isinstance(layer, Rule) and layer.name
    ]
    named.sort(key=lambda layer: layer.role == "reference")
    parts: list[str] = []
    x, y = left, _TOP + 8
    for layer in named:
        needed = 26 + len(layer.name) * _CHARACTER + 18
        if x > left and x + needed > _WIDTH:
            x, y = left, y + _LEGEND_ROW
        parts.extend(_swatch(layer, x, y))
        parts.append(_text(x + 26, y + 4.5, layer.name, "legend"))
        x += needed
    return (y - _TOP + 18 if named else 6.0), parts


def _swatch(layer: Line | Area | Points | Bars, x: float, y: float) -> Iterable[str]:
    if isinstance(layer, Line):
        yield _segment(x, y, x + 20, y, f"line {layer.role}" + (" dashed" if layer.dashed else ""))
    elif isinstance(layer, Points):
        yield _marker(x + 10, y, layer.shape, layer.role)
    else:
        kind = "area" if isinstance(layer, Area) else "bar"
        yield f'<rect class="{kind} {layer.role}" x="{_n(x)}" y="{_n(y - 6)}" width="20" height="12"/>'
        if isinstance(layer, Bars) and layer.hatched:
            lines = "".join(f"M{_n(x + i)} {_n(y + 6)}l10 -12" for i in (0, 5, 10))
            yield f'<path class="hatch" d="{lines}"/>'


def _matrix(chart: Matrix) -> tuple[float, list[str]]:
    left, top, cell_width, cell_height, gap = 96.0, 60.0, 164.0, 104.0, 4.0
    parts = [
        _text(left + cell_width + gap / 2, 20, chart.column_title, "axis-label", anchor="middle"),
        (
            f'<text class="axis-label" text-anchor="middle" '
            f'transform="translate(14 {_n(top + cell_height + gap / 2)}) rotate(-90)">'
            f"{escape(chart.row_title)}</text>"
        ),
    ]
    for j, name in enumerate(chart.columns):
        parts.append(
            _text(left + j * (cell_width + gap) + cell_width / 2, 46, _cut(name, 22), "tick", anchor="middle")
        )
    for i, row in enumerate(chart.counts):
        y = top + i * (cell_height + gap)
        parts.append(
            _text(left - 8, y + cell_height / 2 + 4.5, _cut(chart.rows[i], 10), "tick", anchor="end")
        )
        total = sum(row)
        for j, count in enumerate(row):
            x = left + j * (cell_width + gap)
            right = i == j
            parts.append(
                f'<rect class="cell {"right" if right else "wrong"}" x="{_n(x)}" y="{_n(y)}" '
                f'width="{_n(cell_width)}" height="{_n(cell_height)}" rx="3"/>'
            )
            middle = x + cell_width / 2
            share = f"{count / total:.1%} of row" if total else "no such case"
            parts.append(_text(middle, y + 48, f"{count:,}", "count", anchor="middle"))
            parts.append(_text(middle, y + 70, share, "cell-note", anchor="middle"))
            parts.append(_text(middle, y + 88, chart.names[i][j], "cell-note", anchor="middle"))
    return top + 2 * cell_height + gap + 8, parts


def _left_margin(panels: Sequence[Panel]) -> float:
    longest = max((len(text) for panel in panels for _, text in panel.y.ticks), default=1)
    label = 24 if any(panel.y.label for panel in panels) else 4
    return min(label + longest * _CHARACTER + 12, _WIDTH * 0.45)


def _patterns(key: str) -> str:
    return (
        f'<pattern id="{escape(key)}-hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path class="hatch" d="M0 0V5"/></pattern>'
    )


def _path(x: FloatVector, y: FloatVector) -> str:
    commands, pen = [], "M"
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if not (math.isfinite(a) and math.isfinite(b)):
            pen = "M"
            continue
        commands.append(f"{pen}{_n(a)} {_n(b)}")
        pen = "L"
    return "".join(commands)


def _segment(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    return f'<path class="{name}" d="M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}"/>'


def _text(x: float, y: float, text: str, name: str, *, anchor: str = "start") -> str:
    return f'<text class="{name}" x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
