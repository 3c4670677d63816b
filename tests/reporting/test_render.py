"""Markdown, text, LaTeX, CSV and JSON of blocks."""

from __future__ import annotations

import csv
import io
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation import Estimate
from medimg_cnn.reporting import (
    Bullets,
    Check,
    Checks,
    Column,
    Document,
    Facts,
    KeyFigure,
    KeyFigures,
    Note,
    Paragraph,
    Picture,
    Pictures,
    SectionContent,
    Table,
)
from medimg_cnn.reporting._format import estimate_text, number_text, of_hundred, percent_text
from medimg_cnn.reporting.render import (
    block_to_dict,
    csv_text,
    render_html,
    render_latex,
    render_markdown,
    render_text,
    safe_cell,
)

KNOWN = Estimate(value=0.93149, lower=0.90218, upper=0.95781, method="Wilson", n=200)
UNKNOWN = Estimate(value=math.nan, method="Wilson", n=0, reason="no image has the condition")


def document(*blocks):
    section = SectionContent("part", "A part", blocks)
    return Document("Title", "Subtitle", (("Model", "m"),), (section,), "The end.")


TABLE = Table(
    "t",
    "Some | figures",
    (Column("Name"), Column("Estimate", numeric=True), Column("n", numeric=True)),
    (("a|b", KNOWN, 3), ("c_d & 50%", UNKNOWN, None)),
    ("A note.",),
)


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ArgumentError, match="rows: each row of table 't' must have 1 cells; got 2"):
        Table("t", "c", (Column("a"),), ((1, 2),))


def test_estimates_in_every_format():
    for render in (render_html, render_markdown, render_text, render_latex):
        text = re.sub(r"<[^>]*>", "", render(document(TABLE))).replace("\\", "")
        assert re.search(r"0\.931\s+\(0\.902 to 0\.958\)", text), render
        assert "not defined: no image has the condition" in text, render


def test_markdown_escapes_what_would_break_a_table():
    text = render_markdown(document(TABLE, Note("<b> *x*")))
    row = next(line for line in text.splitlines() if line.startswith("| a"))
    assert row.startswith(r"| a\|b | 0.931")
    assert len(re.findall(r"(?<!\\)\|", row)) == 4
    assert r"> \<b\> \*x\*" in text


def test_latex_escapes_and_balances():
    text = render_latex(document(TABLE))
    assert r"c\_d \& 50\%" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 2 for line in body.strip().splitlines())


@given(st.text(max_size=30))
def test_latex_leaves_no_special_letter_bare(text):
    rendered = render_latex(document(Table("t", text, (Column("a"),), ((text,),))))
    caption = re.search(r"\\caption\{(.*)\}\n\\label", rendered, re.DOTALL).group(1)
    assert not re.search(r"(?<!\\)[%#]", caption)
    grouping = re.sub(r"\\[{}]", "", caption)
    assert grouping.count("{") == grouping.count("}")


def test_text_drops_what_moves_a_cursor():
    assert "\x1b" not in render_text(document(Paragraph("a\x1b[2Jb"), Facts((("k\x07", "v"),))))


def test_every_kind_of_block_reaches_every_format():
    blocks = (
        Paragraph("alpha"),
        Note("beta"),
        Bullets(("gamma",)),
        Facts((("delta", "epsilon"),)),
        KeyFigures((KeyFigure("auroc", "zeta", KNOWN), KeyFigure("x", "eta", UNKNOWN, "percent"))),
        TABLE,
        Pictures((Picture(b"png", "theta", "iota"),)),
        Checks((Check("R001", "kappa", "not applicable", "major", "lambda"),)),
    )
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "iota", "kappa", "lambda", "R001"]
    for render in (render_html, render_markdown, render_text):
        text = render(document(*blocks))
        assert [word for word in words if word not in text] == []
        assert "Not checked" in text
    kinds = [block_to_dict(block)["kind"] for block in blocks]
    assert kinds == ["paragraph", "note", "bullets", "facts", "key_figures", "table", "pictures", "checks"]


def test_json_keeps_full_precision_and_has_null_for_what_is_not_defined():
    rows = block_to_dict(TABLE)["rows"]
    assert rows[0][1]["value"] == 0.93149
    assert rows[1][1]["value"] is None
    assert rows[1][1]["reason"] == "no image has the condition"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formulas_get_an_apostrophe(start):
    assert safe_cell(f"{start}cmd|'/C calc'!A0") == f"'{start}cmd|'/C calc'!A0"


@given(st.floats())
def test_numbers_stay_numbers(value):
    assert safe_cell(value) == str(value)
    assert safe_cell(np.float64(value).item()) == str(value)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_csv_cell_can_run(cells):
    rows = list(csv.reader(io.StringIO(csv_text(["figure"] * len(cells), [cells]), newline="")))
    assert len(rows) == 2
    for cell, given_text in zip(rows[1], cells, strict=True):
        assert cell in {given_text, "'" + given_text}
        assert cell[:1] not in {"=", "@", "\t", "\r"}
        assert cell[:1] not in {"+", "-"} or re.fullmatch(r"[+-]?[\d.]+([eE][+-]?\d+)?|[+-]inf", cell)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.000"), (-0.0001, "0.000"), (12.347, "12.35"), (123.45, "123.5"), (12345.6, "12,346"), (7, "7")],
)
def test_numbers_in_words(value, text):
    assert number_text(value) == text


def test_minus_is_a_minus_and_infinity_is_a_sign():
    assert number_text(-0.5) == "\N{MINUS SIGN}0.500"
    assert number_text(-math.inf) == "\N{MINUS SIGN}\N{INFINITY}"
    assert percent_text(math.nan) == "not defined"


def test_value_and_bounds_share_their_decimals():
    wide = Estimate(value=12.94, lower=7.919, upper=121.14, method="Woolf log", n=10)
    assert estimate_text(wide) == "12.9 (7.9 to 121.1)"


@given(st.floats(0, 1))
def test_of_hundred_never_rounds_to_none_or_all(share):
    text = of_hundred(share)
    assert (text == "0") == (share == 0)
    assert (text == "100") == (share == 1)
