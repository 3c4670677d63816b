"""Finds out what kind of source was given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medimg_cnn._validation import explain
from medimg_cnn.data._records import Records, SourceOptions
from medimg_cnn.data.sources._archive import Archive, is_archive
from medimg_cnn.data.sources._arrays import read_arrays, read_npz
from medimg_cnn.data.sources._dicom_tree import read_dicom_tree
from medimg_cnn.data.sources._files import Folder, Tree
from medimg_cnn.data.sources._folder import read_folder
from medimg_cnn.data.sources._manifest import from_working_folder, read_manifest
from medimg_cnn.data.sources._sites import join_sites
from medimg_cnn.data.sources._tables import TABLE_SUFFIXES, TextTable, frame_table, is_frame, read_table
from medimg_cnn.errors import ArgumentError

__all__ = ["open_source"]

_KINDS = "a folder, a table (.csv, .tsv, .parquet), an .npz file, or an archive (.zip, .tar, .tar.gz)"
_TABLES = ".csv, .tsv, .parquet, DataFrame"
_SHEET = "Save the sheet as .csv, or pass pandas.read_excel(...) with root= for its paths."
_ARRAY = "Pass (images, labels) with the arrays loaded."
_OTHER_FILES = {
    ".xlsx": _SHEET,
    ".xls": _SHEET,
    ".ods": _SHEET,
    ".npy": _ARRAY,
    ".h5": _ARRAY,
    ".mat": _ARRAY,
}


def open_source(source: Any, options: SourceOptions) -> Records:
    """Read the table of a source.

    Raises:
        ArgumentError: the source is of no known kind, or does not exist.
    """
    if isinstance(source, Mapping):
        return join_sites({str(site): item for site, item in source.items()}, options, _open_one)
    _check_table_arguments(source, options, {"label": "label"})
    return _open_one(source, options)


def _open_one(source: Any, options: SourceOptions) -> Records:
    if isinstance(source, (str, os.PathLike)):
        return _open_path(Path(source), options)
    if is_frame(source):
        return _open_table(frame_table(source), None, options)
    if isinstance(source, tuple) and len(source) == 2:
        _check_table_arguments(source, options, {"path": "path", "split": "split"})
        return read_arrays(source, options)
    rule = f"must be {_KINDS}, a pandas DataFrame, (images, labels), or a mapping of sites to these"
    step = "Pass images and labels as one tuple, (images, labels)." if _looks_like_arrays(source) else ""
    if isinstance(source, list) and all(isinstance(item, (str, os.PathLike)) for item in source):
        step = "Pass a DataFrame with the columns path and label."
    raise ArgumentError(explain("source", rule, _in_words(source), step))


def _open_path(path: Path, options: SourceOptions) -> Records:
    _must_exist("source", path)
    if path.is_dir() or is_archive(path):
        joined = isinstance(options.patients, str) or options.subgroup_names
        _check_table_arguments(path, options, {} if joined else {"path": "path", "split": "split"})
        return read_folder(_tree(path), options, packed=not path.is_dir())
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return _open_table(read_table(path), path.parent, options)
    if suffix == ".npz":
        _check_table_arguments(path, options, {"path": "path", "split": "split"})
        return read_npz(path, options)
    step = _OTHER_FILES.get(suffix, "")
    raise ArgumentError(explain("source", f"must be {_KINDS}", str(path), step))


def _open_table(table: TextTable, folder: Path | None, options: SourceOptions) -> Records:
    """Read a table whose paths are relative to ``root``, or else to its own folder; a DataFrame has none."""
    if options.root is not None:
        root = Path(options.root)
        _must_exist("root", root, "Pass the folder, or the archive, that the table's paths are relative to.")
        if not root.is_dir() and not is_archive(root):
            raise ArgumentError(explain("root", "must be a folder or an archive", str(root)))
    elif folder is not None:
        root = folder
    elif options.dicom_key is not None:
        raise ArgumentError(
            "root: must name the folder of the DICOM files for a DataFrame with dicom_key; got None."
        )
    else:
        table, root = from_working_folder(table, options)
        _must_exist(
            "source", root, "It is the folder of all paths in the DataFrame. Pass root= if they are relative."
        )
    if options.dicom_key is not None:
        return read_dicom_tree(table, _tree(root), options)
    return read_manifest(table, _tree(root), options, packed=not root.is_dir())


def _check_table_arguments(source: Any, options: SourceOptions, unused: Mapping[str, str]) -> None:
    """Raise ArgumentError where an argument that is about tables was given for another source, and does nothing."""
    if is_frame(source) or (
        isinstance(source, (str, os.PathLike)) and Path(source).suffix.lower() in TABLE_SUFFIXES
    ):
        return
    for argument, default in {"root": None, "dicom_key": None, **unused}.items():
        value = getattr(options, argument)
        if value is not None and value != default:
            rule = f"is for a table ({_TABLES}) as the source, and would do nothing here"
            raise ArgumentError(
                explain(argument, rule, value, "Leave it out, or pass the table as the source.")
            )


def _tree(path: Path) -> Tree:
    return Folder(path) if path.is_dir() else Archive(path)


def _must_exist(argument: str, path: Path, step: str = "") -> None:
    if not path.exists():
        here = "" if path.is_absolute() else f"The working folder is {Path.cwd()}."
        raise ArgumentError(explain(argument, "must exist", str(path), f"{here} {step}".strip()))


def _looks_like_arrays(source: Any) -> bool:
    return hasattr(source, "dtype") or (isinstance(source, (list, tuple)) and len(source) > 1)


def _in_words(source: Any) -> str:
    name = type(source).__name__
    return f"{name} of {len(source)}" if isinstance(source, (list, tuple)) else name
