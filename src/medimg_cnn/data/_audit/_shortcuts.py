"""How well the label can be told from what is not disease: the file, the size, the brightness, the site.

Each feature becomes a few categories. A category's score is the share of positives in it, learnt in four fifths of
the patients and applied to the last fifth; the AUROC is measured within each fifth and averaged, so that a feature
without any signal gives 0.5 on average, whatever the number of its categories (decision 0028).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import FloatVector, StrVector
from medimg_cnn.data._split import Cases, KFold
from medimg_cnn.errors import SplitError

if TYPE_CHECKING:
    from medimg_cnn.data._audit._material import Material
    from medimg_cnn.evaluation import Estimate

__all__ = ["FIRES_ABOVE", "Shortcut", "find_shortcuts"]

FIRES_ABOVE = 0.6
"""A shortcut is reported where the lower bound of its AUROC is above this."""

_KNOWN_SCORES = "the interval takes the scores of the categories as known; near 0.5 it is too narrow"
_FOLDS = 5
_FEWEST = 20  # images of either class
_BINS = 10
_FEWEST_IN_BIN = 20
_MOST_SIZES = 20
_SITE_COLUMNS = frozenset(
    {
        "site", "sites", "hospital", "centre", "center", "institution", "clinic", "department", "country", "scanner",
        "machine", "device", "manufacturer", "vendor", "model", "view", "view_position", "viewposition", "projection",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """How well one feature alone tells the label.

    Attributes:
        code: of the finding that it makes where it fires.
        feature: what it is, in words.
        categories: how many values, or classes of values, it has.
        auroc: with its 95% interval; undefined, with the reason, where it could not be measured.

    Example:
        >>> from medimg_cnn.data import load_dataset
        >>> images = np.random.default_rng(0).integers(0, 256, (80, 16, 16), dtype=np.uint8)
        >>> labels = np.arange(80) % 2
        >>> data = load_dataset((images, labels), positive=1, patients=np.arange(80))
        >>> [(item.feature, item.fires) for item in data.audit.shortcuts][-1]
        ('mean brightness', False)
    """

    code: str
    feature: str
    categories: int
    auroc: Estimate

    @property
    def fires(self) -> bool:
        """Whether the lower bound is above 0.6."""
        return self.auroc.has_interval and self.auroc.lower > FIRES_ABOVE


def find_shortcuts(material: Material, groups: StrVector, brightness: FloatVector) -> tuple[Shortcut, ...]:
    """Measure each feature that is known."""
    folds = _folds(material.labels, groups)
    patients = None if material.patients is None and np.unique(groups).size == groups.size else groups
    features: list[tuple[str, str, NDArray[Any]]] = []
    facts = material.facts
    if facts:
        features = [
            ("M010", "file format", facts["format"]),
            ("M011", "image size", _sizes(facts["height"], facts["width"])),
            ("M012", "colour mode", facts["mode"]),
            ("M013", "bit depth", facts["bit_depth"]),
        ]
    features.append(("M014", "mean brightness", _bins(brightness, _BINS)))
    features += [
        ("M015", name, column)
        for name, column in sorted(material.columns.items())
        if name.casefold().replace(" ", "_") in _SITE_COLUMNS
    ]
    return tuple(
        Shortcut(
            code=code,
            feature=name,
            categories=int(np.unique(values).size),
            auroc=category_auroc(material.labels, values, folds, patients),
        )
        for code, name, values in features
    )


def category_auroc(
    labels: NDArray[np.int8], values: NDArray[Any], folds: NDArray[np.int64] | str, patients: StrVector | None
) -> Estimate:
    """Return the cross-fitted AUROC of a category, with its interval.

    Args:
        labels: (n,) 0 or 1.
        values: (n,) the category of each image.
        folds: (n,) the fold of each image, whole patients in one; or the reason why there are none.
        patients: (n,) patient of each image where one may have several.

    Returns:
        The mean over folds of the AUROC in each, weighted by its number of pairs; limits on the logit scale, from
        the folds' DeLong (by patient Obuchowski) standard errors.
    """
    from medimg_cnn.evaluation import Estimate, auroc

    n = int(labels.size)
    known, category = np.unique(values, return_inverse=True)
    if isinstance(folds, str) or known.size < 2:
        why = folds if isinstance(folds, str) else "all images have the same"
        return Estimate(value=math.nan, method="cross-fitted", n=n, reason=why)
    parts: list[tuple[float, float, float]] = []
    for fold in np.unique(folds).tolist():
        inside = folds == fold
        score = _rates(category[~inside], labels[~inside], known.size)[category[inside]]
        found = auroc(labels[inside], score, patients=None if patients is None else patients[inside])
        positives = int(labels[inside].sum())
        error = 0.0 if math.isnan(found.standard_error) else found.standard_error
        parts.append((float(positives * (inside.sum() - positives)), found.value, error))
    pairs, areas, errors = np.array(parts).T
    weight = pairs / pairs.sum()
    area, error = float(weight @ areas), float(np.sqrt((weight**2) @ errors**2))
    if error > 0 and 0 < area < 1:
        half = 1.959964 * error / (area * (1 - area))
        centre = math.log(area / (1 - area))
        lower, upper = (1 / (1 + math.exp(-limit)) for limit in (centre - half, centre + half))
    else:
        whole = auroc(labels, labels.astype(np.float64), patients=patients)  # of perfect separation
        lower, upper = (whole.lower, 1.0) if area == 1 else (math.nan, math.nan)
    return Estimate(
        value=area,
        lower=lower,
        upper=upper,
        method=f"cross-fitted in {len(parts)} folds, {'DeLong' if patients is None else 'Obuchowski'}, logit",
        n=n,
        standard_error=error,
        reason=_KNOWN_SCORES if not math.isnan(lower) else "no interval: the score hardly varies",
    )


def _rates(category: NDArray[np.int64], labels: NDArray[np.int8], count: int) -> FloatVector:
    """Return the share of positives in each category, drawn to that of all by the weight of one image."""
    overall = float(labels.mean())
    positives = np.bincount(category, weights=labels, minlength=count)
    return np.asarray((positives + overall) / (np.bincount(category, minlength=count) + 1), dtype=np.float64)


def _folds(labels: NDArray[np.int8], groups: StrVector) -> NDArray[np.int64] | str:
    if min(int(labels.sum()), int((labels == 0).sum())) < _FEWEST:
        return f"fewer than {_FEWEST} images of a class"
    try:
        ways = KFold(k=_FOLDS, validation=0).assign(Cases(labels=labels, groups=groups), seed=0)
        folds = np.zeros(labels.size, dtype=np.int64)
        for number, way in enumerate(ways):
            folds[way.parts == "test"] = number
    except SplitError:
        return f"too few patients of a class for {_FOLDS} folds"
    return folds


def _bins(values: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return which of up to ``count`` classes of equal frequency each value is in."""
    count = max(2, min(count, values.size // _FEWEST_IN_BIN))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def _sizes(height: NDArray[np.int64], width: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for each size; where there are many, for each quarter of the heights and of the widths."""
    exact = height.astype(np.int64) * 2**20 + width
    if np.unique(exact).size <= _MOST_SIZES:
        return exact
    return np.asarray(_bins(height, 4) * 4 + _bins(width, 4), dtype=np.int64)
