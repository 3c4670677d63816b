"""Conformal sets, abstention and sample size."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medimg_cnn import evaluation as ev
from medimg_cnn.errors import ArgumentError

RNG = np.random.default_rng(0)
Y = RNG.random(300) < 0.3
P = np.clip(RNG.normal(0.3 + 0.4 * Y, 0.2), 0.01, 0.99)


def test_the_quantile_is_an_order_statistic_of_n_plus_one() -> None:
    for n, alpha, rank in ((9, 0.1, 9), (9, 0.2, 8), (99, 0.05, 95), (19, 0.05, 19), (29, 0.1, 27)):
        assert ev.conformal_quantile(np.arange(1, n + 1), alpha) == rank
    assert ev.conformal_quantile([0.5], 0.4) == math.inf
    with pytest.raises(ArgumentError, match="alpha"):
        ev.conformal_quantile([0.5], 1.0)
    with pytest.raises(ArgumentError, match="finite"):
        ev.conformal_quantile([np.nan], 0.1)


def test_sets_by_class_use_the_quantile_of_each() -> None:
    sets = ev.fit_conformal(Y, P, alpha=0.1)
    assert sets.quantile_positive == ev.conformal_quantile(1.0 - P[Y], 0.1)
    assert sets.quantile_negative == ev.conformal_quantile(P[~Y], 0.1)
    pooled = ev.fit_conformal(Y, P, alpha=0.1, per_class=False)
    assert pooled.quantile_positive == pooled.quantile_negative
    found = ev.conformal_coverage(sets, Y, P)
    inside = sets.predict(P)
    assert found.coverage.value == np.where(Y, inside[:, 1], inside[:, 0]).mean()
    assert found.single.value + found.both.value + found.empty.value == pytest.approx(1.0)
    assert found.mean_size == inside.sum(axis=1).mean()
    few = ev.fit_conformal([0, 0, 1], [0.1, 0.2, 0.9], alpha=0.1)
    assert few.predict([0.0, 0.5, 1.0]).all()
    with pytest.raises(ArgumentError, match="probabilities"):
        sets.predict([1.2])


def test_pooled_sets_agree_with_mapie() -> None:
    pytest.importorskip("mapie", reason="MAPIE is an optional oracle")
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Fixed(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """A classifier whose input is its output."""

        classes_ = np.array([0, 1])
        fitted_ = True

        def fit(self, x: np.ndarray, y: np.ndarray) -> Fixed:
            return self

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            return np.column_stack([1.0 - x[:, 0], x[:, 0]])

        def predict(self, x: np.ndarray) -> np.ndarray:
            return (x[:, 0] >= 0.5).astype(int)

    oracle = SplitConformalClassifier(
        Fixed(), confidence_level=0.9, conformity_score="lac", prefit=True
    ).conformalize(P[:150, None], Y[:150].astype(int))
    _, expected = oracle.predict_set(P[150:, None])
    ours = ev.fit_conformal(Y[:150], P[:150], alpha=0.1, per_class=False).predict(P[150:])
    np.testing.assert_array_equal(ours, expected[:, :, 0])


def test_abstention_keeps_the_surest_first() -> None:
    curve = ev.risk_coverage_curve(Y, P)
    assert curve.coverage[-1] == 1.0
    assert curve.risk[-1] == pytest.approx(((P >= 0.5) != Y).mean())
    assert (np.diff(curve.confidence) < 0).all()
    half = np.searchsorted(curve.coverage, 0.5)
    surest = np.argsort(-np.abs(P - 0.5))[: curve.kept[half]]
    assert curve.risk[half] == pytest.approx(((P >= 0.5) != Y)[surest].mean())
    assert ((curve.lower <= curve.risk) & (curve.risk <= curve.upper)).all()
    assert curve.sensitivity[-1] == ev.sensitivity(ev.ConfusionCounts.from_scores(Y, P, 0.5)).value
    assert curve.area < curve.risk[-1]
    own = ev.risk_coverage_curve(Y, P, confidence=np.ones(300))
    assert own.coverage.tolist() == [1.0]
    assert own.area == own.risk[0]
    with pytest.raises(ArgumentError, match="confidence"):
        ev.risk_coverage_curve(Y, P, confidence=[1.0])
    with pytest.raises(ArgumentError, match="threshold"):
        ev.risk_coverage_curve(Y, P, threshold=0.0)


def test_bounds_of_abstention_are_by_patient_where_patients_are_known() -> None:
    patients = RNG.integers(0, 90, 300)
    curve = ev.risk_coverage_curve(Y, P, patients=patients)
    order = np.argsort(-ev.decision_confidence(P), kind="stable")
    wrong = ((P >= 0.5) != Y)[order]
    for index in (0, 1, 5, 40, 150, len(curve.kept) - 1):
        kept = curve.kept[index]
        item = ev.clustered_proportion(wrong[:kept], patients[order][:kept])
        expected = (item.lower, item.upper) if item.has_interval else (0.0, 1.0)
        assert (curve.lower[index], curve.upper[index]) == pytest.approx(expected)
    by_image, single = ev.risk_coverage_curve(Y, P), ev.risk_coverage_curve(Y, P, patients=np.arange(300))
    np.testing.assert_array_equal(by_image.risk, curve.risk)
    np.testing.assert_allclose(single.upper[5:], by_image.upper[5:])
    alone = ev.risk_coverage_curve(Y, P, patients=np.zeros(300, dtype=int))
    assert (alone.lower.max(), alone.upper.min()) == (0.0, 1.0)


def test_sets_calibrated_on_several_images_of_a_patient_say_so() -> None:
    assert ev.fit_conformal(Y, P).note == ev.fit_conformal(Y, P, patients=np.arange(300)).note == ""
    several = ev.fit_conformal(Y, P, patients=np.arange(300) // 3)
    assert "300 images of only 100 patients" in several.note


def test_mirrored_probabilities_are_equally_sure() -> None:
    assert ev.risk_coverage_curve([0, 1], [0.1, 0.9]).coverage.tolist() == [1.0]


def test_a_plan_is_the_smallest_that_is_enough() -> None:
    plan = ev.sample_size("sensitivity", expected=0.9, width=0.1, prevalence=0.5)
    enough = ev.proportion(round(0.9 * 1000), 1000)
    assert enough.width < 0.1
    assert plan.expected_width <= 0.1
    positives = plan.positives
    assert 130 < positives < 150
    # By hand: 4 z^2 p (1 - p) / w^2 = 138 for the Wald interval.
    wide = ev.sample_size("sensitivity", expected=0.9, width=0.2, prevalence=0.5)
    assert wide.total < plan.total
    rare = ev.sample_size("sensitivity", expected=0.9, width=0.1, prevalence=0.05)
    assert rare.positives == pytest.approx(positives, abs=2)
    assert rare.total == pytest.approx(20 * positives, rel=0.02)
    spec = ev.sample_size("specificity", expected=0.9, width=0.1, prevalence=0.5)
    assert spec.negatives == pytest.approx(positives, abs=1)


def test_images_of_a_patient_inflate_a_plan() -> None:
    single = ev.sample_size("auroc", expected=0.9, width=0.1, prevalence=0.3)
    several = ev.sample_size(
        "auroc", expected=0.9, width=0.1, prevalence=0.3, images_per_patient=3, intraclass_correlation=0.5
    )
    assert several.design_effect == 2.0
    assert several.total == pytest.approx(2 * single.total, rel=0.02)


def test_plans_that_make_no_sense_are_refused() -> None:
    for options in (
        {"expected": 0.4},
        {"width": 0.0},
        {"prevalence": 1.0},
        {"images_per_patient": 0.5},
        {"intraclass_correlation": 2.0},
    ):
        with pytest.raises(ArgumentError):
            ev.sample_size("auroc", **({"expected": 0.9, "width": 0.1, "prevalence": 0.3} | options))
    with pytest.raises(ArgumentError, match="target"):
        ev.sample_size("ppv", expected=0.9, width=0.1, prevalence=0.3)  # type: ignore[arg-type]
