"""A dataset: up to three parts of labelled images, and how they came to be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from medimg_cnn._types import StrVector
from medimg_cnn._validation import check_seed, explain
from medimg_cnn.artifacts import DatasetFingerprint
from medimg_cnn.data._audit import AuditReport, Material, Scan, of_table, report_of, scan
from medimg_cnn.data._batches import PartTable, Split
from medimg_cnn.data._preprocessing import Preprocessing
from medimg_cnn.data._split import PARTS, Cases, Splitter
from medimg_cnn.data._store import PixelStore
from medimg_cnn.data._summary import DatasetSummary, PartSummary
from medimg_cnn.errors import ArgumentError, SplitError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Dataset", "Pool", "Unreadable", "divide", "fingerprint_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """An image that could not be read and was left out."""

    sample_id: str
    label: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """All images of a dataset before they are divided, and the settings that every division shares.

    Attributes:
        uncut: columns of numbers as they were before they were cut into bands: sites may be numbered.
    """

    table: PartTable
    store: PixelStore
    groups: StrVector
    digests: StrVector
    preprocessing: Preprocessing
    batch_size: int
    seed: int
    origin: str
    unreadable: tuple[Unreadable, ...] = ()
    uncut: Mapping[str, StrVector] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    scan: Scan | None = None

    def scanned(self, **options: int) -> Pool:
        """Return the pool with its images compared, and copies in one group."""
        found = scan(self.material(), self.digests, **options)
        near = len(found.near.pairs)
        said = (
            (f"Pairs of near duplicates, kept in one part where parts are not given: {near}.",)
            if near
            else ()
        )
        return replace(self, scan=found, groups=found.groups, notes=self.notes + said)

    def audited(self, parts: StrVector) -> AuditReport | None:
        """Return the audit of a division; None where the images were not compared."""
        return None if self.scan is None else report_of(self.material(), self.scan, parts)

    def material(self) -> Material:
        """Return what an audit is given."""
        return of_table(
            self.table,
            self.store,
            columns={**self.table.subgroups, **self.uncut},
            digests=self.digests,
            unreadable=len(self.unreadable),
            origin=self.origin,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Labelled images in up to three parts; made by ``load_dataset``.

    Attributes:
        train: reshuffled every epoch.
        validation: in a fixed order; None where the dataset has no such part.
        test: in a fixed order; None where the dataset has no such part.
        fingerprint: equal fingerprints mean equal contents, labels, parts and preprocessing; the order of the
            images and their names do not matter.
        preprocessing: how an image became a model's input; what a prediction on a new image must repeat.
        notes: what a reader should know about how the dataset came to be, one sentence each.
        name: of the division, where there is more than one; see ``folds``.
        pool: all images before they were divided.
        audit: what may be wrong with the data; None where ``audit="off"``.

    Example:
        >>> import numpy as np
        >>> from medimg_cnn.data import load_dataset
        >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
        >>> data = load_dataset((images, np.arange(40) % 2), positive=1, patients=np.arange(40))
        >>> data.train.n, data.validation.n, data.test.n, data.image_shape
        (28, 6, 6, (8, 8, 1))
    """

    train: Split
    validation: Split | None
    test: Split | None
    fingerprint: DatasetFingerprint
    preprocessing: Preprocessing
    notes: tuple[str, ...]
    name: str
    pool: Pool
    audit: AuditReport | None = None

    @property
    def classes(self) -> tuple[str, str]:
        """(negative, positive) names."""
        return self.fingerprint.classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        return self.fingerprint.image_shape

    @property
    def parts(self) -> tuple[Split, ...]:
        """The parts that exist: training, validation, test."""
        return tuple(part for part in (self.train, self.validation, self.test) if part is not None)

    @property
    def table(self) -> pd.DataFrame:
        """A pandas table with one row per image, part after part; ids are the user's own."""
        import pandas as pd

        return pd.concat([part.table for part in self.parts], ignore_index=True)

    @property
    def unreadable(self) -> pd.DataFrame:
        """A pandas table of the images that were left out: sample_id, label, reason."""
        import pandas as pd

        rows = [(item.sample_id, item.label, item.reason) for item in self.pool.unreadable]
        return pd.DataFrame(rows, columns=["sample_id", "label", "reason"])

    def summary(self) -> DatasetSummary:
        """Return what a reader should know first; prints as text and shows as a table in a notebook."""
        patients = [
            None if part.patient_ids is None else np.unique(part.patient_ids).size for part in self.parts
        ]
        total = sum(part.n for part in self.parts)
        rows = tuple(
            PartSummary(
                part=part.part,
                images=part.n,
                share=part.n / total,
                patients=None if count is None else int(count),
                positives=int(part.labels.sum()),
            )
            for part, count in zip(self.parts, patients, strict=True)
        )
        return DatasetSummary(
            origin=self.pool.origin,
            classes=self.classes,
            image_shape=self.image_shape,
            parts=rows,
            notes=self.notes,
            fingerprint=self.fingerprint.content,
        )

    def plot_samples(self, part: str = "train", *, columns: int = 6, seed: int = 0) -> Figure:
        """Return a matplotlib figure with images drawn at random, one row for each class.

        Args:
            part: "train", "validation" or "test".
            columns: images in a row.
            seed: of the draw.

        Raises:
            ArgumentError: there is no such part.
        """
        from medimg_cnn.data._plots import plot_samples

        return plot_samples(self.parts, part, columns=columns, seed=seed)

    def folds(self, splitter: Splitter, *, seed: int = 0) -> Iterator[Dataset]:
        """Yield the same images divided anew, once for each of the splitter's ways.

        Raises:
            ArgumentError: ``splitter`` is none.
            SplitError: the images cannot be divided so.

        Example:
            >>> import numpy as np
            >>> from medimg_cnn.data import KFold, load_dataset
            >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
            >>> data = load_dataset((images, np.arange(40) % 2), positive=1, patients=np.arange(40))
            >>> [(fold.name, fold.test.n) for fold in data.folds(KFold(k=2))]
            [('fold 1 of 2', 20), ('fold 2 of 2', 20)]
        """
        check_seed("seed", seed)
        if isinstance(splitter, type) or not callable(getattr(splitter, "assign", None)):
            hint = "Pass for example KFold(k=5), from medimg_cnn.data."
            raise ArgumentError(
                explain("splitter", "must be a splitter, which has the method assign", splitter, hint)
            )
        pool = self.pool
        cases = Cases(
            labels=pool.table.labels, groups=pool.groups, columns={**pool.table.subgroups, **pool.uncut}
        )
        for assignment in splitter.assign(cases, seed=seed):
            yield divide(pool, np.asarray(assignment.parts, dtype=np.str_), name=assignment.name)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def __repr__(self) -> str:
        sizes = ", ".join(f"{part.part} {part.n}" for part in self.parts)
        return f"<Dataset {' / '.join(self.classes)}: {sizes}; {' x '.join(map(str, self.image_shape))}>"


def divide(pool: Pool, parts: StrVector, *, notes: tuple[str, ...] = (), name: str = "") -> Dataset:
    """Return the dataset in which image i of the pool is in ``parts[i]``; "" is left out.

    Raises:
        SplitError: there is no training image, or a part lacks a class.
    """
    chosen = {part: np.flatnonzero(parts == part) for part in PARTS}
    left_out = len(parts) - sum(rows.size for rows in chosen.values())
    for part, rows in chosen.items():
        found = set(pool.table.labels[rows].tolist())
        if (rows.size or part == "train") and found != {0, 1}:
            lacking = [pool.table.classes[label] for label in (0, 1) if label not in found]
            raise SplitError(
                f"{pool.origin}: every part must have images of both classes; {part} has {rows.size} images and none "
                f"of {' or '.join(map(repr, lacking))}. Give other parts, or pass split=None to split anew."
            )
    fingerprint = fingerprint_of(pool, chosen)
    splits = {
        part: Split(
            pool.table.select(rows, part=part),
            pool.store,
            fingerprint=fingerprint,
            preprocessing=pool.preprocessing,
            batch_size=pool.batch_size,
            seed=pool.seed,
            shuffle=part == "train",
        )
        for part, rows in chosen.items()
        if rows.size
    }
    said = [f"Images that take no part in this division: {left_out}."] if left_out else []
    audit = pool.audited(parts)
    if audit is not None and audit.troubles:
        listed = "; ".join(f"{item.code} {item.title} ({item.count:,})" for item in audit.troubles)
        said.append(f"The audit found: {listed}.")
    return Dataset(
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        fingerprint=fingerprint,
        preprocessing=pool.preprocessing,
        notes=(*pool.notes, *notes, *said),
        name=name,
        pool=pool,
        audit=audit,
    )


def fingerprint_of(
    pool: Pool, chosen: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]
) -> DatasetFingerprint:
    """Return the fingerprint of a pool of which these rows make up these parts."""
    lines: list[str] = []
    for part, rows in chosen.items():
        labels = pool.table.labels[rows].tolist()
        lines += [
            f"{pool.digests[row]} {label} {part}" for row, label in zip(rows.tolist(), labels, strict=True)
        ]
    return DatasetFingerprint(
        content=hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest(),
        preprocessing=pool.preprocessing.sha256(),
        counts=tuple(
            (part, int(rows.size), int(pool.table.labels[rows].sum()))
            for part, rows in chosen.items()
            if rows.size
        ),
        classes=pool.table.classes,
        image_shape=pool.preprocessing.image_shape,
    )
