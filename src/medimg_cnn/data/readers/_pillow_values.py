"""The values of a Pillow image in full depth, and its alpha."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image

__all__ = ["Planes", "planes_of"]

_BITS_TAG, _PHOTOMETRIC_TAG, _SAMPLE_FORMAT_TAG = 258, 262, 339
_WHITE_IS_ZERO = 0
_SIGNED = 2
# Pillow has no 16-bit colour: it keeps the first byte of each value. Its other unpackers keep the second.
_OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if np.little_endian else "L"}
_COLOR_16 = ("RGB;16", "RGBA;16", "RGBX;16", "CMYK;16")
_GREY_ALPHA_16 = "LA;16B"
# Grey PNG of 2 and 4 bits: Pillow scales the pixels to 8 bits, but not the transparent value.
_KEY_SCALE = {"L;2": 85, "L;4": 17}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planes:
    """Values of a picture before scaling.

    Attributes:
        values: (height, width, 1 or 3) numbers.
        full: the range of their type; None for float.
        depth: 8, 16 or 32 bits.
        alpha: (height, width, 1) float32, 0 to 1, or None where nothing is transparent.
        white_is_zero: whether grey is to be inverted.
        scale: how many pixels a side were averaged into one.
    """

    values: NDArray[Any]
    full: tuple[float, float] | None
    depth: int
    alpha: Image | None = None
    white_is_zero: bool = False
    scale: int = 1


def planes_of(image: Any, reopen: Callable[[], Any], shrink: Callable[[Any], int]) -> Planes:
    """Decode a Pillow image that is open but not loaded.

    Args:
        image: the image, at the wanted frame.
        reopen: opens it a second time, at the same frame.
        shrink: says of the decoded image how many pixels a side may be averaged into one; asked where it is opaque
            grey or colour of 8 bits.
    """
    raw_mode = _raw_mode(image)
    tags = _tags(image)
    if raw_mode[:-1] in _COLOR_16:
        return _color_16(image, reopen, raw_mode)
    if raw_mode == _GREY_ALPHA_16:
        return _grey_alpha_16(image)
    image.load()
    key = image.info.get("transparency")
    if image.mode in ("L", "RGB") and key is None and tags[_SAMPLE_FORMAT_TAG] != _SIGNED:
        scale = shrink(image)
        values = np.asarray(image if scale == 1 else image.reduce(scale))
        return Planes(values=values.reshape(*values.shape[:2], -1), full=(0, 255), depth=8, scale=scale)
    if image.mode in ("L", "I", "F") or image.mode.startswith("I;16"):
        planes = _grey(image, tags)
        if isinstance(key, int):
            return _keyed(planes, np.array([key * _KEY_SCALE.get(raw_mode, 1)]))
        return planes
    if image.mode in ("LA", "La"):
        return _with_alpha(np.asarray(image.convert("LA")), 8)
    if image.mode == "1":
        image = image.convert("LA" if key is not None else "L")
        return _with_alpha(np.asarray(image), 8) if key is not None else _grey(image, tags)
    if image.mode == "RGB" and isinstance(key, tuple):
        return _keyed(Planes(values=np.asarray(image), full=(0, 255), depth=8), np.array(key))
    if image.has_transparency_data:
        return _with_alpha(np.asarray(image.convert("RGBA")), 8)
    return Planes(values=np.asarray(image.convert("RGB")), full=(0, 255), depth=8)


def _grey(image: Any, tags: dict[int, int]) -> Planes:
    mode, bits, signed = image.mode, tags[_BITS_TAG], tags[_SAMPLE_FORMAT_TAG] == _SIGNED
    values = np.asarray(image)[..., None]
    # Pillow inverts grey of up to 8 bits by itself, and wider grey not.
    white_is_zero = tags[_PHOTOMETRIC_TAG] == _WHITE_IS_ZERO and mode != "L"
    if mode == "F":
        return Planes(values=values, full=None, depth=32, white_is_zero=white_is_zero)
    if mode == "L":
        if signed and bits == 8:
            return Planes(values=values.view(np.int8), full=(-128, 127), depth=8)
        return Planes(values=values, full=(0, 255), depth=8)
    if mode == "I" and image.format != "PNG":
        depth = 16 if bits == 16 else 32
        if signed:
            full = (-(2.0 ** (depth - 1)), 2.0 ** (depth - 1) - 1)
            return Planes(values=values, full=full, depth=depth, white_is_zero=white_is_zero)
        return Planes(
            values=values.view(np.uint32), full=(0, 2.0**32 - 1), depth=32, white_is_zero=white_is_zero
        )
    return Planes(
        values=values, full=(0, 4_095 if bits == 12 else 65_535), depth=16, white_is_zero=white_is_zero
    )


def _color_16(image: Any, reopen: Callable[[], Any], raw_mode: str) -> Planes:
    """Decode 16-bit colour in two passes, one for each byte."""
    image.load()
    key, mode = image.info.get("transparency"), image.mode
    values = np.asarray(image).astype(np.uint16)
    values <<= 8
    again = reopen()
    for place, tile in enumerate(again.tile):
        name = raw_mode[:-1] + _OTHER_BYTE[raw_mode[-1]]
        again.tile[place] = tile._replace(args=name if isinstance(tile.args, str) else (name, *tile.args[1:]))
    again.load()
    values |= np.asarray(again)
    if mode == "CMYK":
        ink = 65_535 - values.astype(np.uint32)
        values = ((ink[..., :3] * ink[..., 3:] + 32_767) // 65_535).astype(np.uint16)
    if mode == "RGBA":
        return _with_alpha(values, 16)
    planes = Planes(values=values, full=(0, 65_535), depth=16)
    return _keyed(planes, np.array(key)) if isinstance(key, tuple) else planes


def _grey_alpha_16(image: Any) -> Planes:
    """Decode grey and alpha of 16 bits as four bytes a pixel."""
    image.tile = [tile._replace(args="RGBA") for tile in image.tile]
    image.load()
    pairs = np.asarray(image).astype(np.uint16)
    return _with_alpha(pairs[..., 0::2] << 8 | pairs[..., 1::2], 16)


def _with_alpha(values: NDArray[Any], depth: int) -> Planes:
    """Part grey and alpha, or red, green, blue and alpha."""
    top = 2**depth - 1
    alpha = values[..., -1:].astype(np.float32) / np.float32(top)
    return Planes(values=values[..., :-1], full=(0, top), depth=depth, alpha=alpha)


def _keyed(planes: Planes, key: NDArray[Any]) -> Planes:
    """Make pixels of one value transparent."""
    opaque = (planes.values != key).any(axis=-1, keepdims=True)
    return Planes(values=planes.values, full=planes.full, depth=planes.depth, alpha=opaque.astype(np.float32))


def _raw_mode(image: Any) -> str:
    """Return how the values lie in the file, or "" where they are in separate planes."""
    names = {tile.args if isinstance(tile.args, str) else tile.args[0] for tile in image.tile if tile.args}
    return str(names.pop()) if len(names) == 1 else ""


def _tags(image: Any) -> dict[int, int]:
    """Return bits, photometric interpretation and sample format of a TIFF, -1 where there is none."""
    found = getattr(image, "tag_v2", {})
    values = {}
    for tag in (_BITS_TAG, _PHOTOMETRIC_TAG, _SAMPLE_FORMAT_TAG):
        value = found.get(tag, -1)
        value = value[0] if isinstance(value, tuple) and value else value
        values[tag] = value if isinstance(value, int) else -1
    return values
