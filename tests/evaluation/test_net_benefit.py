"""Paired differences of net benefit, and the decision curve against acting on all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from medimg_cnn import evaluation as ev
from medimg_cnn.errors import ArgumentError


def two_models(seed: int, n: int = 200) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.3
    a, b = (np.clip(0.3 + 0.3 * y + 0.2 * rng.normal(size=n), 0, 1) for _ in range(2))
    return y, a, b


def test_by_hand() -> None:
    y, a, b = [1, 1, 0, 0], [0.9, 0.1, 0.8, 0.1], [0.9, 0.8, 0.1, 0.1]
    (row,) = ev.compare_net_benefit(y, a, b, [0.25])
    # a: one true positive, one false one at odds of 1/3; b: two true positives.
    assert row.a.value == pytest.approx((1 - 1 / 3) / 4)
    assert row.b.value == pytest.approx(0.5)
    gains = np.array([0.0, -1.0, -1 / 3, 0.0])
    assert row.difference.value == pytest.approx(gains.mean())
    assert row.difference.standard_error == pytest.approx(gains.std(ddof=1) / 2)
    half = row.difference.value - row.difference.lower
    assert half == pytest.approx(3.182446305 * gains.std(ddof=1) / 2)  # Student's t with 3 degrees


@given(seed=st.integers(0, 1000))
def test_it_is_the_difference_of_the_decision_curves_and_antisymmetric(seed: int) -> None:
    y, a, b = two_models(seed)
    rows, back = ev.compare_net_benefit(y, a, b), ev.compare_net_benefit(y, b, a)
    points = [row.threshold for row in rows]
    curves = [ev.decision_curve(y, p, points) for p in (a, b)]
    for index, (row, other) in enumerate(zip(rows, back, strict=True)):
        assert row.a.value == pytest.approx(curves[0].net_benefit[index])
        assert row.b.value == pytest.approx(curves[1].net_benefit[index])
        assert row.a.lower == pytest.approx(curves[0].lower[index], nan_ok=True)
        assert row.a.upper == pytest.approx(curves[0].upper[index], nan_ok=True)
        assert row.difference.value == pytest.approx(row.a.value - row.b.value)
        assert row.difference.value == -other.difference.value
        assert row.difference.lower == pytest.approx(-other.difference.upper, nan_ok=True)


def test_a_model_does_not_differ_from_itself() -> None:
    y, a, _ = two_models(0)
    for row in ev.compare_net_benefit(y, a, a):
        assert row.difference.value == 0.0
        assert not row.difference.has_interval
        assert row.difference.reason


def test_copies_of_a_patient_add_no_certainty() -> None:
    y, a, b = two_models(1)
    again = np.repeat(np.arange(y.size), 4)
    (once,) = ev.compare_net_benefit(y, a, b, [0.3], patients=np.arange(y.size))
    (copied,) = ev.compare_net_benefit(y[again], a[again], b[again], [0.3], patients=again)
    (naive,) = ev.compare_net_benefit(y[again], a[again], b[again], [0.3])
    assert copied.difference.width == pytest.approx(once.difference.width)
    assert naive.difference.width == pytest.approx(once.difference.width / 2, rel=0.02)


@pytest.mark.parametrize("by_patient", [False, True])
def test_acting_on_all_is_compared_image_by_image(by_patient: bool) -> None:
    """In a large sample its interval is that of the mean of the paired differences."""
    y, a, _ = two_models(2, 20_000)
    patients = np.arange(y.size) // 2 if by_patient else None
    points = [0.2, 0.3, 0.6]
    curve = ev.decision_curve(y, a, points, patients=patients)
    for index, row in enumerate(ev.compare_net_benefit(y, a, np.ones(y.size), points, patients=patients)):
        width = row.difference.width
        assert curve.over_all_lower[index] == pytest.approx(row.difference.lower, abs=0.03 * width)
        assert curve.over_all_upper[index] == pytest.approx(row.difference.upper, abs=0.03 * width)


def test_nothing_missed_among_few_is_not_proof_against_acting_on_all() -> None:
    """Five images without disease are left alone; a standard error would call that beyond chance."""
    y = np.arange(30) < 10
    p = np.where(np.arange(30) >= 25, 0.01, 0.9)
    (lower,) = ev.decision_curve(y, p, [0.1]).over_all_lower
    (naive,) = ev.compare_net_benefit(y, p, np.ones(30), [0.1])
    assert naive.difference.lower > 0.0 > lower
    (same,) = ev.decision_curve(y, np.full(30, 0.9), [0.1]).over_all_lower
    assert math.isnan(same)


def test_no_false_positive_among_few_calls_is_not_proof_against_acting_on_none() -> None:
    """Four of 300 rightly called: at 0.92 one false positive would cost more than all of them."""
    y = np.arange(300) < 76
    p = np.where(np.arange(300) < 4, 0.95, 0.2)
    curve = ev.decision_curve(y, p, [0.92])
    assert curve.net_benefit[0] == pytest.approx(4 / 300)
    assert curve.lower[0] < 0.0
    # Many rightly called at a low price of a false one are.
    assert ev.decision_curve(y, np.where(y, 0.95, 0.2), [0.5]).lower[0] > 0.0


@pytest.mark.parametrize("by_patient", [False, True])
def test_in_a_large_sample_its_interval_is_that_of_a_mean(by_patient: bool) -> None:
    y, a, _ = two_models(6, 20_000)
    patients = np.arange(y.size) // 2 if by_patient else None
    units = np.arange(y.size) if patients is None else patients
    for t in (0.2, 0.5):
        curve = ev.decision_curve(y, a, [t], patients=patients)
        gain = np.where(a >= t, np.where(y, 1.0, -t / (1.0 - t)), 0.0)
        sums = np.bincount(units, weights=gain - gain.mean())
        half = 1.96 * float(np.sqrt(sums @ sums)) / y.size
        assert curve.upper[0] - curve.net_benefit[0] == pytest.approx(half, rel=0.03)
        assert curve.net_benefit[0] - curve.lower[0] == pytest.approx(half, rel=0.03)


def test_acting_on_all_has_the_limits_of_the_prevalence() -> None:
    y = np.arange(50) < 15
    curve = ev.decision_curve(y, np.full(50, 0.9), [0.3])
    share, odds = ev.proportion(15, 50), 0.3 / 0.7
    assert curve.lower[0] == pytest.approx(share.lower - (1.0 - share.lower) * odds)
    assert curve.upper[0] == pytest.approx(share.upper - (1.0 - share.upper) * odds)


def test_few_that_gain_differently_are_said() -> None:
    y, a, _ = two_models(0)
    b = a.copy()
    b[np.flatnonzero((a > 0.5) & y)[:3]] = 0.1
    (row,) = ev.compare_net_benefit(y, a, b, [0.3])
    assert row.difference.has_interval
    assert row.difference.reason.startswith("too few: only 3 images gain differently")
    (row,) = ev.compare_net_benefit(y, a, b, [0.3], patients=np.arange(y.size) // 2)
    assert "patients gain differently" in row.difference.reason


def test_compare_holds_it_for_paired_cases_of_both_classes(make_cases) -> None:
    a, b = make_cases(0), make_cases(1)
    found = ev.compare(a, b)
    assert found.net_benefit == ev.compare_net_benefit(a.y_true, a.probability, b.probability)
    assert ev.compare_unpaired(a, b).net_benefit == ()


@pytest.fixture
def make_cases():
    from medimg_cnn.artifacts import Predictions

    y, *models = two_models(3)

    def make(which: int) -> Predictions:
        p = models[which]
        return Predictions(y_true=y, logit=p, probability=p, sample_id=[str(i) for i in range(y.size)])

    return make


@pytest.mark.parametrize("wrong", [[0.0], [1.0], [0.5, 1.2]])
def test_thresholds_are_probabilities(wrong: list[float]) -> None:
    with pytest.raises(ArgumentError, match="thresholds: each must lie inside"):
        ev.compare_net_benefit([0, 1], [0.1, 0.9], [0.2, 0.8], wrong)
    with pytest.raises(ArgumentError, match="probabilities"):
        ev.compare_net_benefit([0, 1], [0.1, 9.0], [0.2, 0.8])


@pytest.mark.slow
@pytest.mark.statistical
def test_the_paired_interval_covers() -> None:
    rng = np.random.default_rng(4)

    def draw(n: int) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
        y = rng.random(n) < 0.3
        common = rng.normal(size=n)
        a, b = (0.5 * common + 0.8 * rng.normal(size=n) + s * y - 1.0 for s in (1.6, 1.2))
        return y, 1 / (1 + np.exp(-a)), 1 / (1 + np.exp(-b))

    (truth,) = ev.compare_net_benefit(*draw(2_000_000), [0.3])
    runs, inside = 3000, 0
    for _ in range(runs):
        (row,) = ev.compare_net_benefit(*draw(200), [0.3])
        inside += row.difference.lower <= truth.difference.value <= row.difference.upper
    print(f"\nnet benefit, paired difference, n = 200: {inside / runs:.3f}")
    assert 0.93 <= inside / runs <= 0.97


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("threshold", [0.1, 0.3])
def test_the_interval_against_acting_on_all_covers(threshold: float) -> None:
    rng = np.random.default_rng(5)

    def draw(n: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        y = rng.random(n) < 0.3
        return y, 1 / (1 + np.exp(-(rng.normal(size=n) + 1.6 * y - 1.4)))

    big = ev.decision_curve(*draw(2_000_000), [threshold])
    truth = float(big.net_benefit[0] - big.treat_all[0])
    runs, inside = 3000, 0
    for _ in range(runs):
        curve = ev.decision_curve(*draw(150), [threshold])
        inside += bool(curve.over_all_lower[0] <= truth <= curve.over_all_upper[0])
    print(f"\nnet benefit over acting on all, n = 150, threshold {threshold}: {inside / runs:.3f}")
    assert 0.93 <= inside / runs <= 0.98
