"""Charts: a neutral description, drawn as theme-aware SVG or as a matplotlib Figure."""

from medimg_cnn.reporting.charts._matplotlib import draw_figure
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
    Role,
    Rule,
    number_axis,
)
from medimg_cnn.reporting.charts._svg import draw_svg

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
    "draw_figure",
    "draw_svg",
    "number_axis",
]
