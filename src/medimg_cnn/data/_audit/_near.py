"""Pairs of images that look so alike that one is a copy of the other, after changes that keep what is shown.

How alike different images look depends on the kind of image, so the limit is set from the images themselves: from
each image's most similar other image, of another patient where patients are known. These similarities, on Fisher's
z scale, are largest values of many, so a Gumbel distribution is put through their lower quartile and median (copies
among up to half of the images do not move these), and the limit is where it expects ``_FALSE_IMAGES`` images above in
the whole dataset.

The search compares all pairs, in tiles, by 128 random projections of the descriptors; what comes near the limit is
then compared in full.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import IntVector, StrVector
from medimg_cnn.data._audit._look import Looks, similarity_of

__all__ = ["NearPairs", "find_near", "look_alike_limit"]

_FALSE_IMAGES = 0.05  # expected in a dataset without copies: in one dataset of twenty, one image
_LOWEST, _HIGHEST = 0.75, 0.97  # of the limit; decision 0027
_UNKNOWN = 0.9  # the limit where too few images are there to set it
_FEWEST = 30
_SAMPLE = 1000
_PROJECTIONS = 128
_TILE = (1024, 8192)
_PARTNERS = 16  # of one image in one tile, the most similar


@dataclass(frozen=True, slots=True, eq=False)
class NearPairs:
    """What the search found.

    Attributes:
        pairs: (m, 2) int64 positions, the smaller first.
        similarity: (m,) float32.
        limit: similarity from which two images count as copies.
        usual: median similarity of an image to its most similar one of another patient; NaN if not measured.
    """

    pairs: NDArray[np.int64]
    similarity: NDArray[np.float32]
    limit: float
    usual: float


def find_near(looks: Looks, rows: IntVector, patients: StrVector | None) -> NearPairs:
    """Return the pairs of near duplicates among some images, in an order that does not depend on theirs.

    Args:
        looks: the descriptors.
        rows: (k,) positions of the images to compare, with detail and no two equal.
        patients: (n,) patient of each image, or None where they are not known.
    """
    limit, usual = look_alike_limit(looks, rows, patients)
    candidates = rows[_candidates(looks, rows, limit)]
    candidates.sort(axis=1)
    similarity = similarity_of(looks, candidates)
    near = similarity >= limit
    candidates, similarity = candidates[near], similarity[near]
    order = np.lexsort((candidates[:, 1], candidates[:, 0]))
    return NearPairs(candidates[order], similarity[order], limit, usual)


def look_alike_limit(looks: Looks, rows: IntVector, patients: StrVector | None) -> tuple[float, float]:
    """Return the similarity above which look-alikes are not expected, and the usual nearest similarity."""
    nearest = _nearest(looks, rows, patients)
    if nearest.size < _FEWEST:
        return _UNKNOWN, math.nan
    lower, middle = np.quantile(np.arctanh(np.clip(nearest, -0.9999, 0.9999)), (0.25, 0.5))
    # Quantile p of a Gumbel distribution lies at location - scale * log(-log(p)).
    low, mid = -math.log(math.log(4)), -math.log(math.log(2))
    scale = (middle - lower) / (mid - low)
    location = middle - scale * mid
    limit = math.tanh(location + scale * math.log(rows.size / _FALSE_IMAGES))
    return min(max(limit, _LOWEST), _HIGHEST), math.tanh(float(middle))


def _nearest(looks: Looks, rows: IntVector, patients: StrVector | None) -> NDArray[np.float32]:
    """Return the similarity of up to 1,000 images to their most similar image of another patient."""
    sample = rows[:: max(1, -(-rows.size // _SAMPLE))]
    wanted = looks.unit(sample)
    best = np.full(sample.size, -1, dtype=np.float32)
    codes = np.arange(len(looks.norms))
    if patients is not None:
        codes = np.unique(patients, return_inverse=True)[1]
    for start in range(0, rows.size, _TILE[1]):
        others = rows[start : start + _TILE[1]]
        found = wanted @ looks.unit(others).T
        found[codes[sample][:, None] == codes[others]] = -1
        np.maximum(best, found.max(axis=1), out=best)
    return best[best > -1]


def _candidates(looks: Looks, rows: IntVector, limit: float) -> NDArray[np.int64]:
    """Return (m, 2) positions in ``rows`` whose projections are nearly as similar as the limit, or more."""
    size = looks.values.shape[1]
    draw = np.random.Generator(np.random.Philox(key=20_270)).standard_normal(
        (size, _PROJECTIONS), dtype=np.float32
    )
    sketch = np.empty((rows.size, _PROJECTIONS), dtype=np.float32)
    for start in range(0, rows.size, 4096):
        some = looks.unit(rows[start : start + 4096]) @ draw
        sketch[start : start + 4096] = some / np.maximum(np.linalg.norm(some, axis=1, keepdims=True), 1e-9)
    # A correlation r from k projections has a standard error of about (1 - r^2) / sqrt(k).
    least = limit - 4 * (1 - limit**2) / math.sqrt(_PROJECTIONS)
    found = [np.empty((0, 2), dtype=np.int64)]
    for top in range(0, rows.size, _TILE[0]):
        for left in range(top // _TILE[1] * _TILE[1], rows.size, _TILE[1]):
            tile = sketch[top : top + _TILE[0]] @ sketch[left : left + _TILE[1]].T
            row, column = _strongest(tile, least, diagonal=top - left)
            found.append(np.stack([row + top, column + left], axis=1))
    return np.concatenate(found)


def _strongest(tile: NDArray[np.float32], least: float, *, diagonal: int) -> tuple[IntVector, IntVector]:
    """Return the places right of the diagonal with at least a value, for each row the largest few."""
    row, column = np.divmod(np.flatnonzero(tile >= least), tile.shape[1])  # faster than nonzero in two axes
    keep = column > row + diagonal
    row, column = row[keep], column[keep]
    if row.size > _PARTNERS * len(tile):
        order = np.lexsort((-tile[row, column], row))
        row, column = row[order], column[order]
        first = np.searchsorted(row, row)
        keep = np.arange(row.size) - first < _PARTNERS
        row, column = row[keep], column[keep]
    return row.astype(np.int64), column.astype(np.int64)
