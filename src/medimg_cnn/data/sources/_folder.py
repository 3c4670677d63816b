"""A folder with one sub-folder for each class, or with train, val and test folders that hold these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from medimg_cnn.data._records import Records, SourceOptions
from medimg_cnn.data.sources._files import FilePixels, FoundFiles, find_images
from medimg_cnn.data.sources._parts import canonical_part
from medimg_cnn.data.sources._patients import patients_from_paths
from medimg_cnn.data.sources._tables import TABLE_SUFFIXES, TextTable, is_missing, read_table
from medimg_cnn.errors import ArgumentError, DataError

__all__ = ["read_folder"]


def read_folder(root: Path, options: SourceOptions) -> Records:
    """Read a folder of classes.

    Raises:
        DataError: there are no images, or they do not lie in folders of classes.
        ArgumentError: a named column is in none of the folder's tables.
    """
    found = find_images(root)
    if not found.paths:
        passed = " ".join(found.notes())
        raise DataError(
            f"{root}: a folder must hold images in one sub-folder for each class; found no image. {passed}".rstrip()
        )
    first = Counter(path.split("/", maxsplit=1)[0] for path in found.paths if "/" in path)
    if options.split is not None and first and all(canonical_part(name) for name in first):
        found, labels, parts = _by_part(found)
    else:
        found, labels, parts = *_by_class(root, found), None
    wanted = list(options.subgroup_names)
    by_column = isinstance(options.patients, str)
    if by_column:
        wanted.append(str(options.patients))
    columns = _joined(root, found.paths, wanted, options.path) if wanted else {}
    return Records(
        sample_ids=found.paths,
        labels=labels,
        pixels=FilePixels(root, found.paths),
        patients=columns[str(options.patients)]
        if by_column
        else patients_from_paths(options.patients, found.paths),
        parts=parts,
        columns={name: columns[name] for name in options.subgroup_names},
        origin=str(root),
        notes=found.notes(),
    )


def _by_class(root: Path, found: FoundFiles) -> tuple[FoundFiles, list[str]]:
    inside = [path for path in found.paths if "/" in path]
    if not inside:
        raise DataError(
            f"{root}: images must lie in one sub-folder for each class; {len(found.paths)} lie in the folder itself. "
            "Move them into two folders, or pass a CSV manifest with the columns path and label instead."
        )
    ignored = Counter(found.ignored)
    if len(inside) < len(found.paths):
        ignored["images outside the folders of the classes"] = len(found.paths) - len(inside)
    labels = [path.split("/", maxsplit=1)[0] for path in inside]
    if len(set(labels)) == 1:
        raise DataError(
            f"{root}: a folder must hold one sub-folder for each of two classes; all {len(inside)} images lie in "
            f"{labels[0]!r}. If the classes lie inside it, pass {str(root / labels[0])!r}."
        )
    return FoundFiles(inside, ignored), labels


def _by_part(found: FoundFiles) -> tuple[FoundFiles, list[str], list[str]]:
    kept = [path for path in found.paths if path.count("/") >= 2]
    ignored = Counter(found.ignored)
    if len(kept) < len(found.paths):
        ignored["images outside the folders of the classes"] = len(found.paths) - len(kept)
    pieces = [path.split("/", maxsplit=2) for path in kept]
    parts = [canonical_part(piece[0]) or "" for piece in pieces]
    return FoundFiles(kept, ignored), [piece[1] for piece in pieces], parts


def _joined(root: Path, paths: Sequence[str], wanted: Sequence[str], path: str) -> Mapping[str, list[str]]:
    """Return the wanted columns of the one table in the root, in the order of ``paths``."""
    table = _the_table(root, wanted)
    keys = table.columns[table.path_column(path)]
    rows = {key.replace("\\", "/").removeprefix("./"): row for row, key in enumerate(keys)}
    missing = [item for item in paths if item not in rows]
    if missing:
        raise DataError(
            f"{table.name}: must have a row for every image of the folder; {len(missing)} of {len(paths)} have none, "
            f"for example {missing[0]!r}. Its paths must be relative to {root}."
        )
    order = [rows[item] for item in paths]
    columns = {}
    for name in wanted:
        values = table.column(name, argument="patients or subgroups")
        columns[name] = [values[row] for row in order]
        empty = sum(map(is_missing, columns[name]))
        if empty and name == wanted[-1]:
            raise DataError(
                f"{table.name}: every image must have a value in the column {name!r}; {empty} have none."
            )
    return columns


def _the_table(root: Path, wanted: Sequence[str]) -> TextTable:
    files = sorted(
        item for item in root.iterdir() if item.suffix.lower() in TABLE_SUFFIXES and item.is_file()
    )
    if not files:
        raise ArgumentError(
            f"patients or subgroups: the columns {', '.join(map(repr, wanted))} need a CSV table in {root}, which has "
            "none. Add one with a column path, pass a manifest as the source, or pass re.compile(...) as patients."
        )
    tables = [read_table(file) for file in files]
    fitting = [table for table in tables if all(name in table for name in wanted)]
    if len(fitting) == 1:
        return fitting[0]
    if len(tables) == 1:
        return tables[0]  # its own message then lists its columns
    listed = "; ".join(f"{table.name} has {', '.join(table.columns)}" for table in tables)
    count = "more than one table has" if fitting else "no table has"
    raise ArgumentError(
        f"patients or subgroups: {count} the columns {', '.join(map(repr, wanted))} in {root}: {listed}. "
        "Pass the table itself as the source."
    )
