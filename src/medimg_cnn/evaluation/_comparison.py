"""Comparing two models on the same cases."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._vectors import Missing
from medimg_cnn.artifacts import Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._compared import (
    AurocComparison,
    Comparison,
    PairedFigure,
    both_thresholds,
    margin_test,
)
from medimg_cnn.evaluation._differences import PairedMethod
from medimg_cnn.evaluation._inputs import Threshold, as_scored, check_level
from medimg_cnn.evaluation._net_benefit import net_benefit_of, paired_scores
from medimg_cnn.evaluation._paired import paired_auroc, paired_figure

__all__ = ["compare", "compare_auroc"]


def compare_auroc(
    y: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
) -> AurocComparison:
    """Return the paired comparison of two AUROCs on the same cases.

    z = (A_a - A_b) / SE with the covariance of E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson 1988
    (doi:10.2307/2531595), or of N. A. Obuchowski 1997 (doi:10.2307/2533958) with ``patients``; then interval
    and p value use Student's t with one less degree of freedom than the patients in the class that has fewer.

    Args:
        y: (n,) outcomes 0/1 or boolean, or texts with ``positive=``.
        a: (n,) scores of the first model, higher = more likely diseased.
        b: (n,) scores of the second.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image.
        level: confidence level.
        missing: "raise", or "drop" rows where either score is NaN.

    Raises:
        ArgumentError: malformed input; see ``auroc``.

    Example:
        >>> test = compare_auroc([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [3, 1, 4, 2, 6, 5])
        >>> round(test.difference.value, 3), round(test.p_value, 2)
        (0.111, 0.48)
    """
    first, second = paired_scores(y, a, b, positive=positive, patients=patients, missing=missing)
    return paired_auroc(first, second, check_level(level))


def compare(
    a: Predictions,
    b: Predictions,
    *,
    threshold_a: Threshold | None = None,
    threshold_b: Threshold | None = None,
    margin: float | None = None,
    level: float = 0.95,
    method: PairedMethod = "tango",
) -> Comparison:
    """Return the paired comparison of two models on the same cases.

    Cases are matched by sample id; intervals and tests are by patient where patient ids are there.

    Args:
        a: predictions of the new model.
        b: predictions of the reference, on the same cases in any order.
        threshold_a: operating point of a; without both, only the AUROCs are compared.
        threshold_b: operating point of b.
        margin: non-inferiority margin of a against b, for every figure.
        level: confidence level.
        method: of the paired differences of independent images, "tango" or "newcombe".

    Raises:
        ArgumentError: the cases, outcomes or patients are not the same, or only one threshold is given.

    Example:
        >>> cases = {"y_true": [0, 0, 0, 1, 1, 1], "logit": [0.0] * 6, "sample_id": list("abcdef")}
        >>> new = Predictions(probability=[0.1, 0.2, 0.4, 0.6, 0.7, 0.9], **cases)
        >>> old = Predictions(probability=[0.3, 0.1, 0.7, 0.2, 0.8, 0.6], **cases)
        >>> found = compare(new, old, threshold_a=0.5, threshold_b=0.5)
        >>> round(found.auroc.difference.value, 3), found.sensitivity.counts.n10
        (0.333, 1)
    """
    level = check_level(level)
    b = _aligned(a, b)
    first, second = as_scored(a, None), as_scored(b, None)
    area = paired_auroc(first, second, level)
    figures: dict[str, PairedFigure | None] = dict.fromkeys(("sensitivity", "specificity", "accuracy"))
    cuts = both_thresholds(threshold_a, threshold_b)
    if cuts is not None:
        right_a = (first.score >= cuts[0]) == first.y
        right_b = (second.score >= cuts[1]) == second.y
        everyone = np.ones(first.n, dtype=np.bool_)
        for name, among in (("sensitivity", first.y), ("specificity", ~first.y), ("accuracy", everyone)):
            figures[name] = paired_figure(
                name, first, among, (right_a, right_b), level=level, margin=margin, method=method
            )
    return Comparison(
        auroc=area,
        auroc_non_inferiority=margin_test(area.difference, margin),
        n=first.n,
        paired=True,
        net_benefit=net_benefit_of(first, second, level=level) if first.positives and first.negatives else (),
        sensitivity=figures["sensitivity"],
        specificity=figures["specificity"],
        accuracy=figures["accuracy"],
    )


def _aligned(a: Predictions, b: Predictions) -> Predictions:
    """Return b with its rows in the order of a."""
    order_a, order_b = np.argsort(a.sample_id), np.argsort(b.sample_id)
    if a.n != b.n or not np.array_equal(a.sample_id[order_a], b.sample_id[order_b]):
        common = np.intersect1d(a.sample_id, b.sample_id).size
        raise ArgumentError(
            f"a, b: must hold the same cases (sample ids); {common} are common to {a.n} and {b.n}. "
            "Use select() to keep the common ones, or compare_unpaired() for different cases."
        )
    order = np.empty(a.n, dtype=np.int64)
    order[order_a] = order_b
    patients = None if b.patient_id is None else b.patient_id[order]
    if not np.array_equal(a.y_true, b.y_true[order]):
        raise ArgumentError(
            "a, b: the outcomes of some cases differ. Both must be of the same reference standard."
        )
    if (a.patient_id is None) != (patients is None) or (
        patients is not None and a.patient_id is not None and not np.array_equal(a.patient_id, patients)
    ):
        raise ArgumentError("a, b: the patients of some cases differ. Both must name the same patients.")
    return Predictions(
        y_true=b.y_true[order],
        logit=b.logit[order],
        probability=b.probability[order],
        sample_id=b.sample_id[order],
        patient_id=patients,
        classes=b.classes,
        part=b.part,
    )
