"""The pages of a TIFF file, counted without reading them."""

from __future__ import annotations

import struct
from typing import BinaryIO

from medimg_cnn.data.readers._base import unreadable

__all__ = ["count_pages"]

_MAX_PAGES = 10_000


def count_pages(stream: BinaryIO) -> int:
    """Return the number of image directories; a directory that points back ends the count.

    Pillow's own count takes time with the square of the number, 75 s for 100,000.

    Raises:
        ImageReadError: there are more than 10,000.
    """
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\x00", b"\x00+")
    count_format, entry_size, offset_format = ("Q", 20, "Q") if big else ("H", 12, "L")
    at = struct.unpack_from(order + offset_format, head, 8 if big else 4)[0]
    seen: set[int] = set()
    while at and at not in seen:
        seen.add(at)
        if len(seen) > _MAX_PAGES:
            raise unreadable(f"a TIFF may have at most {_MAX_PAGES:,} pages", "more", "Split the file.")
        stream.seek(at)
        entries = stream.read(struct.calcsize(order + count_format))
        if len(entries) < struct.calcsize(order + count_format):
            break
        stream.seek(struct.unpack(order + count_format, entries)[0] * entry_size, 1)
        following = stream.read(struct.calcsize(order + offset_format))
        if len(following) < struct.calcsize(order + offset_format):
            break
        at = struct.unpack(order + offset_format, following)[0]
    return max(len(seen), 1)
