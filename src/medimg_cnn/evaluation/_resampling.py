"""The bootstrap: images, or patients with all their images, drawn again with replacement.

Scores are sorted once. A resample is a vector of how often each row was drawn, so that rank statistics
cost a cumulative sum and no sorting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medimg_cnn._types import FloatVector, IntVector
from medimg_cnn._validation import check_choice, check_integer, check_seed
from medimg_cnn.evaluation._clustered import few_patients
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._inputs import Missing, Outcome, Scored, as_scored, check_level

__all__ = [
    "Statistic",
    "bootstrap",
    "bootstrap_of",
    "draw_counts",
    "draw_weights",
    "percentile_estimate",
]

Statistic: TypeAlias = Literal["auroc", "auprc"]
Weights: TypeAlias = NDArray[np.int64]
_CELLS_AT_ONCE = 1 << 18  # small enough for the cache, large enough to spare Python's overhead


def bootstrap(
    y: Outcome,
    score: ArrayLike | None = None,
    statistic: Statistic | Callable[[NDArray[np.bool_], FloatVector], float] = "auroc",
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
    statistic: Statistic | Callable[[NDArray[np.bool_], FloatVector], float],
    *,
    stratified: bool = False,
    resamples: int,
    seed: int,
    level: float,
) -> Estimate:
    """Return ``bootstrap`` of checked data."""
    resamples = check_integer("resamples", resamples, low=100)
    rng = np.random.default_rng(check_seed("seed", seed))
    strata = _strata(data) if stratified else None
    low, high = -math.inf, math.inf
    if callable(statistic):
        value = float(statistic(data.y, data.score))
        rows = np.arange(data.n)
        draws = np.array(
            [
                statistic(data.y[index], data.score[index])
                for weights in draw_weights(data, rng, resamples, rows, strata=strata)
                for index in (np.repeat(rows, row) for row in weights)
            ]
        )
    else:
        check_choice("statistic", statistic, ("auroc", "auprc"))
        low, high = 0.0, 1.0
        order = np.argsort(data.score, kind="stable")
        ranked = data.score[order]
        starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
        ill = data.y[order].astype(np.int64)
        area = _auroc_of_counts if statistic == "auroc" else _auprc_of_counts

        def figure(weights: Weights) -> FloatVector:
            positives = weights * ill
            return area(_grouped(positives, starts), _grouped(weights - positives, starts))

        value = float(figure(np.ones((1, data.n), dtype=np.int64))[0])
        draws = np.concatenate(
            [figure(weights) for weights in draw_weights(data, rng, resamples, order, strata=strata)]
        )
    unit = "image" if data.patients is None else "patient"
    return percentile_estimate(
        value,
        draws,
        level=level,
        low=low,
        high=high,
        method=f"bootstrap by {unit}{', stratified' if stratified else ''}, percentile",
        n=data.n,
        why_undefined="it is undefined with the classes at hand",
        caution="" if data.patients is None else few_patients(int(data.patients.max()) + 1),
        dropped=data.dropped,
    )


def draw_weights(
    data: Scored,
    rng: np.random.Generator,
    resamples: int,
    order: IntVector,
    *,
    strata: IntVector | None = None,
) -> Iterator[Weights]:
    """Yield chunks (b, n) of how often each row, taken in ``order``, was drawn."""
    codes = np.arange(data.n) if data.patients is None else data.patients
    units = data.n if data.patients is None else int(data.patients.max()) + 1
    groups = (
        [np.arange(units)] if strata is None else [np.flatnonzero(strata == s) for s in np.unique(strata)]
    )
    chunk = max(1, min(resamples, _CELLS_AT_ONCE // data.n))
    direct = codes[order]
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        times = np.zeros((rows, units), dtype=np.int64)
        for group in groups:
            drawn = rng.integers(0, group.size, size=(rows, group.size), dtype=np.int32)
            for row in range(rows):
                times[row, group] = np.bincount(drawn[row], minlength=group.size)
        yield times[:, direct]


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


def _strata(data: Scored) -> IntVector:
    if data.patients is None:
        return data.y.astype(np.int64)
    return (np.bincount(data.patients, weights=data.y) > 0).astype(np.int64)


def _grouped(counts: Weights, starts: IntVector) -> Weights:
    if starts.size == counts.shape[1]:
        return counts
    return np.add.reduceat(counts, starts, axis=1)


def _auroc_of_counts(ill: Weights, well: Weights) -> FloatVector:
    # Twice the count of (lower, higher) pairs stays a whole number: exact for any sample that fits.
    below = np.cumsum(well, axis=1)
    wins = np.einsum("ij,ij->i", ill, below) * 2 - np.einsum("ij,ij->i", ill, well)
    pairs = ill.sum(axis=1) * below[:, -1]
    with np.errstate(invalid="ignore"):
        return np.asarray(wins / (2.0 * pairs), dtype=np.float64)


def _auprc_of_counts(ill: Weights, well: Weights) -> FloatVector:
    gained = ill[:, ::-1]
    tp = np.cumsum(gained, axis=1)
    called = tp + np.cumsum(well[:, ::-1], axis=1)
    precision = tp / np.maximum(called, 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.einsum("ij,ij->i", gained, precision) / tp[:, -1], dtype=np.float64)
