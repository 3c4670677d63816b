"""All of an audit that needs pixels or takes time, once for a dataset; a report on any division follows from it."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from threadpoolctl import threadpool_limits

from medimg_cnn._types import FloatVector, IntVector, StrVector
from medimg_cnn.data._audit._look import SMALLEST_SIDE, Looks, look_size, looks_of
from medimg_cnn.data._audit._material import Material
from medimg_cnn.data._audit._near import NearPairs, find_near
from medimg_cnn.data._audit._shortcuts import Shortcut, find_shortcuts
from medimg_cnn.data._groups import groups_of

__all__ = ["MOST_COMPARED", "Scan", "scan"]

MOST_COMPARED = 100_000
"""Different images up to which near duplicates are looked for by default: all pairs are compared."""

_CHUNK_BYTES = 4 * 2**20  # stays in a processor's cache
_MOST_THREADS = 4  # beyond, memory is what is waited for
_NO_PAIRS = NearPairs(np.empty((0, 2), np.int64), np.empty(0, np.float32), float("nan"), float("nan"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """What is true of the images however they are divided.

    Attributes:
        content: (n,) int64; images of equal pixels have the same number.
        blank: (n,) bool, every pixel has the same value.
        near: pairs of near duplicates, one image for each content.
        groups: (n,) texts: patients, joined where they have copies of one image.
        shortcuts: how well the label can be told from what is not disease.
        not_checked: what could not be looked at, and why, one sentence each.
    """

    content: IntVector
    blank: NDArray[np.bool_]
    near: NearPairs
    groups: StrVector
    shortcuts: tuple[Shortcut, ...]
    not_checked: tuple[str, ...]


def scan(material: Material, digests: StrVector, *, most_compared: int = MOST_COMPARED) -> Scan:
    """Read every image once and compare them.

    Args:
        material: the images.
        digests: (n,) a name for the content of each image; groups are named after it where patients are not known.
        most_compared: different images above which near duplicates are not looked for.
    """
    names, brightness, blank, looks = _read(material)
    _, first, content = np.unique(names, return_index=True, return_inverse=True)
    near, not_checked = _near(material, looks, first, most_compared)
    together = np.concatenate([_copies(content, first, blank), near.pairs])
    groups = groups_of(material.patients, joined(digests, together).tolist())
    return Scan(
        content=content.astype(np.int64),
        blank=blank,
        near=near,
        groups=groups,
        shortcuts=find_shortcuts(material, groups, brightness),
        not_checked=not_checked,
    )


def joined(names: StrVector, pairs: NDArray[np.int64]) -> StrVector:
    """Return names in which those of paired positions are one: the first, in the alphabet, of all so joined.

    Example:
        >>> joined(np.array(["c", "b", "a", "b"]), np.array([[0, 1]])).tolist()
        ['b', 'b', 'a', 'b']
    """
    if len(pairs) == 0:
        return names
    known, number = np.unique(names, return_inverse=True)
    links = coo_array(
        (np.ones(len(pairs)), (number[pairs[:, 0]], number[pairs[:, 1]])), shape=(known.size,) * 2
    )
    component = connected_components(links, directed=False)[1]
    first = np.unique(component, return_index=True)[1]
    return np.asarray(known[first[component[number]]], dtype=np.str_)


def _read(material: Material) -> tuple[NDArray[np.bytes_], FloatVector, NDArray[np.bool_], Looks]:
    height, width, channels = material.image_shape
    chunk = max(1, _CHUNK_BYTES // (4 * height * width * channels))
    names = np.empty(material.n, dtype="S16")
    brightness = np.empty(material.n)
    blank = np.empty(material.n, dtype=np.bool_)
    detailed = min(height, width) >= SMALLEST_SIDE
    values = np.empty((material.n, look_size(height, width) if detailed else 0), dtype=np.int8)
    norms = np.zeros(material.n, dtype=np.float32)

    def look(start: int) -> None:
        rows = material.order[start : start + chunk]
        images = material.read(rows)
        grey = images[..., 0] if channels == 1 else images @ np.array([0.299, 0.587, 0.114], np.float32)
        brightness[rows] = grey.mean(axis=(1, 2))
        if detailed:
            looks = looks_of(grey)
            values[rows], norms[rows] = looks.values, looks.norms
        # 8 and 16 bits both become 16 exactly, so that the same picture at either depth is one content.
        images *= 65_535
        whole = np.rint(images, out=images).astype(np.uint16).reshape(len(rows), -1)
        # Hexadecimal: a fixed-width text of NumPy drops zero bytes at its end.
        names[rows] = [hashlib.sha256(image.data).hexdigest()[:16] for image in whole]
        blank[rows] = whole.max(axis=1) == whole.min(axis=1)

    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    # Each thread multiplies small matrices: more threads inside would only wait for each other.
    with (
        threadpool_limits(limits=1, user_api="blas"),
        ThreadPoolExecutor(threads, thread_name_prefix="medimg_cnn-audit") as pool,
    ):
        list(pool.map(look, range(0, material.n, chunk)))
    return names, brightness, blank, Looks(values, norms)


def _near(
    material: Material, looks: Looks, first: IntVector, most_compared: int
) -> tuple[NearPairs, tuple[str, ...]]:
    height, width, _ = material.image_shape
    if min(height, width) < SMALLEST_SIDE:
        why = f"images of {height} x {width} are too small to tell a copy from a look-alike"
        return _NO_PAIRS, (f"Near duplicates: {why}; {SMALLEST_SIDE} pixels a side are needed.",)
    rows = first[looks.norms[first] > 0].astype(np.int64)
    if rows.size > most_compared:
        why = f"there are {rows.size:,} different images, more than {most_compared:,}"
        step = f"medimg_cnn.data.audit(data, most_compared={rows.size}) compares them all"
        return _NO_PAIRS, (f"Near duplicates: {why}. {step}.",)
    if rows.size < 2:
        return _NO_PAIRS, ("Near duplicates: fewer than two images show any detail.",)
    without = first.size - rows.size
    said = f"Near duplicates: {without} images without detail were not compared."
    return find_near(looks, rows, material.patients), (said,) if without else ()


def _copies(content: IntVector, first: IntVector, blank: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return pairs that join images of equal pixels; blank ones say nothing of who is on them."""
    rows = np.flatnonzero((first[content] != np.arange(content.size)) & ~blank)
    return np.stack([first[content[rows]], rows], axis=1).astype(np.int64)
