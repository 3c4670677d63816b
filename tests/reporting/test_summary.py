"""What a reader who stops at the summary takes away, and whether it is so."""

from __future__ import annotations

import numpy as np
import pytest

from medimg_cnn.reporting import clinical_report
from medimg_cnn.reporting.sections._summary import key_figures, sentences


def simulated(n=200, *, prevalence=0.2, shift=1.5, **options):
    y = (np.arange(n) < prevalence * n).astype(int)
    logit = np.random.default_rng(4).normal(size=n) + shift * y - shift / 2
    return clinical_report(
        y, 1 / (1 + np.exp(-logit)), **{"bootstrap": 100, "operating_point": 0.5, **options}
    )


def figures(report):
    return {item.key: item for item in key_figures(report.evidence)}


def said(report):
    return " ".join(sentences(report.evidence))


def test_the_predictive_values_of_the_intended_use_come_first():
    report = simulated(intended_prevalence=0.02, prevalences=(0.5,))
    found = figures(report)
    _, ppv, npv = report.evidence.predictive_values[0]
    assert (found["ppv_intended"].estimate, found["npv_intended"].estimate) == (ppv, npv)
    keys = list(found)
    assert keys.index("npv_intended") < keys.index("ppv")
    assert "at a prevalence of 2.0%" in found["ppv_intended"].label
    assert "98.0%" in found["npv_intended"].meaning
    text = said(report)
    assert text.index("as in the intended use") < text.index("Here, where 20% are")
    assert "Where 2.0% of images are with the condition" in text


def test_without_an_intended_use_there_are_six_figures():
    assert list(figures(simulated())) == ["auroc", "sensitivity", "specificity", "ppv", "npv", "accuracy"]


def test_fewer_calls_are_right_where_fewer_have_it_only_if_a_call_speaks_for_it():
    assert "fewer calls are right" in said(simulated())
    against = simulated(shift=-1.5)
    assert against.estimates["lr_positive"].value < 1
    assert "fewer calls are right" not in said(against)
    flawless = simulated(shift=30)
    assert flawless.ppv.value == 1
    assert "fewer calls are right" not in said(flawless)


@pytest.mark.parametrize("y", [[1] * 30, [0] * 30])
def test_with_one_class_nothing_is_judged_that_needs_both(y):
    report = clinical_report(
        y, np.linspace(0.1, 0.9, 30), operating_point=(0.5, 0.3), intended_prevalence=0.1, bootstrap=100
    )
    for name in ("ppv", "npv", "accuracy", "f1", "auprc"):
        assert not report.estimates[name].defined, name
        assert "cannot be judged" in report.estimates[name].reason or name == "auprc"
    others = [row for _, row in report.operating_points] + list(report.evidence.threshold_table)
    assert not any(row.ppv.defined or row.npv.defined for row in others)
    assert "cannot tell how many of the model's calls are right" in said(report)
    assert report.sensitivity.defined or report.specificity.defined


def test_what_no_skill_reaches_stands_beside_the_figure():
    found = figures(simulated(prevalence=0.2))
    assert "negative: 80.0%" in found["npv"].meaning
    assert "positive: 20.0%" in found["ppv"].meaning
    assert "commoner class: 80.0%" in found["accuracy"].meaning
    assert "commoner class: 70.0%" in figures(simulated(prevalence=0.7))["accuracy"].meaning


@pytest.mark.parametrize(
    ("patients", "unit"),
    [(None, "images"), (np.arange(200) // 2, "images"), (np.arange(200), "patients")],
)
def test_a_hundred_patients_only_where_each_has_one_image(patients, unit):
    assert f"Of 100 {unit} with the condition" in said(simulated(patients=patients))
