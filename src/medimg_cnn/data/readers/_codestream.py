"""The size that a compressed picture says it has, read without decoding it."""

from __future__ import annotations

import struct

__all__ = ["codestream_size", "is_cut_off"]

_JP2_MARK = b"\x00\x00\x00\x0cjP  "
# Start-of-frame markers of JPEG (FFC0 to FFCF less tables and arithmetic) and of JPEG-LS (FFF7).
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def codestream_size(data: bytes) -> tuple[int, int] | None:
    """Return (height, width) of a JPEG, JPEG-LS or JPEG 2000 stream; None where none is found.

    Example:
        >>> codestream_size(bytes.fromhex("ffd8 ffc0 000b 08 0010 0020 01 011100"))
        (16, 32)
    """
    if data.startswith(_JP2_MARK):
        start = data.find(b"\xff\x4f\xff\x51")
        data = data[start:] if start >= 0 else b""
    if data.startswith(b"\xff\x4f\xff\x51"):
        return _jpeg2000_size(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    return None


def is_cut_off(data: bytes) -> bool:
    """Say whether a JPEG-LS stream lacks its end; zeros after it are padding.

    CharLS, which decodes JPEG-LS, does not return from a stream without an end.

    Example:
        >>> is_cut_off(bytes.fromhex("ffd8 ffd9 00")), is_cut_off(bytes.fromhex("ffd8 ff"))
        (False, True)
    """
    return data.startswith(b"\xff\xd8") and not data.rstrip(b"\0").endswith(b"\xff\xd9")


def _jpeg2000_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 24:
        return None
    width, height, left, top = struct.unpack(">LLLL", data[8:24])
    return height - top, width - left


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _FRAME_MARKERS:
            if at + 9 > len(data):
                return None
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return height, width
        elif marker == 0xDA:
            return None
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
