"""Which epoch is kept."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.training._selection import Selection

FIGURES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 5)), min_size=1, max_size=20)


@given(FIGURES)
def test_the_best_epoch_of_the_second_half_is_kept(figures: list[tuple[float, float]]) -> None:
    selection = Selection.of(epochs=len(figures), patience=100)
    kept = [epoch for epoch, (auroc, loss) in enumerate(figures, 1) if selection.update(auroc, loss)]
    second = range(len(figures) // 2, len(figures))
    best = max((figures[index][0], -figures[index][1]) for index in second)
    expected = next(index for index in second if (figures[index][0], -figures[index][1]) == best) + 1
    assert selection.kept_epoch == expected == kept[-1]


@given(FIGURES)
def test_until_then_the_best_so_far_is_kept(figures: list[tuple[float, float]]) -> None:
    selection = Selection.of(epochs=2 * len(figures), patience=1)
    for auroc, loss in figures:
        selection.update(auroc, loss)
        assert not selection.stop
    best = max((auroc, -loss) for auroc, loss in figures)
    assert selection.kept_epoch == [(auroc, -loss) for auroc, loss in figures].index(best) + 1


def test_without_an_auroc_the_loss_decides_and_without_validation_the_last_epoch() -> None:
    by_loss = Selection(patience=3)
    assert [by_loss.update(math.nan, loss) for loss in (0.5, 0.4, 0.6)] == [True, True, False]
    last = Selection(patience=3)
    assert [last.update(math.nan, math.nan) for _ in range(3)] == [True, True, True]


def test_patience_counts_epochs_since_the_best() -> None:
    selection = Selection(patience=2)
    stops = []
    for auroc in (0.7, 0.8, 0.75, 0.8):
        selection.update(auroc, 0.5)
        stops.append(selection.stop)
    assert stops == [False, False, False, True]
