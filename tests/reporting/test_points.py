"""Several operating points: one is the main one, each says where it was chosen."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest

import medimg_cnn.evaluation as ev
from medimg_cnn.artifacts import OperatingPoint
from medimg_cnn.errors import ArgumentError
from medimg_cnn.reporting import clinical_report, schema

MAIN = OperatingPoint(threshold=0.4, rule="youden", chosen_on="validation")
RULE_OUT = OperatingPoint(threshold=0.15, rule="sensitivity >= 0.95", chosen_on="validation")
PICKED = OperatingPoint(threshold=0.6, rule="specificity >= 0.9", chosen_on="test")


@pytest.fixture(scope="module")
def report(make_predictions):
    return clinical_report(make_predictions(), operating_point=[MAIN, RULE_OUT, PICKED, 0.7], bootstrap=100)


def rows(report):
    (table,) = [
        block
        for section in report.to_dict()["sections"]
        for block in section["blocks"]
        if block.get("key") == "operating-points"
    ]
    return table["rows"]


def test_the_first_is_the_main_one(report, make_predictions):
    alone = clinical_report(make_predictions(), operating_point=MAIN, bootstrap=100)
    assert report.operating_point is MAIN
    assert report.sensitivity == alone.sensitivity
    assert len(alone.operating_points) == 1


def test_each_has_the_figures_of_its_threshold(report, make_predictions):
    cases = make_predictions()
    for (point, found), row in zip(report.operating_points, rows(report), strict=True):
        called = cases.probability >= point.threshold
        for name, among, at in (
            ("sensitivity", cases.y_true == 1, 4),
            ("specificity", cases.y_true == 0, 5),
            ("ppv", called, 6),
            ("npv", ~called, 7),
        ):
            right = (called == (cases.y_true == 1))[among]
            expected = ev.clustered_proportion(right, cases.patient_id[among])
            assert getattr(found, name).value == pytest.approx(right.mean())
            assert (getattr(found, name).lower, getattr(found, name).upper) == pytest.approx(
                (expected.lower, expected.upper)
            )
            assert row[at]["value"] == getattr(found, name).value


def test_each_says_whether_it_was_locked(report):
    assert [row[3] for row in rows(report)] == ["locked", "locked", "chosen on these data", "not known"]
    assert [point["status"] for point in report.to_dict()["operating_points"]] == [
        "locked",
        "locked",
        "chosen on these data",
        "not known",
    ]
    check = report.checks[0]
    assert (check.code, check.outcome, check.severity) == ("R001", "warn", "minor")
    assert "0.6 (chosen on these data), 0.7 (not known)" in check.finding


def test_a_main_point_chosen_on_the_data_still_fails(make_predictions):
    report = clinical_report(make_predictions(), operating_point=(PICKED, MAIN), bootstrap=100)
    assert report.checks[0].outcome == "fail"
    locked = clinical_report(make_predictions(), operating_point=(MAIN, RULE_OUT), bootstrap=100)
    assert locked.checks[0].outcome == "pass"


def test_the_schema_holds(report):
    jsonschema.validate(json.loads(report.to_json()), schema())


def test_one_point_needs_no_table(make_predictions):
    report = clinical_report(make_predictions(), operating_point=[MAIN], bootstrap=100)
    assert "All operating points" not in report.to_text()
    with_array = clinical_report(make_predictions(), operating_point=np.array([0.4, 0.5]), bootstrap=100)
    assert [point.threshold for point, _ in with_array.operating_points] == [0.4, 0.5]


def test_none_at_all_is_refused(make_predictions):
    with pytest.raises(ArgumentError, match="operating_point: must hold at least one point; got none"):
        clinical_report(make_predictions(), operating_point=[])
