"""What every reader takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol, runtime_checkable

import numpy as np

from medimg_cnn._types import Image, ImageSize
from medimg_cnn.data.readers._options import ReadOptions
from medimg_cnn.errors import DataError, ImageReadError

__all__ = ["HEAD_SIZE", "DecodedImage", "Reader", "check_pixels", "pass_option", "unreadable"]

HEAD_SIZE = 4096
"""How many bytes of a file a reader sees before it says whether the file is its own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedImage:
    """One image as it was in the file, before any resize.

    Attributes:
        pixels: (height, width, channels) float32, finite, 0 to 1, one or three channels, upright.
        bit_depth: 8, 16 or 32: how many bits a channel had in the file, rounded up.
        format: "PNG", "JPEG", "DICOM" and so on.
        mode: the decoder's name for the kind of pixels, for example "L", "RGB" or "MONOCHROME2".
        frames: how many frames, pages or slices the file has.
        extent: (height, width) of the picture in pixels of the array, at most one smaller than it: decoded at a
            quarter, 1,021 columns are 255.25, and the last of the 256 is a quarter full. None for the whole array.
        metadata: harmless facts of the decoding, never text of a DICOM tag. Where an image may have been decoded at
            a lower resolution, "stored_height" and "stored_width" say its own.

    Raises:
        DataError: the pixels are not of that shape or range.
    """

    pixels: Image
    bit_depth: int
    format: str
    mode: str
    frames: int = 1
    extent: tuple[float, float] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or 0 in pixels.shape:
            raise DataError(f"pixels: must have the shape (height, width, 1 or 3); got {pixels.shape}.")
        if pixels.dtype != np.float32:
            raise DataError(f"pixels: must be float32; got {pixels.dtype}.")
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0.0 and high <= 1.0):
            raise DataError(f"pixels: must be finite and lie in 0 to 1; got {low:g} to {high:g}.")


@runtime_checkable
class Reader(Protocol):
    """Reads one kind of file. Register one's own with ``register_reader``.

    A reader is chosen by what a file holds, not by its name. It may raise anything: the caller turns every
    exception into an ImageReadError that names the file.

    Attributes:
        name: a short name, for messages.
    """

    name: str

    def accepts(self, head: bytes) -> bool:
        """Say whether this is the reader's kind of file, from its first bytes (at most 4,096)."""
        ...

    def read(
        self, stream: BinaryIO, options: ReadOptions, *, minimum_size: ImageSize | None = None
    ) -> DecodedImage:
        """Decode one image.

        Args:
            stream: the file, open for reading and seeking, at its start.
            options: what to take and how.
            minimum_size: (height, width) below which the image will not be needed; a reader that can decode
                faster at a lower resolution may do so, but not below this.

        Raises:
            ImageReadError: the file cannot be read; see ``unreadable``.
        """
        ...


def unreadable(rule: str, value: object, next_step: str) -> ImageReadError:
    """Return an error for a reader to raise; the file's name is put before it by the caller."""
    return ImageReadError(f"{rule}; got {value}. {next_step}")


def pass_option(setting: str) -> str:
    """Return the next step "give this option of reading", as it is typed.

    Example:
        >>> pass_option("frame=0")
        'Pass read=ReadOptions(frame=0) to load_dataset, or frame=0 to read_image.'
    """
    return f"Pass read=ReadOptions({setting}) to load_dataset, or {setting} to read_image."


def check_pixels(height: int, width: int, options: ReadOptions, *, frames: int = 1) -> None:
    """Refuse an image whose header announces more pixels than allowed.

    Raises:
        ImageReadError: the header says no pixels, or more than ``options.max_pixels``.
    """
    if height < 1 or width < 1:
        raise unreadable(
            "height and width must be at least 1",
            f"{height} x {width}",
            "The header is damaged; get the file again.",
        )
    if height * width * frames > options.max_pixels:
        raise unreadable(
            f"an image may have at most {options.max_pixels:,} pixels",
            f"{height:,} x {width:,}" + (f" in {frames:,} frames" if frames > 1 else ""),
            f"{pass_option(f'max_pixels={height * width * frames:_}')} Do so for files that you trust only.",
        )
