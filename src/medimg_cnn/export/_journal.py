"""A CSV file that grows batch by batch and can be taken up again after the process was killed at any moment.

A batch is appended and flushed to the disk; then the file beside it says, by an atomic replacement, up to which byte
the table is good. On taking up again what lies beyond is cut off.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from medimg_cnn.artifacts._files import atomic_write_text, hold, to_json_text
from medimg_cnn.errors import ArgumentError, ArtifactError
from medimg_cnn.reporting.render import safe_cell

__all__ = ["Journal"]

_FORMAT = "medimg_cnn.prediction_progress"
_COUNTS = ("errors", "positives", "abstained", "out_of_scope")
_DIGEST = 16


class Journal:
    """A table of predictions, open for appending.

    Attributes:
        rows: written so far.
        size: images that a batch of the compiled function takes, where it was fixed already.
        counts: what the rows add up to.
    """

    def __init__(
        self,
        path: Path,
        stream: BinaryIO,
        job: Mapping[str, Any],
        columns: Sequence[str],
        state: Mapping[str, Any],
    ) -> None:
        self._path, self._stream, self._job = path, stream, dict(job)
        self.rows: int = state["rows"]
        self.size: int | None = state["size"]
        self.counts: dict[str, int] = {name: state["counts"][name] for name in _COUNTS}
        self._bytes: int = state["bytes"]
        self._known = _names_in(path, self._bytes)
        self._stream.truncate(self._bytes)
        self._stream.seek(self._bytes)
        self._columns = columns

    @classmethod
    def open(cls, path: Path, *, columns: Sequence[str], job: Mapping[str, Any], overwrite: bool) -> Journal:
        """Begin a table, or go on with one of the same job.

        Raises:
            ArgumentError: the file is another job's, or no such table, or another process writes to it.
            ArtifactError: the file that says how far it is, is damaged.
        """
        if path.suffix.lower() != ".csv":
            raise ArgumentError(f"output: must end with .csv; got {path.name!r}.")
        progress = _progress_of(path)
        begun = not overwrite and progress.exists() and path.exists()
        if path.exists() and not overwrite and not begun:
            raise ArgumentError(
                f"output: {path} exists, and is not a table that can be gone on with. Pass another path, or "
                "overwrite=True."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("r+b" if path.exists() else "x+b")
        try:
            hold(
                stream.fileno(),
                f"output: another process is writing to {path}. Wait for it, or pass another path.",
            )
            if begun:
                return cls(path, stream, job, columns, _taken_up(progress, job, path.stat().st_size))
            progress.unlink(missing_ok=True)
            header = _text([columns])
            stream.truncate(0)
            stream.write(header)
            stream.flush()
            state = {"rows": 0, "size": None, "bytes": len(header), "counts": dict.fromkeys(_COUNTS, 0)}
            journal = cls(path, stream, job, columns, state)
            journal._commit()
            return journal
        except BaseException:
            stream.close()
            raise

    def done(self, name: str) -> bool:
        """Say whether an image was in the table when it was opened."""
        if not self._known.size:
            return False
        digest = _digest(safe_cell(name))
        place = int(np.searchsorted(self._known, digest))
        return place < self._known.size and bool(self._known[place] == digest)

    def write(self, rows: Sequence[Sequence[object]], counts: Mapping[str, int], *, size: int) -> None:
        """Append rows; after this call they stay, whatever happens."""
        text = _text(rows)
        self._stream.write(text)
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._bytes += len(text)
        self.rows += len(rows)
        self.size = size
        self.counts = {name: self.counts[name] + counts[name] for name in _COUNTS}
        self._commit()

    def _commit(self) -> None:
        state = {
            "format": _FORMAT,
            "version": 1,
            "job": self._job,
            "rows": self.rows,
            "bytes": self._bytes,
            "size": self.size,
            "counts": self.counts,
        }
        atomic_write_text(_progress_of(self._path), to_json_text(state))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


def _progress_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.progress.json")


def _taken_up(progress: Path, job: Mapping[str, Any], held: int) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads(progress.read_text("utf-8"))
        if state["format"] != _FORMAT or state["version"] != 1 or not 0 <= state["bytes"] <= held:
            raise ValueError("it does not belong to the table")
        for name, value in job.items():
            if state["job"][name] != value:
                raise ArgumentError(
                    f"output: {progress.name.removesuffix('.progress.json')} was begun with another value of {name} "
                    f"({state['job'][name]}; now {value}). Pass another path, or overwrite=True."
                )
        return state
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArtifactError(
            f"{progress}: cannot be used ({error}). Pass overwrite=True to begin the table anew."
        ) from error


def _names_in(path: Path, size: int) -> Any:
    """Return the sorted digests of the names in the first column, 16 bytes each however long the names."""
    found = bytearray()
    with path.open("rb") as stream:
        lines = csv.reader(
            io.TextIOWrapper(io.BufferedReader(_First(stream, size)), encoding="utf-8", newline="")
        )
        next(lines, None)
        for row in lines:
            found += _digest(row[0])
    return np.sort(np.frombuffer(bytes(found), dtype=f"S{_DIGEST}"))


class _First(io.RawIOBase):
    """The first bytes of a file."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream, self._left = stream, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(min(len(buffer), self._left))
        self._left -= len(block)
        buffer[: len(block)] = block
        return len(block)


def _digest(name: str) -> bytes:
    # NumPy's byte strings end at the last byte that is not 0, so none may be.
    return (
        hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=_DIGEST - 1).digest() + b"\x01"
    )


def _text(rows: Sequence[Sequence[object]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerows(
        [safe_cell(_plain(cell)) for cell in row] for row in rows
    )
    return stream.getvalue().encode("utf-8", "backslashreplace")


def _plain(cell: object) -> object:
    return repr(cell) if isinstance(cell, float) else cell
