"""Pictures: PNG, JPEG, TIFF, BMP, WebP, GIF and JPEG 2000, decoded by Pillow.

Colour profiles and the gamma of a PNG are not applied: the values are taken as they are stored.
"""

from __future__ import annotations

import importlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image, ImageSize
from medimg_cnn.data.readers._base import DecodedImage, check_pixels, unreadable
from medimg_cnn.data.readers._options import ReadOptions
from medimg_cnn.data.readers._pillow_values import Planes, planes_of
from medimg_cnn.data.readers._sniff import pillow_format
from medimg_cnn.data.readers._tiff import count_pages
from medimg_cnn.data.readers._values import scale_values
from medimg_cnn.errors import ImageReadError

__all__ = ["PillowReader"]

# Classes, not Image.open: nothing outside this list is ever tried, and the pixel limit is ours.
_PLUGINS = {
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "WEBP": ("WebPImagePlugin", "WebPImageFile"),
    "JPEG2000": ("Jpeg2KImagePlugin", "Jpeg2KImageFile"),
}
_ORIENTATION_TAG = 274
# Scaled decoding stays at least this many times above the wanted size; see docs/decisions/0012-scaled-jpeg.md.
_DRAFT_MARGIN = 2


class PillowReader:
    """Reads pictures with Pillow, from a fixed list of formats."""

    name = "pillow"

    def accepts(self, head: bytes) -> bool:
        """Say whether the file is one of the picture formats."""
        return pillow_format(head) is not None

    def read(
        self, stream: BinaryIO, options: ReadOptions, *, minimum_size: ImageSize | None = None
    ) -> DecodedImage:
        """Decode one picture or page; see ``Reader.read``."""
        format_name = pillow_format(stream.read(64))
        if format_name is None:
            raise unreadable("the content must be a picture", "something else", "Name another file.")
        if options.window is not None:
            raise unreadable(
                "window is for DICOM and NIfTI, whose values have units",
                f"a {format_name} file",
                "Use value_range for the values of pictures.",
            )
        try:
            return _decode(stream, format_name, options, minimum_size)
        except ImageReadError:
            raise
        except Exception as error:
            raise unreadable(
                f"the {format_name} content must be intact and of a kind that Pillow decodes",
                f"{type(error).__name__} ({str(error)[:200]})",
                "Get the file again, or convert it.",
            ) from error


def _decode(
    stream: BinaryIO, format_name: str, options: ReadOptions, minimum_size: ImageSize | None
) -> DecodedImage:
    _refuse_truncation_switch()
    image = _opened(stream, format_name)
    check_pixels(image.size[1], image.size[0], options)
    frames = count_pages(stream) if format_name == "TIFF" else int(getattr(image, "n_frames", 1))
    _check_frame(options.frame, frames)
    image = _opened(stream, format_name)  # counting may have moved it
    if options.frame:
        image.seek(options.frame)
        check_pixels(image.size[1], image.size[0], options)
    mode, facts = image.mode, {}
    if format_name == "JPEG" and minimum_size is not None:
        stored = image.size if _orientation(image) >= 5 else image.size[::-1]
        facts = {"stored_height": str(stored[0]), "stored_width": str(stored[1])}
        height, width = minimum_size if _orientation(image) < 5 else minimum_size[::-1]
        image.draft(None, (width * _DRAFT_MARGIN, height * _DRAFT_MARGIN))
    planes = planes_of(image, lambda: _reopened(stream, format_name, options.frame))
    # Only now: a PNG would be decoded by the question. Pillow turns TIFF by itself.
    orientation = 1 if format_name == "TIFF" else _orientation(image)
    del image  # its memory is as large as the values'
    return DecodedImage(
        pixels=_scaled(planes, orientation, options),
        bit_depth=planes.depth,
        format=format_name,
        mode=mode,
        frames=frames,
        metadata=facts,
    )


def _opened(stream: BinaryIO, format_name: str) -> Any:
    stream.seek(0)
    module, plugin = _PLUGINS[format_name]
    return getattr(importlib.import_module(f"PIL.{module}"), plugin)(stream)


def _reopened(stream: BinaryIO, format_name: str, frame: int | None) -> Any:
    image = _opened(stream, format_name)
    if frame:
        image.seek(frame)
    return image


def _refuse_truncation_switch() -> None:
    from PIL import ImageFile

    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise unreadable(
            "Pillow must refuse truncated images",
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES = True, set by other code",
            "Set it to False: half an image would pass for a whole one.",
        )


def _check_frame(frame: int | None, frames: int) -> None:
    if frame is not None and frame >= frames:
        raise unreadable(
            f"frame must be below the number of frames, {frames}", frame, f"Pass 0 to {frames - 1}."
        )


def _scaled(planes: Planes, orientation: int, options: ReadOptions) -> Image:
    pixels = scale_values(_upright(planes.values, orientation), planes.full, options.value_range)
    if planes.white_is_zero:
        np.subtract(1, pixels, out=pixels)
    if planes.alpha is not None:
        alpha = _upright(planes.alpha, orientation)
        pixels *= alpha
        if options.background:
            pixels += np.float32(options.background) * (1 - alpha)
            np.clip(pixels, 0, 1, out=pixels)
    return pixels


def _orientation(image: Any) -> int:
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF does not make a damaged picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo one of the eight orientations of EXIF (tag 0x0112)."""
    if orientation in (2, 4, 5, 7):
        pixels = pixels[:, ::-1]
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.rot90(pixels, turns) if turns else pixels
