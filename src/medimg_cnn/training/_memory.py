"""Freed memory that stays with the process while it trains. See docs/decisions/0082-kept-memory.md."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["kept_memory"]

# Of mallopt(3) and of malloc.h; the usual values are those that glibc comes to by itself where large blocks are freed.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_USUAL = ((_MMAP_MAX, 65_536), (_MMAP_THRESHOLD, 32 * 2**20), (_TRIM_THRESHOLD, 64 * 2**20))


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let glibc keep freed memory for the next step, and give it back at the end; elsewhere do nothing.

    XLA takes the memory of a step anew each time. By default glibc maps large blocks on their own and gives them back
    when they are freed, so that the kernel clears every page of every step again.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        for option, value in _USUAL:
            libc.mallopt(option, value)
        libc.malloc_trim(0)


def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
