"""Calibration, reliability, scoring rules, decision curve and recalibration."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn import metrics

from medimg_cnn import evaluation as ev
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning

RNG = np.random.default_rng(0)
LINEAR = RNG.normal(size=400) * 1.5
Y = RNG.random(400) < expit(0.4 + 0.6 * LINEAR)
P = expit(LINEAR)
PATIENTS = RNG.integers(0, 90, 400)


@pytest.mark.parametrize("patients", [None, PATIENTS])
def test_slope_and_intercepts_agree_with_statsmodels(patients: np.ndarray | None) -> None:
    options = (
        {}
        if patients is None
        else {"cov_type": "cluster", "cov_kwds": {"groups": patients, "use_correction": False}}
    )
    joint = sm.GLM(Y, sm.add_constant(LINEAR), family=sm.families.Binomial()).fit(tol=1e-12, **options)
    large = sm.GLM(Y, np.ones(400), family=sm.families.Binomial(), offset=LINEAR).fit(tol=1e-12, **options)
    found = ev.calibration(Y, P, patients=patients)
    clusters = 400 if patients is None else np.unique(patients).size
    scale = 1.0 if patients is None else math.sqrt(clusters / (clusters - 1))
    for item, value, error in (
        (found.intercept_joint, joint.params[0], joint.bse[0]),
        (found.slope, joint.params[1], joint.bse[1]),
        (found.calibration_in_the_large, large.params[0], large.bse[0]),
    ):
        assert item.value == pytest.approx(value, abs=1e-7)
        assert item.standard_error == pytest.approx(error * scale, rel=1e-6)


def test_figures_that_are_undefined_say_why() -> None:
    constant = ev.calibration([0, 1, 0, 1], [0.3] * 4)
    assert not constant.slope.defined
    assert constant.slope.reason == "every probability is the same"
    assert constant.calibration_in_the_large.defined
    separated = ev.calibration([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9])
    assert "separates the classes" in separated.slope.reason
    assert math.isnan(separated.unreliability_p)
    healthy = ev.calibration([0, 0, 0], [0.1, 0.2, 0.3])
    assert healthy.slope.reason == healthy.calibration_in_the_large.reason == "no image has the condition"
    assert healthy.observed_expected.value == 0.0
    assert healthy.observed_expected.upper > 0.0
    assert ev.calibration([0, 1], [0.0, 0.0]).observed_expected.reason
    assert math.isnan(ev.calibration([0, 1], [0.0, 1.0]).spiegelhalter_z)
    assert math.isnan(healthy.brier_parts.skill)


def test_saturated_probabilities_are_moved_and_counted() -> None:
    p = P.copy()
    p[:3] = [0.0, 1.0, 1e-12]
    found = ev.calibration(Y, p)
    assert found.note.startswith("3 probabilities")
    assert found.slope.defined
    assert ev.calibration(Y, P).note == ""


def test_scoring_rules_agree_with_scikit_learn() -> None:
    assert ev.brier_score(Y, P).value == pytest.approx(metrics.brier_score_loss(Y, P))
    assert ev.log_loss(Y, P).value == pytest.approx(metrics.log_loss(Y, P))
    assert ev.log_loss(Y, P).standard_error == pytest.approx(
        np.std(-np.log(np.where(Y, P, 1 - P)), ddof=1) / 20.0
    )


def test_a_certain_and_wrong_probability_has_infinite_loss() -> None:
    item = ev.log_loss([0, 1, 1], [0.1, 0.0, 1.0])
    assert item.value == math.inf
    assert item.reason.startswith("1 image had")
    assert math.isfinite(ev.log_loss([0, 1, 1], [0.1, 0.0, 1.0], clip=1e-7).value)
    assert ev.log_loss([0, 1], [0.0, 1.0]).value == 0.0


@given(seed=st.integers(0, 9999), n=st.integers(1, 60), bins=st.sampled_from([None, 1, 3, 10]))
def test_the_decomposition_adds_up(seed: int, n: int, bins: int | None) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.random(n) < 0.4, np.round(rng.random(n), 1)
    parts = ev.brier_decomposition(y, p, bins=bins)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bin
    assert total == pytest.approx(parts.brier, abs=1e-12)
    if bins is None:
        assert parts.within_bin == pytest.approx(0.0, abs=1e-12)


def test_bins_are_open_below_and_closed_above() -> None:
    tenths = np.arange(11) / 10
    curve = ev.reliability_curve([0] * 11, tenths, bins=10)
    assert curve.count.tolist() == [2] + [1] * 9  # 0 goes with the first bin
    assert curve.estimates[0].n == 2
    quantile = ev.reliability_curve(Y, P, bins=8, strategy="quantile")
    assert quantile.count.tolist() == [50] * 8
    assert quantile.count.sum() == 400
    tied = ev.reliability_curve(Y, np.round(P), bins=8, strategy="quantile")
    assert tied.count.size == 2
    empty = ev.reliability_curve([0, 1], [0.1, 0.9], bins=3)
    assert np.isnan(empty.observed[1])
    assert empty.estimates[1].reason == "no image in this bin"
    with pytest.raises(ArgumentError, match="strategy"):
        ev.reliability_curve(Y, P, strategy="equal")  # type: ignore[arg-type]


@given(seed=st.integers(0, 9999))
def test_calibration_error_by_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.random(50) < 0.5, rng.random(50)
    gaps = [
        abs(y[inside].mean() - p[inside].mean()) * inside.sum()
        for k in range(5)
        if (inside := (p > k / 5) & (p <= (k + 1) / 5)).any()
    ]
    assert ev.expected_calibration_error(y, p, bins=5).value == pytest.approx(sum(gaps) / 50)
    order = np.argsort(p).reshape(5, 10)
    gaps = [abs(y[rows].mean() - p[rows].mean()) / 5 for rows in order]
    by_number = ev.expected_calibration_error(y, p, bins=5, strategy="quantile")
    assert by_number.value == pytest.approx(sum(gaps))


def test_decision_curve_by_hand_and_its_interval_by_bootstrap() -> None:
    curve = ev.decision_curve(Y, P, [0.2])
    called = P >= 0.2
    expected = (called & Y).mean() - (called & ~Y).mean() * 0.25
    assert curve.net_benefit[0] == pytest.approx(expected)
    assert curve.treat_all[0] == pytest.approx(Y.mean() - (1 - Y.mean()) * 0.25)

    def net_benefit(y: np.ndarray, p: np.ndarray) -> float:
        return float(((p >= 0.2) & y).mean() - ((p >= 0.2) & ~y).mean() * 0.25)

    for patients in (None, PATIENTS):
        found = ev.decision_curve(Y, P, [0.2], patients=patients)
        resampled = ev.bootstrap(Y, P, net_benefit, patients=patients, resamples=1500)
        assert found.lower[0] == pytest.approx(resampled.lower, abs=0.012)
        assert found.upper[0] == pytest.approx(resampled.upper, abs=0.012)
    with pytest.raises(ArgumentError, match="inside"):
        ev.decision_curve(Y, P, [0.0, 0.5])
    nothing = ev.decision_curve(Y, P * 0.5, [0.9])
    assert nothing.net_benefit[0] == 0.0
    assert np.isnan(nothing.lower[0])


def test_recalibration_agrees_with_statsmodels_and_with_a_search() -> None:
    platt = ev.fit_calibration(LINEAR, Y, method="platt")
    oracle = sm.GLM(Y, sm.add_constant(LINEAR), family=sm.families.Binomial()).fit(tol=1e-12)
    assert dict(platt.parameters)["slope"] == pytest.approx(oracle.params[1], abs=1e-7)
    assert dict(platt.parameters)["intercept"] == pytest.approx(oracle.params[0], abs=1e-7)
    scaled = ev.fit_calibration(LINEAR, Y)
    best = dict(scaled.parameters)["temperature"]
    loss = ev.log_loss(Y, scaled.apply(LINEAR)).value
    for factor in (0.98, 1.02):
        assert ev.log_loss(Y, expit(LINEAR / (best * factor))).value > loss
    again = ev.calibration(Y, platt.apply(LINEAR))
    assert again.slope.value == pytest.approx(1.0, abs=1e-6)
    assert again.calibration_in_the_large.value == pytest.approx(0.0, abs=1e-6)
    assert scaled.fitted_on == "validation"


@pytest.mark.parametrize(
    ("values", "y", "method", "words"),
    [
        ([1.0, 2.0], [1, 1], "temperature", "one class"),
        ([-1.0, 2.0], [0, 1], "temperature", "separates"),
        ([1.0, 2.0], [0, 1], "platt", "separates"),
        ([1.0, 1.0], [0, 1], "platt", "do not vary"),
        ([3.0, -1.0, -2.0, 0.5], [0, 1, 1, 1], "temperature", "go with health"),
    ],
)
def test_where_no_map_exists_the_identity_is_given_with_a_warning(
    values: list[float], y: list[int], method: str, words: str
) -> None:
    with pytest.warns(MedimgCnnWarning, match=words):
        found = ev.fit_calibration(values, y, method=method)  # type: ignore[arg-type]
    assert found.method == "identity"


def test_temperature_needs_no_separation_at_another_cut() -> None:
    """Classes split at a logit of 1.5, not at 0: the likelihood still has a maximum."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ev.fit_calibration([1.0, 1.2, 2.0, 3.0], [0, 0, 1, 1])
    assert found.method == "temperature"
    with pytest.raises(ArgumentError, match="finite"):
        ev.fit_calibration([np.inf, 0.0], [1, 0])
    assert ev.fit_calibration(logit([0.2, 0.8]), [1, 0], method="identity").method == "identity"


@given(seed=st.integers(0, 10_000), patients=st.booleans())
def test_observed_over_expected_agrees_with_calibration_in_the_large(seed: int, patients: bool) -> None:
    rng = np.random.default_rng(seed)
    linear = rng.normal(size=80) + rng.normal()
    y = rng.random(80) < expit(linear + rng.choice([0.0, 0.5]))
    assume(0 < y.sum() < 80)
    found = ev.calibration(y, expit(linear), patients=rng.integers(0, 30, 80) if patients else None)
    ratio, large = found.observed_expected, found.calibration_in_the_large
    assert ratio.lower < ratio.value < ratio.upper
    assert (ratio.lower <= 1.0 <= ratio.upper) == (large.lower <= 0.0 <= large.upper)
    assert ratio.value == pytest.approx(y.mean() / expit(linear).mean())


def test_patients_that_cancel_do_not_make_observed_over_expected_certain() -> None:
    found = ev.calibration([1, 0, 1, 0], [0.5, 0.5, 0.0, 0.0], patients=[2, 3, 3, 2])
    assert found.observed_expected.value == 2.0
    assert found.observed_expected.lower < 1.0
    assert found.observed_expected.upper > 3.0


@pytest.mark.parametrize("patients", [None, [0, 0, 1, 1, 2, 2]])
def test_certain_and_right_everywhere_has_no_shift(patients: list[int] | None) -> None:
    """The likelihood is flat there; what is found is of rounding."""
    found = ev.calibration([0, 0, 0, 1, 0, 1], [0.0, 0.0, 0.0, 1.0, 0.0, 1.0], patients=patients)
    assert "no shift fits better" in found.calibration_in_the_large.reason
    assert math.isnan(found.calibration_in_the_large.value)
    assert found.observed_expected.value == 1.0
    assert found.observed_expected.has_interval
    assert found.note.startswith("6 probabilities")
