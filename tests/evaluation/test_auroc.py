from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from medimg_cnn import evaluation as ev
from medimg_cnn.errors import ArgumentError


def kernel(y: NDArray[np.bool_], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """(positives, negatives): 1 where the positive is higher, 0.5 where equal."""
    ill, well = score[y][:, None], score[~y][None, :]
    return (ill > well) + 0.5 * (ill == well)


@given(seed=st.integers(0, 10_000), n=st.integers(6, 40), levels=st.sampled_from([2, 5, 1000]))
def test_value_and_variance_by_every_pair(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.arange(n) < max(2, n // 3)
    score = rng.integers(0, levels, n).astype(np.float64)
    pairs = kernel(y, score)
    item = ev.auroc(y, score)
    assert item.value == pytest.approx(pairs.mean())
    assert item.value == pytest.approx(metrics.roc_auc_score(y, score))
    variance = (
        pairs.mean(axis=1).var(ddof=1) / pairs.shape[0] + pairs.mean(axis=0).var(ddof=1) / pairs.shape[1]
    )
    assert item.standard_error == pytest.approx(math.sqrt(variance), abs=1e-12)


def test_clustered_variance_by_its_definition() -> None:
    rng = np.random.default_rng(4)
    patients = rng.integers(0, 12, 60)
    y = rng.random(60) < 0.4
    score = rng.normal(size=12)[patients] + rng.normal(size=60) + y
    pairs = kernel(y, score)
    area, (m, n) = pairs.mean(), pairs.shape
    ill, well = pairs.mean(axis=1), pairs.mean(axis=0)
    first = second = across = 0.0
    with_ill, with_well = len(set(patients[y])), len(set(patients[~y]))
    for patient in range(12):
        a = float((ill[patients[y] == patient] - area).sum())
        b = float((well[patients[~y] == patient] - area).sum())
        first, second, across = first + a * a, second + b * b, across + a * b
    variance = (
        with_ill / ((with_ill - 1) * m) * first / m
        + with_well / ((with_well - 1) * n) * second / n
        + 2 * 12 / 11 * across / (m * n)
    )
    item = ev.auroc(y, score, patients=patients)
    assert item.standard_error == pytest.approx(math.sqrt(variance))
    assert "only 12 patients" in item.reason


def test_perfect_separation_has_a_lower_bound_that_grows_with_the_sample() -> None:
    bounds = []
    for size in (1, 5, 20, 100):
        y = np.arange(2 * size) >= size
        item = ev.auroc(y, np.arange(2 * size))
        assert (item.value, item.upper) == (1.0, 1.0)
        assert "Newcombe" in item.method
        bounds.append(item.lower)
    assert bounds == sorted(bounds)
    assert bounds[0] < 0.3
    assert 0.95 < bounds[-1] < 1.0
    # One pair: the score interval of a single trial.
    assert bounds[0] == pytest.approx(ev.proportion(1, 1).lower)
    inverted = ev.auroc([1] * 5 + [0] * 5, np.arange(10))
    assert (inverted.value, inverted.lower) == (0.0, 0.0)
    assert inverted.upper == pytest.approx(1.0 - bounds[1])


@pytest.mark.parametrize("size", [(50, 50), (20, 200), (5, 8)])
@pytest.mark.parametrize("by_patient", [False, True])
def test_the_first_misplaced_pair_does_not_raise_the_lower_limit(
    size: tuple[int, int], by_patient: bool
) -> None:
    """One positive sinks below ever more negatives; perfect separation comes first."""
    positives, negatives = size
    y = np.arange(positives + negatives) >= negatives
    patients = np.arange(y.size) if by_patient else None
    lower = []
    for below in range(negatives + 1):
        score = np.arange(y.size, dtype=np.float64)
        score[negatives] -= below + 0.5
        item = ev.auroc(y, score, patients=patients)
        mirror = ev.auroc(y, -score, patients=patients)
        assert mirror.upper == pytest.approx(1.0 - item.lower, abs=1e-9)
        if positives > 5 and below < 3:
            assert "Newcombe 2006" in item.method
        lower.append(item.lower)
    assert (np.diff(lower) < 1e-12).all()


def test_perfect_separation_by_patient_counts_patients() -> None:
    y = np.arange(40) >= 20
    by_image, by_patient = ev.auroc(y, np.arange(40)), ev.auroc(y, np.arange(40), patients=np.arange(40) // 4)
    assert by_patient.lower < by_image.lower
    assert by_patient.lower == pytest.approx(ev.auroc(np.arange(10) >= 5, np.arange(10)).lower)


def test_one_image_in_a_class_has_an_interval_and_a_caution() -> None:
    item = ev.auroc([1, 0, 0, 0, 0], [0.35, 0.1, 0.2, 0.3, 0.4])
    assert item.value == 0.75
    assert 0.0 < item.lower < 0.75 < item.upper < 1.0
    assert "only 1 image with the condition" in item.reason


def test_all_images_of_one_patient() -> None:
    item = ev.auroc([0, 1, 0, 1], [0.1, 0.9, 0.4, 0.3], patients=["a"] * 4)
    assert item.value == 0.75
    assert "only 1 patient," in item.reason


def test_never_flipped() -> None:
    assert ev.auroc([0, 0, 1, 1], [4, 3, 2, 1]).value == 0.0


def test_hanley_mcneil_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ArgumentError, match="area"):
        ev.hanley_mcneil_error(1.2, positives=10, negatives=10)
    with pytest.raises(ArgumentError, match="positives"):
        ev.hanley_mcneil_error(0.9, positives=0, negatives=10)


@given(seed=st.integers(0, 10_000), n=st.integers(4, 40), levels=st.sampled_from([2, 5, 1000]))
def test_curves_and_average_precision_agree_with_scikit_learn(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.arange(n) < max(1, n // 3)
    score = rng.integers(0, levels, n).astype(np.float64)
    curve = ev.roc_curve(y, score)
    fpr, tpr, thresholds = metrics.roc_curve(y, score, drop_intermediate=False)
    np.testing.assert_allclose(curve.sensitivity, tpr)
    np.testing.assert_allclose(1.0 - curve.specificity, fpr, atol=1e-12)
    np.testing.assert_array_equal(curve.thresholds, thresholds)
    assert np.trapezoid(curve.sensitivity, 1.0 - curve.specificity) == pytest.approx(ev.auroc(y, score).value)
    assert ev.auprc(y, score, bootstrap=100).value == pytest.approx(metrics.average_precision_score(y, score))
    precision, recall, thresholds = metrics.precision_recall_curve(y, score)
    ours = ev.precision_recall_curve(y, score)
    np.testing.assert_allclose(ours.precision[::-1], precision[:-1])
    np.testing.assert_allclose(ours.recall[::-1], recall[:-1])
    np.testing.assert_array_equal(ours.thresholds[::-1], thresholds)


def test_curves_of_one_class_say_so() -> None:
    assert ev.roc_curve([0, 0], [1, 2]).reason == "no image has the condition"
    assert np.isnan(ev.roc_curve([0, 0], [1, 2]).sensitivity).all()
    assert ev.roc_curve([1, 1], [1, 2]).reason == "every image has the condition"
    assert ev.precision_recall_curve([0, 0], [1, 2]).reason == "no image has the condition"
    assert ev.auprc([0, 0], [1, 2]).reason == "no image has the condition"
