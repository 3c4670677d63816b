"""The bootstrap: images, or patients with all their images, drawn again with replacement.

Scores are sorted once. A resample is how often each image was drawn, so that a rank statistic costs one
cumulative sum and no sorting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medimg_cnn._types import BoolVector, FloatVector, IntVector
from medimg_cnn._validation import check_choice, check_integer, check_seed
from medimg_cnn._vectors import Missing
from medimg_cnn.evaluation._clustered import few_in_class
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._inputs import Outcome, Scored, as_scored, check_level

__all__ = [
    "Statistic",
    "bootstrap",
    "bootstrap_of",
    "draw_counts",
    "percentile_estimate",
]

Statistic: TypeAlias = Literal["auroc", "auprc"]


@dataclass(frozen=True, slots=True, eq=False)
class _Ranks:
    """Where each positive, in the order of the scores, stands among the others.

    Attributes:
        below: (positives,) negatives with a lower score.
        not_above: (positives,) negatives with a lower or an equal score.
        lower: (positives,) positives with a lower score.
        patients: codes of the positives and of the negatives, in the order of the scores, if known.
    """

    below: IntVector
    not_above: IntVector
    lower: IntVector
    patients: tuple[IntVector, IntVector] | None


def bootstrap(
    y: Outcome,
    score: ArrayLike | None = None,
    statistic: Statistic | Callable[[BoolVector, FloatVector], float] = "auroc",
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    stratified: bool = False,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    missing: Missing = "raise",
) -> Estimate:
    """Return a figure with its bootstrap percentile interval.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        score: (n,) scores, higher = more likely diseased.
        statistic: "auroc" and "auprc" are fast; a function of (y, score) -> float is called once per
            resample, with (n,) bool and (n,) float64, and returns NaN where it is undefined.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image; patients are then drawn, each with all their images.
        stratified: draw within the classes, so that every resample has as many of each as the data
            (patients: within those with and those without a positive image). The default lets the
            prevalence vary, as it would if the study were repeated.
        resamples: how many, at least 100.
        seed: of numpy's PCG64 generator; the same seed gives the same interval.
        level: confidence level.
        missing: "raise" or "drop" rows whose score is NaN.

    Returns:
        An Estimate whose bounds are order statistics of the resampled figures, widened where needed to
        hold the value. Resamples in which the figure is undefined are left out, and ``reason`` says how
        many. ``standard_error`` is their standard deviation. No interval where nothing varied.

    Raises:
        ArgumentError: malformed input; see ``auroc``.

    Example:
        >>> y, score = [0, 0, 0, 1, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.35, 0.5, 0.6, 0.7, 0.9]
        >>> bootstrap(y, score, "auroc", seed=1).value
        0.9375
    """
    data = as_scored(y, score, positive=positive, patients=patients, missing=missing)
    return bootstrap_of(
        data, statistic, stratified=stratified, resamples=resamples, seed=seed, level=check_level(level)
    )


def bootstrap_of(
    data: Scored,
    statistic: Statistic | Callable[[BoolVector, FloatVector], float],
    *,
    stratified: bool = False,
    resamples: int,
    seed: int,
    level: float,
) -> Estimate:
    """Return ``bootstrap`` of checked data."""
    resamples = check_integer("resamples", resamples, low=100)
    rng = np.random.default_rng(check_seed("seed", seed))
    low, high = -math.inf, math.inf
    if callable(statistic):
        value = float(statistic(data.y, data.score))
        drawn = (
            float(statistic(data.y[rows], data.score[rows]))
            for rows in _draw_rows(data, rng, resamples, stratified=stratified)
        )
    else:
        check_choice("statistic", statistic, ("auroc", "auprc"))
        low, high = 0.0, 1.0
        ranks = _ranked(data)
        figure = _auroc if statistic == "auroc" else _auprc
        value = figure(ranks, np.ones(data.positives, np.int64), np.ones(data.negatives, np.int64))
        drawn = (
            figure(ranks, ill, well)
            for ill, well in _draw_weights(data, ranks, rng, resamples, stratified=stratified)
        )
    unit = "image" if data.patients is None else "patient"
    return percentile_estimate(
        value,
        np.fromiter(drawn, dtype=np.float64, count=resamples),
        level=level,
        low=low,
        high=high,
        method=f"bootstrap by {unit}{', stratified' if stratified else ''}, percentile",
        n=data.n,
        why_undefined="it is undefined with the classes at hand",
        caution=few_in_class(data),
        dropped=data.dropped,
    )


def draw_counts(table: NDArray[np.int64], rng: np.random.Generator, resamples: int) -> FloatVector:
    """Return resampled column sums (resamples, k) of ``table`` (units, k), units drawn again.

    Units with the same row are alike, so that one multinomial draw over the distinct rows does.
    """
    kinds, frequency = np.unique(table, axis=0, return_counts=True)
    share = frequency / frequency.sum()
    chunk = max(1, (1 << 21) // kinds.shape[0])
    sums = [
        rng.multinomial(int(frequency.sum()), share, size=min(chunk, resamples - start)) @ kinds
        for start in range(0, resamples, chunk)
    ]
    return np.concatenate(sums).astype(np.float64)


def percentile_estimate(
    value: float,
    draws: FloatVector,
    *,
    level: float,
    low: float,
    high: float,
    method: str,
    n: int,
    why_undefined: str,
    caution: str = "",
    dropped: int = 0,
) -> Estimate:
    """Return a figure with the percentile interval of its resampled values."""
    if math.isnan(value):
        return undefined(why_undefined, method=method, n=n, level=level, dropped=dropped)
    usable = draws[~np.isnan(draws)]
    lost = draws.size - usable.size
    notes = [caution] if caution else []
    if lost:
        notes.append(f"undefined in {lost} of {draws.size} resamples, which are left out")
    if usable.size < 50 or usable.min() == usable.max():
        notes.insert(0, "no interval: the resamples do not vary")
        return Estimate(
            value=value, method=method, n=n, level=level, reason="; ".join(notes), dropped=dropped
        )
    tail = (1.0 - level) / 2.0
    # Order statistics, not interpolated values: a ratio may be infinite in some resamples.
    lower, upper = np.quantile(usable, [tail, 1.0 - tail], method="inverted_cdf")
    finite = bool(np.isfinite(usable).all())
    return bounded(
        value,
        (float(lower), float(upper)),
        low=low,
        high=high,
        method=method,
        n=n,
        level=level,
        reason="; ".join(notes),
        standard_error=float(usable.std(ddof=1)) if finite else math.nan,
        dropped=dropped,
    )


def _ranked(data: Scored) -> _Ranks:
    ill, well = np.flatnonzero(data.y), np.flatnonzero(~data.y)
    # Ties are put in the order of the patients, so that the order of the rows has no say in the result.
    codes = np.zeros(data.n, dtype=np.int64) if data.patients is None else data.patients
    ill = ill[np.lexsort((codes[ill], data.score[ill]))]
    well = well[np.lexsort((codes[well], data.score[well]))]
    low, high = data.score[ill], data.score[well]
    return _Ranks(
        below=np.searchsorted(high, low, side="left"),
        not_above=np.searchsorted(high, low, side="right"),
        lower=np.searchsorted(low, low, side="left"),
        patients=None if data.patients is None else (data.patients[ill], data.patients[well]),
    )


def _draw_weights(
    data: Scored, ranks: _Ranks, rng: np.random.Generator, resamples: int, *, stratified: bool
) -> Iterator[tuple[IntVector, IntVector]]:
    """Yield how often each positive and each negative, both in the order of the scores, was drawn."""
    if ranks.patients is not None:
        for times in _draw_patients(data, rng, resamples, stratified=stratified):
            yield times[ranks.patients[0]], times[ranks.patients[1]]
        return
    n, positives = data.n, data.positives
    for _ in range(resamples):
        # Drawing n images is drawing how many are positive, and then within the classes.
        drawn = positives if stratified else int(rng.binomial(n, positives / n))
        yield _times(rng, positives, drawn), _times(rng, n - positives, n - drawn)


def _draw_patients(
    data: Scored, rng: np.random.Generator, resamples: int, *, stratified: bool
) -> Iterator[IntVector]:
    """Yield how often each patient was drawn."""
    assert data.patients is not None  # noqa: S101 - narrows the type
    ill = np.bincount(data.patients, weights=data.y) > 0
    strata = [ill, ~ill] if stratified else [np.ones_like(ill)]
    for _ in range(resamples):
        times = np.zeros(ill.size, dtype=np.int64)
        for stratum in strata:
            size = int(np.count_nonzero(stratum))
            times[stratum] = _times(rng, size, size)
        yield times


def _draw_rows(
    data: Scored, rng: np.random.Generator, resamples: int, *, stratified: bool
) -> Iterator[IntVector]:
    """Yield the rows of each resample."""
    if data.patients is not None:
        for times in _draw_patients(data, rng, resamples, stratified=stratified):
            yield np.repeat(np.arange(data.n), times[data.patients])
        return
    strata = [np.flatnonzero(data.y), np.flatnonzero(~data.y)] if stratified else [np.arange(data.n)]
    for _ in range(resamples):
        yield np.concatenate([part[rng.integers(0, part.size, part.size)] for part in strata if part.size])


def _times(rng: np.random.Generator, units: int, draws: int) -> IntVector:
    if units == 0:
        return np.zeros(0, dtype=np.int64)
    return np.bincount(rng.integers(0, units, draws), minlength=units)


def _auroc(ranks: _Ranks, ill: IntVector, well: IntVector) -> float:
    cumulative = np.concatenate(([0], np.cumsum(well)))
    # Twice the number of pairs that are won is whole, so that nothing is lost to rounding.
    twice = int(ill @ (cumulative[ranks.below] + cumulative[ranks.not_above]))
    pairs = int(ill.sum()) * int(cumulative[-1])
    return twice / (2 * pairs) if pairs else math.nan


def _auprc(ranks: _Ranks, ill: IntVector, well: IntVector) -> float:
    found = np.concatenate(([0], np.cumsum(ill)))
    wrong = np.concatenate(([0], np.cumsum(well)))
    total = int(found[-1])
    if total == 0:
        return math.nan
    right = total - found[ranks.lower]
    called = right + (wrong[-1] - wrong[ranks.below])
    # Not the dot product: thousands of short ones wait for BLAS threads where other work shares the cores.
    return float((ill * (right / np.maximum(called, 1))).sum()) / total
