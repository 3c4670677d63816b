from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medimg_cnn.data import AuditReport, load_dataset
from medimg_cnn.errors import ArgumentError


@pytest.fixture
def report(scenes, load) -> AuditReport:  # type: ignore[no-untyped-def]
    images = scenes(60)
    images[4] = images[2]
    images[7] = images[5]
    images[6] = np.clip(images[8] * 1.03, 0, 255)
    labels = np.arange(60) % 2
    labels[7] = 0
    data, _ = load(images, labels)
    found: AuditReport = data.audit
    return found


def test_worst_findings_come_first(report: AuditReport) -> None:
    assert report.codes == ("M006", "M003", "M005")
    assert not report.passed
    assert [item.code for item in report.troubles] == ["M006"]


def test_frames(report: AuditReport) -> None:
    table = report.to_frame()
    assert table["code"].tolist() == ["M006", "M003", "M005"]
    pairs = report.pairs()
    assert pairs["kind"].tolist() == ["exact", "exact", "near"]
    assert set(map(tuple, pairs[["sample_id_1", "sample_id_2"]].to_numpy().tolist())) == {
        ("02", "04"), ("05", "07"), ("06", "08"),
    }  # fmt: skip
    assert pairs["similarity"].between(report.limit, 1.0001).all()
    row = pairs[pairs["sample_id_2"] == "07"].iloc[0]
    assert (row["label_1"], row["label_2"], row["patient_id_1"]) == ("1", "0", "5")


def test_json_leaves_names_out_unless_asked(report: AuditReport) -> None:
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert (content["format"], content["version"], content["passed"]) == ("medimg_cnn.audit", 1, False)
    assert "samples" not in content["findings"][0]
    assert report.to_dict(samples=True)["findings"][0]["samples"] == [["05", "07"]]
    assert content["shortcuts"][-1]["feature"] == "mean brightness"


def test_text_and_html(report: AuditReport) -> None:
    assert str(report).startswith("Audit of the arrays: 60 images; 1 errors, 0 warnings, 2 remarks")
    html = report._repr_html_()
    assert html.count("<tr>") == 2 + 3 + len(report.shortcuts)


def test_html_is_escaped(scenes, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "<b>scans"
    for index, image in enumerate(scenes(20)):
        (folder / ("ill", "normal")[index % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / ("ill", "normal")[index % 2] / f"{index}.png")
    data = load_dataset(folder, positive="ill", patients=lambda path: path)
    assert data.audit is not None
    assert "<b>" not in data.audit._repr_html_()


@pytest.mark.parametrize(("code", "pairs"), [(None, 3), ("M006", 1), ("M005", 1), ("M003", 2)])
def test_pairs_are_drawn_side_by_side(report: AuditReport, code: str | None, pairs: int) -> None:
    figure = report.plot_pairs(code)
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == 2 * pairs
    if code == "M006":
        first, second = (np.asarray(axis.images[0].get_array()) for axis in shown)
        np.testing.assert_array_equal(first, second)


def test_the_worst_pairs_are_drawn_first(report: AuditReport) -> None:
    figure = report.plot_pairs(most=1)
    assert [axis.get_title(loc="left").split("\n")[1][0] for axis in figure.axes if axis.images] == ["1", "0"]


def test_no_pairs_is_said_in_words(report: AuditReport) -> None:
    with pytest.raises(ArgumentError, match="'M004' is about pairs; the findings are M006, M003, M005"):
        report.plot_pairs("M004")


def test_clean_data_have_no_pairs_and_the_figure_says_so(scenes, load) -> None:  # type: ignore[no-untyped-def]
    data, _ = load(scenes(20), np.arange(20) % 2)
    assert data.audit.codes == ()
    figure = data.audit.plot_pairs()
    assert [text.get_text() for text in figure.texts] == ["No pairs to show:\nno copies, no near duplicates."]
    assert not figure.axes


def test_it_can_be_pickled(report: AuditReport) -> None:
    again = pickle.loads(pickle.dumps(report))
    assert again.findings == report.findings
    assert again.plot_pairs("M006").axes
