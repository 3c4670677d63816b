"""Deals whole groups of images to parts so that each part gets its share of both classes.

The measure is the sum over parts and classes of squared deviations from the target, each in units of the
class's total, so that a rare class counts as much as a common one. Groups of equal make-up (so many negative,
so many positive images) are dealt in proportion first; what is left over goes one by one, largest first, to the
part that lacks it most; then single moves and swaps go on until none brings the parts closer to their targets.
Where two ways are equally close, the one with the better sizes of the parts is taken.

The last step gives the bound that tests hold: for any two parts and any group with w images, all of class c,
in the first of them, the first part's deviation in class c exceeds the second's by at most w. Where every
group is one image, each part is therefore within one image of its target in both classes. The one exception: a
part that would be left without a class is given the smallest group that has it.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import FloatVector, IntVector

__all__ = ["deal_groups", "deviations"]

_TOLERANCE = 1e-12
_SWAP_LIMIT = 300  # kinds of groups; the search over swaps is quadratic in them


def deal_groups(counts: NDArray[np.int64], order: IntVector, fractions: FloatVector) -> IntVector:
    """Return the part, 0 to K - 1, of each of G groups.

    Args:
        counts: (G, 2) negative and positive images in each group.
        order: (G,) a permutation that says which of several equal groups comes first.
        fractions: (K,) wanted shares, positive, summing to 1.

    Example:
        >>> groups = np.array([[1, 0]] * 6 + [[0, 1]] * 4)
        >>> parts = deal_groups(groups, np.arange(10), np.array([0.5, 0.5]))
        >>> [groups[parts == part].sum(axis=0).tolist() for part in (0, 1)]
        [[3, 2], [3, 2]]
    """
    kinds, kind_of = np.unique(counts, axis=0, return_inverse=True)
    kind_of = kind_of.reshape(-1)
    available = np.bincount(kind_of, minlength=len(kinds))
    weights = kinds / np.maximum(counts.sum(axis=0), 1)
    sizes = kinds.sum(axis=1, keepdims=True) / counts.sum()
    dealt = np.floor(np.outer(available, fractions) + 1e-9).astype(np.int64)
    _deal_the_rest(dealt, available, weights, sizes, fractions)
    _improve(dealt, weights, sizes, fractions)
    _fill_empty(dealt, kinds)
    parts = np.empty(len(counts), dtype=np.int64)
    by_kind = order[np.argsort(kind_of[order], kind="stable")]
    parts[by_kind] = np.concatenate([np.repeat(np.arange(len(fractions)), row) for row in dealt])
    return parts


def deviations(counts: NDArray[np.int64], parts: IntVector, fractions: FloatVector) -> NDArray[np.float64]:
    """Return (K, 2): images of each class that each part has above its target; negative where it lacks some."""
    totals = counts.sum(axis=0)
    sums = np.stack([counts[parts == part].sum(axis=0) for part in range(len(fractions))])
    return np.asarray(sums - np.outer(fractions, totals), dtype=np.float64)


def _excess(
    dealt: NDArray[np.int64], weights: NDArray[np.float64], fractions: FloatVector
) -> NDArray[np.float64]:
    """Return (K, C): what each part has above its target, of each column of the weights."""
    return np.asarray(dealt.T @ weights - np.outer(fractions, dealt.sum(axis=1) @ weights), dtype=np.float64)


def _deal_the_rest(
    dealt: NDArray[np.int64],
    available: NDArray[np.int64],
    weights: NDArray[np.float64],
    sizes: NDArray[np.float64],
    fractions: FloatVector,
) -> None:
    left = available - dealt.sum(axis=1)
    excess = dealt.T @ weights - np.outer(fractions, available @ weights)
    for kind in np.argsort(-(weights**2).sum(axis=1), kind="stable"):
        for _ in range(int(left[kind])):
            in_classes = np.round(excess @ weights[kind], 12)
            in_all = _excess(dealt, sizes, fractions)[:, 0]
            part = int(np.lexsort((in_all, in_classes))[0])
            dealt[kind, part] += 1
            excess[part] += weights[kind]


def _improve(
    dealt: NDArray[np.int64],
    weights: NDArray[np.float64],
    sizes: NDArray[np.float64],
    fractions: FloatVector,
) -> None:
    """Move single groups, and swap pairs, while that lowers the measure, or else evens the sizes of the parts."""
    swaps = len(weights) <= _SWAP_LIMIT
    # The first partner is "nothing": a move is a swap with it.
    steps, squared = _steps(weights, swaps=swaps)
    size_steps, size_squared = _steps(sizes, swaps=swaps)
    while True:
        excess, size_excess = _excess(dealt, weights, fractions), _excess(dealt, sizes, fractions)
        best, choice = (-_TOLERANCE, 0.0), None
        for giver, taker in itertools.permutations(range(len(fractions)), 2):
            change = 2 * steps @ (excess[taker] - excess[giver]) + squared
            change[dealt[:, giver] == 0] = np.inf
            if swaps:
                change[:, 1:][:, dealt[:, taker] == 0] = np.inf
            sized = 2 * size_steps @ (size_excess[taker] - size_excess[giver]) + size_squared
            # A change that costs nothing in the classes is worth it if it evens the sizes.
            neutral = (np.abs(change) <= _TOLERANCE) & (sized < -_TOLERANCE)
            place = int(np.argmin(change))
            found = (float(change.flat[place]), 0.0)
            if found[0] >= -_TOLERANCE:
                if not neutral.any():
                    continue
                place = int(np.argmin(np.where(neutral, sized, np.inf)))
                found = (-_TOLERANCE, float(sized.flat[place]))
            if found < best:
                best, choice = found, (giver, taker, *divmod(place, change.shape[1]))
        if choice is None:
            return
        giver, taker, kind, partner = choice
        dealt[kind, giver] -= 1
        dealt[kind, taker] += 1
        if partner:
            dealt[partner - 1, taker] -= 1
            dealt[partner - 1, giver] += 1


def _steps(weights: NDArray[np.float64], *, swaps: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nothing = np.zeros((1, weights.shape[1]))
    partners = np.vstack([nothing, weights]) if swaps else nothing
    steps = weights[:, None, :] - partners[None, :, :]
    return steps, 2 * (steps**2).sum(axis=2)


def _fill_empty(dealt: NDArray[np.int64], kinds: NDArray[np.int64]) -> None:
    """Give each part at least one group with images of each class, where another part has one to spare."""
    has = kinds > 0
    for label in (0, 1):
        for part in range(dealt.shape[1]):
            if dealt[has[:, label], part].sum() > 0:
                continue
            for kind in sorted(
                np.flatnonzero(has[:, label]).tolist(), key=lambda item: int(kinds[item].sum())
            ):
                givers = [giver for giver in range(dealt.shape[1]) if _can_spare(dealt, has, kind, giver)]
                if givers:
                    giver = max(givers, key=lambda item: int(dealt[has[:, label], item].sum()))
                    dealt[kind, giver] -= 1
                    dealt[kind, part] += 1
                    break


def _can_spare(dealt: NDArray[np.int64], has: NDArray[np.bool_], kind: int, giver: int) -> bool:
    if dealt[kind, giver] == 0:
        return False
    return all(dealt[has[:, label], giver].sum() >= 2 for label in (0, 1) if has[kind, label])
