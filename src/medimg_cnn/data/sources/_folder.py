"""A folder, or an archive, with one sub-folder for each class, or with train, val and test folders that hold these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from medimg_cnn.data._records import Records, SourceOptions
from medimg_cnn.data.sources._files import Below, FoundFiles, Tree, choose_images
from medimg_cnn.data.sources._parts import canonical_part
from medimg_cnn.data.sources._patients import patients_from_paths
from medimg_cnn.data.sources._tables import (
    TABLE_SUFFIXES,
    TextTable,
    is_missing,
    read_table_stream,
    relative_key,
)
from medimg_cnn.errors import ArgumentError, DataError

__all__ = ["read_folder"]


def read_folder(root: Tree, options: SourceOptions, *, packed: bool = False) -> Records:
    """Read a folder of classes; in an archive (``packed``) all of it may lie in one folder, which is passed through.

    Raises:
        DataError: there are no images, or they do not lie in folders of classes.
        ArgumentError: a named column is in none of the folder's tables.
    """
    found = choose_images(root)
    if not found.paths:
        raise DataError(
            f"{root.name}: a folder must hold images in one sub-folder for each class; found no image. "
            + " ".join(found.notes())
        )
    top = _only_folder(found.paths, options.one_of) if packed else ""
    if top:
        root = Below(root, top)
        ignored = found.ignored
        found = choose_images(root)
        found.ignored.update(ignored - found.ignored)
    first = Counter(path.split("/", maxsplit=1)[0] for path in found.paths if "/" in path)
    parts: list[str] | None = None
    if first and all(canonical_part(name) for name in first):
        found, labels, parts = _by_part(found)
    else:
        found, labels = _by_class(root, found, options.one_of)
    named = options.patients if isinstance(options.patients, str) else None
    wanted = [*options.subgroup_names, *([] if named is None else [named])]
    columns = _joined(root, found.paths, wanted, options.path) if wanted else {}
    if named is None:
        patients = patients_from_paths(options.patients, found.paths, ordered=False)
    else:
        patients = columns[named]
        empty = sum(map(is_missing, patients))
        if empty:
            raise DataError(
                f"{root.name}: every image must have a value in the column {named!r} of the table; {empty} have none. "
                "Give each an id, or leave these images out."
            )
    return Records(
        sample_ids=found.paths,
        labels=labels,
        pixels=root.pixels(found.paths),
        patients=patients,
        parts=None if options.split is None else parts,
        columns={name: columns[name] for name in options.subgroup_names},
        origin=root.name,
        notes=(
            *((f"All images lie in the folder {top!r}; paths are relative to it.",) if top else ()),
            *found.notes(),
        ),
    )


def _only_folder(paths: Sequence[str], classes: Sequence[str]) -> str:
    """Return the folder that holds all folders of classes, else ""."""
    tops = {path.split("/", maxsplit=1)[0] for path in paths}
    top = next(iter(tops))
    wraps = len(tops) == 1 and all(path.count("/") >= 2 for path in paths)
    return top if wraps and canonical_part(top) is None and top not in classes else ""


def _by_class(root: Tree, found: FoundFiles, one_of: Sequence[str]) -> tuple[FoundFiles, list[str]]:
    inside = [path for path in found.paths if "/" in path]
    if not inside:
        raise DataError(
            f"{root.name}: images must lie in one sub-folder for each class; {len(found.paths)} lie in the folder "
            "itself. Move them into two folders, or pass a CSV manifest with the columns path and label instead."
        )
    ignored = Counter(found.ignored)
    if len(inside) < len(found.paths):
        ignored["images outside the folders of the classes"] = len(found.paths) - len(inside)
    labels = [path.split("/", maxsplit=1)[0] for path in inside]
    if len(set(labels)) == 1 and labels[0] not in one_of:
        raise DataError(
            f"{root.name}: a folder must hold one sub-folder for each of two classes; all {len(inside)} images lie in "
            f"{labels[0]!r}. If the classes lie inside it, pass that folder."
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


def _joined(root: Tree, paths: Sequence[str], wanted: Sequence[str], path: str) -> Mapping[str, list[str]]:
    """Return the wanted columns of the one table in the root, in the order of ``paths``."""
    table = _the_table(root, wanted)
    keys = table.columns[table.path_column(path)]
    rows: dict[str, int] = {}
    for row, key in enumerate(map(relative_key, keys)):
        if rows.setdefault(key, row) != row:
            raise DataError(
                f"{table.name}, data row {row + 1}: each image must occur in one row; {key!r} is also data row "
                f"{rows[key] + 1}. Remove the repeated rows; what they say must agree."
            )
    missing = [item for item in paths if item not in rows]
    if missing:
        raise DataError(
            f"{table.name}: must have a row for every image of the folder; {len(missing)} of {len(paths)} have none, "
            f"for example {missing[0]!r}. Its paths must be relative to {root.name}."
        )
    order = [rows[item] for item in paths]
    found = {name: table.column(name, argument="patients or subgroups") for name in wanted}
    return {name: [values[row] for row in order] for name, values in found.items()}


def _the_table(root: Tree, wanted: Sequence[str]) -> TextTable:
    files = [path for path in root.files().paths if "/" not in path and path.lower().endswith(TABLE_SUFFIXES)]
    if not files:
        raise ArgumentError(
            f"patients or subgroups: the columns {', '.join(map(repr, wanted))} need a CSV table in {root.name}, "
            "which has none. Add one with a column path, pass a manifest as the source, or pass a pattern as patients."
        )
    tables = [_read(root, file) for file in files]
    fitting = [table for table in tables if all(name in table for name in wanted)]
    if len(fitting) == 1:
        return fitting[0]
    if len(tables) == 1:
        return tables[0]  # its own message then lists its columns
    listed = "; ".join(f"{table.name} has {', '.join(table.columns)}" for table in tables)
    count = "more than one table has" if fitting else "no table has"
    raise ArgumentError(
        f"patients or subgroups: {count} the columns {', '.join(map(repr, wanted))} in {root.name}: {listed}. "
        "Pass the table itself as the source."
    )


def _read(root: Tree, path: str) -> TextTable:
    with root.open(path) as stream:
        return read_table_stream(stream, path)
