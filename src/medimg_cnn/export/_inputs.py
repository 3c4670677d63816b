"""What can be predicted, brought into one form: a stream of named images, each decoded when its turn comes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image, Images, PathLike
from medimg_cnn._validation import explain
from medimg_cnn.data import DecodedImage, Preprocessing
from medimg_cnn.data._store import dequantise, quantise
from medimg_cnn.data.readers import read_decoded
from medimg_cnn.data.sources._archive import Archive, is_archive
from medimg_cnn.data.sources._arrays import ArrayPixels
from medimg_cnn.data.sources._files import Folder, choose_images
from medimg_cnn.errors import ArgumentError, DataError
from medimg_cnn.training import ImageSource

__all__ = ["Inputs", "Item", "Loaded", "identity_of", "model_input", "open_inputs", "read_file"]

Inputs: TypeAlias = PathLike | NDArray[Any] | ImageSource | Iterable[PathLike]
"""A file, a folder, an archive, paths, an array of images, or a split."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One image ready for the model.

    Attributes:
        pixels: (height, width, channels) float32 in 0-1, of the model's shape.
        size: (height, width) as stored; None where not known.
    """

    pixels: Image
    size: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Item:
    """One image to come: its name, and what loads it."""

    name: str
    load: Callable[[], Loaded]


def open_inputs(images: Inputs, preprocessing: Preprocessing) -> tuple[Iterator[Item], int | None]:
    """Return the images in a fixed order, and how many there are, or None where that is not known.

    Raises:
        ArgumentError: nothing of that kind can be predicted, or there is no such file.
        DataError: a folder holds no image.
    """
    if isinstance(images, (str, os.PathLike)):
        return _path(Path(images), preprocessing)
    if isinstance(images, np.ndarray):
        return _array(images, preprocessing)
    if isinstance(images, ImageSource):
        return _source(images, preprocessing)
    if isinstance(images, Iterable):
        paths = list(dict.fromkeys(map(_as_path, images))) if isinstance(images, (list, tuple)) else None
        found = map(_as_path, images) if paths is None else iter(paths)
        return (_file(path, preprocessing) for path in found), None if paths is None else len(paths)
    raise ArgumentError(
        explain(
            "images",
            "must be a file, a folder, an archive, paths, an array (n, height, width[, channels]) or a split",
            type(images).__name__,
        )
    )


def identity_of(images: Inputs) -> str:
    """Say which images these are, so that a table of predictions is not gone on with on others.

    A folder, an archive or a file is known by where it is, an array by its values, a split by its images' names, and
    paths by themselves.
    """
    if isinstance(images, (str, os.PathLike)):
        return os.path.realpath(images)
    digest = hashlib.sha256()
    if isinstance(images, np.ndarray):
        digest.update(f"{images.shape} {images.dtype.str}".encode())
        digest.update(np.ascontiguousarray(images).data)
        return f"array {digest.hexdigest()}"
    if isinstance(images, ImageSource):
        digest.update("\0".join(map(str, images.sample_ids)).encode("utf-8", "backslashreplace"))
        return f"split {digest.hexdigest()}"
    return "paths"


def model_input(image: DecodedImage, preprocessing: Preprocessing) -> Image:
    """Return a decoded image as a dataset gives it to the model: resized, rounded to 8 or 16 bits, scaled to 0-1."""
    channels = preprocessing.channels
    grey = image.pixels.shape[2] == 1 or channels == 1
    own = Preprocessing(image_size=preprocessing.image_size, channels=1 if grey else 3, fit=preprocessing.fit)
    values = quantise(own.apply(image.pixels, extent=image.extent), image.bit_depth)
    pixels = np.empty(preprocessing.image_shape, dtype=np.float32)
    dequantise(values, pixels)
    return pixels


def _loaded(image: DecodedImage, preprocessing: Preprocessing) -> Loaded:
    height, width = image.pixels.shape[:2]
    stored = (
        int(image.metadata.get("stored_height", height)),
        int(image.metadata.get("stored_width", width)),
    )
    return Loaded(model_input(image, preprocessing), stored)


def _path(path: Path, preprocessing: Preprocessing) -> tuple[Iterator[Item], int | None]:
    if not path.exists():
        raise ArgumentError(explain("images", "must exist", str(path)))
    if not path.is_dir() and not is_archive(path):
        return iter([_file(str(path), preprocessing)]), 1
    tree = Folder(path) if path.is_dir() else Archive(path)
    names = choose_images(tree).paths
    if not names:
        raise DataError(f"{path}: must hold images; found none. Name the folder that holds them.")

    def item(name: str) -> Item:
        def load() -> Loaded:
            with tree.open(name) as stream:
                return read_file(stream, preprocessing)

        return Item(name, load)

    return (item(name) for name in names), len(names)


def _file(path: str, preprocessing: Preprocessing) -> Item:
    return Item(path, lambda: read_file(path, preprocessing))


def read_file(file: Any, preprocessing: Preprocessing) -> Loaded:
    """Read and prepare one file, or binary stream that can seek."""
    image = read_decoded(file, preprocessing.read, minimum_size=preprocessing.image_size)
    return _loaded(image, preprocessing)


def _array(images: NDArray[Any], preprocessing: Preprocessing) -> tuple[Iterator[Item], int | None]:
    pixels = ArrayPixels([images], ["images"])
    digits = len(str(len(pixels)))

    def item(index: int) -> Item:
        return Item(
            f"{index:0{digits}d}",
            lambda: _loaded(pixels.decode(index, preprocessing.read, None), preprocessing),
        )

    return (item(index) for index in range(len(pixels))), len(pixels)


def _source(images: ImageSource, preprocessing: Preprocessing) -> tuple[Iterator[Item], int | None]:
    if tuple(images.image_shape) != preprocessing.image_shape:
        raise ArgumentError(
            f"images: must have the shape {preprocessing.image_shape} of the model's input; got {images.image_shape}. "
            "Read them with load_external(..., preprocessing=bundle.preprocessing, classes=bundle.classes)."
        )
    table = getattr(images, "table", None)
    known = table is not None and {"height", "width"} <= set(table)
    sizes = np.asarray(table[["height", "width"]]) if known and table is not None else None

    def item(index: int) -> Item:
        def load() -> Loaded:
            pixels: Images = images.read(np.array([index]))
            size = None if sizes is None else (int(sizes[index, 0]), int(sizes[index, 1]))
            return Loaded(pixels[0], size)

        return Item(str(images.sample_ids[index]), load)

    return (item(index) for index in range(images.n)), images.n


def _as_path(path: object) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentError(explain("images", "must hold paths of files", type(path).__name__))
    return os.fspath(path)
