"""A table (CSV, TSV, Parquet or DataFrame) with a row for each image: its path, its label and more."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medimg_cnn._validation import explain
from medimg_cnn.data._positive import label_text
from medimg_cnn.data._records import LabelKind, Records, SourceOptions
from medimg_cnn.data.sources._files import Below, Tree, is_inside
from medimg_cnn.data.sources._parts import canonical_parts
from medimg_cnn.data.sources._patients import patient_column, patients_from_cells, patients_from_paths
from medimg_cnn.data.sources._tables import TextTable
from medimg_cnn.errors import ArgumentError, DataError

__all__ = ["from_working_folder", "label_column", "patient_hint", "read_manifest", "split_column"]


def read_manifest(table: TextTable, tree: Tree, options: SourceOptions, *, packed: bool = False) -> Records:
    """Read a manifest; in an archive (``packed``) all files may lie in one folder, which is passed through.

    Raises:
        DataError: a path occurs twice or leaves the root, or a label or patient id is missing.
        ArgumentError: a named column is not there; the message lists the columns.
    """
    name = table.path_column(options.path)
    cells = table.complete_column(name, argument="path", next_step="Remove these rows.")
    paths = _relative(cells, tree, table)
    top = _passed_through(tree, paths) if packed else ""
    if top:
        tree = Below(tree, top)
    labels, kind = label_column(table, options.label)
    patients = options.patients
    return Records(
        sample_ids=paths,
        labels=labels,
        pixels=tree.pixels(paths),
        patients=patients_from_cells(
            table.complete_column(
                patients, argument="patients", next_step="Give each patient an id, or leave these rows out."
            )
        )
        if isinstance(patients, str)
        else patients_from_paths(patients, paths),
        parts=split_column(table, options.split),
        columns={item: table.column(item, argument="subgroups") for item in options.subgroup_names},
        label_kind=kind,
        origin=table.origin or table.name,
        patient_hint=patient_hint(table) if patients is None else "",
        notes=(f"All images lie in the folder {top!r} of {options.root}; paths are relative to it.",)
        if top
        else (),
    )


def _passed_through(tree: Tree, paths: Sequence[str]) -> str:
    """Return the one folder of a tree where paths are relative to it, and none to the tree itself; else ""."""
    files = set(tree.files().paths)
    tops = {path.split("/", maxsplit=1)[0] for path in files if "/" in path}
    if len(tops) != 1 or not files.isdisjoint(paths):
        return ""
    top = next(iter(tops))
    return "" if files.isdisjoint(f"{top}/{path}" for path in paths) else top


def patient_hint(table: TextTable) -> str:
    """Return where the patient ids of a table seem to be, "" where it seems to have none."""
    column = patient_column(table.columns)
    return "" if column is None else f'{table.name} has a column {column!r}: pass patients="{column}".'


def from_working_folder(table: TextTable, options: SourceOptions) -> tuple[TextTable, Path]:
    """Return a table that has no folder with its paths made absolute, and the folder that holds all the files."""
    name = table.path_column(options.path)
    cells = table.complete_column(name, argument="path", next_step="Remove these rows.")
    paths = [os.path.abspath(cell.replace("\\", "/")) for cell in cells]  # noqa: PTH100 - as below
    folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120 - as below
    try:
        common = os.path.commonpath(folders)
    except ValueError as error:
        rule, step = "files on several drives have no common folder", "Pass a mapping of sites to tables."
        raise ArgumentError(explain("source", rule, sorted(folders)[:2], step)) from error
    return replace(table, columns={**table.columns, name: paths}), Path(common)


def label_column(table: TextTable, name: str) -> tuple[list[str], LabelKind]:
    """Return the labels, and whether they are true booleans."""
    cells = table.complete_column(
        name, argument="label", next_step="Label these images, or leave them out.", word_none=True
    )
    labels = [_number(cell) for cell in cells]
    folded = {label.casefold() for label in labels}
    if folded == {"true", "false"}:
        return [label.capitalize() for label in labels], "boolean"
    return labels, "text"


def split_column(table: TextTable, name: str | None) -> list[str] | None:
    """Return the part of each row; None where the default column is not there or None was asked for."""
    if name is None or (name == "split" and name not in table):
        return None
    cells = table.complete_column(
        name, argument="split", next_step="Give every row a part, or pass split=None to split anew."
    )
    return canonical_parts(cells, where=f"{table.name}, column {name!r}")


def _number(cell: str) -> str:
    """Return 1.0 as 1, so that a column written by a program with floats has the labels it means."""
    try:
        return label_text(float(cell)) if cell.endswith(".0") else cell
    except ValueError:
        return cell


def _relative(cells: Sequence[str], tree: Tree, table: TextTable) -> list[str]:
    base = os.path.abspath(tree.name)  # noqa: PTH100 - 100,000 path objects are slow; links are not to be resolved
    paths = []
    for row, cell in enumerate(cells):
        full = os.path.normpath(os.path.join(base, cell.replace("\\", "/")))  # noqa: PTH118 - as above
        if not is_inside(full, base):
            raise DataError(
                f"{table.name}, data row {row + 1}: a path must stay inside {tree.name}; got {cell!r}. "
                "If the images lie elsewhere, pass the folder that holds them all as root=."
            )
        paths.append(os.path.relpath(full, base).replace(os.sep, "/"))
    repeated = [item for item, count in Counter(paths).items() if count > 1]
    if repeated:
        rule = "each image must occur in one row"
        step = f"{len(repeated)} occur in more. Remove the repeated rows; the labels must agree."
        raise DataError(explain(table.name, rule, repeated[0], step))
    return paths
