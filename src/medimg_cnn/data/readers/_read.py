"""Opens files, finds the reader for each, and turns every failure into the library's own error."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal, overload

import numpy as np

from medimg_cnn._types import Image, Images, ImageSize, PathLike
from medimg_cnn._validation import check_choice, explain
from medimg_cnn.data.readers._base import HEAD_SIZE, DecodedImage, Reader, check_pixels
from medimg_cnn.data.readers._channels import adapt_channels
from medimg_cnn.data.readers._dicom import DicomReader, read_identifiers
from medimg_cnn.data.readers._nifti import NiftiReader
from medimg_cnn.data.readers._options import Plane, ReadOptions, ValueRange, Window
from medimg_cnn.data.readers._pillow import PillowReader
from medimg_cnn.data.readers._quiet import quiet_decoders
from medimg_cnn.data.readers._sniff import describe_junk, is_dicom
from medimg_cnn.errors import ArgumentError, ImageReadError, MissingDependencyError

__all__ = ["dicom_identifiers", "is_image_file", "read_decoded", "read_image", "register_reader"]

_DEFAULT = ReadOptions()
# DICOM first: a preamble may pass for the head of a TIFF (PS3.10, 7.1).
_READERS: list[Reader] = [DicomReader(), PillowReader(), NiftiReader()]
_LOCK = threading.Lock()


def register_reader(reader: Reader) -> None:
    """Add a reader for a further kind of file; it is asked before those already known.

    A reader of the same name is replaced, so that registering twice does no harm.

    Args:
        reader: an object with ``name``, ``accepts`` and ``read``; see ``Reader``.

    Raises:
        ArgumentError: the object is not a reader.

    Example:
        >>> import numpy as np
        >>> from medimg_cnn.data import DecodedImage, register_reader
        >>> class RawReader:
        ...     name = "raw"
        ...     def accepts(self, head):
        ...         return head.startswith(b"RAW8")
        ...     def read(self, stream, options, *, minimum_size=None):
        ...         grey = np.frombuffer(stream.read()[4:], dtype=np.uint8).reshape(8, 8, 1)
        ...         return DecodedImage(pixels=grey / np.float32(255), bit_depth=8, format="RAW", mode="L")
        >>> register_reader(RawReader())
    """
    if isinstance(reader, type) or not isinstance(reader, Reader):
        raise ArgumentError(
            explain(
                "reader",
                "must be an object with name, accepts(head) and read(stream, options, *, minimum_size)",
                reader,
            )
        )
    with _LOCK:
        _READERS[:] = [reader, *(known for known in _READERS if known.name != reader.name)]


def is_image_file(path: PathLike | BinaryIO) -> bool:
    """Say whether some reader accepts the file, from its content; a broken link or a folder is none.

    A DICOM file that by its SOP class holds no image (a structured report, a presentation state, an encapsulated PDF,
    a DICOMDIR, ...) is none.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     note = pathlib.Path(folder, "scan.png")
        ...     _ = note.write_text("not an image")
        ...     is_image_file(note)
        False
    """
    try:
        with _opened(path) as (_, stream):
            head = stream.read(HEAD_SIZE)
    except ImageReadError:
        return False
    return _reader_for(head) is not None


def dicom_identifiers(path: PathLike | BinaryIO) -> dict[str, str]:
    """Return what links a DICOM file to its patient and study. Personal data: never log or save it as it is.

    Returns:
        "patient_id", "study_uid", "series_uid" and "sop_uid", each "" where the file does not say.

    Raises:
        ImageReadError: the file is not DICOM, or damaged.
    """
    with _opened(path) as (name, stream):
        try:
            if not is_dicom(stream.read(HEAD_SIZE)):
                raise ImageReadError("must be a DICOM file; got another kind. Name a DICOM file.")
            stream.seek(0)
            with quiet_decoders():
                return read_identifiers(stream)
        except ImageReadError as error:
            raise ImageReadError(f"{name}: {error}") from error.__cause__


def read_decoded(
    path: PathLike | BinaryIO,
    options: ReadOptions = _DEFAULT,
    *,
    minimum_size: ImageSize | None = None,
) -> DecodedImage:
    """Read one image with what is known about it.

    Args:
        path: a file, or a binary stream that can seek (a member of an archive); its ``name`` is used in messages.
        options: frame, window, range and limits.
        minimum_size: (height, width) below which the image will not be needed. A JPEG is then decoded at a
            half, a quarter or an eighth of its size while that is at least 1.125 times this, and squares of pixels of
            another opaque picture of 8 bits are averaged while what remains is at least 1.5 times this; decision
            0012 says how little that changes. Give ``DecodedImage.extent`` to ``Preprocessing.apply`` then.

    Raises:
        ImageReadError: the file cannot be read; the message names it, the rule, the value and the next step.
        MissingDependencyError: a package is needed for this kind of file, and not installed.
    """
    with _opened(path) as (name, stream):
        try:
            head = stream.read(HEAD_SIZE)
            stream.seek(0)
            reader = _reader_for(head)
            if reader is None:
                kind, advice = describe_junk(head)
                raise ImageReadError(f"the content must be that of an image; got {kind}. {advice}")
            with quiet_decoders():
                return reader.read(stream, options, minimum_size=minimum_size)
        except (MissingDependencyError, ImageReadError) as error:
            raise type(error)(f"{name}: {error}") from error.__cause__
        except Exception as error:
            raise ImageReadError(
                f"{name}: the content must be intact; got {type(error).__name__} ({str(error)[:200]}) from the "
                f"decoder. Get the file again, or leave it out."
            ) from error


@overload
def read_image(
    path: PathLike | BinaryIO,
    *,
    channels: Literal[1, 3] | None = ...,
    frame: int | None = ...,
    window: Window | tuple[Window, Window, Window] | None = ...,
    value_range: ValueRange = ...,
    plane: Plane = ...,
    background: float = ...,
    max_pixels: int = ...,
) -> Image: ...
@overload
def read_image(
    path: PathLike | BinaryIO,
    *,
    channels: Literal[1, 3] | None = ...,
    frame: Literal["all"],
    window: Window | tuple[Window, Window, Window] | None = ...,
    value_range: ValueRange = ...,
    plane: Plane = ...,
    background: float = ...,
    max_pixels: int = ...,
) -> Images: ...
def read_image(
    path: PathLike | BinaryIO,
    *,
    channels: Literal[1, 3] | None = None,
    frame: int | Literal["all"] | None = None,
    window: Window | tuple[Window, Window, Window] | None = None,
    value_range: ValueRange = None,
    plane: Plane = "axial",
    background: float = 0.0,
    max_pixels: int = _DEFAULT.max_pixels,
) -> Image | Images:
    """Read an image file as float32 (height, width, channels), 0 to 1, upright.

    The kind of file is told from its content: PNG, JPEG, TIFF, BMP, WebP, GIF, JPEG 2000, DICOM, NIfTI, and
    what ``register_reader`` added. 16 bits are kept.

    Args:
        path: the file, or a binary stream that can seek.
        channels: 1 or 3 to have grey repeated or colour weighed to grey (Rec. 601 luma); None as in the file.
        frame: which frame, page or slice, counted from 0, or "all" for (frames, height, width, channels).
        window: for DICOM and NIfTI: a name of ``CT_WINDOWS``, (centre, width), or three of these as channels.
        value_range: (low, high) in the file's units that become 0 and 1, or "image".
        plane: which slices of a NIfTI volume.
        background: grey value on which transparent pixels are composited.
        max_pixels: largest number of pixels that is decoded; for "all", of all frames together.

    Returns:
        (height, width, channels) float32, finite, 0 to 1; with ``frame="all"`` one more dimension before these.

    Raises:
        ArgumentError: an option breaks its rule.
        ImageReadError: the file cannot be read; the message names it, the rule, the value and the next step.
        MissingDependencyError: a package is needed for this kind of file, and not installed.

    Example:
        >>> import tempfile, pathlib
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "grey.png")
        ...     Image.new("L", (4, 2), 51).save(path)
        ...     image = read_image(path)
        >>> image.shape, round(float(image[0, 0, 0]), 3)
        ((2, 4, 1), 0.2)
    """
    if channels is not None and channels not in (1, 3):
        raise ArgumentError(explain("channels", "must be 1, 3 or None", channels))
    if isinstance(frame, str):
        check_choice("frame", frame, ("all",))
    options = ReadOptions(
        frame=0 if isinstance(frame, str) else frame,
        window=window,
        value_range=value_range,
        plane=plane,
        background=background,
        max_pixels=max_pixels,
    )
    first = read_decoded(path, options)
    if not isinstance(frame, str):
        return adapt_channels(first.pixels, channels)
    return _all_frames(path, options, first, channels)


def _all_frames(
    path: PathLike | BinaryIO, options: ReadOptions, first: DecodedImage, channels: int | None
) -> Images:
    name = _name_of(path)
    height, width = first.pixels.shape[:2]
    try:
        check_pixels(height, width, options, frames=first.frames)
    except ImageReadError as error:
        raise ImageReadError(f"{name}: {error}") from error
    images = [adapt_channels(first.pixels, channels)]
    for index in range(1, first.frames):
        image = adapt_channels(read_decoded(path, replace(options, frame=index)).pixels, channels)
        if image.shape != images[0].shape:
            raise ImageReadError(
                f"{name}: with frame='all' every frame must have one size; got {images[0].shape} and, for frame "
                f"{index}, {image.shape}. Read the frames one by one."
            )
        images.append(image)
    return np.stack(images)


def _reader_for(head: bytes) -> Reader | None:
    for reader in tuple(_READERS):
        if reader.accepts(head):
            return reader
    return None


def _name_of(path: PathLike | BinaryIO) -> str:
    if isinstance(path, (str, os.PathLike)):
        return os.fspath(path)
    name = getattr(path, "name", None)
    return name if isinstance(name, str) and name else "<stream>"


@contextmanager
def _opened(path: PathLike | BinaryIO) -> Iterator[tuple[str, BinaryIO]]:
    """Open a regular file, or use a stream as it is, from its start."""
    name = _name_of(path)
    if not isinstance(path, (str, os.PathLike)):
        path.seek(0)
        yield name, path
        return
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # a pipe would wait for ever
            raise ImageReadError(f"{name}: must be a file; got a folder, pipe or device. Name a file.")
        stream = Path(path).open("rb")  # noqa: SIM115 - closed by the caller's "with" below
    except FileNotFoundError as error:
        raise ImageReadError(f"{name}: must exist; got no such file. Check the path.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, ImageReadError):
            raise
        raise ImageReadError(
            f"{name}: must be readable; got {type(error).__name__}. Check the path and its permissions."
        ) from error
    with stream:
        yield name, stream
