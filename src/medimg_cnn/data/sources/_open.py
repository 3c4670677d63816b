"""Finds out what kind of source was given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from medimg_cnn._validation import explain
from medimg_cnn.data._records import Records, SourceOptions
from medimg_cnn.data.sources._arrays import read_arrays, read_npz
from medimg_cnn.data.sources._folder import read_folder
from medimg_cnn.data.sources._manifest import read_manifest
from medimg_cnn.data.sources._tables import TABLE_SUFFIXES
from medimg_cnn.errors import ArgumentError

__all__ = ["open_source"]


def open_source(source: Any, options: SourceOptions) -> Records:
    """Read the table of a source.

    Raises:
        ArgumentError: the source is of no known kind, or does not exist.
    """
    if isinstance(source, (str, os.PathLike)):
        return _open_path(Path(source), options)
    if isinstance(source, tuple) and len(source) == 2:
        return read_arrays(source, options)
    rule = "must be a folder, a table (.csv, .tsv, .parquet), an .npz file, or (images, labels)"
    raise ArgumentError(explain("source", rule, type(source).__name__))


def _open_path(path: Path, options: SourceOptions) -> Records:
    if path.is_dir():
        return read_folder(path, options)
    if not path.exists():
        step = f"The working folder is {Path.cwd()}." if not path.is_absolute() else ""
        raise ArgumentError(explain("source", "must exist", str(path), step))
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return read_manifest(path, options)
    if suffix == ".npz":
        return read_npz(path, options)
    rule = "must be a folder, a table (.csv, .tsv, .parquet) or an .npz file"
    raise ArgumentError(explain("source", rule, str(path)))
