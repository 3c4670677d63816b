"""The report as a whole: it always completes, says the same in every format, and loads nothing heavy."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import medimg_cnn.evaluation as ev
from medimg_cnn.artifacts import Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.reporting import (
    DEFAULT_SECTIONS,
    ClinicalReport,
    Paragraph,
    clinical_report,
    compare_report,
    plot_decision_curve,
    plot_roc,
    schema,
)

KEYS = [
    "summary",
    "checks",
    "data",
    "discrimination",
    "operating-point",
    "calibration",
    "decision-curve",
    "scores",
    "subgroups",
    "prediction-sets",
    "abstention",
    "precision",
    "errors",
    "training",
    "methods",
    "limits",
]


@st.composite
def cases(draw):
    n = draw(st.integers(1, 40))
    y = draw(
        st.one_of(
            st.lists(st.integers(0, 1), min_size=n, max_size=n),
            st.sampled_from([[0] * n, [1] * n]),
        )
    )
    score = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.just(5e-324))
    p = draw(st.one_of(st.lists(score, min_size=n, max_size=n), score.map(lambda value: [value] * n)))
    patients = draw(st.none() | st.lists(st.sampled_from("abcdef"), min_size=n, max_size=n))
    site = draw(st.lists(st.text(max_size=12), min_size=n, max_size=n))
    threshold = draw(st.none() | st.floats(-0.5, 1.5))
    return y, p, patients, site, threshold


@settings(max_examples=12)
@given(cases())
@example(([1], [0.5], None, ["a"], None))
@example(([0], [0.5], ["p"], ["a"], 0.5))
@example(([0, 1] * 10, [0.5] * 20, None, ["a"] * 20, None))
@example(([0] * 999 + [1], [i / 1000 for i in range(1000)], None, ["a"] * 1000, None))
@example(([0] * 20 + [1] * 20, [0.0] * 20 + [1.0] * 20, None, ["a", "b"] * 20, None))
def test_any_input_completes_in_every_format(case):
    y, p, patients, site, threshold = case
    report = clinical_report(
        y,
        p,
        patients=patients,
        subgroups={"site": site},
        operating_point=threshold,
        prevalences=(0.001, 0.5),
        intended_prevalence=0.2,
        images=np.zeros((len(y), 2, 2, 1), np.float32),
        bootstrap=100,
    )
    content = json.loads(report.to_json(), parse_constant=pytest.fail)
    jsonschema.validate(content, schema())
    for render in (report.to_html, report.to_markdown, report.to_text, report.to_latex, report.to_csv):
        assert render()
    assert not re.search(r"\bnan\b", report.to_html() + report.to_text(), re.IGNORECASE)
    for name, estimate in report.estimates.items():
        assert estimate.defined or estimate.reason, name
        assert content["estimates"][name]["value"] is not None or math.isnan(estimate.value)
    no_false_zero(report, y, p)
    if len(set(y)) == 1:
        assert not report.auroc.defined
        assert report.to_dict()["estimates"]["auroc"]["value"] is None


def no_false_zero(report, y, p):
    """A share is undefined without cases to share, and 0 only where none of them counts."""
    called = [score >= report.operating_point.threshold for score in p]
    both = len(set(y)) == 2
    tp, fn, fp, tn = (
        sum(truth == bool(t) and call == c for t, c in zip(y, called, strict=True))
        for truth, call in ((True, True), (True, False), (False, True), (False, False))
    )
    shares = {"sensitivity": (tp, tp + fn), "specificity": (tn, tn + fp)}
    if both:  # with one class, what needs both is left undefined
        shares |= {"ppv": (tp, tp + fp), "npv": (tn, tn + fn)}
    for name, (hits, among) in shares.items():
        estimate = report.estimates[name]
        assert estimate.defined == (among > 0), name
        assert not among or estimate.value == pytest.approx(hits / among), name


@settings(max_examples=12)
@given(cases(), st.integers(0, 99))
@example(([1], [0.5], None, ["a"], None), 0)
@example(([0, 1] * 10, [0.5] * 20, None, ["a"] * 20, 0.5), 0)
@example(([0] * 20 + [1] * 20, [0.0] * 20 + [1.0] * 20, None, ["a", "b"] * 20, 0.5), 0)
def test_any_comparison_completes_in_every_format(case, seed):
    y, p, patients, _, threshold = case
    rows = {"y_true": y, "logit": [0.0] * len(y), "patient_id": patients}
    rows["sample_id"] = [str(i) for i in range(len(y))]
    other = np.random.default_rng(seed).random(len(y)).round(2)
    a, b = Predictions(probability=p, **rows), Predictions(probability=other, **rows)
    apart = replace(b, patient_id=None if patients is None else [f"other {name}" for name in patients])
    points = {} if threshold is None else {"operating_point_a": threshold, "operating_point_b": threshold}
    for paired, second in ((True, b), (True, a), (False, apart)):
        report = compare_report(a, second, paired=paired, margin=0.05, **points)
        content = json.loads(report.to_json(), parse_constant=pytest.fail)
        jsonschema.validate(content, schema("comparison_report"))
        for render in (report.to_html, report.to_markdown, report.to_text, report.to_latex, report.to_csv):
            assert not re.search(r"(?<![/=,])\bnan\b(?!,)", render(), re.IGNORECASE)
        gap = report.auroc_difference
        assert gap.defined == (len(set(y)) == 2)
        assert gap.has_interval or gap.reason


def test_undefined_figures_are_said_in_words_and_never_as_nan_or_zero():
    report = clinical_report([1, 1, 1], [0.2, 0.6, 0.9], bootstrap=100)
    for text in (report.to_html(), report.to_text(), report.to_markdown(), report.to_latex()):
        assert not re.search(r"\bnan\b", text, re.IGNORECASE)
        assert "not defined" in text
    assert report.specificity.reason
    assert math.isnan(report.specificity.value)
    assert "There were no images without it" in " ".join(report.to_text().split())


def test_the_first_example_of_the_documentation():
    report = clinical_report([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert isinstance(report, ClinicalReport)
    assert round(report.auroc.value, 2) == 0.75
    assert report.counts == ev.ConfusionCounts(tp=1, fp=0, fn=1, tn=2)
    assert report.recall is report.sensitivity
    assert report.precision is report.ppv


def test_figures_are_those_of_evaluation(make_predictions):
    cases = make_predictions(200)
    report = clinical_report(cases, operating_point=0.4, bootstrap=150, seed=5, level=0.9)
    y, p, patients = cases.y_true, cases.probability, cases.patient_id
    at = ev.operating_characteristics(y, p, 0.4, patients=patients, level=0.9, bootstrap=150, seed=5)
    for name in (
        "sensitivity",
        "specificity",
        "ppv",
        "npv",
        "accuracy",
        "f1",
        "mcc",
        "diagnostic_odds_ratio",
    ):
        assert report.estimates[name] == getattr(at, name)
    assert report.auroc == ev.auroc(y, p, patients=patients, level=0.9)
    assert report.auprc == ev.auprc(y, p, patients=patients, level=0.9, bootstrap=150, seed=5)
    assert report.log_loss == ev.log_loss(y, p, patients=patients, level=0.9)
    assert report.brier_score == ev.brier_score(y, p, patients=patients, level=0.9)
    assert report.f1 == at.f1


def test_one_image_per_patient_gives_the_independent_intervals(make_predictions):
    cases = make_predictions(100, per_patient=1)
    report = clinical_report(cases, bootstrap=100)
    assert report.sensitivity == ev.sensitivity(report.counts)
    assert report.evidence.inputs.unit == "patient"
    assert "Of 100 patients with pneumonia" in report.to_text()


def test_images_are_not_called_patients_where_patients_repeat(full_report):
    text = " ".join(full_report.to_text().split())
    assert "Of 100 images with pneumonia, the model finds" in text
    assert "allow for several images coming from one patient" in text


def test_sections_come_in_reading_order_and_keep_their_keys(full_report):
    assert [section.key for section in full_report.document.sections] == KEYS
    # Without an audit of the dataset its section, after the data, is left out.
    assert [section.key for section in DEFAULT_SECTIONS] == [*KEYS[:3], "audit", *KEYS[3:]]


def test_sections_that_do_not_apply_are_left_out():
    report = clinical_report([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.7], bootstrap=100)
    keys = [section.key for section in report.document.sections]
    assert "training" not in keys
    assert "subgroups" not in keys


class Acknowledgements:
    key, title = "acknowledgements", "Acknowledgements"

    def build(self, evidence):
        return (Paragraph(f"With thanks to {evidence.inputs.n} cases."),)


def test_a_section_of_ones_own_is_added_to_every_format():
    mine = Acknowledgements()
    report = clinical_report([0, 1], [0.2, 0.9], sections=(*DEFAULT_SECTIONS, mine), bootstrap=100)
    for text in (report.to_html(), report.to_markdown(), report.to_text(), report.to_json()):
        assert "With thanks to 2 cases." in text
    with pytest.raises(ArgumentError, match=r"sections: each key must occur once; \['acknowledgements'\]"):
        clinical_report([0, 1], [0.2, 0.9], sections=(mine, mine), bootstrap=100)


def test_json_holds_to_the_published_schema(full_report):
    content = json.loads(full_report.to_json())
    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(schema())
    validator.validate(content)
    assert (content["format"], content["version"]) == ("medimg_cnn.clinical_report", 1)


def test_the_schema_notices_what_is_missing(full_report):
    content = json.loads(full_report.to_json())
    del content["estimates"]["auroc"]["reason"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema())


def test_names_of_the_json_do_not_change(full_report):
    content = full_report.to_dict()
    assert list(content) == [
        "format",
        "version",
        "library",
        "title",
        "data",
        "settings",
        "operating_point",
        "operating_points",
        "counts",
        "estimates",
        "checks",
        "sections",
    ]
    assert list(content["estimates"]) == [
        "prevalence",
        "auroc",
        "auprc",
        "sensitivity",
        "specificity",
        "ppv",
        "npv",
        "accuracy",
        "balanced_accuracy",
        "f1",
        "mcc",
        "kappa",
        "youden_index",
        "lr_positive",
        "lr_negative",
        "diagnostic_odds_ratio",
        "log_loss",
        "brier_score",
        "calibration_slope",
        "calibration_intercept",
        "calibration_in_the_large",
        "observed_expected",
        "expected_calibration_error",
    ]
    tables = [
        block["key"] if block["kind"] == "table" else block["table"]["key"]
        for section in content["sections"]
        for block in section["blocks"]
        if block["kind"] in {"table", "figure"}
    ]
    assert len(tables) == len(set(tables))


def test_the_same_input_gives_the_same_bytes(make_predictions):
    first, second = (clinical_report(make_predictions(60), bootstrap=100) for _ in range(2))
    assert first.to_json() == second.to_json()
    assert first.to_html() == second.to_html()


def test_order_of_cases_does_not_matter_to_closed_forms(make_predictions):
    cases = make_predictions(60, per_patient=1)
    order = np.random.default_rng(0).permutation(60)
    shuffled = clinical_report(cases.y_true[order], cases.probability[order], bootstrap=100)
    plain = clinical_report(cases.y_true, cases.probability, bootstrap=100)
    for name, estimate in plain.estimates.items():
        assert shuffled.estimates[name].value == pytest.approx(estimate.value, nan_ok=True), name


@pytest.mark.parametrize("suffix", ["html", "htm", "json", "md", "txt", "tex", "csv"])
def test_save_writes_what_the_suffix_says(full_report, tmp_path, suffix):
    path = full_report.save(tmp_path / "new folder" / f"report.{suffix.upper()}")
    assert path.read_text(encoding="utf-8").strip()
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_save_refuses_a_suffix_it_does_not_know(full_report, tmp_path):
    with pytest.raises(ArgumentError, match=r"path: must end with one of \.html.*got 'report.docx'"):
        full_report.save(tmp_path / "report.docx")
    assert not list(tmp_path.iterdir())


def test_frame_has_a_row_for_each_figure(full_report):
    frame = full_report.to_frame()
    assert list(frame.index) == list(full_report.estimates)
    assert frame.loc["auroc", "value"] == full_report.auroc.value
    assert list(frame.columns) == ["value", "lower", "upper", "level", "method", "n", "reason"]


def test_notebook_shows_a_fragment_without_style_or_script(full_report):
    html = full_report._repr_html_()
    assert "AUROC" in html
    assert "<script" not in html
    assert "<style" not in html
    assert "style=" not in html


def test_text_is_what_printing_shows(full_report):
    assert str(full_report) == full_report.to_text()
    assert repr(full_report).startswith("<ClinicalReport: 240 images of 120 patients")


def test_figures_for_notebooks_are_drawn_without_pyplot(full_report):
    figures = [
        full_report.plot_roc(),
        full_report.plot_calibration(),
        full_report.plot_confusion_matrix(),
        full_report.plot_decision_curve(),
        full_report.plot_score_histogram(),
    ]
    for figure in figures:
        figure.canvas.draw()
    assert figures[0].axes[0].get_ylabel() == "Sensitivity"
    assert [len(figure.axes) for figure in figures] == [1, 2, 1, 1, 2]


def test_curves_of_one_class_are_refused_in_words():
    for plot in (plot_roc, plot_decision_curve):
        with pytest.raises(ArgumentError, match="needs cases of both classes"):
            plot([1, 1], [0.2, 0.9])


def test_nothing_heavy_is_loaded_before_it_is_needed():
    code = """
import sys
import medimg_cnn as mc
report = mc.clinical_report([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], bootstrap=100)
report.to_html(), report.to_json(), report.to_text(), report.to_markdown(), report.to_latex(), report.to_csv()
print(sorted({"keras", "jax", "tensorflow", "pandas", "matplotlib", "PIL"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
