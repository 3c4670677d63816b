"""What an audit is given: n images, row by row, whatever object they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Images, IntVector, StrVector

if TYPE_CHECKING:
    from medimg_cnn.data._batches import PartTable, Split
    from medimg_cnn.data._store import PixelStore

__all__ = ["Material", "ReadImages", "of_split", "of_table"]


class ReadImages(Protocol):
    """Returns the images at some positions, (m, h, w, c) float32 in 0 to 1."""

    def __call__(self, indices: IntVector, /) -> Images:
        """Return the images."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """The images and all that is known of them.

    Attributes:
        labels: (n,) int8, 1 = positive.
        sample_ids: (n,) texts.
        classes: (negative, positive) names.
        patients: (n,) texts, or None where patients are not known.
        columns: subgroup columns, name -> (n,) texts.
        facts: of each image as it was stored: format, mode, bit_depth, height, width.
        read: gives pixels.
        image_shape: (height, width, channels) of these.
        order: (n,) positions in the order in which reading is fastest.
        unreadable: images that could not be read and are not among the n.
        origin: the source in words.
    """

    labels: NDArray[np.int8]
    sample_ids: StrVector
    classes: tuple[str, str]
    patients: StrVector | None
    columns: Mapping[str, StrVector]
    facts: Mapping[str, NDArray[Any]]
    read: ReadImages
    image_shape: tuple[int, int, int]
    order: IntVector
    unreadable: int = 0
    origin: str = ""

    @property
    def n(self) -> int:
        """Number of images."""
        return int(self.labels.size)


def of_table(
    table: PartTable,
    store: PixelStore,
    *,
    columns: Mapping[str, StrVector],
    digests: StrVector,
    unreadable: int,
    origin: str,
) -> Material:
    """Return what is known of the images of a table."""
    return Material(
        labels=table.labels,
        sample_ids=table.sample_ids,
        classes=table.classes,
        patients=table.patient_ids,
        columns=columns,
        facts=table.facts,
        read=partial(_read_rows, store, table.rows),
        image_shape=store.image_shape,
        order=np.argsort(digests, kind="stable").astype(np.int64),  # as they lie in the store's files
        unreadable=unreadable,
        origin=origin,
    )


def of_split(split: Split) -> Material:
    """Return what is known of the images of one part."""
    return Material(
        labels=split.labels,
        sample_ids=split.sample_ids,
        classes=split.classes,
        patients=split.patient_ids,
        columns=split.subgroups,
        facts=split.facts,
        read=split.read,
        image_shape=split.image_shape,
        order=np.arange(split.n, dtype=np.int64),
        origin=f"the {split.part} part",
    )


def _read_rows(store: PixelStore, rows: IntVector, indices: IntVector) -> Images:
    return store.read(rows[indices])
