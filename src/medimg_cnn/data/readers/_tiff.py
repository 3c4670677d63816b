"""TIFF beside Pillow: pages counted without reading them, and libtiff kept from writing to stderr."""

from __future__ import annotations

import ctypes
import importlib
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, BinaryIO

from medimg_cnn.data.readers._base import unreadable

__all__ = ["count_pages", "quiet_libtiff"]

_MAX_PAGES = 10_000
_LOCK = threading.Lock()
_inside = 0
_before: list[int | None] = []


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


@contextmanager
def quiet_libtiff() -> Iterator[None]:
    """Have Pillow's libtiff say nothing while at least one thread is inside.

    It writes what it warns of, and its errors, to stderr, without the file's name; Pillow raises for an error as well.
    Where Pillow was built without libtiff, or with it inside, nothing is changed.
    """
    global _inside, _before  # noqa: PLW0603 - libtiff's handlers are themselves global
    with _LOCK:
        _inside += 1
        if _inside == 1:
            _before = [setter(None) for setter in _setters()]
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if _inside == 0:
                for setter, handler in zip(_setters(), _before, strict=True):
                    setter(handler)


@cache
def _setters() -> tuple[Any, ...]:
    """Return libtiff's functions that set a handler and return the one before."""
    try:
        library = ctypes.CDLL(
            importlib.import_module("PIL._imaging").__file__
        )  # already loaded, with all it needs
        found = (library.TIFFSetWarningHandler, library.TIFFSetErrorHandler)
    except (OSError, AttributeError, TypeError):
        return ()
    for setter in found:
        setter.argtypes, setter.restype = (ctypes.c_void_p,), ctypes.c_void_p
    return found
