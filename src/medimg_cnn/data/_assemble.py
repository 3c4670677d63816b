"""The steps that reading a dataset and reading an external test set share."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from medimg_cnn._types import ImageSize, StrVector
from medimg_cnn._validation import explain
from medimg_cnn.data._bands import Cuts, cut_columns
from medimg_cnn.data._batches import PartTable
from medimg_cnn.data._dataset import Pool, Unreadable
from medimg_cnn.data._groups import groups_of, repeated_contents
from medimg_cnn.data._positive import choose_classes, label_text, others_left_out
from medimg_cnn.data._prepare import Prepared
from medimg_cnn.data._records import Records
from medimg_cnn.data.readers import ReadOptions
from medimg_cnn.errors import ArgumentError, DataError, LabelError, MedimgCnnWarning

__all__ = [
    "check_one_source",
    "check_two_names",
    "chosen_labels",
    "cut_subgroups",
    "left_out",
    "make_pool",
    "one_or_two_classes",
    "patients_unknown",
    "quarantine",
    "two_classes",
    "warn_and_note",
]


def check_one_source(more: Sequence[object]) -> None:
    """Raise ArgumentError where the data were given as several arguments."""
    if more:
        rule = "must be one argument, and two arrays one tuple: (images, labels)"
        raise ArgumentError(
            explain("source", rule, f"{1 + len(more)} arguments", "All other arguments go by name.")
        )


def cut_subgroups(records: Records, cuts: Cuts) -> Records:
    """Return the records with columns of numbers cut into bands; see ``cut_columns``."""
    columns, uncut, said = cut_columns(records.columns, cuts)
    return replace(records, columns=columns, uncut=uncut, notes=(*records.notes, *said))


def patients_unknown(records: Records, *, divided: bool) -> str:
    """Return "" where patients are known, else what follows, and where they seem to be found."""
    if records.patients is not None:
        return ""
    shared = "images of one patient may be in two parts, which flatters every result, and " if divided else ""
    return f"Patients are not known: {shared}intervals take each image for a patient of its own. " + (
        records.patient_hint or "Pass patients=."
    )


def two_classes(
    records: Records, *, positive: object, classes: Sequence[Any] | None
) -> tuple[Records, tuple[str, str]]:
    """Return the records of two labels, and (negative, positive)."""
    counts = Counter(records.labels)
    if classes is None:
        ordered = {name: counts[name] for name in sorted(counts)}
        try:
            return records, choose_classes(
                ordered, positive=positive, kind=records.label_kind, origin=records.origin
            )
        except LabelError as error:
            if len(counts) == 2 or not records.label_hint:
                raise
            raise LabelError(f"{error} {records.label_hint}") from error
    if not isinstance(classes, (tuple, list)) or len(classes) != 2 or positive is not None:
        rule = "must be (negative, positive), and then positive is not given"
        raise ArgumentError(explain("classes", rule, classes))
    names = (label_text(classes[0]), label_text(classes[1]))
    for name in names:
        if name not in counts:
            listed = ", ".join(f"{known!r} ({count})" for known, count in sorted(counts.items()))
            raise LabelError(explain("classes", f"each must be a label of {records.origin}, {listed}", name))
    keep = [index for index, name in enumerate(records.labels) if name in names]
    dropped = len(records.labels) - len(keep)
    return _selected(records, keep, others_left_out(names, dropped)), names


def chosen_labels(classes: Sequence[Any] | None) -> tuple[str, ...]:
    """Return the labels whose images alone will be used; nothing where all will be, or where it is unclear."""
    if not isinstance(classes, (tuple, list)) or len(classes) != 2:
        return ()
    return tuple(label_text(name) for name in classes)


def check_two_names(argument: str, value: Sequence[Any]) -> tuple[str, str]:
    """Return two different labels as texts; raise ArgumentError where they are not."""
    if (
        not isinstance(value, (tuple, list))
        or len(value) != 2
        or label_text(value[0]) == label_text(value[1])
    ):
        raise ArgumentError(explain(argument, "must be (negative, positive)", value))
    return label_text(value[0]), label_text(value[1])


def one_or_two_classes(records: Records, names: tuple[str, str]) -> tuple[Records, str]:
    """Return the records of these labels, and the one of which there are none, else "".

    Raises:
        LabelError: there are no images of either; or of one only, and others that it may be misspelt for.
    """
    counts = Counter(records.labels)
    absent = [name for name in names if name not in counts]
    if len(absent) == 2 or (absent and len(counts) > 1):
        listed = ", ".join(f"{known!r} ({count})" for known, count in sorted(counts.items()))
        step = "Pass labels=(negative, positive) as this source calls them."
        raise LabelError(
            explain("labels", f"each must be a label of {records.origin}, {listed}", names, step)
        )
    if not absent:
        records, _ = two_classes(records, positive=None, classes=names)
    return records, "".join(absent)


def _selected(records: Records, keep: Sequence[int], notes: tuple[str, ...]) -> Records:
    def pick(values: Sequence[str]) -> list[str]:
        return [values[index] for index in keep]

    return replace(
        records,
        sample_ids=pick(records.sample_ids),
        labels=pick(records.labels),
        pixels=_Chosen(records.pixels, keep),
        patients=None if records.patients is None else pick(records.patients),
        parts=None if records.parts is None else pick(records.parts),
        columns={name: pick(values) for name, values in records.columns.items()},
        notes=records.notes + notes,
    )


class _Chosen:
    """Some images of another source."""

    def __init__(self, pixels: Any, keep: Sequence[int]) -> None:
        self._pixels, self._keep = pixels, keep

    def __len__(self) -> int:
        return len(self._keep)

    @property
    def native_size(self) -> ImageSize | None:
        size: ImageSize | None = self._pixels.native_size
        return size

    def digest(self, index: int) -> str:
        return str(self._pixels.digest(self._keep[index]))

    def decode(self, index: int, options: ReadOptions, minimum_size: ImageSize | None) -> Any:
        return self._pixels.decode(self._keep[index], options, minimum_size)


def quarantine(records: Records, prepared: Prepared, limit: float) -> tuple[Unreadable, ...]:
    """Return what could not be read; raise DataError where that is too much."""
    n, failures = len(records.labels), prepared.failures
    if len(failures) > limit * n or len(failures) == n:
        listed = "\n".join(f"  {failures[index]}" for index in sorted(failures)[:5])
        if len(failures) < n:
            step = "Repair or remove them, or pass a larger max_unreadable."
        elif all(text.endswith("Check the path.") for text in failures.values()):
            step = (
                "Check the paths; for a table root= is the folder that they are relative to. For a column of DICOM "
                'identifiers in the place of paths pass dicom_key=, for example "StudyInstanceUID".'
            )
        else:
            step = "None can be read as asked: see the reasons, and read= where they name one of its options."
        rule = f"at most {limit:.1%} of the images may be unreadable (max_unreadable)"
        raise DataError(
            f"{records.origin}: {rule}, and not all; {len(failures)} of {n} are. The first:\n{listed}\n{step}"
        )
    return tuple(
        Unreadable(sample_id=records.sample_ids[index], label=records.labels[index], reason=failures[index])
        for index in sorted(failures)
    )


def left_out(unreadable: Sequence[Unreadable], n: int) -> str:
    """Return a sentence about the unreadable of n images, "" where there are none."""
    if not unreadable:
        return ""
    listed = "; ".join(item.reason for item in unreadable[:3])
    more = f"; and {len(unreadable) - 3} more, see Dataset.unreadable" if len(unreadable) > 3 else ""
    return f"{len(unreadable)} of {n} images cannot be read and were left out: {listed}{more}"


def make_pool(
    records: Records,
    names: tuple[str, str],
    prepared: Prepared,
    notes: Sequence[str],
    unreadable: tuple[Unreadable, ...],
    *,
    batch_size: int,
    seed: int,
) -> Pool:
    """Return the readable images and the settings that every division of them shares."""
    kept = np.array(
        [index for index in range(len(records.labels)) if index not in prepared.failures], dtype=np.int64
    )

    def column(values: Sequence[str]) -> StrVector:
        return np.asarray(values, dtype=np.str_)[kept]

    facts = [prepared.facts[index] for index in kept.tolist()]
    known = [fact for fact in facts if fact is not None]
    table = PartTable(
        part="",
        labels=(column(records.labels) == names[1]).astype(np.int8),
        sample_ids=column(records.sample_ids),
        rows=kept,
        classes=names,
        patient_ids=None if records.patients is None else column(records.patients),
        subgroups={name: column(values) for name, values in records.columns.items()},
        facts={
            "format": np.array([fact.format for fact in known], dtype=np.str_),
            "mode": np.array([fact.mode for fact in known], dtype=np.str_),
            "bit_depth": np.array([fact.bit_depth for fact in known], dtype=np.int64),
            "height": np.array([fact.height for fact in known], dtype=np.int64),
            "width": np.array([fact.width for fact in known], dtype=np.int64),
        },
    )
    digests = column(prepared.digests)
    copies = repeated_contents(digests)
    more = (
        (f"Images with the content of another one, kept in its part where parts are not given: {copies}.",)
        if copies
        else ()
    )
    return Pool(
        table=table,
        store=prepared.store,
        groups=groups_of(table.patient_ids, digests.tolist()),
        digests=digests,
        preprocessing=prepared.preprocessing,
        batch_size=batch_size,
        seed=seed,
        origin=records.origin,
        unreadable=unreadable,
        uncut={name: column(values) for name, values in records.uncut.items()},
        notes=(*notes, *more),
    )


def warn_and_note(notes: list[str], text: str) -> None:
    """Keep a text that is not empty, and warn the caller's caller."""
    if text:
        notes.append(text)
        warnings.warn(text, MedimgCnnWarning, stacklevel=3)
