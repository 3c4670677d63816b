"""From any source of labelled images to a dataset with parts that do not leak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Never

import numpy as np

from medimg_cnn._types import ImageSize, PathLike, StrVector
from medimg_cnn._validation import (
    check_choice,
    check_fraction,
    check_image_size,
    check_integer,
    check_seed,
    explain,
)
from medimg_cnn.data._assemble import (
    check_one_source,
    chosen_labels,
    cut_subgroups,
    left_out,
    make_pool,
    patients_unknown,
    quarantine,
    two_classes,
    warn_and_note,
)
from medimg_cnn.data._audit import AuditMode, enforce
from medimg_cnn.data._bands import read_subgroups
from medimg_cnn.data._dataset import Dataset, Pool, divide
from medimg_cnn.data._groups import check_given_parts
from medimg_cnn.data._prepare import PixelOptions, prepare
from medimg_cnn.data._preprocessing import Fit
from medimg_cnn.data._records import Patients, Records, SourceOptions
from medimg_cnn.data._split import PARTS, Cases, HoldOut, check_fractions
from medimg_cnn.data.readers import ReadOptions
from medimg_cnn.data.sources import open_source
from medimg_cnn.errors import ArgumentError, SplitError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_dataset"]

_FILE_SIZE = (128, 128)


def load_dataset(
    source: PathLike | tuple[Any, Any] | Mapping[str, Any] | pd.DataFrame,
    *more: Never,
    positive: str | int | bool | None = None,
    classes: Sequence[Any] | None = None,
    image_size: int | ImageSize | None = None,
    channels: Literal[1, 3] | None = None,
    fit: Fit = "stretch",
    read: ReadOptions | None = None,
    patients: Patients = None,
    label: str = "label",
    path: str = "path",
    split: str | None = "split",
    subgroups: Sequence[str] | Mapping[str, Any] = (),
    root: PathLike | None = None,
    shared_patient_ids: bool = False,
    dicom_key: Literal["PatientID", "StudyInstanceUID", "SOPInstanceUID"] | None = None,
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
    seed: int = 0,
    batch_size: int = 32,
    max_unreadable: float = 0.01,
    allow_shared_patients: bool = False,
    audit: AuditMode = "warn",
    cache: PathLike | None = None,
    memory_budget: int = 2 * 2**30,
    workers: int | None = None,
    progress: bool | None = None,
) -> Dataset:
    """Read labelled images of two classes and divide them, by patient, into training, validation and test.

    Every image is read once, now; afterwards batches come from decoded pixels. An image that cannot be read is
    left out and listed in ``Dataset.unreadable``.

    Args:
        source: a folder with one sub-folder for each class; a folder with train, val and test folders that each
            hold these; a table (.csv, .tsv, .parquet, or a pandas DataFrame) with a row for each image; an .npz
            file with the keys
            train_images, train_labels and so on; a .zip or .tar archive of folders, read in place; two arrays
            (images, labels): images (n, h, w) or (n, h, w, 1 or 3), uint8, uint16 or float from 0 to 1; or a
            mapping of site names to any of these, which adds the subgroup column "site".
        positive: the label of those who have the condition. May be left out where one label, and only one, is a
            word for not having it (normal, negative, healthy, control, benign, no_finding, or no_x, non_x or
            without_x where the other label is x), or where labels are true or false. Never taken from the
            order of the names.
        classes: (negative, positive), to keep the images of two labels out of more.
        image_size: (height, width) in pixels, one number for a square. By default 128 for files, and the size
            that they have for arrays.
        channels: 1 (grey) or 3; by default 1 where all images are grey (equal channels count), else 3.
        fit: "stretch", "pad" or "crop"; see ``Preprocessing``.
        read: frame, window and limits of reading; see ``ReadOptions``.
        patients: who is on each image: a column of the table (for a folder, of the one table that lies in it; for
            an .npz file, a key), ``re.compile(...)`` with one group over the relative path, a function of that
            path, or a mapping from it; for arrays and tables, also one id for each image, in their order. None: not
            known, which warns. Where each image is of another patient say so with ``patients=lambda path: path``.
        more: none; it is there to say that two arrays go into one tuple.
        label: column of labels. Where folders give the labels, a table that lies in the folder and has this column
            must agree with them.
        path: column of paths, relative to ``root``; "file" or "filename" are found by themselves.
        split: column of given parts (train, val, test), of the table or, for a folder, of the table in it whose
            columns are used. Given parts are kept and checked; a missing one is taken from training, by patient.
            None splits anew.
        subgroups: columns to carry along, for example ("site", "sex"), or a mapping that says where columns of
            numbers are cut: {"sex": None, "age": (40, 60)} gives under 40, 40 to 59, 60 and over. A column of more
            than 10 different numbers without cut points is cut at its quartiles, which is noted; () keeps each
            number. For arrays: name -> values; numbers are cut likewise, texts (see ``bands``) are not.
        root: folder or archive that a table's paths are relative to; by default the folder of the table. Paths of a
            DataFrame without it are relative to the working folder, or absolute.
        shared_patient_ids: for a mapping of sites: one id at two sites is one patient. By default it is two, because
            many sites number their own from 1.
        dicom_key: for a table of labels of DICOM files below ``root``: which identifier its rows name, in a
            column of that name (or of the name ``path``). A row may have many files. Patients are then known
            from the files, as pseudonyms, unless ``patients`` says otherwise; "PatientID" keeps the ids.
        fractions: shares of training, validation and test; 0 leaves a part out.
        seed: of the division and of the order of batches, 0 to 2**31 - 1. The same seed divides the same images
            in the same way whatever the order of rows or files.
        batch_size: images in a batch.
        max_unreadable: share of images that may be unreadable, 0 to 1; more is an error. With the default 0.01 and
            fewer than 100 images none may be.
        allow_shared_patients: go on, with a warning, where given parts share patients.
        audit: "warn" compares the images, keeps copies and near duplicates in one part where parts are not given,
            and warns once of what is wrong; "error" stops there; "off" does none of it. See ``Dataset.audit``.
        cache: folder in which decoded images are kept for the next time; an interrupted preparation goes on
            there. By default nothing is kept unless the images do not fit ``memory_budget``: then those beyond
            it go to the user's cache folder (or ``MEDIMG_CNN_CACHE``), and a warning names it. Damaged files
            there are decoded again.
        memory_budget: bytes of decoded images held in memory at once.
        workers: threads that decode; by default one for each processor, at most 16.
        progress: None: a bar on a terminal. True: plain lines elsewhere too. False: nothing.

    Raises:
        ArgumentError: an argument breaks its rule; a misspelt column is answered with the columns there are.
        LabelError: there are not two labels, or which of them is positive is not known.
        SplitError: a patient is in two given parts, or the images cannot be divided as wanted.
        DataError: the source has no images, or too many cannot be read.
        AuditError: ``audit="error"`` and the audit found errors or warnings.

    Warns:
        MedimgCnnWarning: patients are not known; images were unreadable; decoded images were written to the
            user's cache folder, or were damaged in ``cache``; given parts share patients; the audit found something.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).integers(0, 256, (80, 8, 8), dtype=np.uint8)
        >>> labels = np.array(["normal", "effusion"] * 40)
        >>> data = load_dataset((images, labels), patients=np.arange(80) // 2, seed=7)
        >>> data.classes, data.train.n, data.validation.n, data.test.n
        (('normal', 'effusion'), 56, 12, 12)
    """
    check_one_source(more)
    check_choice("audit", audit, ("warn", "error", "off"))
    check_integer("batch_size", batch_size, low=1)
    check_integer("memory_budget", memory_budget, low=0)
    check_seed("seed", seed)
    check_fraction("max_unreadable", max_unreadable)
    shares = check_fractions("fractions", fractions)
    if image_size is not None:
        image_size = check_image_size("image_size", image_size)
    reading: object = read
    if reading is not None and not isinstance(reading, ReadOptions):
        step = 'For example medimg_cnn.data.ReadOptions(window="lung").'
        raise ArgumentError(explain("read", "must be ReadOptions or None", read, step))
    if channels is not None and (isinstance(channels, bool) or channels not in (1, 3)):
        raise ArgumentError(explain("channels", "must be 1, 3 or None", channels))
    if workers is not None:
        check_integer("workers", workers, low=1)
    carried, cuts = read_subgroups(source, subgroups)
    options = SourceOptions(
        patients=patients,
        label=label,
        path=path,
        split=split,
        subgroups=carried,
        root=None if root is None else str(root),
        dicom_key=dicom_key,
        shared_patient_ids=shared_patient_ids,
        chosen=chosen_labels(classes),
    )
    records = open_source(source, options)
    records, names = two_classes(records, positive=positive, classes=classes)
    records = cut_subgroups(records, cuts)
    origin = records.origin
    given = None if records.parts is None else np.asarray(records.parts, dtype=np.str_)
    known = None if records.patients is None else np.asarray(records.patients, dtype=np.str_)
    notes = list(records.notes)
    for caution in records.cautions:
        warn_and_note(notes, caution)
    if given is not None:
        warn_and_note(notes, check_given_parts(known, given, origin=origin, allow=allow_shared_patients))
    warn_and_note(notes, patients_unknown(records, divided=True))
    prepared = prepare(
        records.pixels,
        PixelOptions(
            image_size=_size(image_size, records),
            channels=channels,
            fit=fit,
            read=ReadOptions() if read is None else read,
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
    pool = make_pool(records, names, prepared, notes, unreadable, batch_size=batch_size, seed=seed)
    given = None if given is None else given[pool.table.rows]
    pool = pool if audit == "off" else pool.scanned()
    parts, how = _parts(pool, given, shares, seed)
    data = divide(pool, parts, notes=how)
    if data.audit is not None:
        enforce(data.audit, audit)
    return data


def _size(image_size: ImageSize | None, records: Records) -> ImageSize:
    if image_size is not None:
        return image_size
    return records.pixels.native_size or _FILE_SIZE


def _parts(
    pool: Pool, given: StrVector | None, shares: tuple[float, float, float], seed: int
) -> tuple[StrVector, tuple[str, ...]]:
    """Return the part of each image, and what is to be said about it."""
    cases = Cases(labels=pool.table.labels, groups=pool.groups)
    if given is None:
        parts = next(HoldOut(shares).assign(cases, seed=seed)).parts
        return parts, (_division(parts, shares, pool),)
    source = given == "train"
    if not source.any():
        there = " and ".join(name for name in PARTS if (given == name).any())
        raise SplitError(
            f"{pool.origin}: there must be a training part; the source gives {there} only. Pass split=None to divide "
            "its images anew, or read it with load_external to test a model on it."
        )
    wanted = tuple(
        share if name == "train" or not (given == name).any() else 0.0
        for name, share in zip(PARTS, shares, strict=True)
    )
    missing = [name for name, share in zip(PARTS, wanted, strict=True) if share > 0 and name != "train"]
    if not missing:
        return given, ("The parts are those that the source gives.",)
    total = sum(wanted)
    rescaled = (wanted[0] / total, wanted[1] / total, wanted[2] / total)
    parts = given.astype("<U10")
    parts[source] = next(HoldOut(rescaled).assign(cases.select(source), seed=seed)).parts
    unit = "image" if pool.table.patient_ids is None else "patient"
    return parts, (f"The source gives no {' and no '.join(missing)} part: taken from training, by {unit}.",)


def _division(parts: StrVector, shares: tuple[float, float, float], pool: Pool) -> str:
    unit = "image" if pool.table.patient_ids is None else "patient"
    sizes = [float((parts == name).mean()) for name in PARTS]
    wanted = " / ".join(f"{share:.1%}" for share in shares)
    reached = " / ".join(f"{size:.1%}" for size in sizes)
    return f"Divided by {unit}, both classes alike: wanted {wanted}, reached {reached}."
