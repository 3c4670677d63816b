"""Tables that lie beside the folders of classes: columns to join, and what they say of the images by themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from medimg_cnn.data._records import SourceOptions
from medimg_cnn.data.sources._dicom_hint import hint_for_tree
from medimg_cnn.data.sources._files import Tree
from medimg_cnn.data.sources._manifest import split_column
from medimg_cnn.data.sources._parts import canonical_part
from medimg_cnn.data.sources._patients import patient_column
from medimg_cnn.data.sources._tables import (
    TABLE_SUFFIXES,
    TextTable,
    is_missing,
    read_table_stream,
    relative_key,
)
from medimg_cnn.errors import ArgumentError, DataError, LabelError, MissingDependencyError

__all__ = ["Beside"]

_NAMED = 3


class Beside:
    """The tables in the root of a tree of images.

    Args:
        root: the tree.
        paths: the images, relative to it.
        labels: the class of each, from its folder.
        options: as in ``load_dataset``.
    """

    def __init__(
        self, root: Tree, paths: Sequence[str], labels: Sequence[str], options: SourceOptions
    ) -> None:
        self._root, self._paths, self._labels, self._options = root, paths, labels, options
        self._every = frozenset(paths)
        self._tables: list[TextTable] = []
        self._unreadable: dict[str, Exception] = {}
        self._used: TextTable | None = None
        self._said: list[str] = []
        for file in root.files().paths:
            if "/" not in file and file.lower().endswith(TABLE_SUFFIXES):
                try:
                    with root.open(file) as stream:
                        self._tables.append(read_table_stream(stream, file))
                except (DataError, MissingDependencyError) as error:
                    self._unreadable[file] = error

    def keep(self, paths: Sequence[str]) -> None:
        """Go on with these images only: tables need say nothing of the others."""
        self._paths = paths

    def join(self, wanted: Sequence[str]) -> tuple[dict[str, list[str]], list[str] | None]:
        """Return the wanted columns, and the parts that the same table gives, in the order of the images.

        Raises:
            ArgumentError: no table, or more than one, has the columns.
            DataError: the table lacks an image, or has one twice.
        """
        table = self._the_table(wanted)
        self._used = table
        keys = table.columns[table.path_column(self._options.path)]
        rows: dict[str, int] = {}
        for row, key in enumerate(map(relative_key, keys)):
            if rows.setdefault(key, row) != row:
                raise DataError(
                    f"{table.name}, data row {row + 1}: each image must occur in one row; {key!r} is also data row "
                    f"{rows[key] + 1}. Remove the repeated rows; what they say must agree."
                )
        missing = [path for path in self._paths if path not in rows]
        if missing:
            text = (
                f"{table.name}: must have a row for every image of the folder; {len(missing)} of {len(self._paths)} "
                f"have none, for example {missing[0]!r}. Its paths must be relative to {self._root.name}."
            )
            raise DataError(f"{text} {hint_for_tree(self._root, self._paths)}".rstrip())
        order = [rows[path] for path in self._paths]
        found = {name: table.column(name, argument="patients or subgroups") for name in wanted}
        parts = split_column(table, self._options.split)
        columns = {name: [values[row] for row in order] for name, values in found.items()}
        joined = dict.fromkeys([*wanted, *([] if parts is None else [str(self._options.split)])])
        self._said.append(f"From {table.name}: {', '.join(joined)}.")
        return columns, None if parts is None else [parts[row] for row in order]

    def check_labels(self) -> None:
        """Compare the column of labels of each table with the folders; to be called before ``keep``.

        Where labels were chosen, only their images count.

        Raises:
            LabelError: a table contradicts the folders.
        """
        for table in self._tables:
            rows = self._rows(table)
            if self._options.label not in table:
                continue
            cells = table.columns[self._options.label]
            said = [
                (path, folder, cells[rows[path]])
                for path, folder in zip(self._paths, self._labels, strict=True)
                if path in rows and not is_missing(cells[rows[path]], word_none=True)
            ]
            wrong = _contradictions(said, set(self._labels), set(self._options.chosen))
            if wrong:
                listed = "; ".join(f"{path!r} is {text!r} there{why}" for path, text, why in wrong[:3])
                raise LabelError(
                    f"{self._root.name}/{table.name}: the column {self._options.label!r} must agree with the folders "
                    f"that the images lie in; {len(wrong)} of {len(said)} rows do not: {listed}. Correct the table, "
                    "move the images, or pass the table itself as the source to go by its labels. Where the column "
                    "is about something else, rename it."
                )

    def notes(self) -> tuple[str, ...]:
        """Return what is to be said of the tables, in sentences."""
        said = [*self._said]
        said += [f"{file} cannot be read as a table and was not looked at." for file in self._unreadable]
        for table in self._tables:
            name = self._options.split
            if name is None or name not in table or table is self._used or not self._rows(table):
                continue
            if all(canonical_part(value) for value in table.columns[name]):
                said.append(
                    f"The parts in the column {name!r} of {table.name} were not used. To keep them pass the table "
                    "itself as the source, or name a column of it as patients or subgroups."
                )
        return tuple(said)

    def cautions(self) -> tuple[str, ...]:
        """Return a sentence for each table about the images of this folder that has rows for others, too."""
        said = []
        for table in self._tables:
            rows = [relative_key(cell) for cell in self._cells(table) if not is_missing(cell)]
            gone = [path for path in rows if path not in self._every]
            if 0 < len(gone) < len(rows):
                more = ", ..." if len(gone) > _NAMED else ""
                said.append(
                    f"{self._root.name}/{table.name}: {len(gone)} of {len(rows)} rows name no image in the folder: "
                    f"{', '.join(map(repr, gone[:_NAMED]))}{more}. Look whether files are missing or were renamed."
                )
        return tuple(said)

    def patient_hint(self) -> str:
        """Return where patient ids seem to be, and how to have them used; "" where no table seems to have them."""
        found = {
            table.name: column
            for table in self._tables
            if (rows := self._rows(table)) and all(path in rows for path in self._paths)
            if (column := patient_column(table.columns)) is not None
        }
        if not found:
            return ""
        name, column = next(iter(found.items()))
        holders = sum(column in table for table in self._tables)
        also = "" if holders == 1 else ", and the table itself as the source"
        return f'{name} has a column {column!r}: pass patients="{column}"{also}.'

    def _rows(self, table: TextTable) -> Mapping[str, int]:
        """Return path -> row of the images that are in a table; nothing where it has no column of paths."""
        known = set(self._paths)
        rows = {relative_key(cell): row for row, cell in enumerate(self._cells(table))}
        return {path: row for path, row in rows.items() if path in known}

    def _cells(self, table: TextTable) -> Sequence[str]:
        """Return the paths that a table names; none where it has no column of them."""
        try:
            return table.columns[table.path_column(self._options.path)]
        except ArgumentError:
            return ()

    def _the_table(self, wanted: Sequence[str]) -> TextTable:
        listed = ", ".join(map(repr, wanted))
        fitting = [table for table in self._tables if all(name in table for name in wanted)]
        if not fitting and self._unreadable:
            raise next(iter(self._unreadable.values()))
        if not self._tables:
            raise ArgumentError(
                f"patients or subgroups: the columns {listed} need a CSV table in {self._root.name}, which has none. "
                "Add one with a column path, pass a manifest as the source, or pass a pattern as patients."
            )
        if len(fitting) == 1:
            return fitting[0]
        if len(self._tables) == 1:
            return self._tables[0]  # its own message then lists its columns
        columns = "; ".join(f"{table.name} has {', '.join(table.columns)}" for table in self._tables)
        count = "more than one table has" if fitting else "no table has"
        raise ArgumentError(
            f"patients or subgroups: {count} the columns {listed} in {self._root.name}: {columns}. "
            "Pass the table itself as the source."
        )


def _contradictions(
    said: Sequence[tuple[str, str, str]], folders: Collection[str], chosen: Collection[str]
) -> list[tuple[str, str, str]]:
    """Return (path, label in the table, reason) of each (path, folder, label) that contradicts its folder.

    ``chosen`` are the folders that are looked at, all where it is empty.

    A label that is the name of a folder stands for it. Of other words, such as "1", neither most images of the folder
    may have another one, nor most images with this word lie in another folder: then the table may be finer or coarser
    than the folders, and a row is wrong that fits neither way.
    """
    named = {_word(folder): folder for folder in folders}
    counts = Counter((folder, text) for _, folder, text in said)
    usual_text: dict[str, str] = {}
    usual_folder: dict[str, str] = {}
    for (folder, text), _ in counts.most_common():
        usual_text.setdefault(folder, text)
        usual_folder.setdefault(text, folder)
    wrong = []
    for path, folder, text in said:
        if chosen and folder not in chosen:
            continue
        if _word(text) in named:
            if named[_word(text)] != folder:
                wrong.append((path, text, ""))
        elif usual_folder[text] != folder and usual_text[folder] != text:
            wrong.append((path, text, f", as most images of {usual_folder[text]!r} are"))
    return wrong


def _word(label: str) -> str:
    return re.sub(r"[\s_\-]+", " ", label).strip().casefold()
