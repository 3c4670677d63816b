from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from medimg_cnn import evaluation as ev
from medimg_cnn.errors import ArgumentError

RNG = np.random.default_rng(0)
Y = RNG.random(120) < 0.4
SCORE = np.round(RNG.normal(size=120) + 1.2 * Y, 1)
PATIENTS = RNG.integers(0, 40, 120)


def area(y: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    ill, well = score[y][:, None], score[~y][None, :]
    return float(((ill > well) + 0.5 * (ill == well)).mean()) if 0 < y.sum() < y.size else math.nan


def precision(y: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    called = score[None, :] >= score[y][:, None]
    return float((called[:, y].sum(axis=1) / called.sum(axis=1)).mean()) if y.any() else math.nan


@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("patients", [None, PATIENTS])
@pytest.mark.parametrize(("name", "function"), [("auroc", area), ("auprc", precision)])
def test_the_fast_way_and_the_plain_way_agree(
    name: str, function: object, patients: NDArray[np.int64] | None, stratified: bool
) -> None:
    fast, plain = (
        ev.bootstrap(Y, SCORE, how, patients=patients, stratified=stratified, resamples=800, seed=3)  # type: ignore[arg-type]
        for how in (name, function)
    )
    assert fast.value == pytest.approx(plain.value)
    assert fast.standard_error == pytest.approx(plain.standard_error, rel=0.12)
    assert (fast.lower, fast.upper) == pytest.approx((plain.lower, plain.upper), abs=0.03)


def test_the_bootstrap_of_the_auroc_is_near_delong() -> None:
    resampled, closed = ev.bootstrap(Y, SCORE, resamples=4000), ev.auroc(Y, SCORE)
    assert resampled.standard_error == pytest.approx(closed.standard_error, rel=0.06)
    by_patient = ev.bootstrap(Y, SCORE, patients=PATIENTS, resamples=4000)
    assert by_patient.standard_error == pytest.approx(
        ev.auroc(Y, SCORE, patients=PATIENTS).standard_error, rel=0.08
    )


def test_a_seed_fixes_the_interval() -> None:
    first, again, other = (ev.bootstrap(Y, SCORE, seed=seed, resamples=200) for seed in (1, 1, 2))
    assert first == again
    assert (first.lower, first.upper) != (other.lower, other.upper)


def test_resamples_without_a_class_are_counted() -> None:
    item = ev.bootstrap([1, *[0] * 30], np.arange(31.0), resamples=400)
    assert item.value == 0.0
    assert "left out" in item.reason
    stratified = ev.bootstrap([1, *[0] * 30], np.arange(31.0)[::-1] % 7, resamples=400, stratified=True)
    assert "left out" not in stratified.reason


def test_what_does_not_vary_has_no_interval() -> None:
    item = ev.bootstrap([0, 0, 1, 1], [1, 2, 3, 4], resamples=200, stratified=True)
    assert item.value == 1.0
    assert not item.has_interval
    assert "do not vary" in item.reason


def test_too_few_resamples_are_refused() -> None:
    with pytest.raises(ArgumentError, match="resamples"):
        ev.bootstrap(Y, SCORE, resamples=10)
    with pytest.raises(ArgumentError, match="statistic"):
        ev.bootstrap(Y, SCORE, "aurocc")  # type: ignore[arg-type]
