"""Keeps what decoders warn of, log or write to stderr to themselves: it names no file and may quote DICOM tags."""

from __future__ import annotations

import ctypes
import importlib
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

__all__ = ["quiet_decoders"]

_MODULES = r"(PIL|pydicom|pylibjpeg|openjpeg|jpeg_ls|nibabel|medimg_cnn\.data\.readers)\b"
_LOGGERS = ("pydicom", "nibabel.global")
_LOCK = threading.Lock()
_inside = 0
_filter: object = None
_handlers: list[int | None] = []


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Drop what decoders warn of, log and write while at least one thread is inside.

    ``warnings.catch_warnings`` is not safe between threads: it swaps the whole list of filters, and leaves it
    swapped where two threads overlap. Here one filter is put in by the first thread and taken out by the last, and so
    are the handlers of Pillow's libtiff, which else writes warnings and errors to stderr. Pillow raises for an error as
    well. Where Pillow was built without libtiff, or with it inside, that is left as it is.
    """
    global _inside, _filter, _handlers  # noqa: PLW0603 - filters and handlers are themselves global
    with _LOCK:
        _inside += 1
        if _inside == 1:
            warnings.filterwarnings("ignore", module=_MODULES)
            _filter = warnings.filters[0]
            for name in _LOGGERS:
                logging.getLogger(name).addFilter(_drop)
            _handlers = [setter(None) for setter in _libtiff_setters()]
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if _inside == 0:
                # Another module may have swapped the list meanwhile; then there is nothing to take out.
                if isinstance(warnings.filters, list) and _filter in warnings.filters:
                    warnings.filters.remove(_filter)
                for name in _LOGGERS:
                    logging.getLogger(name).removeFilter(_drop)
                for setter, handler in zip(_libtiff_setters(), _handlers, strict=True):
                    setter(handler)


@cache
def _libtiff_setters() -> tuple[Any, ...]:
    """Return libtiff's functions that set a handler and return the one before."""
    try:
        # Pillow's extension is loaded, with the libtiff that it needs.
        library = ctypes.CDLL(importlib.import_module("PIL._imaging").__file__)
        found = (library.TIFFSetWarningHandler, library.TIFFSetErrorHandler)
    except (OSError, AttributeError, TypeError):
        return ()
    for setter in found:
        setter.argtypes, setter.restype = (ctypes.c_void_p,), ctypes.c_void_p
    return found


def _drop(record: logging.LogRecord) -> bool:
    del record
    return False
