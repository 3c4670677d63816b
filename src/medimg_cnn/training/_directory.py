"""The folder of a run: checked before the first step, held by one process, written without half-written files."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from medimg_cnn._types import PathLike
from medimg_cnn.artifacts import EpochRecord, FitResult
from medimg_cnn.artifacts._files import atomic_write, atomic_write_text, hold
from medimg_cnn.errors import ArgumentError
from medimg_cnn.training._record import EVENTS_FILE, model_bytes
from medimg_cnn.training._run import CHECKPOINTS, MODEL_FILE, RECORD_FILE, RESULT_FILE, lost

__all__ = ["clear", "finish_run", "held", "prepare_directory", "write_history"]

_HISTORY_FILE = "history.csv"


def prepare_directory(directory: PathLike | None, *, overwrite: bool, resume: bool = False) -> Path | None:
    """Create the folder and see that it can be written to and holds no other run.

    Raises:
        ArgumentError: it holds a run that is neither to be overwritten nor to be gone on with, or it cannot be
            written to.
    """
    if directory is None:
        return None
    folder = Path(directory)
    if resume and (folder / RESULT_FILE).is_file():
        return folder  # a finished run is loaded, from where nothing may be written too
    if not overwrite and not resume:
        if (folder / RESULT_FILE).exists():
            raise ArgumentError(
                f"directory: {folder} holds a finished run already. Pass another directory, or overwrite=True."
            )
        if (folder / MODEL_FILE).exists() and (gone := lost(folder)):
            raise ArgumentError(
                f"directory: {gone} Restore it from a copy, pass another directory, or overwrite=True."
            )
        if (folder / RECORD_FILE).exists() and _progress(folder / CHECKPOINTS):
            raise ArgumentError(
                f"directory: {folder} holds a run that was not finished. Go on with "
                f"Trainer.resume({str(folder)!r}).fit(data.train, data.validation), pass another directory, or "
                "overwrite=True."
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ArgumentError(
            f"directory: {folder} cannot be written to ({error.strerror}). Pass a folder that you may write to."
        ) from error
    return folder


@contextmanager
def held(folder: Path | None) -> Iterator[None]:
    """Hold the folder, so that no second process trains in it; given back when this one ends, however it ends.

    Raises:
        ArgumentError: another process holds it.
    """
    if folder is None or os.name != "posix":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        hold(
            descriptor,
            f"directory: another process trains in {folder} now. Wait for it, or pass another directory.",
        )
        yield
    finally:
        os.close(descriptor)


def clear(folder: Path) -> None:
    """Take away what another run left in the folder, its choices first."""
    for name in (RESULT_FILE, RECORD_FILE, MODEL_FILE, _HISTORY_FILE, EVENTS_FILE):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def write_history(folder: Path, history: Sequence[EpochRecord]) -> None:
    """Write ``history.csv``: one row an epoch; empty where a figure is NaN."""
    text = io.StringIO()
    names = EpochRecord.columns(history)
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for record in history:
        row = ((name, getattr(record, name)) for name in names)
        writer.writerow({name: "" if math.isnan(value) else value for name, value in row})
    atomic_write_text(folder / _HISTORY_FILE, text.getvalue())


def finish_run(folder: Path, model: Any, result: FitResult) -> FitResult:
    """Write ``model.keras``, ``history.csv`` and, last, ``result.json``; return the result as written.

    Each appears under its name only when whole. An old ``result.json`` goes first, so that a folder never
    holds one run's weights with another's threshold; the new one holds the hash of its model file. The
    checkpoints, of no more use, go at the end.
    """
    (folder / RESULT_FILE).unlink(missing_ok=True)
    content = model_bytes(model, folder)
    atomic_write(folder / MODEL_FILE, lambda stream: stream.write(content))
    write_history(folder, result.history)
    result = replace(result, model_sha256=hashlib.sha256(content).hexdigest())
    result.save(folder / RESULT_FILE)
    with suppress(OSError):
        shutil.rmtree(folder / CHECKPOINTS)
    return result


def _progress(checkpoints: Path) -> bool:
    """Whether there is a checkpoint of more than the start."""
    return any(path.name.isdecimal() and int(path.name) > 0 for path in checkpoints.glob("*"))
