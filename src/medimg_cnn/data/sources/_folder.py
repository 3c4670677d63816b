"""A folder, or an archive, with one sub-folder for each class, or with train, val and test folders that hold these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from medimg_cnn.data._positive import others_left_out
from medimg_cnn.data._records import Records, SourceOptions
from medimg_cnn.data.sources._beside import Beside
from medimg_cnn.data.sources._dicom_hint import hint_for_tree
from medimg_cnn.data.sources._files import OTHER_FILES, Below, FoundFiles, Tree, choose_images
from medimg_cnn.data.sources._parts import canonical_part
from medimg_cnn.data.sources._patients import patients_from_cells, patients_from_paths
from medimg_cnn.data.sources._tables import is_missing
from medimg_cnn.errors import DataError, SplitError

__all__ = ["read_folder"]


def read_folder(root: Tree, options: SourceOptions, *, packed: bool = False) -> Records:
    """Read a folder of classes; in an archive (``packed``) all of it may lie in one folder, which is passed through.

    Raises:
        DataError: there are no images, or they do not lie in folders of classes.
        ArgumentError: a named column is in none of the folder's tables.
    """
    found = choose_images(root)
    if not found.paths:
        seen = " ".join(found.notes()) or "It is empty."
        raise DataError(
            f"{root.name}: a folder must hold images in one sub-folder for each class; found no image. {seen} "
            "Check the path; images are PNG, JPEG, TIFF, BMP, WebP, GIF, JPEG 2000, DICOM or NIfTI files."
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
    beside = Beside(root, found.paths, labels, options)
    beside.check_labels()
    chosen = options.chosen if set(options.chosen) <= set(labels) else ()  # a misspelt one is an error later
    keep = [index for index, label in enumerate(labels) if not chosen or label in chosen]
    dropped = others_left_out(options.chosen, len(labels) - len(keep))
    found.paths = [found.paths[index] for index in keep]
    labels = [labels[index] for index in keep]
    parts = None if parts is None else [parts[index] for index in keep]
    beside.keep(found.paths)
    named = options.patients if isinstance(options.patients, str) else None
    wanted = [*options.subgroup_names, *([] if named is None else [named])]
    columns: Mapping[str, list[str]] = {}
    if wanted:
        columns, given = beside.join(wanted)
        parts = _agreed(root, found.paths, parts, given)
        found.ignored[OTHER_FILES] -= 1  # the table
    patients: Sequence[str] | None
    if named is None:
        patients = patients_from_paths(options.patients, found.paths, ordered=False)
    else:
        patients = patients_from_cells(columns[named])
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
            *beside.notes(),
            *dropped,
        ),
        cautions=beside.cautions(),
        label_hint=hint_for_tree(root, found.paths),
        patient_hint=beside.patient_hint() if patients is None else "",
    )


def _agreed(
    root: Tree, paths: Sequence[str], by_folder: list[str] | None, by_table: list[str] | None
) -> list[str] | None:
    """Return the given parts; folders and table must not contradict each other."""
    if by_folder is None or by_table is None:
        return by_table if by_folder is None else by_folder
    wrong = [item for item in zip(paths, by_table, by_folder, strict=True) if item[1] != item[2]]
    if wrong:
        path, table, folder = wrong[0]
        raise SplitError(
            f"{root.name}: the parts in the table must be those of the folders; {len(wrong)} of {len(paths)} are not, "
            f"for example {path!r}, which is {table} in the table and lies in {folder}. Correct one of them, or pass "
            "split=None to split anew."
        )
    return by_folder


def _only_folder(paths: Sequence[str], classes: Sequence[str]) -> str:
    """Return the folder that holds all folders of classes, else ""."""
    tops = {path.split("/", maxsplit=1)[0] for path in paths}
    top = next(iter(tops))
    wraps = len(tops) == 1 and all(path.count("/") >= 2 for path in paths)
    return top if wraps and canonical_part(top) is None and top not in classes else ""


def _by_class(root: Tree, found: FoundFiles, one_of: Sequence[str]) -> tuple[FoundFiles, list[str]]:
    inside = [path for path in found.paths if "/" in path]
    if not inside:
        text = (
            f"{root.name}: images must lie in one sub-folder for each class; {len(found.paths)} lie in the folder "
            "itself. Move them into two folders, or pass a CSV manifest with the columns path and label instead."
        )
        raise DataError(f"{text} {hint_for_tree(root, found.paths)}".rstrip())
    ignored = Counter(found.ignored)
    if len(inside) < len(found.paths):
        ignored["images outside the folders of the classes"] = len(found.paths) - len(inside)
    labels = [path.split("/", maxsplit=1)[0] for path in inside]
    if len(set(labels)) == 1 and labels[0] not in one_of:
        raise DataError(_one_class(root, inside))
    return FoundFiles(inside, ignored), labels


def _one_class(root: Tree, paths: Sequence[str]) -> str:
    only = paths[0].split("/", maxsplit=1)[0]
    others = Counter(path.split("/", maxsplit=1)[0] for path in root.files().paths if "/" in path)
    del others[only]
    empty = "".join(f" {name!r} has {count} files, none of them an image." for name, count in others.items())
    inner = sorted({path.split("/")[1] for path in paths if path.count("/") >= 2})
    step = (
        f"If the classes are {', '.join(map(repr, inner[:4]))} inside it, pass that folder."
        if len(inner) > 1
        else "Put the images of the other class into a folder beside it."
    )
    return (
        f"{root.name}: a folder must hold one sub-folder for each of two classes; all {len(paths)} images lie in "
        f"{only!r}.{empty} {step} For a test set of one class use load_external. {hint_for_tree(root, paths)}"
    ).rstrip()


def _by_part(found: FoundFiles) -> tuple[FoundFiles, list[str], list[str]]:
    kept = [path for path in found.paths if path.count("/") >= 2]
    ignored = Counter(found.ignored)
    if len(kept) < len(found.paths):
        ignored["images outside the folders of the classes"] = len(found.paths) - len(kept)
    pieces = [path.split("/", maxsplit=2) for path in kept]
    parts = [canonical_part(piece[0]) or "" for piece in pieces]
    return FoundFiles(kept, ignored), [piece[1] for piece in pieces], parts
