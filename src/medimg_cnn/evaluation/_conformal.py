"""Split conformal prediction: sets of classes that hold the truth with a stated probability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medimg_cnn._types import FloatVector
from medimg_cnn._validation import check_fraction
from medimg_cnn._vectors import Missing, as_vector
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._clustered import clustered_share
from medimg_cnn.evaluation._estimate import Estimate
from medimg_cnn.evaluation._inputs import Outcome, Scored, as_scored, check_level
from medimg_cnn.evaluation._proportions import proportion

__all__ = ["ConformalCoverage", "ConformalSets", "conformal_coverage", "conformal_quantile", "fit_conformal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformalSets:
    """Thresholds that turn a probability into a set of classes.

    A class is in the set where 1 less its probability is at most its quantile.

    Attributes:
        alpha: allowed rate of sets without the true class.
        per_class: whether the promise holds within each class (of the truth), not only on the whole.
        quantile_negative: of the class without the condition; infinite where every set must hold it.
        quantile_positive: of the class with the condition.
        n_negative: calibration images without the condition.
        n_positive: calibration images with it.
        note: where patients have several calibration images, that the promise is then weaker; or empty.

    Example:
        >>> sets = fit_conformal([0] * 9 + [1] * 9, [0.1] * 9 + [0.9] * 9, alpha=0.2)
        >>> sets.predict([0.05, 0.95]).tolist()  # columns: negative, positive
        [[True, False], [False, True]]
    """

    alpha: float
    per_class: bool
    quantile_negative: float
    quantile_positive: float
    n_negative: int
    n_positive: int
    note: str = ""

    def predict(self, p: ArrayLike) -> NDArray[np.bool_]:
        """Return (n, 2) booleans: is the negative, is the positive class in the set of each image.

        Args:
            p: (n,) probabilities of the positive class, in [0, 1].

        Raises:
            ArgumentError: a value is not a probability.
        """
        values = as_vector("p", p)
        if not ((values >= 0.0) & (values <= 1.0)).all():
            raise ArgumentError("p: must be probabilities, from 0 to 1, none of them missing.")
        return np.column_stack([values <= self.quantile_negative, 1.0 - values <= self.quantile_positive])


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformalCoverage:
    """How sets did on data that did not calibrate them.

    Attributes:
        coverage: share of sets that hold the true class.
        coverage_negative: the same among images without the condition.
        coverage_positive: the same among images with it.
        single: share of sets with one class, the useful ones.
        both: share with both, "cannot tell".
        empty: share with none, "like neither".
        mean_size: mean number of classes.
    """

    coverage: Estimate
    coverage_negative: Estimate
    coverage_positive: Estimate
    single: Estimate
    both: Estimate
    empty: Estimate
    mean_size: float


def conformal_quantile(scores: ArrayLike, alpha: float) -> float:
    """Return the ceil((n + 1)(1 - alpha))-th smallest score, or infinity where that is beyond n.

    Args:
        scores: (n,) nonconformity scores of calibration cases, finite.
        alpha: inside (0, 1); taken as the decimal it is written as, so that 0.1 is a tenth.

    Raises:
        ArgumentError: a score is not finite, or alpha is not inside (0, 1).

    Source: A. N. Angelopoulos and S. Bates 2023, doi:10.1561/2200000101.

    Example:
        >>> conformal_quantile([0.1, 0.2, 0.05, 0.3, 0.4, 0.15, 0.25, 0.6, 0.35], 0.2)
        0.4
    """
    alpha = check_fraction("alpha", alpha, open_ends=True)
    values = as_vector("scores", scores)
    if not np.isfinite(values).all():
        raise ArgumentError("scores: must be finite; got NaN or infinities.")
    return _quantile(values, alpha)


def fit_conformal(
    y: Outcome,
    p: ArrayLike | None = None,
    *,
    alpha: float = 0.1,
    per_class: bool = True,
    positive: object = None,
    patients: ArrayLike | None = None,
    missing: Missing = "raise",
) -> ConformalSets:
    """Return conformal sets calibrated on data that neither trained the model nor will judge it.

    The nonconformity score is 1 less the probability of the true class. The promise, coverage of at least
    1 - alpha over draws of calibration and new data, needs exchangeable cases: one image per patient, or
    patients alike in both. With several images of a patient it holds only roughly, and one calibration set
    may be further off; ``note`` says so. With ``per_class`` it holds among the diseased and among the others
    (label conditional), which a rare disease needs.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        p: (n,) probabilities of the positive class.
        alpha: allowed rate of sets without the true class, inside (0, 1).
        per_class: whether to calibrate each class by itself.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image, for the note.
        missing: "raise" or "drop" rows whose probability is NaN.

    Returns:
        Thresholds; a class with too few calibration cases gets an infinite one and is in every set.

    Raises:
        ArgumentError: malformed input.

    Source: V. Vovk 2013, doi:10.1007/s10994-013-5355-6 (label-conditional).

    Example:
        >>> fit_conformal([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], alpha=0.1).quantile_positive
        inf
    """
    alpha = check_fraction("alpha", alpha, open_ends=True)
    data = as_scored(y, p, positive=positive, patients=patients, missing=missing, probability=True)
    scores = np.where(data.y, 1.0 - data.score, data.score)
    if per_class:
        well, ill = _quantile(scores[~data.y], alpha), _quantile(scores[data.y], alpha)
    else:
        well = ill = _quantile(scores, alpha)
    return ConformalSets(
        alpha=alpha,
        per_class=per_class,
        quantile_negative=well,
        quantile_positive=ill,
        n_negative=data.negatives,
        n_positive=data.positives,
        note=_note(data),
    )


def conformal_coverage(
    sets: ConformalSets,
    y: Outcome,
    p: ArrayLike | None = None,
    *,
    positive: object = None,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
) -> ConformalCoverage:
    """Return coverage, on the whole and by class, and the sizes of the sets, on new data.

    Args:
        sets: from ``fit_conformal`` on other data.
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
        p: (n,) probabilities of the positive class.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image; intervals are then by patient.
        level: confidence level.
        missing: "raise" or "drop" rows whose probability is NaN.

    Raises:
        ArgumentError: malformed input.

    Example:
        >>> sets = fit_conformal([0] * 9 + [1] * 9, [0.1] * 9 + [0.9] * 9, alpha=0.2)
        >>> print(conformal_coverage(sets, [0, 1, 1], [0.1, 0.9, 0.2]).coverage)
        0.667 (0.208 to 0.939)
    """
    data = as_scored(y, p, positive=positive, patients=patients, missing=missing, probability=True)
    level = check_level(level)
    inside = sets.predict(data.score)
    held = np.where(data.y, inside[:, 1], inside[:, 0])
    size = inside.sum(axis=1)
    everyone = np.ones(data.n, dtype=np.bool_)
    return ConformalCoverage(
        coverage=_share(data, held, everyone, level),
        coverage_negative=_share(data, held, ~data.y, level),
        coverage_positive=_share(data, held, data.y, level),
        single=_share(data, size == 1, everyone, level),
        both=_share(data, size == 2, everyone, level),
        empty=_share(data, size == 0, everyone, level),
        mean_size=float(size.mean()),
    )


def _note(data: Scored) -> str:
    if data.patients is None:
        return ""
    number = int(data.patients.max()) + 1
    if number == data.n:
        return ""
    return (
        f"calibrated on {data.n} images of only {number} patients: images of a patient are alike, so that "
        "coverage on new patients may be further from its promise than this number of images suggests"
    )


def _quantile(scores: FloatVector, alpha: float) -> float:
    # As a fraction: (n + 1)(1 - alpha) in floats may land a hair above a whole number.
    rank = math.ceil((scores.size + 1) * (1 - Fraction(repr(alpha))))
    if rank > scores.size:
        return math.inf
    return float(np.partition(scores, rank - 1)[rank - 1])


def _share(data: Scored, hit: NDArray[np.bool_], among: NDArray[np.bool_], level: float) -> Estimate:
    why = "no image of this class"
    chosen = hit[among]
    if data.patients is None:
        return proportion(int(np.count_nonzero(chosen)), int(chosen.size), level=level, why_undefined=why)
    return clustered_share(chosen, data.patients[among], level=level, why_undefined=why)
