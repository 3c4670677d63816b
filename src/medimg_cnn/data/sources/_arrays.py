"""Images that are arrays already: in memory, or in a MedMNIST-style npz file."""

from __future__ import annotations

import hashlib
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import ImageSize
from medimg_cnn._validation import explain, suggest
from medimg_cnn.data._positive import label_text
from medimg_cnn.data._records import LabelKind, Records, SourceOptions
from medimg_cnn.data.sources._parts import canonical_part
from medimg_cnn.data.sources._patients import patient_column, patients_from_paths, patients_from_values
from medimg_cnn.data.sources._tables import is_missing
from medimg_cnn.errors import ArgumentError, DataError, LabelError

if TYPE_CHECKING:
    from medimg_cnn.data.readers import DecodedImage, ReadOptions

__all__ = ["ArrayPixels", "read_arrays", "read_npz"]


_DAMAGE = (
    OSError, EOFError, MemoryError, OverflowError, RuntimeError, SyntaxError, TypeError, ValueError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What NumPy and zipfile raise on damaged files; RuntimeError includes NotImplementedError."""


class ArrayPixels:
    """Images of one or more arrays, each (n, h, w) or (n, h, w, 1 or 3): uint8, uint16, or float in 0 to 1."""

    def __init__(self, arrays: Sequence[NDArray[Any]], names: Sequence[str]) -> None:
        self._arrays = [_checked(array, name) for array, name in zip(arrays, names, strict=True)]
        self._starts = np.cumsum([0] + [len(array) for array in self._arrays])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def native_size(self) -> ImageSize | None:
        """(height, width), or None where the arrays differ."""
        sizes = {array.shape[1:3] for array in self._arrays}
        return next(iter(sizes)) if len(sizes) == 1 else None

    def digest(self, index: int) -> str:
        """Return the sha256 of the image's values, type and shape."""
        image = self._image(index)
        header = f"{image.dtype.str} {image.shape} ".encode()
        return hashlib.sha256(header + image.tobytes()).hexdigest()

    def decode(self, index: int, options: ReadOptions, minimum_size: ImageSize | None) -> DecodedImage:
        """Return the image scaled by its type: uint8 by 255, uint16 by 65,535, float as it is."""
        from medimg_cnn.data.readers import DecodedImage

        del options, minimum_size  # they are about files
        image = self._image(index)
        depth = {"u1": 8, "u2": 16}.get(image.dtype.str[1:], 32)
        high = np.float32(1 if depth == 32 else 2**depth - 1)
        scaled = np.divide(image, high, dtype=np.float32, casting="unsafe")
        mode = "L" if image.shape[2] == 1 else "RGB"
        return DecodedImage(pixels=scaled, bit_depth=depth, format="array", mode=mode)

    def _image(self, index: int) -> NDArray[Any]:
        which = int(np.searchsorted(self._starts, index, side="right")) - 1
        image: NDArray[Any] = self._arrays[which][index - int(self._starts[which])]
        height, width = image.shape[:2]
        return image.reshape(height, width, -1)


def read_arrays(source: Sequence[Any], options: SourceOptions) -> Records:
    """Read (images, labels).

    Raises:
        ArgumentError: the arrays do not fit each other, or pixel values are not in a known range.
    """
    images, labels = np.asarray(source[0]), np.asarray(source[1])
    pixels = ArrayPixels([images], ["source[0] (images)"])
    n = len(pixels)
    texts, kind = _labels(labels, n, "source[1] (labels)")
    ids = [f"{index:0{len(str(n))}d}" for index in range(n)]
    if isinstance(options.subgroups, Mapping):
        columns = {
            name: _column(f"subgroups[{name!r}]", values, n) for name, values in options.subgroups.items()
        }
    elif options.subgroups:
        step = 'For arrays pass a mapping, for example subgroups={"site": sites}.'
        raise ArgumentError(explain("subgroups", "arrays have no columns to name", options.subgroups, step))
    else:
        columns = {}
    if isinstance(options.patients, str):
        step = "Pass an array with the patient id of each image."
        raise ArgumentError(explain("patients", "arrays have no columns to name", options.patients, step))
    return Records(
        sample_ids=ids,
        labels=texts,
        pixels=pixels,
        patients=patients_from_paths(options.patients, ids),
        columns=columns,
        label_kind=kind,
        origin="the arrays",
    )


def read_npz(path: Path, options: SourceOptions) -> Records:
    """Read an npz file with the keys train_images, train_labels and so on, or images and labels.

    Patients and subgroups are keys too: ``patients="patient"`` reads train_patient, val_patient, ...

    Raises:
        DataError: the file is damaged or lacks the keys.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            keys = list(stored.files)
            prefixes = _prefixes(keys, path)
            parts = [part for part, _ in prefixes]
            arrays = [stored[f"{prefix}images"] for _, prefix in prefixes]
            pixels = ArrayPixels(arrays, [f"{path.name}, {prefix}images" for _, prefix in prefixes])

            def column(name: str, argument: str) -> list[str]:
                texts: list[str] = []
                for (_, prefix), array in zip(prefixes, arrays, strict=True):
                    key = f"{prefix}{name}"
                    if key not in keys:
                        raise ArgumentError(f"{argument}: {path} has no key {key!r}. {suggest(key, keys)}")
                    texts += _column(f"{path.name}, {key}", stored[key], len(array))
                return texts

            labels: list[str] = []
            kinds: set[LabelKind] = set()
            for (_, prefix), array in zip(prefixes, arrays, strict=True):
                key = f"{prefix}labels"
                if key not in keys:
                    raise DataError(
                        f"{path}: must have the key {key!r}, the labels of {prefix}images; it has {', '.join(keys)}. "
                        f"Write it again with numpy.savez({prefix}images=..., {key}=...)."
                    )
                texts, kind = _labels(stored[key], len(array), f"{path.name}, {key}")
                labels += texts
                kinds.add(kind)
            names = [part or "image" for part in parts]
            ids = [
                f"{name}/{index:0{len(str(len(array)))}d}"
                for name, array in zip(names, arrays, strict=True)
                for index in range(len(array))
            ]
            patients = options.patients
            given = [part for part, array in zip(parts, arrays, strict=True) for _ in range(len(array))]
            return Records(
                sample_ids=ids,
                labels=labels,
                pixels=pixels,
                patients=patients_from_values(column(patients, "patients"), len(ids))
                if isinstance(patients, str)
                else patients_from_paths(patients, ids),
                parts=given if any(parts) and options.split is not None else None,
                columns={name: column(name, "subgroups") for name in options.subgroup_names},
                label_kind="boolean" if kinds == {"boolean"} else "text",
                patient_hint=_hint(path, keys, prefixes) if patients is None else "",
                origin=str(path),
            )
    except _DAMAGE as error:
        if isinstance(error, (DataError, ArgumentError)):
            raise
        raise DataError(
            f"{path}: must be an npz file without pickled objects; it cannot be read as one "
            f"({type(error).__name__}). Write it again with numpy.savez."
        ) from error


def _prefixes(keys: Sequence[str], path: Path) -> list[tuple[str, str]]:
    """Return (part, prefix of its keys) for each array of images."""
    if "images" in keys:
        return [("", "")]
    found: dict[str, str] = {}
    for key in keys:
        part = canonical_part(key.removesuffix("_images")) if key.endswith("_images") else None
        if part is not None:
            found[part] = key.removesuffix("images")
    if not found:
        raise DataError(
            f"{path}: must have the keys train_images, train_labels, val_images, val_labels, test_images, "
            f"test_labels (or images and labels); it has {', '.join(keys) or 'none'}. Write it again with these keys, "
            "or pass the arrays as (images, labels)."
        )
    return list(found.items())


def _hint(path: Path, keys: Sequence[str], prefixes: Sequence[tuple[str, str]]) -> str:
    first = prefixes[0][1]
    name = patient_column(key.removeprefix(first) for key in keys if key.startswith(first))
    return "" if name is None else f'{path.name} has a key {first + name!r}: pass patients="{name}".'


def _checked(array: NDArray[Any], name: str) -> NDArray[Any]:
    if not isinstance(array, np.ndarray):  # what NumPy gives for a member that is no array
        raise DataError(f"{name}: must be an array; got {type(array).__name__}. Write it with numpy.savez.")
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3)) or 0 in array.shape:
        rule = f"{name}: must have the shape (n, height, width) or (n, height, width, 1 or 3)"
        first = array.ndim == 4 and array.shape[1] in (1, 3)
        step = " Put the channels last: images.transpose(0, 2, 3, 1)." if first else ""
        raise ArgumentError(f"{rule}; got {array.shape}.{step}")
    if array.dtype in (np.uint8, np.uint16):
        return array
    if array.dtype.kind != "f":
        raise ArgumentError(
            f"{name}: values must be uint8, uint16, or float from 0 to 1; got {array.dtype}. "
            "Convert them with a range that you know, for example (x / 4095).astype('float32')."
        )
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 1.0):
        raise ArgumentError(
            f"{name}: float values must be finite and lie in 0 to 1; got {low:g} to {high:g}. "
            "Divide by the largest value that the scale has, for example x / 255."
        )
    return array


def _labels(labels: NDArray[Any], n: int, name: str) -> tuple[list[str], LabelKind]:
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (n,):
        columns = labels.ndim == 2 and len(labels) == n
        step = " For labels in columns of 0 and 1 pass labels.argmax(axis=1)." if columns else ""
        raise LabelError(
            f"{name}: must hold one label for each of the {n} images; got the shape {labels.shape}.{step}"
        )
    missing = sum(is_missing(label, word_none=True) for label in labels.tolist())
    if missing:
        raise LabelError(
            f"{name}: every image must have a label; {missing} of {n} have none. Label them, or leave them out."
        )
    if labels.dtype.kind not in "biuUO" and not (
        labels.dtype.kind == "f" and (labels == labels.round()).all()
    ):
        raise LabelError(f"{name}: must be texts, whole numbers or booleans; got {labels.dtype}.")
    return [label_text(label) for label in labels.tolist()], "boolean" if labels.dtype.kind == "b" else "text"


def _column(name: str, values: Any, n: int) -> list[str]:
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (n,):
        raise ArgumentError(
            f"{name}: must hold one value for each of the {n} images; got the shape {array.shape}."
        )
    return [label_text(value) for value in array.tolist()]
