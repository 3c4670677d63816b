"""Which epoch is kept, and when training stops."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.evaluation import auroc
from medimg_cnn.training._selection import Selection

LABELS = np.array([0, 1] * 10, dtype=np.int8)


def figures(seed: int, signal: float = 1.0) -> tuple[np.ndarray, float, float]:
    logit = np.random.default_rng(seed).normal(signal * LABELS)
    return logit, auroc(LABELS, logit).value, float(np.mean(np.logaddexp(0, logit) - LABELS * logit))


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12))
def test_without_tolerance_the_first_of_the_best_epochs_is_kept(seeds: list[int]) -> None:
    selection = Selection(LABELS, None, patience=100, tolerance=0.0)
    epochs = [figures(seed) for seed in seeds]
    for logit, area, loss in epochs:
        selection.update(logit, area, loss)
    ranks = [(area, -loss) for _, area, loss in epochs]
    assert selection.kept_epoch == ranks.index(max(ranks)) + 1


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12))
def test_with_tolerance_the_kept_epoch_is_the_best_or_a_later_one(seeds: list[int]) -> None:
    strict, lenient = (Selection(LABELS, None, patience=100, tolerance=t) for t in (0.0, 1.0))
    for seed in seeds:
        for selection in (strict, lenient):
            selection.update(*figures(seed))
    assert lenient.kept_epoch >= strict.kept_epoch


def test_a_clearly_worse_epoch_is_not_kept_and_a_like_one_is() -> None:
    selection = Selection(LABELS, None, patience=100, tolerance=1.0)
    good = LABELS * 0.4 + np.linspace(0, 1, LABELS.size)
    slightly_worse = good - 0.11 * (np.arange(LABELS.size) == 9)
    area, worse_area = auroc(LABELS, good).value, auroc(LABELS, slightly_worse).value
    assert area - 0.05 < worse_area < area
    assert selection.update(good, area, 0.5)
    assert selection.update(slightly_worse, worse_area, 0.5)
    assert not selection.update(*figures(2, signal=-1.0))
    assert selection.kept_epoch == 2


def test_a_perfect_epoch_is_followed_by_perfect_ones_only() -> None:
    selection = Selection(LABELS, None, patience=100, tolerance=1.0)
    perfect = LABELS * 2.0 - 1.0 + np.linspace(0, 0.1, LABELS.size)
    assert selection.update(perfect, 1.0, 0.3)
    assert selection.update(perfect + 1, 1.0, 0.4)
    assert not selection.update(*figures(3))


def test_patience_counts_epochs_that_are_worse_in_a_row() -> None:
    best, worse = figures(1, signal=3.0), figures(2, signal=-1.0)
    strict = Selection(LABELS, None, patience=2, tolerance=1.0)
    stops = []
    for epoch in (best, worse, best, worse, worse):
        strict.update(*epoch)
        stops.append(strict.stop)
    assert stops == [False, False, False, False, True]
    lenient = Selection(LABELS, None, patience=2, tolerance=100.0)
    for epoch in (best, worse, worse, worse):
        lenient.update(*epoch)
    assert not lenient.stop


def test_with_one_class_the_loss_decides() -> None:
    selection = Selection(np.zeros(4, np.int8), None, patience=3, tolerance=1.0)
    logit = np.zeros(4)
    assert [selection.update(logit, math.nan, loss) for loss in (0.5, 0.4, 0.6)] == [True, True, False]


def test_without_validation_the_last_epoch_is_kept_and_nothing_stops() -> None:
    selection = Selection(None, None, patience=1, tolerance=1.0)
    assert [selection.update(None, math.nan, math.nan) for _ in range(3)] == [True, True, True]
    assert not selection.stop
