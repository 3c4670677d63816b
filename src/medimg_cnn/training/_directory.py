"""The folder of a run: checked before the first step, written file by file without half-written ones."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from medimg_cnn._types import PathLike
from medimg_cnn.artifacts import FitResult
from medimg_cnn.artifacts._files import atomic_write, atomic_write_text
from medimg_cnn.errors import ArgumentError
from medimg_cnn.training._run import MODEL_FILE, RESULT_FILE

__all__ = ["prepare_directory", "write_run"]


def prepare_directory(directory: PathLike | None, *, overwrite: bool) -> Path | None:
    """Create the folder and see that it can be written to and holds no other run.

    Raises:
        ArgumentError: it holds a run and ``overwrite`` is False, or it cannot be written to.
    """
    if directory is None:
        return None
    folder = Path(directory)
    if (folder / RESULT_FILE).exists() and not overwrite:
        raise ArgumentError(
            f"directory: {folder} holds a finished run already. Pass another directory, or overwrite=True."
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


def write_run(folder: Path, model: Any, result: FitResult) -> FitResult:
    """Write ``model.keras``, ``history.csv`` and, last, ``result.json``; return the result as written.

    Each appears under its name only when whole. An old ``result.json`` goes first, so that a folder never
    holds one run's weights with another's threshold; the new one holds the hash of its model file.
    """
    (folder / RESULT_FILE).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as name:
        part = Path(name) / MODEL_FILE
        model.save(part)
        content = part.read_bytes()
    atomic_write(folder / MODEL_FILE, lambda stream: stream.write(content))
    atomic_write_text(folder / "history.csv", result.to_frame().to_csv())
    result = replace(result, model_sha256=hashlib.sha256(content).hexdigest())
    result.save(folder / RESULT_FILE)
    return result
