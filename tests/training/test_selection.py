"""Which epoch is kept."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.training._selection import Selection


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.2)), min_size=1, max_size=20))
def test_the_latest_epoch_within_an_error_of_the_best_is_kept(figures: list[tuple[float, float]]) -> None:
    selection = Selection(patience=100)
    kept = [epoch for epoch, (auroc, error) in enumerate(figures, 1) if selection.update(auroc, 0.5, error)]
    best, error = max(figures, key=lambda figure: figure[0])
    within = [epoch for epoch, (auroc, _) in enumerate(figures, 1) if auroc >= best - error]
    assert selection.kept_epoch == within[-1] == kept[-1]


def test_a_lucky_early_peak_is_not_kept_and_a_real_fall_is_not_followed() -> None:
    selection = Selection(patience=100)
    for auroc in (0.80, 0.94, 0.92, 0.93, 0.925, 0.90, 0.85):
        selection.update(auroc, 0.5, error=0.02)
    assert selection.kept_epoch == 5


def test_without_an_auroc_the_loss_decides_and_without_validation_the_last_epoch() -> None:
    by_loss = Selection(patience=3)
    assert [by_loss.update(math.nan, loss) for loss in (0.5, 0.4, 0.6)] == [True, True, False]
    last = Selection(patience=3)
    assert [last.update(math.nan, math.nan) for _ in range(3)] == [True, True, True]


def test_patience_counts_epochs_since_the_kept_one() -> None:
    selection = Selection(patience=2)
    stops = []
    for auroc in (0.7, 0.8, 0.75, 0.7):
        selection.update(auroc, 0.5)
        stops.append(selection.stop)
    assert stops == [False, False, False, True]
