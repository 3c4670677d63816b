"""The file in which a tuning remembers its trials: Optuna's journal, one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medimg_cnn._types import PathLike
from medimg_cnn._validation import check_path, explain
from medimg_cnn.errors import ArgumentError

__all__ = ["file_errors", "open_journal"]

_EXAMPLE = "tuning.log"
_HINT = "Pass the file of an earlier tuning, or one that does not exist yet."


def open_journal(optuna: Any, storage: PathLike) -> Any:
    """Return Optuna's storage over a file, which is made where it does not exist.

    Raises:
        ArgumentError: it is no path, the address of a data base, a folder, or holds something else.
    """
    path = check_path("storage", storage, example=_EXAMPLE)
    if "://" in str(storage):
        rule = "must be a file; a tuning is not kept in a data base"
        raise ArgumentError(explain("storage", rule, str(storage), f"Pass for example storage={_EXAMPLE!r}."))
    if path.is_dir():
        raise ArgumentError(
            explain("storage", "must be a file", str(path), "Add a name, such as tuning.log.")
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _cut_what_is_unfinished(path)
    backend = optuna.storages.journal
    lock = backend.JournalFileOpenLock(str(path))
    return optuna.storages.JournalStorage(backend.JournalFileBackend(str(path), lock))


@contextmanager
def file_errors(storage: PathLike | None) -> Iterator[None]:
    """Turn what goes wrong with the file into an ArgumentError that names it.

    Raises:
        ArgumentError: it cannot be written to, or does not hold a tuning.
    """
    try:
        yield
    except OSError as error:
        raise ArgumentError(
            f"storage: {storage} cannot be read or written to ({error}). Pass a file in a folder that can be."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(
            f"storage: {storage} does not hold a tuning ({type(error).__name__}: {error}). {_HINT}"
        ) from error


def _cut_what_is_unfinished(path: Path) -> None:
    """See that every line is a record; drop the last one where a kill, or a full disk, cut it off."""
    content = path.read_bytes()
    *lines, rest = content.split(b"\n")
    whole = all(isinstance(record := json.loads(line), dict) and "op_code" in record for line in lines)
    if not whole or (rest and not lines):
        raise ArgumentError(f"storage: {path} does not hold a tuning. {_HINT}")
    if rest:
        os.truncate(path, len(content) - len(rest))
