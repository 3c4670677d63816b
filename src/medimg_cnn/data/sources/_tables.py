"""Tables in files: CSV, TSV and Parquet, read as texts, with column names that are checked."""

from __future__ import annotations

import csv
import io
import posixpath
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO

from medimg_cnn._validation import import_optional, suggest
from medimg_cnn.data._records import DICOM_KEYS
from medimg_cnn.errors import ArgumentError, DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PATH_NAMES",
    "TABLE_SUFFIXES",
    "TextTable",
    "frame_table",
    "is_frame",
    "is_missing",
    "read_table",
    "read_table_stream",
    "relative_key",
]

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
PATH_NAMES = ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path")
"""Names of a path column that are taken where the user named none and just one of them is there."""

_MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "<na>"})


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of texts: column name -> values, all of one length.

    Attributes:
        name: short, for messages.
        columns: column name -> values.
        origin: where the whole table comes from, "" where ``name`` says it.
    """

    name: str
    columns: Mapping[str, Sequence[str]]
    origin: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def column(self, name: str, *, argument: str) -> Sequence[str]:
        """Return a column.

        Raises:
            ArgumentError: there is none of that name; the message lists the columns.
        """
        if name not in self.columns:
            raise ArgumentError(
                f"{argument}: {self.name} has no column {name!r}. {suggest(name, list(self.columns))}"
            )
        return self.columns[name]

    def complete_column(
        self, name: str, *, argument: str, next_step: str, word_none: bool = False
    ) -> Sequence[str]:
        """Return a column in which every row has a value; "none" is one where ``word_none``.

        Raises:
            DataError: a row has none.
        """
        values = self.column(name, argument=argument)
        empty = [row for row, value in enumerate(values) if is_missing(value, word_none=word_none)]
        if empty:
            raise DataError(
                f"{self.name}: every row must have a value in the column {name!r}; {len(empty)} of {len(values)} "
                f"have none (the first is data row {empty[0] + 1}). {next_step}"
            )
        return values

    def path_column(self, name: str) -> str:
        """Return the name of the column of paths: ``name``, or a usual one where the default was left.

        Raises:
            ArgumentError: neither is there; the message lists the columns.
        """
        if name not in self.columns and name == PATH_NAMES[0]:
            usual = [column for column in self.columns if column.casefold() in PATH_NAMES]
            if len(usual) == 1:
                return usual[0]
        try:
            self.column(name, argument="path")
        except ArgumentError as error:
            key = next((key for key in DICOM_KEYS if key in self.columns), None)
            if key is None:
                raise
            step = f"If its rows name DICOM files by {key!r}, pass dicom_key={key!r}."
            raise ArgumentError(f"{error} {step}") from error
        return name


def is_missing(value: object, *, word_none: bool = False) -> bool:
    """Return whether a cell, or a value of an array, stands for no value.

    Args:
        value: a text, or any value: None, NaN, NaT and pandas.NA are missing.
        word_none: take the text "none" for a value, as a label may be.

    Example:
        >>> [is_missing(value) for value in ("", "N/A", None, float("nan"), "none", 0, "P1")]
        [True, True, True, True, True, False, False]
        >>> is_missing("none", word_none=True)
        False
    """
    if isinstance(value, str):
        word = value.strip().casefold()
        return word in _MISSING and not (word_none and word == "none")
    return value is None or type(value).__name__ == "NAType" or bool(value != value)  # noqa: PLR0124


def relative_key(path: str) -> str:
    r"""Return a relative path in the one spelling in which sample ids are.

    Example:
        >>> relative_key(".\\normal\\1.png")
        'normal/1.png'
    """
    return posixpath.normpath(path.replace("\\", "/"))


def read_table(path: Path) -> TextTable:
    """Read a table file; see ``read_table_stream``.

    Raises:
        DataError: the file cannot be opened or read as a table.
    """
    try:
        with path.open("rb") as stream:
            return read_table_stream(stream, str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def read_table_stream(stream: BinaryIO, name: str) -> TextTable:
    """Read a table, its kind told from the name; every cell as text, stripped.

    Raises:
        DataError: the content cannot be read as a table.
        MissingDependencyError: a Parquet file, and pyarrow is not installed.
    """
    if name.lower().endswith(".parquet"):
        return _read_parquet(stream, name)
    return _read_csv(stream, name)


def is_frame(source: object) -> bool:
    """Return whether an object is a pandas DataFrame; pandas is not loaded for that."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def frame_table(frame: pd.DataFrame, name: str = "DataFrame") -> TextTable:
    """Return a DataFrame as a table of texts, as if it had been read from a file; its index is not looked at.

    Raises:
        DataError: there are no rows, or two columns have the same name.
    """
    names = [str(column).strip() for column in frame.columns]
    _check_header(names, name)
    return _checked(name, {column: _texts(frame.iloc[:, at].tolist()) for at, column in enumerate(names)})


def _read_csv(stream: BinaryIO, path: str) -> TextTable:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        delimiter = _delimiter(text.readline(), path)
        text.seek(0)
        rows = csv.reader(text, delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(rows, [])]
        _check_header(header, path)
        columns: list[list[str]] = [[] for _ in header]
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{path}, line {rows.line_num}: a row must have the {len(header)} cells of the header; "
                    f"got {len(row)}. Quote cells that hold the separator."
                )
            for column, cell in zip(columns, row, strict=True):
                column.append(cell.strip())
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: must be a CSV table in UTF-8; {error}. Save it again as UTF-8 CSV."
        ) from error
    finally:
        text.detach()  # the caller closes the stream
    return _checked(path, dict(zip(header, columns, strict=True)))


def _read_parquet(stream: BinaryIO, path: str) -> TextTable:
    import_optional("pyarrow", extra="parquet", why=f"Reading the table {path}")
    import pandas as pd

    try:
        frame = pd.read_parquet(stream)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a Parquet table ({type(error).__name__}).") from error
    return frame_table(frame, path)


def _texts(values: Sequence[object]) -> list[str]:
    texts = []
    for value in values:
        missing = not isinstance(value, str) and is_missing(value)
        if not missing and isinstance(value, float) and value.is_integer():
            value = int(value)  # noqa: PLW2901 - a whole number in a column with gaps
        texts.append("" if missing else str(value).strip())
    return texts


def _checked(path: str, columns: Mapping[str, Sequence[str]]) -> TextTable:
    table = TextTable(PurePath(path).name, columns, path)
    if not columns or len(table) == 0:
        raise DataError(f"{path}: the table must have a header and at least one row; it has none.")
    return table


def _delimiter(header: str, path: str) -> str:
    if path.lower().endswith(".tsv"):
        return "\t"
    return max((",", ";", "\t"), key=header.count)


def _check_header(header: Collection[str], path: str) -> None:
    names = list(header)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            f"{path}: each column must have its own name; {', '.join(map(repr, repeated))} occurs more than once."
        )
