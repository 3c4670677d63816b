"""A tree of DICOM files and a table of labels, joined by an identifier inside the files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from medimg_cnn._validation import check_choice, explain
from medimg_cnn.data._records import DICOM_KEYS, Records, SourceOptions
from medimg_cnn.data.sources._files import FoundFiles, Tree, choose_images
from medimg_cnn.data.sources._manifest import label_column, patient_hint, split_column
from medimg_cnn.data.sources._patients import patients_from_cells, patients_from_paths
from medimg_cnn.data.sources._tables import TextTable
from medimg_cnn.errors import DataError, ImageReadError

__all__ = ["read_dicom_tree"]


def read_dicom_tree(table: TextTable, tree: Tree, options: SourceOptions) -> Records:
    """Read a table whose rows name a patient, study or instance, and the DICOM files that belong to each.

    A row may have many files. Files without a row, and rows without a file, are counted and left out. Where the
    table names no patients they are told apart by the PatientID of the files, which is kept as a pseudonym only.

    Raises:
        DataError: an identifier occurs in two rows, or no file belongs to any row.
        ArgumentError: a named column is not there.
    """
    key = check_choice("dicom_key", options.dicom_key, tuple(DICOM_KEYS))
    column = options.path if options.path in table and key not in table else key
    cells = table.complete_column(column, argument="dicom_key", next_step="Remove these rows.")
    row_of = _rows_by_key(cells, table, column)
    found = choose_images(tree)
    identifiers = _identifiers(tree, found)
    chosen = [(path, ids) for path, ids in identifiers if ids[DICOM_KEYS[key]] in row_of]
    if not chosen:
        raise DataError(
            f"{table.name}: the column {column!r} must hold the {key} of files below {tree.name}; it holds none of the "
            f"{len(identifiers)} DICOM files there. Check the key, and that identifiers were not replaced."
        )
    paths = [path for path, _ in chosen]
    rows = [row_of[ids[DICOM_KEYS[key]]] for _, ids in chosen]
    patients, said = _patients(table, options, rows, chosen, identifiers)
    labels, kind = label_column(table, options.label)
    parts = split_column(table, options.split)

    def joined(values: Sequence[str]) -> list[str]:
        return [values[row] for row in rows]

    return Records(
        sample_ids=paths,
        labels=joined(labels),
        pixels=tree.pixels(paths),
        patients=patients,
        parts=None if parts is None else joined(parts),
        columns={name: joined(table.column(name, argument="subgroups")) for name in options.subgroup_names},
        label_kind=kind,
        origin=f"{table.origin or table.name} with {tree.name}",
        patient_hint=patient_hint(table) if patients is None else "",
        notes=_notes(found, identifiers, chosen, len(row_of) - len(set(rows)), table) + said,
    )


def _patients(
    table: TextTable,
    options: SourceOptions,
    rows: Sequence[int],
    chosen: Sequence[tuple[str, dict[str, str]]],
    identifiers: Sequence[tuple[str, dict[str, str]]],
) -> tuple[Sequence[str] | None, tuple[str, ...]]:
    """Return the patients of the chosen files, and what is to be said about them."""
    patients = options.patients
    if isinstance(patients, str) and (patients in table or patients != "PatientID"):
        cells = table.complete_column(patients, argument="patients", next_step="Give each row an id.")
        return patients_from_cells([cells[row] for row in rows]), ()
    if patients is not None and not isinstance(patients, str):
        return patients_from_paths(patients, [path for path, _ in chosen], ordered=False), ()
    read = [ids["patient_id"] for _, ids in chosen]
    if all(read) and patients is not None:
        return read, ()
    if all(read):
        hidden = _pseudonyms(identifiers)
        note = 'Patients are told apart by the files\' PatientID, kept as pseudonyms; patients="PatientID" keeps it.'
        return [hidden[patient] for patient in read], (note,)
    if patients is None:
        return None, ()
    raise DataError(
        explain("patients", "every file must have a PatientID", f"{sum(not item for item in read)} without")
    )


def _pseudonyms(identifiers: Sequence[tuple[str, dict[str, str]]]) -> dict[str, str]:
    """Return PatientID -> a hash of it and the patient's first study.

    A hash of the PatientID alone is undone by trying all numbers. One's own study makes it secret to those who have
    not the files, the same for the same files, and other patients' files do not change it.
    """
    first: dict[str, str] = {}
    for _, ids in identifiers:
        patient, study = ids["patient_id"], ids["study_uid"] or ids["sop_uid"]
        first[patient] = min(first.get(patient, study), study)
    return {
        patient: hashlib.sha256(f"medimg_cnn patient\x1f{patient}\x1f{study}".encode()).hexdigest()[:16]
        for patient, study in first.items()
    }


def _rows_by_key(cells: Sequence[str], table: TextTable, column: str) -> dict[str, int]:
    repeated = sum(count > 1 for count in Counter(cells).values())
    if repeated:
        raise DataError(
            f"{table.name}: each value of the column {column!r} must occur in one row; {repeated} occur in more. "
            "Use a finer key (SOPInstanceUID is that of one image), or remove the repeated rows."
        )
    return {cell: row for row, cell in enumerate(cells)}


def _identifiers(tree: Tree, found: FoundFiles) -> list[tuple[str, dict[str, str]]]:
    from medimg_cnn.data.readers import dicom_identifiers

    def identify(path: str) -> dict[str, str] | None:
        try:
            with tree.open(path) as stream:
                return dicom_identifiers(stream)
        except ImageReadError:
            return None

    with ThreadPoolExecutor(thread_name_prefix="medimg_cnn-identify") as pool:
        results = list(pool.map(identify, found.paths))
    return [(path, ids) for path, ids in zip(found.paths, results, strict=True) if ids is not None]


def _notes(
    found: FoundFiles,
    identifiers: Sequence[tuple[str, dict[str, str]]],
    chosen: Sequence[tuple[str, dict[str, str]]],
    empty_rows: int,
    table: TextTable,
) -> tuple[str, ...]:
    counts = {
        "files that cannot be read as DICOM": len(found.paths) - len(identifiers),
        f"DICOM files without a row in {table.name}": len(identifiers) - len(chosen),
        f"rows of {table.name} without a file": empty_rows,
    }
    said = tuple(f"Left out {what}: {count}." for what, count in counts.items() if count)
    return found.notes() + said
