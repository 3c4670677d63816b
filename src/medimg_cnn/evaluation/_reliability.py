"""The reliability curve: observed share against mean probability, bin by bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import BoolVector, FloatVector, IntVector
from medimg_cnn._validation import check_choice, check_integer
from medimg_cnn._vectors import Missing
from medimg_cnn.evaluation._clustered import clustered_share
from medimg_cnn.evaluation._estimate import Estimate
from medimg_cnn.evaluation._inputs import Outcome, Scored, as_scored, check_level
from medimg_cnn.evaluation._proportions import proportion

__all__ = ["BinStrategy", "ReliabilityCurve", "binned", "reliability_curve"]

BinStrategy: TypeAlias = Literal["uniform", "quantile"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReliabilityCurve:
    """One row per bin; bins (a, b], empty ones included.

    Attributes:
        edges: (k + 1,) of the bins, rising (0 twice where "quantile" makes a bin of exact zeros).
        count: (k,) images.
        mean_predicted: (k,) mean probability; NaN in an empty bin.
        observed: (k,) share with the condition; NaN in an empty bin.
        lower: (k,) lower bound of ``observed``.
        upper: (k,) upper bound of ``observed``.
        estimates: the same as Estimates, one per bin.
        strategy: "uniform" or "quantile".
        level: confidence level of the bounds, for each bin by itself.
    """

    edges: FloatVector
    count: IntVector
    mean_predicted: FloatVector
    observed: FloatVector
    lower: FloatVector
    upper: FloatVector
    estimates: tuple[Estimate, ...]
    strategy: BinStrategy
    level: float


def reliability_curve(
    y: Outcome,
    p: ArrayLike | None = None,
    *,
    bins: int = 10,
    strategy: BinStrategy = "uniform",
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
) -> ReliabilityCurve:
    """Return observed shares over bins of probability, with Wilson intervals (by patient where given).

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        p: (n,) probabilities in [0, 1].
        bins: how many; "quantile" makes fewer where many probabilities are equal.
        strategy: "uniform", equal widths over [0, 1]; "quantile", about equal numbers of images.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image.
        level: confidence level.
        missing: "raise" or "drop" rows whose probability is NaN.

    Raises:
        ArgumentError: malformed input, or a probability outside [0, 1].

    Example:
        >>> curve = reliability_curve([0, 1, 1, 1], [0.2, 0.4, 0.9, 1.0], bins=2)
        >>> curve.count.tolist(), curve.observed.tolist()
        ([2, 2], [0.5, 1.0])
    """
    data = as_scored(y, p, positive=positive, patients=patients, missing=missing, probability=True)
    level = check_level(level)
    bins = check_integer("bins", bins, low=1)
    check_choice("strategy", strategy, ("uniform", "quantile"))
    edges, size, forecast, observed = binned(data, bins=bins, strategy=strategy)
    group = np.searchsorted(edges[1:-1], data.score, side="left")
    estimates = tuple(_observed(data, group == index, level) for index in range(size.size))
    return ReliabilityCurve(
        edges=edges,
        count=size,
        mean_predicted=forecast,
        observed=observed,
        lower=np.array([item.lower for item in estimates]),
        upper=np.array([item.upper for item in estimates]),
        estimates=estimates,
        strategy=strategy,
        level=level,
    )


def binned(
    data: Scored, *, bins: int, strategy: BinStrategy
) -> tuple[FloatVector, IntVector, FloatVector, FloatVector]:
    """Return edges, images, mean probability and observed share of bins (a, b]; 0 is in the first."""
    edges = np.arange(bins + 1) / bins
    if strategy == "quantile":
        inner = np.unique(np.quantile(data.score, edges[1:-1], method="inverted_cdf"))
        inner = inner[inner < data.score.max()]  # an inner edge of 0 is a bin of exact zeros
        edges = np.concatenate(([0.0], inner, [1.0]))
    group = np.searchsorted(edges[1:-1], data.score, side="left")
    size = np.bincount(group, minlength=edges.size - 1)
    with np.errstate(invalid="ignore"):
        forecast = np.bincount(group, weights=data.score, minlength=size.size) / size
        observed = np.bincount(group, weights=data.y, minlength=size.size) / size
    return edges, size, forecast, observed


def _observed(data: Scored, inside: BoolVector, level: float) -> Estimate:
    hit = data.y[inside]
    if data.patients is None:
        return proportion(
            int(np.count_nonzero(hit)), int(hit.size), level=level, why_undefined="no image in this bin"
        )
    return clustered_share(hit, data.patients[inside], level=level, why_undefined="no image in this bin")
