"""The area under the precision-recall curve, as average precision."""

from __future__ import annotations

from dataclasses import replace

from numpy.typing import ArrayLike

from medimg_cnn._vectors import Missing
from medimg_cnn.evaluation._accuracy import NO_POSITIVES
from medimg_cnn.evaluation._auroc import logit_limits
from medimg_cnn.evaluation._clustered import class_units, t_quantile
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
        bootstrap: number of resamples.
        stratified: resample within the classes, which holds the prevalence.
        seed: of the resampling.
        missing: "raise" or "drop" rows whose score is NaN.
        weights: not supported; refused in words.

    Returns:
        An Estimate in [0, 1]. Its interval is made on the logit scale (K. Boyd, K. H. Eng, C. D. Page 2013,
        doi:10.1007/978-3-642-40994-3_29) from the standard error of the resamples, with Student's t and
        one less degree of freedom than the images (or patients) of the smaller class: percentiles of the
        resamples lie too high, because images drawn twice raise the figure. At a value of 1, or with one
        image in a class, it has the percentiles, or none where the resamples do not vary.

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
            NO_POSITIVES, method="bootstrap, logit with t", n=data.n, level=level, dropped=data.dropped
        )
    found = bootstrap_of(data, "auprc", stratified=stratified, resamples=resamples, seed=seed, level=level)
    units = min(class_units(data))
    if not (0.0 < found.value < 1.0 and found.standard_error > 0.0 and found.has_interval and units > 1):
        return found
    lower, upper = logit_limits(found.value, found.standard_error, t_quantile(level, units - 1))
    return replace(found, lower=lower, upper=upper, method=found.method.replace("percentile", "logit with t"))
