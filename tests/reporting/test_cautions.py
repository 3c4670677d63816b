"""What an Estimate says about itself reaches the reader: under every table, and at the key figure."""

from __future__ import annotations

import numpy as np
import pytest

from medimg_cnn.evaluation import Estimate
from medimg_cnn.reporting import Column, SectionContent, Table, clinical_report
from medimg_cnn.reporting._cautions import with_cautions

FEW = "the interval may cover less than its level with fewer than 20"


def estimate(reason=""):
    return Estimate(value=0.5, lower=0.4, upper=0.6, method="Wilson", n=9, reason=reason)


def noted(rows, columns):
    table = Table("t", "T", tuple(Column(name) for name in columns), tuple(rows), ("first",))
    (section,) = with_cautions([SectionContent("s", "S", (table,))])
    return section.blocks[0].notes


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [60, 12])
    return clinical_report(y, rng.random(72) * 0.5 + 0.4 * y, bootstrap=100)


@pytest.mark.parametrize(
    ("section", "label"),
    [("discrimination", "AUROC (0.5 = chance"), ("calibration", "Calibration slope")],
)
def test_a_caution_stands_under_the_table(small, section, label):
    (content,) = [item for item in small.document.sections if item.key == section]
    notes = [note for block in content.blocks for note in getattr(block, "notes", ())]
    assert any(label in note and FEW in note for note in notes)


def test_the_key_figure_is_marked_in_every_format(small):
    assert FEW in small.auroc.reason
    html = small.to_html().split('id="checks"')[0]
    assert f"<strong>Take care:</strong> {small.auroc.reason}" in html
    for text in (small.to_text(), small.to_markdown(), small._repr_html_()):
        assert f"take care: {small.auroc.reason}" in " ".join(text.split())


def test_every_caution_of_the_report_reaches_the_reader(small):
    text = " ".join(small.to_text().split())
    for name, found in small.estimates.items():
        assert all(part in text for part in found.reason.split("; ")), name


def test_the_same_caution_is_said_once_with_the_names():
    rows = [(name, estimate("few")) for name in "abcdef"]
    assert noted(rows, ("Figure", "Estimate")) == ("first", "a; b; c; d and 2 more: few.")


def test_a_table_of_several_figures_names_row_and_column():
    rows = [("North", estimate("few; near 1"), estimate()), ("South", estimate(), estimate("few"))]
    found = noted(rows, ("Group", "AUROC", "PPV"))
    assert found == ("first", "AUROC (North); PPV (South): few.", "AUROC (North): near 1.")


def test_where_there_is_no_caution_nothing_is_added():
    assert noted([("a", estimate())], ("Figure", "Estimate")) == ("first",)
