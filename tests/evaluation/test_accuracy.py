"""Two-by-two figures by hand, against scikit-learn and statsmodels, and with empty cells."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from statsmodels.stats import proportion as oracle
from statsmodels.stats.contingency_tables import Table2x2

from medimg_cnn import evaluation as ev
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation import ConfusionCounts

CELL = st.integers(1, 60)


@given(trials=st.integers(1, 200), data=st.data(), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_proportions_agree_with_statsmodels(trials: int, data: st.DataObject, level: float) -> None:
    successes = data.draw(st.integers(0, trials))
    for method, name in (("wilson", "wilson"), ("clopper-pearson", "beta")):
        item = ev.proportion(successes, trials, level=level, method=method)  # type: ignore[arg-type]
        expected = oracle.proportion_confint(successes, trials, alpha=1.0 - level, method=name)
        assert (item.lower, item.upper) == pytest.approx(expected, abs=1e-9)


@given(tp=CELL, fp=CELL, fn=CELL, tn=CELL)
def test_points_agree_with_scikit_learn(tp: int, fp: int, fn: int, tn: int) -> None:
    y = np.repeat([1, 0, 1, 0], [tp, fp, fn, tn])
    called = np.repeat([1, 1, 0, 0], [tp, fp, fn, tn])
    counts = ConfusionCounts.from_scores(y, called, 0.5)
    assert counts == ConfusionCounts(tp=tp, fp=fp, fn=fn, tn=tn)
    assert ev.f1(counts).value == pytest.approx(metrics.f1_score(y, called))
    assert ev.mcc(counts).value == pytest.approx(metrics.matthews_corrcoef(y, called), abs=1e-12)
    assert ev.kappa(counts).value == pytest.approx(metrics.cohen_kappa_score(y, called), abs=1e-12)
    assert ev.balanced_accuracy(counts).value == pytest.approx(metrics.balanced_accuracy_score(y, called))
    assert ev.jaccard(counts).value == pytest.approx(metrics.jaccard_score(y, called))
    positive, negative = metrics.class_likelihood_ratios(y, called)
    assert ev.lr_positive(counts).value == pytest.approx(positive)
    assert ev.lr_negative(counts).value == pytest.approx(negative)


@given(tp=CELL, fp=CELL, fn=CELL, tn=CELL)
def test_ratios_agree_with_statsmodels(tp: int, fp: int, fn: int, tn: int) -> None:
    counts = ConfusionCounts(tp=tp, fp=fp, fn=fn, tn=tn)
    odds = Table2x2(np.array([[tp, fn], [fp, tn]]))
    item = ev.diagnostic_odds_ratio(counts)
    assert (item.lower, item.upper) == pytest.approx(odds.oddsratio_confint(), rel=1e-9)
    item = ev.lr_positive(counts)
    assert (item.lower, item.upper) == pytest.approx(odds.riskratio_confint(), rel=1e-9)


@pytest.mark.parametrize("name", ["mcc", "kappa", "youden_index", "balanced_accuracy", "f1"])
def test_standard_errors_are_those_of_resampled_tables(name: str) -> None:
    cells = np.array([231, 32, 27, 54])
    draws = np.random.default_rng(1).multinomial(344, cells / 344, size=4000)
    values = [
        getattr(ev, name)(ConfusionCounts(tp=int(a), fp=int(b), fn=int(c), tn=int(d))).value
        for a, b, c, d in draws
    ]
    item = getattr(ev, name)(ConfusionCounts(tp=231, fp=32, fn=27, tn=54))
    assert item.standard_error == pytest.approx(float(np.std(values)), rel=0.05)
    assert (item.lower, item.upper) == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.012)


def test_kappa_agrees_with_statsmodels() -> None:
    from statsmodels.stats.inter_rater import cohens_kappa

    expected = cohens_kappa(np.array([[231, 32], [27, 54]]))
    item = ev.kappa(ConfusionCounts(tp=231, fp=32, fn=27, tn=54))
    assert item.value == pytest.approx(expected.kappa)
    assert item.standard_error == pytest.approx(expected.std_kappa)


def test_perfect_classification_keeps_a_lower_bound() -> None:
    counts = ConfusionCounts(tp=20, fp=0, fn=0, tn=20)
    sens = ev.sensitivity(counts)
    for name in ("mcc", "kappa", "youden_index", "balanced_accuracy", "f1"):
        item = getattr(ev, name)(counts)
        assert item.value == item.upper == 1.0
        assert 0.6 < item.lower < 0.95, name
    assert ev.mcc(counts).lower == pytest.approx(
        2 * sens.lower - 1
    )  # equal classes, both at their lower limit
    for name in ("lr_positive", "diagnostic_odds_ratio"):
        item = getattr(ev, name)(counts)
        assert item.value == item.upper == math.inf
        assert 1.0 < item.lower < math.inf
        assert "0.5 added" in item.method
    negative = ev.lr_negative(counts)
    assert negative.value == negative.lower == 0.0
    assert 0.0 < negative.upper < 1.0


@pytest.mark.parametrize("name", ["lr_positive", "lr_negative", "diagnostic_odds_ratio"])
@pytest.mark.parametrize(
    "cells", [(1, 10, 0, 90), (0, 10, 3, 90), (10, 0, 4, 40), (10, 20, 4, 0), (5, 0, 0, 9)]
)
def test_any_empty_cell_means_the_table_with_a_half_added(name: str, cells: tuple[int, ...]) -> None:
    tp, fp, fn, tn = cells
    item = getattr(ev, name)(ConfusionCounts(tp=tp, fp=fp, fn=fn, tn=tn))
    assert item.defined
    assert "0.5 added" in item.method
    assert "a cell of the table is empty" in item.reason
    assert math.isnan(item.standard_error)
    assert item.lower <= item.value <= item.upper
    a, b, c, d = (x + 0.5 for x in cells)
    centre, variance = {
        "lr_positive": (a * (b + d) / (b * (a + c)), 1 / a - 1 / (a + c) + 1 / b - 1 / (b + d)),
        "lr_negative": (c * (b + d) / (d * (a + c)), 1 / c - 1 / (a + c) + 1 / d - 1 / (b + d)),
        "diagnostic_odds_ratio": (a * d / (b * c), 1 / a + 1 / b + 1 / c + 1 / d),
    }[name]
    spread = math.exp(1.959963984540054 * math.sqrt(variance))
    assert item.lower == pytest.approx(min(item.value, centre / spread))
    assert item.upper == pytest.approx(max(item.value, centre * spread))


def test_one_found_positive_proves_little_of_a_likelihood_ratio() -> None:
    """With one diseased image, found, the plain formula took the sensitivity for known: 5.55 to 18.0."""
    item = ev.lr_positive(ConfusionCounts(tp=1, fn=0, fp=10, tn=90))
    assert item.value == 10.0
    assert item.lower < 3.0


def test_one_missed_positive_proves_little() -> None:
    """The delta method alone would exclude 0 here, as if one image could show that a test does harm."""
    counts = ConfusionCounts(tp=0, fp=500, fn=1, tn=499)
    for name in ("mcc", "kappa"):
        item = getattr(ev, name)(counts)
        assert item.lower < item.value < 0.0 < item.upper
        assert "a cell of the table is empty" in item.reason


def test_undefined_figures_say_why() -> None:
    none_called = ConfusionCounts(tp=0, fp=0, fn=5, tn=5)
    assert ev.ppv(none_called).reason == "no image was called positive"
    assert ev.mcc(none_called).reason == "no image was called positive"
    assert ev.lr_positive(none_called).reason == "no image was called positive"
    assert ev.kappa(none_called).value == 0.0  # no better than chance
    assert ev.kappa(none_called).lower < 0.0 < ev.kappa(none_called).upper
    healthy = ConfusionCounts(tp=0, fp=2, fn=0, tn=5)
    for name in ("sensitivity", "youden_index", "balanced_accuracy", "mcc", "kappa", "lr_positive"):
        assert getattr(ev, name)(healthy).reason == "no image has the condition", name
    assert ev.number_needed_to_diagnose(ConfusionCounts(tp=1, fp=3, fn=3, tn=1)).reason
    assert ev.accuracy(ConfusionCounts(tp=0, fp=0, fn=0, tn=0)).reason == "there are no images"


def test_huge_counts_stay_exact() -> None:
    counts = ConfusionCounts(tp=10**9, fp=10**8, fn=10**8, tn=10**9)
    assert ev.mcc(counts).value == pytest.approx(9 / 11)
    assert ev.kappa(counts).value == pytest.approx(9 / 11)


@pytest.mark.parametrize("cells", [{"tp": -1}, {"tp": 1.5}, {"tp": True}])
def test_counts_are_whole_numbers(cells: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match="tp"):
        ConfusionCounts(**({"fp": 0, "fn": 0, "tn": 0} | cells))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="at most trials"):
        ev.proportion(3, 2)


def test_predictive_values_by_patient_rest_on_the_limits_by_patient() -> None:
    rng = np.random.default_rng(2)
    patients = np.repeat(np.arange(24), 6)
    y = (np.arange(24) % 2 == 0)[patients]
    right = rng.random(y.size) < rng.beta(4.0, 1.0, 24)[patients]
    at = ev.operating_characteristics(
        y, np.where(right == y, 0.9, 0.1), 0.5, patients=patients, bootstrap=100
    )
    sens, spec = at.sensitivity, at.specificity
    ppv, npv = ev.predictive_values(sens, spec, prevalence=0.1)
    for item in (ppv, npv):
        assert "limits by patient" in item.method
        assert item.lower < item.value < item.upper
    # With the specificity known, the limits are those of the sensitivity, put into Bayes' theorem.
    known = dataclasses.replace(spec, lower=spec.value, upper=spec.value)
    ppv, _ = ev.predictive_values(sens, known, prevalence=0.1)
    for bound, share in ((ppv.lower, sens.lower), (ppv.upper, sens.upper)):
        assert bound == pytest.approx(share * 0.1 / (share * 0.1 + (1.0 - spec.value) * 0.9))


def test_predictive_values_at_another_prevalence() -> None:
    counts = ConfusionCounts(tp=670, fp=202, fn=74, tn=640)
    sens, spec = ev.sensitivity(counts), ev.specificity(counts)
    # Mercaldo's formula written out.
    ppv, npv = ev.predictive_values(sens, spec, prevalence=0.05)
    variance = (1 - sens.value) / sens.value / 744 + spec.value / (1 - spec.value) / 842
    centre = math.log(ppv.value / (1 - ppv.value))
    half = 1.959963984540054 * math.sqrt(variance)
    assert ppv.lower == pytest.approx(1 / (1 + math.exp(-(centre - half))))
    assert ppv.upper == pytest.approx(1 / (1 + math.exp(-(centre + half))))
    variance = sens.value / (1 - sens.value) / 744 + (1 - spec.value) / spec.value / 842
    centre = math.log(npv.value / (1 - npv.value))
    assert npv.lower == pytest.approx(1 / (1 + math.exp(-(centre - 1.959963984540054 * math.sqrt(variance)))))
    perfect = ConfusionCounts(tp=20, fp=0, fn=0, tn=30)
    ppv, npv = ev.predictive_values(ev.sensitivity(perfect), ev.specificity(perfect), prevalence=0.01)
    assert ppv.value == ppv.upper == npv.value == 1.0
    assert ppv.lower < 0.2  # at 1% a specificity of 1 in 30 images proves little
    with pytest.raises(ArgumentError, match="prevalence"):
        ev.predictive_values(sens, spec, prevalence=0.0)
    with pytest.raises(ArgumentError, match="level"):
        ev.predictive_values(sens, ev.specificity(counts, level=0.9), prevalence=0.1)
    healthy = ev.predictive_values(
        ev.sensitivity(ConfusionCounts(tp=0, fp=1, fn=0, tn=1)), spec, prevalence=0.1
    )
    assert [item.defined for item in healthy] == [False, False]
