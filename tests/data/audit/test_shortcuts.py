from __future__ import annotations

import numpy as np
import pytest

from medimg_cnn.data._audit._shortcuts import _bins, _folds, _sizes, category_auroc


def measured(labels: np.ndarray, values: np.ndarray, patients: np.ndarray | None = None):  # type: ignore[no-untyped-def]
    groups = np.arange(labels.size).astype(str) if patients is None else patients
    return category_auroc(labels, values, _folds(labels, groups), patients)


def test_a_feature_that_is_the_label_tells_it_wholly() -> None:
    labels = np.arange(100) % 2
    found = measured(labels, np.where(labels, "JPEG", "PNG"))
    assert found.value == found.upper == 1
    assert 0.9 < found.lower < 1


def test_value_is_that_of_two_categories_worked_by_hand() -> None:
    # 80% of positives and 30% of negatives in one category: AUROC 0.5 + (0.8 - 0.3) / 2.
    labels = np.repeat([1, 0], 200)
    values = np.concatenate([np.arange(200) < 160, np.arange(200) < 60])
    assert measured(labels, values).value == pytest.approx(0.75, abs=1e-3)


def test_the_direction_and_the_names_of_categories_do_not_matter() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 300)
    values = (labels + draw.integers(0, 3, 300)) % 4
    expected = measured(labels, values)
    assert measured(labels, np.array(["d", "b", "c", "a"])[values]) == expected
    assert expected.lower > 0.5


def test_brightness_that_tells_in_both_directions_is_told() -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(400) % 2
    brightness = np.where(
        labels, 0.5 + 0.02 * draw.standard_normal(400), 0.5 + 0.3 * draw.choice([-1, 1], 400)
    )
    assert measured(labels, _bins(brightness, 10)).lower > 0.9


@pytest.mark.parametrize(
    ("labels", "groups", "words"),
    [
        (np.arange(200) < 15, np.arange(200), "fewer than 20 images of a class"),
        (np.arange(200) % 2, np.arange(200) % 4, "too few patients"),
    ],
)
def test_what_cannot_be_measured_says_why(labels: np.ndarray, groups: np.ndarray, words: str) -> None:
    folds = _folds(labels.astype(np.int8), groups.astype(str))
    found = category_auroc(labels.astype(np.int8), np.arange(200) % 3, folds, None)
    assert not found.defined
    assert words in found.reason


def test_one_value_is_undefined_in_words() -> None:
    labels = np.arange(100) % 2
    assert "all images have the same" in str(measured(labels, np.zeros(100)))


def test_a_patient_is_in_one_fold_and_widens_the_interval() -> None:
    draw = np.random.default_rng(1)
    patients = np.repeat(np.arange(60), 5)
    labels = (patients % 2).astype(np.int8)
    values = (draw.random(60) < 0.3 + 0.4 * (np.arange(60) % 2))[patients]
    names = np.array([f"p{patient}" for patient in patients])
    folds = _folds(labels, names)
    assert all(np.unique(folds[names == name]).size == 1 for name in np.unique(names))
    assert measured(labels, values, names).width > 1.5 * category_auroc(labels, values, folds, None).width


def test_many_sizes_become_quarters() -> None:
    draw = np.random.default_rng(0)
    height, width = draw.integers(100, 900, 500), draw.integers(100, 900, 500)
    assert np.unique(_sizes(height, width)).size <= 16
    assert np.unique(_sizes(height // 500, width // 500)).size <= 4


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("categories", [2, 3, 10, 50])
@pytest.mark.parametrize(("n", "each"), [(60, 1), (200, 1), (200, 4), (1000, 1)])
def test_a_feature_without_signal_gives_a_half_and_does_not_fire(categories: int, n: int, each: int) -> None:
    runs = 150
    draw = np.random.default_rng([categories, n, each])
    values, fired = [], 0
    for _ in range(runs):
        patients = np.repeat(np.arange(n // each), each)
        labels = draw.permutation(np.arange(n // each) % 2)[patients].astype(np.int8)
        feature = draw.integers(0, categories, n // each)[patients]
        found = measured(labels, feature, patients.astype(str) if each > 1 else None)
        values.append(found.value)
        fired += bool(found.has_interval and found.lower > 0.6)
    error = np.std(values) / np.sqrt(runs)
    assert abs(np.mean(values) - 0.5) < 4 * error
    assert fired <= 3  # 2% of runs; 0 expected but for the smallest
