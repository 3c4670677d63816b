"""The comparison of two models as a document, and the model card."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

import medimg_cnn.evaluation as ev
from medimg_cnn.artifacts import OperatingPoint, Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.reporting import clinical_report, compare_report, schema

LOCKED = OperatingPoint(threshold=0.4, rule="youden", chosen_on="validation")
PICKED = OperatingPoint(threshold=0.45, rule="youden", chosen_on="test")
HOSTILE = "<script>alert('x')</script>"


def other_model(cases: Predictions, *, noise: float = 0.8) -> Predictions:
    logit = cases.logit + noise * np.random.default_rng(1).normal(size=cases.n)
    return replace(cases, logit=logit, probability=1 / (1 + np.exp(-logit)))


@pytest.fixture(scope="module")
def pair(make_predictions):
    a = make_predictions(300, seed=2, per_patient=1)
    return a, other_model(a)


@pytest.fixture(scope="module")
def report(pair):
    return compare_report(
        *pair, names=("new", "old"), operating_point_a=LOCKED, operating_point_b=PICKED, margin=0.05
    )


def table(report, key):
    blocks = [block for item in report.to_dict()["sections"] for block in item["blocks"]]
    tables = [block["table"] if block["kind"] == "figure" else block for block in blocks]
    (found,) = [block for block in tables if block.get("key") == key and "rows" in block]
    return found["rows"]


def test_figures_are_those_of_evaluation_on_independent_images(pair, report):
    a, b = (replace(item, patient_id=None) for item in pair)
    expected = ev.compare(a, b, threshold_a=LOCKED, threshold_b=PICKED, margin=0.05)
    assert report.comparison == expected
    assert report.auroc_difference.method.startswith("DeLong")
    rows = {row[0]: row for row in table(report, "comparison-figures")}
    assert rows["Sensitivity"][3]["value"] == expected.sensitivity.difference.value
    assert table(report, "comparison-counts")[0][1:] == [
        expected.sensitivity.counts.n11,
        expected.sensitivity.counts.n10,
        expected.sensitivity.counts.n01,
        expected.sensitivity.counts.n00,
    ]
    both = table(report, "comparison-intervals")[1]
    for at, method in ((1, "tango"), (2, "newcombe")):
        estimate = ev.paired_difference(expected.specificity.counts, method=method)
        assert (both[at]["lower"], both[at]["upper"]) == (estimate.lower, estimate.upper)
    assert table(report, "comparison-tests")[0][1] == expected.sensitivity.mcnemar.discordant


def test_several_images_of_a_patient_are_compared_by_patient(make_predictions):
    a = make_predictions(300, seed=2, per_patient=3)
    report = compare_report(a, other_model(a), operating_point_a=0.4, operating_point_b=0.4)
    assert report.auroc_difference.method.startswith("Obuchowski")
    assert report.comparison.sensitivity.mcnemar is None
    text = " ".join(report.to_text().split())
    assert "McNemar's test is not applicable" in text
    assert "Rao and Scott" in text
    assert "Tango" not in text


def test_rows_may_come_in_any_order(pair, report):
    a, b = pair
    order = np.random.default_rng(0).permutation(b.n)
    shuffled = Predictions(
        y_true=b.y_true[order],
        logit=b.logit[order],
        probability=b.probability[order],
        sample_id=b.sample_id[order],
        patient_id=b.patient_id[order],
        classes=b.classes,
    )
    again = compare_report(a, shuffled, operating_point_a=LOCKED, operating_point_b=PICKED, margin=0.05)
    assert again.comparison == report.comparison


def test_checks_say_which_threshold_was_chosen_on_these_cases(report, pair):
    checks = {check["code"]: check for s in report.to_dict()["sections"] if s["key"] == "checks"
              for check in s["blocks"][0]["items"]}  # fmt: skip
    assert checks["C001"]["outcome"] == "fail"
    assert "old: chosen on these data" in checks["C001"]["finding"]
    assert {checks[code]["outcome"] for code in ("C002", "C003", "C004")} == {"pass"}
    a, _ = pair
    same = compare_report(a, a)
    text = " ".join(same.to_text().split())
    assert "See whether the same predictions were passed twice" in text
    assert "[Not checked] C001" in text


def test_a_margin_is_judged_and_its_origin_left_open(report):
    rows = table(report, "comparison-margins")
    gap = report.comparison.auroc_non_inferiority
    assert rows[0][2] == ("shown" if gap.noninferior else "not shown")
    assert len(rows) == 4
    words = " ".join(report.to_text().split())
    assert "cannot know whether it was" in words
    assert "non-inferior where it is below 0.025" in words


def test_no_difference_is_not_called_equality(pair):
    a, _ = pair
    report = compare_report(a, other_model(a, noise=0.1))
    assert report.auroc_difference.lower < 0 < report.auroc_difference.upper
    assert "That does not prove them alike" in report.to_text().replace("\n", " ")


def test_json_holds_to_its_schema(report, pair):
    validator = jsonschema.Draft202012Validator(schema("comparison_report"))
    validator.check_schema(schema("comparison_report"))
    for found in (report, compare_report(*pair)):
        validator.validate(json.loads(found.to_json(), parse_constant=pytest.fail))
    content = json.loads(report.to_json())
    del content["comparison"]["auroc"]["difference"]["reason"]
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(content)
    with pytest.raises(ArgumentError, match="name: must be one of"):
        schema("model_card")


@pytest.mark.parametrize("suffix", ["html", "json", "md", "txt", "tex", "csv"])
def test_it_is_saved_in_every_format(report, tmp_path, suffix, read_page):
    text = report.save(tmp_path / f"comparison.{suffix}").read_text(encoding="utf-8")
    assert ("difference,lower" if suffix == "csv" else "new") in text
    if suffix == "html":
        page = read_page(text)
        assert page.unbalanced == []
        assert len(page.ids()) == len(set(page.ids()))


def test_hostile_names_stay_names(pair, read_page):
    html = compare_report(*pair, names=(HOSTILE, "=cmd()")).to_html()
    assert read_page(html).all("script") == []


def test_frame_has_a_row_for_each_figure(report, pair):
    frame = report.to_frame()
    assert list(frame.index) == ["auroc", "sensitivity", "specificity", "accuracy"]
    assert frame.loc["auroc", "difference"] == report.auroc_difference.value
    assert list(compare_report(*pair).to_frame().index) == ["auroc"]
    assert repr(report).startswith("<ComparisonReport: 300 images of 300 patients")


def test_one_class_only_completes():
    cases = Predictions(y_true=[1, 1], logit=[0, 1], probability=[0.2, 0.8], sample_id=["a", "b"])
    report = compare_report(cases, cases, operating_point_a=0.5, operating_point_b=0.5, margin=0.1)
    text = report.to_text()
    assert "not defined" in text
    assert "cannot be told" in text
    assert not re.search(r"\bnan\b", text + report.to_html(), re.IGNORECASE)


def test_different_cases_have_the_same_document(make_predictions):
    a, b = make_predictions(300, seed=2, per_patient=1), make_predictions(160, seed=5, per_patient=2)
    b = replace(b, patient_id=[f"other {name}" for name in b.patient_id], part="external")
    report = compare_report(
        a,
        b,
        paired=False,
        names=("here", "there"),
        operating_point_a=LOCKED,
        operating_point_b=LOCKED,
        margin=0.1,
    )
    expected = ev.compare_unpaired(
        replace(a, patient_id=None), b, threshold_a=LOCKED, threshold_b=LOCKED, margin=0.1
    )
    assert report.comparison == expected
    content = json.loads(report.to_json())
    jsonschema.Draft202012Validator(schema("comparison_report")).validate(content)
    assert (content["data"]["n"], content["data_b"]["n"], content["data_b"]["patients"]) == (300, 160, 80)
    text = " ".join(report.to_text().split())
    assert "here was judged on 300 images of 300 patients, there on 160 images of 80 patients" in text
    assert "may come from the cases as much as from the models" in text
    for paired_only in ("McNemar", "Tango", "DeLong's covariance", "Net benefit of"):
        assert paired_only not in text
    assert [row[0] for row in table(report, "comparison-figures")] == [
        "AUROC",
        "Sensitivity",
        "Specificity",
        "Accuracy",
    ]


@pytest.mark.parametrize("per_patient", [1, 2])
def test_different_cases_share_no_patient(make_predictions, per_patient):
    a, b = (make_predictions(100, seed=seed, per_patient=per_patient) for seed in (1, 2))
    with pytest.raises(ArgumentError, match="must have no patient in common"):
        compare_report(a, b, paired=False)


def test_net_benefit_is_shown_with_its_paired_interval(report):
    rows = table(report, "net-benefit-numbers")
    assert [row[0] for row in rows[:2]] == ["0.05", "0.10"]
    first = report.comparison.net_benefit[0]
    assert rows[0][3]["lower"] == first.difference.lower
    content = report.to_dict()["comparison"]["net_benefit"]
    assert content[0]["difference"]["value"] == first.difference.value


def test_the_p_column_and_the_methods_say_the_same(pair):
    points = {"operating_point_a": LOCKED, "operating_point_b": LOCKED}
    expected = {
        "tango": "score test that Tango's interval inverts",
        "newcombe": "Newcombe's interval excludes 0",
    }
    for method, words in expected.items():
        report = compare_report(*pair, method=method, **points)
        rows = {row[0]: row for row in table(report, "sources")}
        assert words in rows["p of a difference"][1]
        figure = report.comparison.sensitivity
        if method == "tango":
            assert figure.p_value == pytest.approx(figure.mcnemar.p_chi2)
        shown = {row[0]: row for row in table(report, "comparison-figures")}["Sensitivity"]
        assert shown[4] == (figure.p_value if figure.p_value >= 0.001 else "<0.001")


def test_why_there_is_no_p_value_is_said(pair):
    a, _ = pair
    rows = table(compare_report(a, a, margin=0.05), "comparison-margins")
    assert rows[0][5] == "not defined: no p value: there is no interval"


def test_what_cannot_be_compared_is_refused(pair, make_predictions):
    a, b = pair
    with pytest.raises(ArgumentError, match="must hold the same cases"):
        compare_report(a, make_predictions(200))
    with pytest.raises(ArgumentError, match="b: must be a Predictions"):
        compare_report(a, [0.1])
    with pytest.raises(ArgumentError, match="names: must be two different texts"):
        compare_report(a, b, names=("x", "x"))
    with pytest.raises(ArgumentError, match="method: must be one of"):
        compare_report(a, b, method="wald")


def test_the_model_card_states_what_is_known_and_asks_the_rest(full_report):
    card = full_report.model_card(name="Chest 1.0", intended_use="Adults | in casualty")
    assert card.startswith("# Model card: Chest 1.0\n")
    assert "Meant for: Adults \\| in casualty" in card
    assert "For whom, on which patients" not in card
    for question in ("What must it not be used for?", "How was it known who has the condition"):
        assert f"To answer: {question}" in card
    for fact in ("train 100 (40 with the condition)", "weights of epoch 5 kept", "site", "Limits"):
        assert fact in card
    assert f"{full_report.auroc.value:.3f}" in card
    assert "<script>" not in card


def test_a_card_without_a_run_asks_about_the_training_data():
    card = clinical_report([0, 1, 0, 1], [0.2, 0.9, 0.4, 0.6], bootstrap=100).model_card()
    assert card.startswith("# Model card\n")
    assert "To answer: Where, when and from whom were the training images taken?" in card
    assert "in which groups of patients may it do worse?" in card
    assert "R004 Patients known" in card
    assert not re.search(r"\bnan\b", card, re.IGNORECASE)
