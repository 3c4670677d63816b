"""Is this the same kind of data? Tests between development images and those of an external validation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medimg_cnn._types import IntVector
from medimg_cnn.artifacts import DatasetFingerprint
from medimg_cnn.export._reference import Observed, Reference

__all__ = ["Alarm", "ShiftTest", "alarms_of", "shift_tests", "two_sample_p"]

Matrix = NDArray[np.float64]

_MOST = 500
_PERMUTATIONS = 999
_LEVEL = 0.05
_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftTest:
    """One test of a difference between development and external data.

    Attributes:
        name: "prevalence", "size", "intensity" or "features".
        p_value: of the test; NaN where it could not be made.
        adjusted: the p value after Holm's correction for the tests that were made; NaN where it could not be made.
        fired: whether ``adjusted`` is below 0.05; None where the test could not be made.
        finding: what was compared and found, or why it could not be.

    Example:
        >>> ShiftTest(name="size", p_value=0.001, adjusted=0.004, fired=True, finding="larger").fired
        True
    """

    name: str
    p_value: float
    adjusted: float
    fired: bool | None
    finding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A sign that the external data were prepared wrongly, rather than being of other patients.

    Attributes:
        name: "inverted labels", "wrong window" or "inverted grey values".
        fired: whether the sign was seen; None where it could not be looked for.
        finding: what was seen, with numbers and what to do.

    Example:
        >>> Alarm(name="inverted labels", fired=False, finding="the AUROC is above 0.5").fired
        False
    """

    name: str
    fired: bool | None
    finding: str


def shift_tests(
    *,
    reference: Reference | None,
    fingerprint: DatasetFingerprint | None,
    seen: Observed | None,
    outcomes: NDArray[np.int8],
    firsts: IntVector,
) -> tuple[ShiftTest, ...]:
    """Return the tests of prevalence, size, intensity and features, in this order.

    Prevalence: chi-squared; not tested where patients have several images, which are not independent. The others: the
    maximum mean discrepancy with a Gaussian kernel as wide as the median distance (A. Gretton et al. 2012, JMLR
    13:723-773) and 999 permutations, on one image a patient, 500 of each at most.

    Args:
        reference: of the bundle, or None.
        fingerprint: of the development data, or None.
        seen: the external images as measured, or None without a reference.
        outcomes: (n,) 0 or 1 of the external images.
        firsts: position of one image of each external patient.
    """
    found = [_prevalence(fingerprint, outcomes, independent=firsts.size == outcomes.size)]
    for name in ("size", "intensity", "features"):
        if reference is None or seen is None:
            found.append(
                (
                    name,
                    math.nan,
                    "the bundle was saved without data=, so it does not know the training images",
                )
            )
            continue
        here, there = _pair(name, reference, seen.take(firsts))
        if not (np.isfinite(here).all() and np.isfinite(there).all()):
            found.append((name, math.nan, "the sizes of the stored images are not known"))
            continue
        p = two_sample_p(here, there)
        found.append((name, p, _words(name, reference, seen)))
    adjusted = _holm([p for _, p, _ in found])
    return tuple(
        ShiftTest(
            name=name,
            p_value=p,
            adjusted=corrected,
            fired=None if math.isnan(p) else corrected < _LEVEL,
            finding=finding,
        )
        for (name, p, finding), corrected in zip(found, adjusted, strict=True)
    )


def alarms_of(
    *, reference: Reference | None, seen: Observed | None, auroc: tuple[float, float, float]
) -> tuple[Alarm, ...]:
    """Return the signs of wrong preparation; ``auroc`` is (value, lower, upper) on the external data."""
    value, _, upper = auroc
    if math.isnan(value):
        labels = Alarm(name="inverted labels", fired=None, finding="not applicable: there is one class only")
    elif value < _HALF and (math.isnan(upper) or upper < _HALF):
        labels = Alarm(
            name="inverted labels",
            fired=True,
            finding=f"the AUROC is {value:.3f}, its interval below 0.5: the model ranks the classes the wrong way "
            "round. Check which label is positive here; nothing was turned round.",
        )
    else:
        labels = Alarm(name="inverted labels", fired=False, finding=f"the AUROC is {value:.3f}")
    if reference is None or seen is None:
        why = "not applicable: the bundle was saved without data="
        return (
            labels,
            *(Alarm(name=name, fired=None, finding=why) for name in ("wrong window", "inverted grey values")),
        )
    beyond = _share_beyond(reference, seen.intensity)
    flipped = _share_beyond(reference, 1.0 - seen.intensity[:, ::-1])
    inverted = beyond >= _HALF and flipped < beyond / 2
    text = f"the grey values of {100 * beyond:.0f}% of the images are unlike the training images'"
    return (
        labels,
        Alarm(
            name="wrong window",
            fired=beyond >= _HALF,
            finding=text
            + (". Check window, value range and bit depth of these files." if beyond >= _HALF else ""),
        ),
        Alarm(
            name="inverted grey values",
            fired=inverted,
            finding=f"{text}; after turning black to white, of {100 * flipped:.0f}%"
            + (". Check whether black and white are exchanged (MONOCHROME1)." if inverted else ""),
        ),
    )


def two_sample_p(a: Matrix, b: Matrix, *, permutations: int = _PERMUTATIONS, seed: int = 0) -> float:
    """Return the permutation p value of the hypothesis that a (m, d) and b (n, d) have one distribution.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
        >>> two_sample_p(x, y) > 0.05, two_sample_p(x, y + 2) < 0.01
        (True, True)
    """
    joined = np.concatenate([a, b])
    squares = (joined**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2.0 * joined @ joined.T, 0.0)
    width = float(np.median(distances[np.triu_indices(len(joined), 1)]))
    if width <= 0.0:
        positive = distances[distances > 0.0]
        if not positive.size:
            return 1.0
        width = float(np.median(positive))
    kernel = np.exp(-distances / width)
    weights = np.where(np.arange(len(joined)) < len(a), 1.0 / len(a), -1.0 / len(b))
    rng = np.random.default_rng(seed)
    drawn = np.stack([weights, *(rng.permutation(weights) for _ in range(permutations))])
    statistics = ((drawn @ kernel) * drawn).sum(axis=1)
    # Equal partitions differ in the last bits only.
    at_least = statistics[1:] >= statistics[0] - 1e-12
    return float((1 + at_least.sum()) / (permutations + 1))


def _prevalence(
    fingerprint: DatasetFingerprint | None, outcomes: NDArray[np.int8], *, independent: bool
) -> tuple[str, float, str]:
    if fingerprint is None:
        return "prevalence", math.nan, "the bundle does not know the development data's counts"
    images = sum(count for _, count, _ in fingerprint.counts)
    positives = sum(count for _, _, count in fingerprint.counts)
    here, n = int(outcomes.sum()), int(outcomes.size)
    table = np.array([[positives, images - positives], [here, n - here]])
    words = f"{positives / images:.1%} of development images are positive, {here / n:.1%} here"
    if not independent:
        return "prevalence", math.nan, f"{words}; not tested, because patients have several images"
    p = 1.0 if 0 in table.sum(axis=0) else float(stats.chi2_contingency(table, correction=False).pvalue)
    return "prevalence", p, words


def _pair(name: str, reference: Reference, seen: Observed) -> tuple[Matrix, Matrix]:
    sample = reference.sample
    if name == "size":
        here, there = np.log2(sample.size), np.log2(seen.size)
    elif name == "intensity":
        here, there = (values @ reference.intensity_scale for values in (sample.intensity, seen.intensity))
    else:
        here, there = sample.features, seen.features @ reference.components
    return _few(here), _few(there)


def _few(values: Matrix) -> Matrix:
    if len(values) <= _MOST:
        return values
    return np.asarray(values[np.sort(np.random.default_rng(0).choice(len(values), _MOST, replace=False))])


def _words(name: str, reference: Reference, seen: Observed) -> str:
    sample = reference.sample
    if name == "size":
        (h0, w0), (h1, w1) = np.median(sample.size, axis=0), np.median(seen.size, axis=0)
        return f"median stored size {h0:.0f} x {w0:.0f} in development, {h1:.0f} x {w1:.0f} here"
    if name == "intensity":
        before, now = np.median(sample.intensity, axis=0), np.median(seen.intensity, axis=0)
        return (
            f"grey values, 1st, 50th and 99th percentile: {before[0]:.2f}, {before[3]:.2f}, {before[6]:.2f} in "
            f"development, {now[0]:.2f}, {now[3]:.2f}, {now[6]:.2f} here"
        )
    beyond = float((reference.distances(seen)[:, 2] > reference.threshold).mean())
    return f"features of {beyond:.0%} of the images lie beyond the out-of-scope limit"


def _share_beyond(reference: Reference, intensity: Matrix) -> float:
    distance = np.linalg.norm((intensity - reference.intensity_mean) @ reference.intensity_scale, axis=1)
    return float((distance / reference.unit[1] > reference.threshold).mean())


def _holm(values: list[float]) -> list[float]:
    """Return p values adjusted by S. Holm 1979 (Scand J Stat 6:65-70); NaN stays, and does not count."""
    made = sorted((p, index) for index, p in enumerate(values) if not math.isnan(p))
    adjusted = [math.nan] * len(values)
    highest = 0.0
    for rank, (p, index) in enumerate(made):
        highest = max(highest, min(1.0, (len(made) - rank) * p))
        adjusted[index] = highest
    return adjusted
