"""Figures of a two-by-two table of independent images, each with a closed-form interval."""

from __future__ import annotations

import math

import numpy as np

from medimg_cnn._types import FloatVector
from medimg_cnn.evaluation._combine import difference_limits, plug_in_limits
from medimg_cnn.evaluation._counts import ConfusionCounts
from medimg_cnn.evaluation._estimate import Estimate, bounded, undefined
from medimg_cnn.evaluation._formulas import RANGES, evaluate
from medimg_cnn.evaluation._inputs import check_level
from medimg_cnn.evaluation._proportions import ProportionMethod, proportion, z_quantile

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "diagnostic_odds_ratio",
    "f1",
    "jaccard",
    "kappa",
    "lr_negative",
    "lr_positive",
    "mcc",
    "npv",
    "number_needed_to_diagnose",
    "ppv",
    "predicted_prevalence",
    "prevalence",
    "sensitivity",
    "specificity",
    "youden_index",
]

NO_POSITIVES = "no image has the condition"
NO_NEGATIVES = "every image has the condition"
NO_IMAGES = "there are no images"
NONE_CALLED_POSITIVE = "no image was called positive"
NONE_CALLED_NEGATIVE = "no image was called negative"
NEITHER_PRESENT_NOR_CALLED = "no image has the condition and none was called positive"
UNDEFINED_RATIO = "it is 0 divided by 0"


def sensitivity(
    counts: ConfusionCounts, *, level: float = 0.95, method: ProportionMethod = "wilson"
) -> Estimate:
    """Return TP / (TP + FN), the share of diseased images that are called positive, with its interval.

    Example:
        >>> print(sensitivity(ConfusionCounts(tp=670, fp=202, fn=74, tn=640)))
        0.901 (0.877 to 0.920)
    """
    return proportion(counts.tp, counts.positives, level=level, method=method, why_undefined=NO_POSITIVES)


def specificity(
    counts: ConfusionCounts, *, level: float = 0.95, method: ProportionMethod = "wilson"
) -> Estimate:
    """Return TN / (TN + FP), the share of images without disease that are called negative.

    Example:
        >>> print(specificity(ConfusionCounts(tp=670, fp=202, fn=74, tn=640)))
        0.760 (0.730 to 0.788)
    """
    return proportion(counts.tn, counts.negatives, level=level, method=method, why_undefined=NO_NEGATIVES)


def ppv(counts: ConfusionCounts, *, level: float = 0.95, method: ProportionMethod = "wilson") -> Estimate:
    """Return TP / (TP + FP), the positive predictive value at the prevalence of these images.

    For another prevalence see ``predictive_values``.

    Example:
        >>> print(ppv(ConfusionCounts(tp=0, fp=0, fn=3, tn=7)))
        undefined (no image was called positive)
    """
    return proportion(
        counts.tp,
        counts.predicted_positives,
        level=level,
        method=method,
        why_undefined=NONE_CALLED_POSITIVE,
    )


def npv(counts: ConfusionCounts, *, level: float = 0.95, method: ProportionMethod = "wilson") -> Estimate:
    """Return TN / (TN + FN), the negative predictive value at the prevalence of these images.

    Example:
        >>> print(npv(ConfusionCounts(tp=670, fp=202, fn=74, tn=640)))
        0.896 (0.872 to 0.917)
    """
    return proportion(
        counts.tn,
        counts.predicted_negatives,
        level=level,
        method=method,
        why_undefined=NONE_CALLED_NEGATIVE,
    )


def accuracy(
    counts: ConfusionCounts, *, level: float = 0.95, method: ProportionMethod = "wilson"
) -> Estimate:
    """Return (TP + TN) / n; it depends on the prevalence of these images.

    Example:
        >>> print(accuracy(ConfusionCounts(tp=231, fp=32, fn=27, tn=54)))
        0.828 (0.785 to 0.865)
    """
    return proportion(counts.tp + counts.tn, counts.n, level=level, method=method, why_undefined=NO_IMAGES)


def prevalence(
    counts: ConfusionCounts, *, level: float = 0.95, method: ProportionMethod = "wilson"
) -> Estimate:
    """Return (TP + FN) / n, the share of images that have the condition.

    Example:
        >>> print(prevalence(ConfusionCounts(tp=231, fp=32, fn=27, tn=54)))
        0.750 (0.702 to 0.793)
    """
    return proportion(counts.positives, counts.n, level=level, method=method, why_undefined=NO_IMAGES)


def predicted_prevalence(
    counts: ConfusionCounts, *, level: float = 0.95, method: ProportionMethod = "wilson"
) -> Estimate:
    """Return (TP + FP) / n, the share of images called positive (the apparent prevalence).

    Example:
        >>> print(predicted_prevalence(ConfusionCounts(tp=231, fp=32, fn=27, tn=54)))
        0.765 (0.717 to 0.806)
    """
    return proportion(
        counts.predicted_positives, counts.n, level=level, method=method, why_undefined=NO_IMAGES
    )


def jaccard(counts: ConfusionCounts, *, level: float = 0.95, method: ProportionMethod = "wilson") -> Estimate:
    """Return TP / (TP + FP + FN), the Jaccard index (critical success index).

    Example:
        >>> print(jaccard(ConfusionCounts(tp=231, fp=32, fn=27, tn=54)))
        0.797 (0.746 to 0.839)
    """
    return proportion(
        counts.tp,
        counts.tp + counts.fp + counts.fn,
        level=level,
        method=method,
        why_undefined=NEITHER_PRESENT_NOR_CALLED,
    )


def f1(counts: ConfusionCounts, *, level: float = 0.95, method: ProportionMethod = "wilson") -> Estimate:
    """Return 2 TP / (2 TP + FP + FN), the harmonic mean of PPV and sensitivity.

    F1 = 2 J / (1 + J) for the Jaccard index J, which is a proportion given TP + FP + FN; the limits of J
    are carried over, so that they hold at 0 and 1 too.

    Example:
        >>> print(f1(ConfusionCounts(tp=231, fp=32, fn=27, tn=54)))
        0.887 (0.855 to 0.912)
    """
    return f1_of_jaccard(jaccard(counts, level=level, method=method))


def youden_index(counts: ConfusionCounts, *, level: float = 0.95) -> Estimate:
    """Return J = sensitivity + specificity - 1, with Newcombe's hybrid score interval.

    Source: R. G. Newcombe 1998, method 10, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.

    Example:
        >>> print(youden_index(ConfusionCounts(tp=670, fp=202, fn=74, tn=640)))
        0.661 (0.622 to 0.694)
    """
    return youden_of(sensitivity(counts, level=level), specificity(counts, level=level), n=counts.n)


def balanced_accuracy(counts: ConfusionCounts, *, level: float = 0.95) -> Estimate:
    """Return (sensitivity + specificity) / 2, with the interval of the Youden index carried over.

    Example:
        >>> print(balanced_accuracy(ConfusionCounts(tp=670, fp=202, fn=74, tn=640)))
        0.830 (0.811 to 0.847)
    """
    return balanced_of_youden(youden_index(counts, level=level))


def number_needed_to_diagnose(counts: ConfusionCounts, *, level: float = 0.95) -> Estimate:
    """Return 1 / J for the Youden index J: images to examine for one more correct detection than by chance.

    Undefined for J of 0 or less. The upper bound is infinite where the lower bound of J is not above 0.

    Example:
        >>> print(number_needed_to_diagnose(ConfusionCounts(tp=670, fp=202, fn=74, tn=640)))
        1.514 (1.440 to 1.606)
    """
    return needed_of_youden(youden_index(counts, level=level))


def lr_positive(counts: ConfusionCounts, *, level: float = 0.95) -> Estimate:
    """Return sensitivity / (1 - specificity), with Simel's log interval.

    Source: D. L. Simel, G. P. Samsa, D. B. Matchar 1991, doi:10.1016/0895-4356(91)90128-V. Without false
    positives the value is infinite, with tp = 0 it is 0. Where any cell of the table is empty, a class looks
    free of chance and the plain interval would be too narrow; it then comes from the table with 0.5 added
    to each cell, as ``method`` and ``reason`` say, and is stretched to the value where that lies outside.

    Example:
        >>> print(lr_positive(ConfusionCounts(tp=670, fp=202, fn=74, tn=640)))
        3.754 (3.321 to 4.243)
    """
    return _log_ratio("lr_positive", counts, check_level(level))


def lr_negative(counts: ConfusionCounts, *, level: float = 0.95) -> Estimate:
    """Return (1 - sensitivity) / specificity, with Simel's log interval; empty cells as in ``lr_positive``.

    Example:
        >>> print(lr_negative(ConfusionCounts(tp=670, fp=202, fn=74, tn=640)))
        0.131 (0.105 to 0.163)
    """
    return _log_ratio("lr_negative", counts, check_level(level))


def diagnostic_odds_ratio(counts: ConfusionCounts, *, level: float = 0.95) -> Estimate:
    """Return (TP TN) / (FP FN), with Woolf's log interval; empty cells as in ``lr_positive``.

    Source: B. Woolf 1955, doi:10.1111/j.1469-1809.1955.tb01348.x; 0.5 added (Haldane, Anscombe) for an
    interval where a cell is empty.

    Example:
        >>> print(diagnostic_odds_ratio(ConfusionCounts(tp=231, fp=32, fn=27, tn=54)))
        14.438 (7.990 to 26.089)
    """
    return _log_ratio("diagnostic_odds_ratio", counts, check_level(level))


def mcc(counts: ConfusionCounts, *, level: float = 0.95) -> Estimate:
    """Return Matthews' correlation (phi), with a delta-method interval on Fisher's z scale.

    Undefined where a row or column of the table is empty. Where a cell is empty, the interval goes from
    the figure at both lower to that at both upper Wilson limits of sensitivity and specificity (wide, safe).

    Source: B. W. Matthews 1975, doi:10.1016/0005-2795(75)90109-9.

    Example:
        >>> print(mcc(ConfusionCounts(tp=231, fp=32, fn=27, tn=54)))
        0.534 (0.422 to 0.630)
    """
    return _correlation("mcc", counts, check_level(level))


def kappa(counts: ConfusionCounts, *, level: float = 0.95) -> Estimate:
    """Return Cohen's kappa of truth and call, with a delta-method interval on Fisher's z scale.

    Source: variance of J. L. Fleiss, J. Cohen, B. S. Everitt 1969, doi:10.1037/h0028106. Where a cell
    is empty: as in ``mcc``. Where all calls are alike kappa is 0, no better than chance.

    Example:
        >>> print(kappa(ConfusionCounts(tp=231, fp=32, fn=27, tn=54)))
        0.534 (0.421 to 0.630)
    """
    return _correlation("kappa", counts, check_level(level))


def f1_of_jaccard(index: Estimate) -> Estimate:
    """Return F1 with the limits of the Jaccard index carried over."""
    if not index.defined:
        return index
    share = index.value
    return bounded(
        2.0 * share / (1.0 + share),
        (2.0 * index.lower / (1.0 + index.lower), 2.0 * index.upper / (1.0 + index.upper)),
        low=0.0,
        high=1.0,
        method=f"{index.method}, of the Jaccard index",
        n=index.n,
        level=index.level,
        reason=index.reason,
        standard_error=index.standard_error * 2.0 / (1.0 + share) ** 2,
    )


def youden_of(sens: Estimate, spec: Estimate, *, n: int) -> Estimate:
    """Return the Youden index of two independent proportions."""
    for part in (sens, spec):
        if not part.defined:
            return undefined(part.reason, method="Newcombe hybrid", n=n, level=part.level)
    return bounded(
        sens.value + spec.value - 1.0,
        difference_limits(
            sens.value, (sens.lower, sens.upper), 1.0 - spec.value, (1.0 - spec.upper, 1.0 - spec.lower)
        ),
        low=-1.0,
        high=1.0,
        method="Newcombe hybrid",
        n=n,
        level=sens.level,
        standard_error=math.hypot(sens.standard_error, spec.standard_error),
    )


def balanced_of_youden(index: Estimate) -> Estimate:
    """Return the balanced accuracy, (J + 1) / 2."""
    if not index.defined:
        return index
    return bounded(
        (index.value + 1.0) / 2.0,
        ((index.lower + 1.0) / 2.0, (index.upper + 1.0) / 2.0),
        low=0.0,
        high=1.0,
        method=index.method,
        n=index.n,
        level=index.level,
        reason=index.reason,
        standard_error=index.standard_error / 2.0,
    )


def needed_of_youden(index: Estimate) -> Estimate:
    """Return 1 / J."""
    if not index.defined:
        return index
    if index.value <= 0.0:
        return undefined("the Youden index is not above 0", method=index.method, n=index.n, level=index.level)
    return bounded(
        1.0 / index.value,
        (1.0 / index.upper, 1.0 / index.lower if index.lower > 0.0 else math.inf),
        low=1.0,
        method=f"{index.method}, of the Youden index",
        n=index.n,
        level=index.level,
        reason=index.reason,
    )


def _missing_class(counts: ConfusionCounts) -> str:
    if counts.n == 0:
        return NO_IMAGES
    if counts.positives == 0:
        return NO_POSITIVES
    return NO_NEGATIVES if counts.negatives == 0 else ""


def _log_ratio(name: str, counts: ConfusionCounts, level: float) -> Estimate:
    base = "Woolf log" if name == "diagnostic_odds_ratio" else "Simel log"
    missing = _missing_class(counts)
    value = evaluate(name, counts.tp, counts.fp, counts.fn, counts.tn)
    if missing or math.isnan(value):
        why = missing or {
            "lr_positive": NONE_CALLED_POSITIVE,
            "lr_negative": NONE_CALLED_NEGATIVE,
        }.get(name, UNDEFINED_RATIO)
        return undefined(why, method=base, n=counts.n, level=level)
    cells = (float(counts.tp), float(counts.fp), float(counts.fn), float(counts.tn))
    method, reason, centre = base, "", value
    if min(cells) > 0.0:
        variance = _log_variance(name, *cells)
        error = value * math.sqrt(variance)
    else:
        tp, fp, fn, tn = cells = (cells[0] + 0.5, cells[1] + 0.5, cells[2] + 0.5, cells[3] + 0.5)
        centre, variance, error = evaluate(name, *cells), _log_variance(name, tp, fp, fn, tn), math.nan
        method = f"{base}, 0.5 added to each cell"
        reason = "a cell of the table is empty: the interval rests on the table with 0.5 added to each cell"
    spread = math.exp(z_quantile(level) * math.sqrt(variance))
    return bounded(
        value,
        (centre / spread, centre * spread),
        low=0.0,
        method=method,
        n=counts.n,
        level=level,
        reason=reason,
        standard_error=error,
    )


def _log_variance(name: str, tp: float, fp: float, fn: float, tn: float) -> float:
    """Return the variance of the log of the ratio; every cell must be above 0."""
    if name == "diagnostic_odds_ratio":
        return 1 / tp + 1 / fp + 1 / fn + 1 / tn
    ill, well = (tp, fp) if name == "lr_positive" else (fn, tn)
    return (1 / ill - 1 / (tp + fn)) + (1 / well - 1 / (fp + tn))


def _correlation(name: str, counts: ConfusionCounts, level: float) -> Estimate:
    method = "delta method, Fisher z"
    value = evaluate(name, counts.tp, counts.fp, counts.fn, counts.tn)
    constant = NONE_CALLED_POSITIVE if counts.predicted_positives == 0 else NONE_CALLED_NEGATIVE
    missing = _missing_class(counts)
    if missing or math.isnan(value):
        return undefined(missing or constant, method=method, n=counts.n, level=level)
    low, high = RANGES[name]
    if min(counts.to_dict().values()) == 0:
        sens, spec = sensitivity(counts, level=level), specificity(counts, level=level)
        return bounded(
            value,
            plug_in_limits(
                name, counts.positives / counts.n, (sens.lower, sens.upper), (spec.lower, spec.upper)
            ),
            low=low,
            high=high,
            method="Wilson limits of sensitivity and specificity, combined",
            n=counts.n,
            level=level,
            reason="a cell of the table is empty, so that the usual variance is too small: a safe interval is given",
        )
    cells = np.array([counts.tp, counts.fp, counts.fn, counts.tn], dtype=np.float64)
    gradient = _gradient(name, cells, value)
    # Both figures are unchanged by a common factor, so the multinomial variance is a plain sum of squares.
    error = math.sqrt(float(cells @ gradient**2))
    half = z_quantile(level) * error / (1.0 - value * value)
    limits = (math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half))
    return bounded(
        value, limits, low=low, high=high, method=method, n=counts.n, level=level, standard_error=error
    )


def _gradient(name: str, cells: FloatVector, value: float) -> FloatVector:
    tp, fp, fn, tn = cells
    cross = np.array([tn, -fn, -fp, tp])
    called, uncalled, ill, well = tp + fp, fn + tn, tp + fn, fp + tn
    if name == "kappa":
        chance = called * well + ill * uncalled
        change = np.array([well + uncalled, well + called, uncalled + ill, called + ill])
        return np.asarray((2.0 * cross - value * change) / chance, dtype=np.float64)
    scale = math.sqrt(called) * math.sqrt(uncalled) * math.sqrt(ill) * math.sqrt(well)
    change = np.array(
        [1 / called + 1 / ill, 1 / called + 1 / well, 1 / uncalled + 1 / ill, 1 / uncalled + 1 / well]
    )
    return np.asarray(cross / scale - value * change / 2.0, dtype=np.float64)
