"""The area under the precision-recall curve, as average precision."""

from __future__ import annotations

from numpy.typing import ArrayLike

from medimg_cnn._vectors import Missing
from medimg_cnn.evaluation._accuracy import NO_POSITIVES
from medimg_cnn.evaluation._estimate import Estimate, undefined
from medimg_cnn.evaluation._inputs import Outcome, Scored, as_scored, check_level
from medimg_cnn.evaluation._resampling import bootstrap_of

__all__ = ["auprc", "auprc_of"]


def auprc(
    y: Outcome,
    score: ArrayLike | None = None,
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    bootstrap: int = 2000,
    stratified: bool = False,
    seed: int = 0,
    missing: Missing = "raise",
    weights: None = None,
) -> Estimate:
    """Return average precision: the sum over distinct scores of the gain in recall times the precision.

    Equal scores are one step, so that the order of the rows has no say. A constant score has the
    prevalence. No trapezoids: between two points of this curve a straight line is not attainable
    (J. Davis and M. Goadrich 2006, doi:10.1145/1143844.1143874).

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        score: (n,) scores, higher = more likely diseased.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image; resampled by patient.
        level: confidence level.
        bootstrap: number of resamples; see ``bootstrap`` for the interval.
        stratified: resample within the classes, which holds the prevalence.
        seed: of the resampling.
        missing: "raise" or "drop" rows whose score is NaN.
        weights: not supported; refused in words.

    Raises:
        ArgumentError: malformed input; see ``auroc``.

    Example:
        >>> round(auprc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value, 4)
        0.8333
    """
    data = as_scored(y, score, positive=positive, patients=patients, missing=missing, weights=weights)
    return auprc_of(data, level=check_level(level), resamples=bootstrap, stratified=stratified, seed=seed)


def auprc_of(data: Scored, *, level: float, resamples: int, seed: int, stratified: bool = False) -> Estimate:
    """Return the AUPRC of checked data."""
    if data.positives == 0:
        return undefined(
            NO_POSITIVES, method="bootstrap, percentile", n=data.n, level=level, dropped=data.dropped
        )
    return bootstrap_of(data, "auprc", stratified=stratified, resamples=resamples, seed=seed, level=level)
