"""The folder of a run: checked before the first step, written file by file without half-written ones."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from medimg_cnn._types import PathLike
from medimg_cnn.artifacts import FitResult
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


def write_run(folder: Path, model: Any, result: FitResult) -> None:
    """Write ``model.keras``, ``history.csv`` and, last, ``result.json``, each under its name only when whole."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as name:
        part = Path(name) / MODEL_FILE
        model.save(part)
        part.replace(folder / MODEL_FILE)
        table = Path(name) / "history.csv"
        result.to_frame().to_csv(table)
        table.replace(folder / "history.csv")
    result.save(folder / RESULT_FILE)
