"""Draws the same charts as matplotlib Figures, for notebooks and papers; no pyplot, no global state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from medimg_cnn.reporting.charts._spec import Area, Bars, Chart, Layer, Line, Matrix, Panel, Plot, Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_figure"]

# Blue and orange-brown of the light theme: they keep apart in every common colour-vision deficiency.
_COLOURS = {"main": "#0b5394", "second": "#b8500c", "reference": "#6b7280"}
_MARKERS = {"circle": "o", "square": "s", "diamond": "D"}


def draw_figure(chart: Chart, *, title: str = "") -> Figure:
    """Return a matplotlib Figure of the chart; in a notebook it shows itself."""
    from matplotlib.figure import Figure

    if isinstance(chart, Matrix):
        figure = Figure(figsize=(5.0, 4.0), layout="constrained")
        _matrix(figure.subplots(), chart)
    else:
        shares = [panel.share for panel in chart.panels]
        unit = 4.4 / shares[0] if chart.square else 3.2
        figure = Figure(figsize=(5.4, unit * sum(shares) + 0.9), layout="constrained")
        grid: Any = figure.subplots(
            len(chart.panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": shares}
        )
        axes = grid[:, 0]
        for axis, panel in zip(axes, chart.panels, strict=True):
            _panel(axis, chart, panel)
        axes[-1].set_xlabel(chart.x.label)
    if title:
        figure.suptitle(title, fontsize="medium")
    return figure


def _panel(axis: Axes, plot: Plot, panel: Panel) -> None:
    for layer in panel.layers:
        _layer(axis, layer)
    axis.set_xlim(plot.x.low, plot.x.high)
    axis.set_xticks([at for at, _ in plot.x.ticks], [_literal(text) for _, text in plot.x.ticks])
    low, high = (panel.y.high, panel.y.low) if panel.y.flipped else (panel.y.low, panel.y.high)
    axis.set_ylim(low, high)
    axis.set_yticks([at for at, _ in panel.y.ticks], [_literal(text) for _, text in panel.y.ticks])
    axis.set_ylabel(_literal(panel.y.label))
    axis.grid(visible=True, color="#e5e7eb", linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    if any(getattr(layer, "name", "") for layer in panel.layers):
        axis.legend(frameon=False, fontsize="small", loc="best")


def _layer(axis: Axes, layer: Layer) -> None:
    colour = _COLOURS[layer.role]
    label = _literal(getattr(layer, "name", "")) or None
    if isinstance(layer, Line):
        style = "--" if layer.dashed else "-"
        width = 1.2 if layer.role == "reference" else 2.0
        axis.plot(layer.x, layer.y, style, color=colour, linewidth=width, label=label, clip_on=False)
    elif isinstance(layer, Area):
        axis.fill_between(layer.x, layer.lower, layer.upper, color=colour, alpha=0.18, lw=0, label=label)
    elif isinstance(layer, Bars):
        axis.bar(
            layer.edges[:-1],
            layer.heights,
            width=np.diff(layer.edges),
            align="edge",
            color=colour,
            alpha=0.65,
            hatch="///" if layer.hatched else None,
            edgecolor="white",
            linewidth=0.5,
            label=label,
        )
    elif isinstance(layer, Points):
        marker = _MARKERS[layer.shape]
        axis.plot(layer.x, layer.y, marker, color=colour, markersize=6, label=label, zorder=3, clip_on=False)
        if layer.lower is not None and layer.upper is not None:
            lines = axis.hlines if layer.horizontal else axis.vlines
            lines(layer.y if layer.horizontal else layer.x, layer.lower, layer.upper, color=colour, lw=1.5)
    else:
        draw = axis.axvline if layer.vertical else axis.axhline
        draw(layer.at, color=colour, linewidth=1.0, linestyle=":")
        if layer.text and layer.vertical:
            axis.annotate(
                _literal(layer.text),
                (layer.at, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(4, -10),
                textcoords="offset points",
                fontsize="small",
                color=colour,
            )


def _matrix(axis: Axes, chart: Matrix) -> None:
    counts = np.asarray(chart.counts, dtype=np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    axis.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    for i in range(2):
        for j in range(2):
            part = f"{share[i, j]:.1%} of row" if totals[i, 0] else "no such case"
            axis.text(
                j,
                i,
                f"{chart.counts[i][j]:,}\n{part}\n{chart.names[i][j]}",
                ha="center",
                va="center",
                color="white" if share[i, j] > 0.55 else "#111827",
            )
    axis.set_xticks([0, 1], [_literal(name) for name in chart.columns])
    axis.set_yticks([0, 1], [_literal(name) for name in chart.rows])
    axis.set_xlabel(chart.column_title)
    axis.set_ylabel(chart.row_title)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _literal(text: str) -> str:
    """A dollar sign in a class name would start matplotlib's mathematics."""
    return text.replace("$", r"\$")
