"""Uncertainty for use: prediction sets, abstention and sample size, as numbers and in words."""

from __future__ import annotations

import numpy as np
import pytest

import medimg_cnn.evaluation as ev
from medimg_cnn.artifacts import Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.reporting import clinical_report


def section(report, key):
    (found,) = [item for item in report.to_dict()["sections"] if item["key"] == key]
    return found["blocks"]


def table(report, key):
    blocks = [block for item in report.to_dict()["sections"] for block in item["blocks"]]
    tables = [block["table"] if block["kind"] == "figure" else block for block in blocks]
    (found,) = [block for block in tables if block.get("key") == key and "rows" in block]
    return found


@pytest.fixture(scope="module")
def cases(make_predictions):
    return make_predictions(400, seed=5, per_patient=1)


@pytest.fixture(scope="module")
def held_out(make_predictions):
    return make_predictions(300, seed=9, per_patient=1, part="validation")


@pytest.fixture(scope="module")
def report(cases, held_out):
    return clinical_report(cases, calibration=held_out, bootstrap=100, operating_point=0.4)


def test_sets_are_calibrated_elsewhere_and_judged_here(report, cases, held_out):
    rows = table(report, "prediction-set-coverage")["rows"]
    assert [row[0] for row in rows] == ["95%", "90%", "80%"]
    for row, alpha in zip(rows, (0.05, 0.1, 0.2), strict=True):
        sets = ev.fit_conformal(held_out, alpha=alpha)
        inside = sets.predict(cases.probability)
        held = inside[np.arange(cases.n), cases.y_true]
        assert row[1]["value"] == pytest.approx(held[cases.y_true == 1].mean())
        assert row[2]["value"] == pytest.approx(held[cases.y_true == 0].mean())
        assert row[1]["lower"] <= 1 - alpha + 0.03
        assert sum(row[i]["value"] for i in (4, 5, 6)) == pytest.approx(1.0)
    limits = table(report, "prediction-set-limits")["rows"]
    sets = ev.fit_conformal(held_out, alpha=0.1)
    assert limits[1][1:] == pytest.approx([1 - sets.quantile_positive, sets.quantile_negative])


def test_a_weaker_promise_is_said(cases, make_predictions):
    several = make_predictions(300, seed=9, per_patient=3, part="validation")
    text = " ".join(clinical_report(cases, calibration=several, bootstrap=100).to_text().split())
    assert text.count("Calibrated on 300 images of only 100 patients: images of a patient are alike") == 1


def test_without_calibration_data_the_sets_are_not_applicable(cases):
    (note,) = section(clinical_report(cases, bootstrap=100), "prediction-sets")
    assert note["text"].startswith("Not applicable: conformal prediction sets need")
    assert "calibration=run.predict(data.validation)" in note["text"]


def test_calibration_on_the_cases_judged_is_refused(cases, held_out):
    with pytest.raises(ArgumentError, match=r"calibration: must hold other cases.*400 are in both"):
        clinical_report(cases, calibration=cases)
    with pytest.raises(ArgumentError, match="calibration: must be a Predictions"):
        clinical_report(cases, calibration=[0.1, 0.2])
    other = Predictions(
        y_true=[0, 1], logit=[0.0, 1.0], probability=[0.2, 0.7], sample_id=["a", "b"], classes=("x", "y")
    )
    with pytest.raises(ArgumentError, match="calibration: must have the classes"):
        clinical_report(cases, calibration=other)


def test_cautions_name_what_weakens_the_promise(cases, held_out):
    few = held_out.select(np.arange(300) < 12)
    text = " ".join(clinical_report(cases, calibration=few, bootstrap=100).to_text().split())
    assert "too few calibration cases" in text
    assert "The validation cases also shaped the model" in text
    assert "12 patient ids are in both sets of cases" in text


def test_abstention_leaves_the_least_certain_to_a_person(report, cases):
    rows = table(report, "abstention-numbers")["rows"]
    p, y = cases.probability, cases.y_true
    distance = np.abs(np.log(p / (1 - p)) - np.log(0.4 / 0.6))
    order = np.argsort(-distance)
    for row, share in zip(rows, (1.0, 0.9, 0.8, 0.7, 0.6, 0.5), strict=True):
        kept = order[: round(share * cases.n)]
        assert row[1] == kept.size
        assert row[2]["value"] == pytest.approx(((p >= 0.4) != y)[kept].mean())
        assert row[3]["value"] == pytest.approx((p >= 0.4)[kept][y[kept] == 1].mean())
    assert rows[-1][2]["value"] < rows[0][2]["value"]
    assert report.evidence.abstention[0].risk == ev.proportion(int(((p >= 0.4) != y).sum()), cases.n)


def test_abstention_by_patient_uses_clustered_intervals(make_predictions):
    report = clinical_report(make_predictions(300), bootstrap=100)
    assert "patient" in report.evidence.abstention[1].risk.method
    figure = section(report, "abstention")[1]
    assert "images of one patient are not independent" in figure["caption"]


def test_abstention_needs_a_threshold_inside_the_scale(cases):
    (note,) = section(clinical_report(cases, operating_point=1.2, bootstrap=100), "abstention")
    assert note["text"].startswith("Not applicable: confidence is not defined at the threshold 1.2")


def test_plans_are_those_of_sample_size(report):
    reached = table(report, "precision-reached")["rows"]
    assert reached[0][2] == pytest.approx(report.sensitivity.width / 2)
    needed = {(row[0], row[1]): row[2:] for row in table(report, "precision-needed")["rows"]}
    assert len(needed) == 9
    plan = ev.sample_size(
        "specificity", expected=report.specificity.value, width=0.1, prevalence=report.prevalence.value
    )
    assert needed["Specificity", "±0.05"] == [plan.positives, plan.negatives, plan.total]
    totals = [needed["AUROC", half][2] for half in ("±0.10", "±0.05", "±0.03")]
    assert totals == sorted(totals)


def test_plans_that_cannot_be_made_say_why():
    perfect = clinical_report([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], bootstrap=100)
    assert all("leaves room for errors" in row[2] for row in table(perfect, "precision-needed")["rows"])
    one_class = clinical_report([1, 1], [0.2, 0.9], bootstrap=100)
    assert "one class only" in one_class.to_text()


def test_the_cost_of_several_images_per_patient_is_measured(make_predictions):
    cases = make_predictions(200, per_patient=1)
    thrice = np.tile(np.arange(200), 3)
    patients = cases.patient_id[thrice]
    report = clinical_report(
        cases.y_true[thrice], cases.probability[thrice], patients=patients, bootstrap=100
    )
    note = section(report, "precision")[-1]["text"]
    effect = float(note.split("design effect here is ")[1].split(" ")[0])
    assert effect == pytest.approx(3.0, rel=0.1)  # two of three images tell nothing
