"""Keeps decoders' own warnings and log lines to themselves: they name no file and may quote DICOM tags."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_decoders"]

_MODULES = r"(PIL|pydicom|pylibjpeg|openjpeg|jpeg_ls|nibabel|medimg_cnn\.data\.readers)\b"
_LOGGERS = ("pydicom", "nibabel.global")
_LOCK = threading.Lock()
_inside = 0
_filter: object = None


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Drop what decoders warn of and log while at least one thread is inside.

    ``warnings.catch_warnings`` is not safe between threads: it swaps the whole list of filters, and leaves it
    swapped where two threads overlap. Here one filter is put in by the first thread and taken out by the last.
    """
    global _inside, _filter  # noqa: PLW0603 - the list of warning filters is itself global
    with _LOCK:
        _inside += 1
        if _inside == 1:
            warnings.filterwarnings("ignore", module=_MODULES)
            _filter = warnings.filters[0]
            for name in _LOGGERS:
                logging.getLogger(name).addFilter(_drop)
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


def _drop(record: logging.LogRecord) -> bool:
    del record
    return False
