"""Every figure of one operating point, by image or by patient."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medimg_cnn._types import BoolVector
from medimg_cnn._validation import check_choice, check_integer, check_seed
from medimg_cnn._vectors import Missing
from medimg_cnn.evaluation import _accuracy as closed
from medimg_cnn.evaluation._clustered import clustered_share, few_patients
from medimg_cnn.evaluation._combine import plug_in_limits
from medimg_cnn.evaluation._counts import ConfusionCounts, count
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._formulas import FORMULAS, RANGES, evaluate
from medimg_cnn.evaluation._inputs import Outcome, Scored, Threshold, as_scored, check_level, check_threshold
from medimg_cnn.evaluation._proportions import ProportionMethod
from medimg_cnn.evaluation._resampling import draw_counts, percentile_estimate

__all__ = ["OperatingCharacteristics", "characteristics_of", "operating_characteristics", "threshold_table"]

_RESAMPLED = (
    "youden_index",
    "balanced_accuracy",
    "mcc",
    "kappa",
    "lr_positive",
    "lr_negative",
    "diagnostic_odds_ratio",
)
_PROPORTIONS = (
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "accuracy",
    "prevalence",
    "predicted_prevalence",
    "jaccard",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingCharacteristics:
    """The two-by-two table at a threshold and every figure made of it.

    Attributes:
        threshold: an image is positive if and only if its score >= threshold.
        counts: the four counts, in images.
        patients: number of patients where they are known, else None; intervals are then by patient.
        dropped: rows left out because their score was missing.

    The other attributes are Estimates; ``as_dict`` lists them by name.
    """

    threshold: float
    counts: ConfusionCounts
    patients: int | None
    dropped: int
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    accuracy: Estimate
    prevalence: Estimate
    predicted_prevalence: Estimate
    balanced_accuracy: Estimate
    youden_index: Estimate
    f1: Estimate
    jaccard: Estimate
    mcc: Estimate
    kappa: Estimate
    lr_positive: Estimate
    lr_negative: Estimate
    diagnostic_odds_ratio: Estimate
    number_needed_to_diagnose: Estimate

    def as_dict(self) -> dict[str, Estimate]:
        """Return every figure by name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Estimate)}


def operating_characteristics(
    y: Outcome,
    score: ArrayLike | None = None,
    threshold: Threshold = 0.5,
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    method: ProportionMethod = "wilson",
    bootstrap: int = 2000,
    seed: int = 0,
    missing: Missing = "raise",
    weights: None = None,
) -> OperatingCharacteristics:
    """Return counts and all figures at one threshold.

    Independent images: closed forms only, as in ``sensitivity`` ... ``kappa``. With ``patients``:
    proportions, F1 and Jaccard by the ratio estimator (``clustered_proportion``); the other figures by
    bootstrap of patients, and, where a cell of the table is empty and resamples could not show it, by
    combining the limits of sensitivity and specificity.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        score: (n,) scores, higher = more likely diseased.
        threshold: an OperatingPoint, or a number on the scale of the scores; may be infinite.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image.
        level: confidence level.
        method: of proportions of independent images: "wilson" or "clopper-pearson".
        bootstrap: number of resamples, at least 100; used with ``patients`` only.
        seed: of the resampling.
        missing: "raise" or "drop" rows whose score is NaN.
        weights: not supported; refused in words.

    Raises:
        ArgumentError: malformed input; see ``auroc``.

    Example:
        >>> at = operating_characteristics([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.35)
        >>> print(at.sensitivity)
        1.000 (0.342 to 1.000)
    """
    data = as_scored(y, score, positive=positive, patients=patients, missing=missing, weights=weights)
    return characteristics_of(
        data,
        check_threshold(threshold),
        level=check_level(level),
        method=method,
        resamples=check_integer("bootstrap", bootstrap, low=100),
        seed=check_seed("seed", seed),
    )


def threshold_table(
    y: Outcome,
    score: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    bootstrap: int = 2000,
    seed: int = 0,
    missing: Missing = "raise",
) -> tuple[OperatingCharacteristics, ...]:
    """Return ``operating_characteristics`` at several thresholds, by default 0.1 to 0.9 by 0.1.

    Example:
        >>> rows = threshold_table([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], [0.2, 0.5])
        >>> [row.counts.tp for row in rows]
        [2, 1]
    """
    data = as_scored(y, score, positive=positive, patients=patients, missing=missing)
    points = np.arange(1, 10) / 10 if thresholds is None else np.atleast_1d(np.asarray(thresholds, float))
    return tuple(
        characteristics_of(
            data,
            check_threshold(float(t)),
            level=check_level(level),
            resamples=check_integer("bootstrap", bootstrap, low=100),
            seed=check_seed("seed", seed),
        )
        for t in points
    )


def characteristics_of(
    data: Scored,
    threshold: float,
    *,
    level: float,
    resamples: int,
    seed: int,
    method: ProportionMethod = "wilson",
) -> OperatingCharacteristics:
    """Return ``operating_characteristics`` of checked data."""
    check_choice("method", method, ("wilson", "clopper-pearson"))
    counts = count(data, threshold)
    if data.patients is None:
        figures = _by_image(counts, level, method)
    else:
        figures = _by_patient(data, threshold, counts, level=level, resamples=resamples, seed=seed)
    figures = {name: replace(item, dropped=data.dropped) for name, item in figures.items()}
    return OperatingCharacteristics(
        threshold=threshold,
        counts=counts,
        patients=None if data.patients is None else int(data.patients.max()) + 1,
        dropped=data.dropped,
        **figures,
    )


def _by_image(counts: ConfusionCounts, level: float, method: ProportionMethod) -> dict[str, Estimate]:
    shares = {
        name: getattr(closed, name)(counts, level=level, method=method) for name in (*_PROPORTIONS, "f1")
    }
    rest = {
        name: getattr(closed, name)(counts, level=level)
        for name in (*_RESAMPLED, "number_needed_to_diagnose")
    }
    return shares | rest


def _by_patient(
    data: Scored, threshold: float, counts: ConfusionCounts, *, level: float, resamples: int, seed: int
) -> dict[str, Estimate]:
    called = data.score >= threshold
    figures = _shares_by_patient(data, called, level)
    figures["f1"] = closed.f1_of_jaccard(figures["jaccard"])
    table = _cells_by_patient(data, called)
    draws: NDArray[np.float64] | None = None
    empty = min(counts.to_dict().values()) == 0
    for name in _RESAMPLED:
        plain = getattr(closed, name)(counts, level=level)
        value = evaluate(name, **counts.to_dict())
        if not plain.defined:
            figures[name] = undefined(plain.reason, method="bootstrap by patient", n=data.n, level=level)
        elif empty:
            figures[name] = _combined(name, value, figures, counts, patients=table.shape[0], level=level)
        else:
            if draws is None:
                draws = draw_counts(table, np.random.default_rng(seed), resamples)
            with np.errstate(divide="ignore", invalid="ignore"):
                resampled = FORMULAS[name](*draws.T)
            low, high = RANGES[name]
            figures[name] = percentile_estimate(
                value,
                resampled,
                level=level,
                low=low,
                high=high,
                method="bootstrap by patient, percentile",
                n=data.n,
                why_undefined=closed.UNDEFINED_RATIO,
                caution=few_patients(table.shape[0]),
            )
    figures["number_needed_to_diagnose"] = closed.needed_of_youden(figures["youden_index"])
    return figures


def _shares_by_patient(data: Scored, called: BoolVector, level: float) -> dict[str, Estimate]:
    assert data.patients is not None  # noqa: S101 - narrows the type
    everyone = np.ones(data.n, dtype=np.bool_)
    parts: dict[str, tuple[BoolVector, BoolVector, str]] = {
        "sensitivity": (data.y, called, closed.NO_POSITIVES),
        "specificity": (~data.y, ~called, closed.NO_NEGATIVES),
        "ppv": (called, data.y, closed.NONE_CALLED_POSITIVE),
        "npv": (~called, ~data.y, closed.NONE_CALLED_NEGATIVE),
        "accuracy": (everyone, called == data.y, closed.NO_IMAGES),
        "prevalence": (everyone, data.y, closed.NO_IMAGES),
        "predicted_prevalence": (everyone, called, closed.NO_IMAGES),
        "jaccard": (called | data.y, called & data.y, closed.NEITHER_PRESENT_NOR_CALLED),
    }
    return {
        name: clustered_share(hit[among], data.patients[among], level=level, why_undefined=why)
        for name, (among, hit, why) in parts.items()
    }


def _cells_by_patient(data: Scored, called: BoolVector) -> NDArray[np.int64]:
    """Return (patients, 4) counts of tp, fp, fn, tn."""
    assert data.patients is not None  # noqa: S101 - narrows the type
    cell = np.where(data.y, np.where(called, 0, 2), np.where(called, 1, 3))
    total = int(data.patients.max()) + 1
    return np.bincount(data.patients * 4 + cell, minlength=total * 4).reshape(total, 4)


def _combined(
    name: str,
    value: float,
    figures: dict[str, Estimate],
    counts: ConfusionCounts,
    *,
    patients: int,
    level: float,
) -> Estimate:
    sens, spec = figures["sensitivity"], figures["specificity"]
    shared: dict[str, Any] = {"n": counts.n, "level": level}
    reason = "a cell of the table is empty, which resampling cannot show: a safe interval is given"
    caution = few_patients(patients)
    limits = (np.nan, np.nan)
    if sens.has_interval and spec.has_interval:
        limits = plug_in_limits(
            name, counts.positives / counts.n, (sens.lower, sens.upper), (spec.lower, spec.upper)
        )
    else:
        reason = "no interval: one of sensitivity and specificity has none"
    low, high = RANGES[name]
    return bounded(
        value,
        limits,
        low=low,
        high=high,
        method="limits of sensitivity and specificity by patient, combined",
        reason=f"{reason}; {caution}" if caution else reason,
        **shared,
    )
