"""A test set from elsewhere, read as the images that a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Never

import numpy as np

from medimg_cnn._types import PathLike
from medimg_cnn._validation import check_choice, check_fraction, check_integer, explain
from medimg_cnn.data._assemble import (
    check_one_source,
    check_two_names,
    cut_subgroups,
    left_out,
    make_pool,
    one_or_two_classes,
    patients_unknown,
    quarantine,
    warn_and_note,
)
from medimg_cnn.data._audit import AuditMode, enforce
from medimg_cnn.data._bands import read_subgroups
from medimg_cnn.data._batches import Split
from medimg_cnn.data._dataset import fingerprint_of
from medimg_cnn.data._prepare import PixelOptions, prepare
from medimg_cnn.data._preprocessing import Preprocessing
from medimg_cnn.data._records import Patients, SourceOptions
from medimg_cnn.data.sources import open_source
from medimg_cnn.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_external"]


def load_external(
    source: PathLike | tuple[Any, Any] | Mapping[str, Any] | pd.DataFrame,
    *more: Never,
    preprocessing: Preprocessing,
    classes: Sequence[Any],
    labels: Sequence[Any] | None = None,
    patients: Patients = None,
    label: str = "label",
    path: str = "path",
    subgroups: Sequence[str] | Mapping[str, Any] = (),
    root: PathLike | None = None,
    shared_patient_ids: bool = False,
    dicom_key: Literal["PatientID", "StudyInstanceUID", "SOPInstanceUID"] | None = None,
    batch_size: int = 32,
    max_unreadable: float = 0.01,
    audit: AuditMode = "warn",
    cache: PathLike | None = None,
    memory_budget: int = 2 * 2**30,
    workers: int | None = None,
    progress: bool | None = None,
) -> Split:
    """Read an external test set: all images of a source, prepared as those that the model was trained on.

    Nothing is divided and parts that the source names are not looked at; to test on one of them pass its folder.
    Images may all be of one class, for example healthy volunteers; that warns.

    Args:
        source: as in ``load_dataset``.
        more: none; it is there to say that two arrays go into one tuple.
        preprocessing: that of the development data, ``Dataset.preprocessing``.
        classes: (negative, positive) of the development data, ``Dataset.classes``.
        labels: (negative, positive) as this source names them; by default as ``classes``. Images of other labels are
            left out.
        patients: as in ``load_dataset``, and so are the other arguments.
        label: column of labels.
        path: column of paths.
        subgroups: columns to carry along. To compare with the development data cut columns of numbers where those
            were cut, for example {"age": (40, 60)}.
        root: folder or archive that a table's paths are relative to.
        shared_patient_ids: whether one id at two sites is one patient.
        dicom_key: which identifier of DICOM files the table's rows name.
        batch_size: images in a batch.
        max_unreadable: share of images that may be unreadable, 0 to 1; more is an error.
        audit: "warn" warns of copies with other labels, shortcuts and blank images; "error" stops there; "off" does
            not look. ``medimg_cnn.data.audit`` of the split gives the report.
        cache: folder in which decoded images are kept.
        memory_budget: bytes of decoded images held in memory at once.
        workers: threads that decode.
        progress: as in ``load_dataset``.

    Returns:
        The split "external", in a fixed order.

    Raises:
        ArgumentError: an argument breaks its rule.
        LabelError: there are no images of the classes, or one may be misspelt.
        DataError: the source has no images, or too many cannot be read.
        AuditError: ``audit="error"`` and the audit found errors or warnings.

    Warns:
        MedimgCnnWarning: there are no images of one class; patients are not known; images were unreadable; the
            audit found something.

    Example:
        >>> import numpy as np
        >>> from medimg_cnn.data import load_dataset
        >>> images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
        >>> labels = np.array(["normal", "effusion"] * 30)
        >>> data = load_dataset((images[:40], labels[:40]), patients=np.arange(40))
        >>> external = load_external(
        ...     (images[40:], labels[40:]),
        ...     preprocessing=data.preprocessing,
        ...     classes=data.classes,
        ...     patients=np.arange(20),
        ... )
        >>> external
        <Split external: 20 images of 8 x 8 x 1, 10 effusion, 1 batches>
    """
    check_one_source(more)
    if not isinstance(preprocessing, Preprocessing):
        raise ArgumentError(
            explain("preprocessing", "must be Preprocessing", preprocessing, "Pass data.preprocessing.")
        )
    names = check_two_names("classes", classes)
    wanted = names if labels is None else check_two_names("labels", labels)
    check_choice("audit", audit, ("warn", "error", "off"))
    check_integer("batch_size", batch_size, low=1)
    check_integer("memory_budget", memory_budget, low=0)
    check_fraction("max_unreadable", max_unreadable)
    if workers is not None:
        check_integer("workers", workers, low=1)
    carried, cuts = read_subgroups(source, subgroups)
    options = SourceOptions(
        patients=patients,
        label=label,
        path=path,
        split=None,
        subgroups=carried,
        root=None if root is None else str(root),
        dicom_key=dicom_key,
        shared_patient_ids=shared_patient_ids,
        one_of=wanted,
        chosen=wanted,
    )
    records, absent = one_or_two_classes(open_source(source, options), wanted)
    records = cut_subgroups(records, cuts)
    records = replace(records, labels=[names[wanted.index(text)] for text in records.labels])
    notes = list(records.notes)
    for caution in records.cautions:
        warn_and_note(notes, caution)
    if absent:
        warn_and_note(
            notes,
            f"{records.origin} has no image labelled {absent!r}: of sensitivity and specificity only one can be "
            "measured on it, and the AUROC and calibration cannot.",
        )
    warn_and_note(notes, patients_unknown(records, divided=False))
    prepared = prepare(
        records.pixels,
        PixelOptions(
            image_size=preprocessing.image_size,
            channels=preprocessing.channels,
            fit=preprocessing.fit,
            read=preprocessing.read,
            cache=None if cache is None else str(cache),
            memory_budget=memory_budget,
            workers=workers,
            progress=progress,
        ),
    )
    for said in prepared.said:
        warn_and_note(notes, said)
    unreadable = quarantine(records, prepared, max_unreadable)
    warn_and_note(notes, left_out(unreadable, len(records.labels)))
    pool = make_pool(records, names, prepared, notes, unreadable, batch_size=batch_size, seed=0)
    if audit != "off":
        found = pool.scanned().audited(np.full(pool.table.labels.size, "external"))
        if found is not None:
            enforce(found, audit)
    rows = np.arange(pool.table.labels.size, dtype=np.int64)
    return Split(
        pool.table.select(rows, part="external"),
        pool.store,
        fingerprint=fingerprint_of(pool, {"external": rows}),
        preprocessing=pool.preprocessing,
        batch_size=batch_size,
    )
