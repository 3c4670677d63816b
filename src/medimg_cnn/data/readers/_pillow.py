"""Pictures: PNG, JPEG, TIFF, BMP, WebP, GIF and JPEG 2000, decoded by Pillow."""

from __future__ import annotations

import importlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image, ImageSize
from medimg_cnn.data.readers._base import DecodedImage, check_pixels, unreadable
from medimg_cnn.data.readers._options import ReadOptions
from medimg_cnn.data.readers._sniff import pillow_format
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
        stream.seek(0)
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
    module, plugin = _PLUGINS[format_name]
    with getattr(importlib.import_module(f"PIL.{module}"), plugin)(stream) as image:
        width, height = image.size
        check_pixels(height, width, options)
        frames = int(getattr(image, "n_frames", 1))
        if options.frame is not None:
            if options.frame >= frames:
                raise unreadable(
                    f"frame must be below the number of frames, {frames}",
                    options.frame,
                    f"Pass a frame from 0 to {frames - 1}.",
                )
            image.seek(options.frame)
            check_pixels(image.size[1], image.size[0], options)
        mode = image.mode
        image.load()
        orientation = _orientation(image)
        values, full, alpha, depth = _planes(image)
    pixels = scale_values(values, full, options.value_range)
    if alpha is not None:
        pixels = pixels * alpha + np.float32(options.background) * (1 - alpha)
    return DecodedImage(
        pixels=np.ascontiguousarray(_upright(pixels, orientation)),
        bit_depth=depth,
        format=format_name,
        mode=mode,
        frames=frames,
    )


def _planes(image: Any) -> tuple[NDArray[Any], tuple[float, float] | None, Image | None, int]:
    """Return (height, width, 1 or 3) values, their full range (None for float), alpha 0 to 1, and the bits."""
    mode = image.mode
    if mode == "1":
        return np.asarray(image, dtype=np.uint8)[..., None], (0, 1), None, 8
    if mode.startswith("I;16"):
        return np.asarray(image)[..., None], (0, 65_535), None, 16
    if mode == "I":
        return np.asarray(image)[..., None], (0, 4_294_967_295), None, 32
    if mode == "F":
        return np.asarray(image)[..., None], None, None, 32
    if image.has_transparency_data:
        grey = mode in ("L", "LA", "La")
        array = np.asarray(image.convert("LA" if grey else "RGBA"))
        return array[..., :-1], (0, 255), array[..., -1:].astype(np.float32) / np.float32(255), 8
    array = np.asarray(image if mode in ("L", "RGB") else image.convert("RGB"))
    return array[..., None] if array.ndim == 2 else array, (0, 255), None, 8


def _orientation(image: Any) -> int:
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF does not make a damaged picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: Image, orientation: int) -> Image:
    """Undo one of the eight orientations of EXIF (tag 0x0112)."""
    if orientation in (2, 7):
        pixels = pixels[:, ::-1]
    elif orientation in (4, 5):
        pixels = pixels[::-1]
    turns = {3: 2, 5: 3, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.rot90(pixels, turns) if turns else pixels
