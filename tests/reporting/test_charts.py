"""Charts as data, and the two painters of them."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.reporting._charts import spread
from medimg_cnn.reporting.charts import (
    Area,
    Bars,
    Line,
    Matrix,
    Panel,
    Plot,
    Points,
    Rule,
    draw_figure,
    draw_svg,
    number_axis,
)

NASTY = '"><script>$x$ & co'


def plot(*layers, square=False):
    panel = Panel(y=number_axis(NASTY, 0, 2), layers=layers)
    return Plot(x=number_axis("x", 0, 1), panels=(panel, panel), square=square)


def everything():
    x = np.array([0.0, 0.5, 1.0])
    hole = np.array([0.5, math.nan, 1.5])
    return plot(
        Line(x=x, y=hole, name=NASTY),
        Line(x=x, y=x, role="reference", dashed=True, name="Reference"),
        Area(x=x, lower=x, upper=x + 1),
        Points(x=x, y=x, lower=x - hole, upper=x + hole, name="Points", shape="diamond"),
        Points(x=x, y=x, lower=x - 0.1, upper=x + 0.1, horizontal=True, shape="square", role="second"),
        Bars(edges=x, heights=np.array([1.0, 0.0]), hatched=True, name="Bars", role="reference"),
        Rule(at=0.5, text=NASTY),
        Rule(at=1.0, vertical=False, text="level"),
    )


MATRIX = Matrix(
    rows=(NASTY, "healthy"),
    columns=("called ill", "called " + NASTY * 5),
    counts=((0, 0), (3, 12_345)),
    names=(("true positive", "false negative"), ("false positive", "true negative")),
)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_inside_even_and_few(low, width):
    axis = number_axis("x", low, low + width)
    at = [value for value, _ in axis.ticks]
    slack = 1e-6 * (abs(low) + width)
    assert len(at) <= 8
    assert all(axis.low - slack <= value <= axis.high + slack for value in at)
    assert at == sorted(at)
    if len(at) > 2:
        steps = np.diff(at)
        assert np.allclose(steps, steps[0], rtol=1e-3, atol=slack)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (math.nan, 1.0), (2.0, 1.0), (0.0, math.inf)])
def test_an_impossible_range_still_gives_an_axis(low, high):
    axis = number_axis("x", low, high)
    assert axis.low < axis.high


def test_ticks_say_what_they_are():
    assert number_axis("x", 0, 1).ticks[-1] == (1.0, "1.0")
    assert number_axis("x", 0, 1, percent=True).ticks[1] == (0.2, "20%")
    assert number_axis("x", -1, 0).ticks[0][1] == "\N{MINUS SIGN}1.0"
    assert number_axis("x", 0, 12_000).ticks[1][1] == "2,000"


@pytest.mark.parametrize("chart", [everything(), plot(square=True), MATRIX], ids=["plot", "empty", "matrix"])
def test_svg_is_well_formed_and_inert(chart):
    svg = draw_svg(chart, key="k", alt=NASTY)
    root = ET.fromstring(svg)
    assert root.tag == "svg"
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == NASTY
    names = {element.tag for element in root.iter()}
    assert names <= {"svg", "path", "rect", "circle", "text", "g", "clipPath", "pattern"}
    assert not [
        e
        for e in root.iter()
        if "style" in e.attrib or ("fill" in e.attrib and "url" not in e.attrib["fill"])
    ]
    assert "nan" not in svg
    assert "inf" not in svg


def test_svg_points_to_words_on_the_page_where_there_are_some():
    root = ET.fromstring(draw_svg(MATRIX, key="k", alt="unused", alt_id="words"))
    assert root.attrib["aria-labelledby"] == "words"
    assert "aria-label" not in root.attrib


def test_svg_keeps_everything_inside_its_box():
    root = ET.fromstring(draw_svg(everything(), key="k", alt="a"))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for element in root.iter("text"):
        if "x" in element.attrib:
            assert 0 <= float(element.attrib["x"]) <= width
            assert 0 <= float(element.attrib["y"]) <= height


@pytest.mark.parametrize("chart", [everything(), plot(square=True), MATRIX], ids=["plot", "empty", "matrix"])
def test_matplotlib_draws_the_same_charts(chart):
    figure = draw_figure(chart, title="A title")
    figure.canvas.draw()
    assert len(figure.axes) == (1 if isinstance(chart, Matrix) else 2)


def test_pyplot_is_not_touched():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    draw_figure(MATRIX)
    assert plt.get_fignums() == before


@given(st.integers(1, 5000), st.integers(2, 40))
def test_spread_holds_both_ends_and_no_more_than_asked(size, most):
    rows = spread(size, most)
    assert (rows[0], rows[-1]) == (0, size - 1)
    assert rows.size == min(size, most)
    assert (np.diff(rows) > 0).all()
