"""Sentences that claim something: each says no more than the figures show."""

from __future__ import annotations

import numpy as np
import pytest

import medimg_cnn.evaluation as ev
from medimg_cnn.reporting import clinical_report
from medimg_cnn.reporting._uncertainty import chance_ece
from medimg_cnn.reporting.sections._decision import decision_figure
from medimg_cnn.reporting.sections._scores import score_figure


def simulated(n, *, shift=1.5, seed=5, **options):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    logit = shift * (rng.normal(size=n) + shift * y) - shift**2 / 2 + np.log(0.4 / 0.6)
    return clinical_report(
        y, 1 / (1 + np.exp(-logit)), **{"bootstrap": 100, "operating_point": 0.5, **options}
    )


def words(report):
    return " ".join(report.to_text().split())


def section(report, key):
    return next(item for item in report.document.sections if item.key == key)


def test_the_decision_curve_names_only_thresholds_where_the_lower_bound_is_best():
    report = simulated(400)
    curve, figure = report.evidence.decision, decision_figure(report.evidence)
    best = (np.asarray(curve.lower) > 0) & (np.asarray(curve.over_all_lower) > 0)
    first = curve.thresholds[np.flatnonzero(best)[0]]
    higher = np.asarray(curve.net_benefit) > np.maximum(curve.treat_all, 0)
    assert higher.sum() > best.sum() > 0
    assert f"threshold probabilities {first:.2f} to" in figure.alt
    assert "unclear" in figure.alt
    assert "pointwise" in figure.caption


def test_the_decision_curve_of_few_cases_is_unclear():
    report = simulated(30, shift=0.5)
    curve = report.evidence.decision
    assert (np.asarray(curve.net_benefit) > np.maximum(curve.treat_all, 0)).any()
    assert decision_figure(report.evidence).alt.startswith("Unclear: at no threshold probability")


def test_the_ece_by_chance_is_that_of_outcomes_drawn_from_the_probabilities():
    inputs = simulated(200).evidence.inputs
    rng = np.random.default_rng(1)
    drawn = [
        ev.calibration((rng.random(200) < inputs.probability).astype(int), inputs.probability).ece.value
        for _ in range(100)
    ]
    assert chance_ece(inputs, 10) == pytest.approx(np.mean(drawn), rel=0.1)


def test_the_ece_stands_beside_what_chance_alone_gives():
    report = simulated(200)
    found = f"about {chance_ece(report.evidence.inputs, 10):.3f}"
    text = words(report)
    assert "Chance alone keeps it above 0" in text
    assert found in text
    assert "10 bins of equal width" in text
    assert "about equal size (quantiles)" in text


def test_subgroup_tables_name_the_method_of_each_column_and_the_limits_agree():
    report = simulated(300, subgroups={"site": ["a", "b", "c"] * 100})
    blocks = section(report, "subgroups").blocks
    notes = [
        note
        for block in blocks
        for table in (getattr(block, "table", block),)
        for note in getattr(table, "notes", ())
    ]
    named = [note for note in notes if "Method of the interval" in note]
    assert len(named) == 2
    for note in named:
        assert all(f"{label}: " in note for label in ("AUROC", "Sensitivity", "Specificity"))
    assert report.evidence.subgroups["site"].differences[0].difference.method in named[1]
    assert "hold together within one column (Bonferroni), not across columns" in words(report)
    assert "compared one by one" not in words(report)


def test_errors_in_the_histogram_are_relative_to_the_threshold():
    caption = score_figure(simulated(100).evidence).caption
    assert "Errors are relative to it" in caption
    assert "the model errs" not in caption


def test_unknown_patients_are_said_once():
    text = words(simulated(60))
    assert text.count("No patient ids were given. If some patient has several images") == 1
    assert "atients are not known" not in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("malignant", "with malignant findings"),
        ("pneumonia", "with pneumonia"),
        ("pleural_effusion", "with pleural effusion"),
        ("positive", "with the condition"),
    ],
)
def test_the_positive_class_can_follow_with(name, said):
    report = clinical_report(["other", name] * 20, [0.3, 0.6] * 20, positive=name, bootstrap=100)
    assert f"Of 100 images {said}, the model finds" in words(report)
    given = clinical_report(
        ["other", name] * 20, [0.3, 0.6] * 20, positive=name, bootstrap=100, condition="x"
    )
    assert "Of 100 images with x, the model finds" in words(given)


def test_differences_between_groups_do_not_name_the_wrong_group():
    site = np.repeat(["large", "middle", "small"], [200, 100, 20])
    report = simulated(320, subgroups={"site": site})
    (table,) = [
        block
        for block in section(report, "subgroups").blocks
        if getattr(block, "key", "").endswith("-differences")
    ]
    assert [row[0] for row in table.rows] == ["middle", "small (too small)"]
    said = " ".join(table.notes)
    assert "Too small: fewer than 20 of a class" in said
    assert "only" not in said
    assert "small)) " not in said
