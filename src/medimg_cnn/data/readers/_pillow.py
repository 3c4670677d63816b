"""Pictures: PNG, JPEG, TIFF, BMP, WebP, GIF and JPEG 2000, decoded by Pillow.

Colour profiles and the gamma of a PNG are not applied: the values are taken as they are stored.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image, ImageSize
from medimg_cnn.data.readers._base import DecodedImage, check_pixels, pass_option, unreadable
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
# Of these one picture is counted without moving in the file.
_OF_ONE_PASS = ("PNG", "JPEG", "BMP")
_ORIENTATION_TAG = 274


@dataclass(frozen=True, slots=True)
class _Scales:
    """How many pixels a side may become one, and how far above the wanted size that stays; see decision 0012."""

    scales: tuple[int, ...]
    margin: float


_OF_JPEG = _Scales((8, 4, 2), 1.125)
_BY_AVERAGES = _Scales((8, 7, 6, 5, 4, 3, 2), 1.5)


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
                f"{pass_option('value_range=(low, high)')} That is for the values of pictures.",
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
    if format_name not in _OF_ONE_PASS or frames > 1:
        image = _opened(stream, format_name)  # counting may have moved it
    if options.frame:
        image.seek(options.frame)
        check_pixels(image.size[1], image.size[0], options)
    mode, size, scale = image.mode, None, 1
    if format_name == "JPEG":
        size, scale = image.size, _scale(image, minimum_size, options, _orientation(image), _OF_JPEG)
        if scale > 1:
            image.draft(None, (size[0] // scale, size[1] // scale))

    def shrink(decoded: Any) -> int:
        turned = 1 if format_name == "TIFF" else _orientation(decoded)
        return 1 if size else _scale(decoded, minimum_size, options, turned, _BY_AVERAGES)

    planes = planes_of(image, lambda: _reopened(stream, format_name, options.frame), shrink)
    # Only now: a PNG would be decoded by the question. Pillow turns TIFF by itself.
    orientation = 1 if format_name == "TIFF" else _orientation(image)
    size, scale = size or image.size, max(scale, planes.scale)
    del image  # its memory is as large as the values'
    width, height = size[:: 1 if orientation < 5 else -1]
    partial = size[0] % scale or size[1] % scale  # then the picture is upright
    return DecodedImage(
        pixels=_scaled(planes, orientation, options),
        bit_depth=planes.depth,
        format=format_name,
        mode=mode,
        frames=frames,
        extent=(height / scale, width / scale) if partial else None,
        metadata={"stored_height": str(height), "stored_width": str(width)} if scale > 1 else {},
    )


def _scale(
    image: Any, minimum_size: ImageSize | None, options: ReadOptions, orientation: int, allowed: _Scales
) -> int:
    """Return how many pixels a side become one: as many as leave the margin above the wanted size."""
    if (
        minimum_size is None or options.value_range is not None
    ):  # a range clips, and that comes before averaging
        return 1
    across, down = image.size
    height, width = minimum_size if orientation < 5 else minimum_size[::-1]
    most = min(across / width, down / height) / allowed.margin
    # A last column that is not full would be the first one of a picture that is turned.
    fits = (item for item in allowed.scales if orientation == 1 or across % item == down % item == 0)
    return next((item for item in fits if item <= most), 1)


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
            f"frame must be below the number of frames, {frames}",
            frame,
            f"{pass_option('frame=0')} There are 0 to {frames - 1}.",
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
