"""Atomic writing, and the envelope that every saved record shares: a format name and its version."""

from __future__ import annotations

import json
import math
import os
import secrets
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from medimg_cnn._types import JsonValue, PathLike
from medimg_cnn.errors import ArgumentError, ArtifactError

__all__ = [
    "atomic_write",
    "atomic_write_text",
    "hold",
    "open_envelope",
    "read_json",
    "to_json_text",
    "write_json",
]


# What zipfile, zlib, NumPy and our own constructors raise on flipped or missing bytes.
_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    EOFError,
    OSError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)


def hold(descriptor: int, refusal: str) -> None:
    """Keep other processes from holding an open file or folder until it is closed, however this process ends.

    Where the system or the file system has no such locks, nothing is held.

    Raises:
        ArgumentError: another process holds it; ``refusal`` is the message.
    """
    if os.name != "posix":
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ArgumentError(refusal) from error
    except OSError:
        pass  # a file system without locks


def atomic_write(path: PathLike, write: Callable[[IO[bytes]], object]) -> Path:
    """Write a file so that a reader sees the old content or the new, never a part.

    The bytes go to a temporary name in the same folder, are flushed to the disk and renamed over
    the target. On any error the target is left as it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return target


@contextmanager
def damage_as_artifact_error(path: PathLike, kind: str) -> Iterator[None]:
    """Turn whatever a decoder raises on a damaged file into an ArtifactError that names it.

    Raises:
        ArtifactError: the block raised one of the exceptions that damage is known to cause.
    """
    try:
        yield
    except (ArtifactError, FileNotFoundError):
        raise
    except _DAMAGE as error:
        raise ArtifactError(
            f"{path}: is damaged or not {kind} ({type(error).__name__}: {error}). Restore it from its run."
        ) from error


def atomic_write_text(path: PathLike, text: str) -> Path:
    """Write UTF-8 text with ``atomic_write``."""
    return atomic_write(path, lambda stream: stream.write(text.encode("utf-8")))


def to_json_text(value: JsonValue) -> str:
    """Return strict JSON: sorted nowhere, NaN and infinities as the strings "nan", "inf", "-inf"."""
    return json.dumps(_strict(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: PathLike, *, kind: str, version: int, content: Mapping[str, JsonValue]) -> Path:
    """Write ``content`` in an envelope that says what it is and in which version of its format."""
    return atomic_write_text(path, to_json_text({"format": kind, "version": version, **content}))


def read_json(path: PathLike, *, kind: str, version: int) -> dict[str, Any]:
    """Read what ``write_json`` wrote; see ``open_envelope`` for what is refused."""
    source = Path(path)
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArtifactError(
            f"{source}: is not a JSON file ({error}). Restore it from the run that wrote it."
        ) from error
    return open_envelope(content, kind=kind, version=version, source=str(source))


def open_envelope(content: object, *, kind: str, version: int, source: str) -> dict[str, Any]:
    """Check a record's format name and version and return the rest.

    Raises:
        ArtifactError: another kind of record, or one that a newer version of the library wrote.
    """
    if not isinstance(content, dict) or content.get("format") != kind:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise ArtifactError(f"{source}: is not a {kind!r} record; its format is {found!r}.")
    found_version = content.get("version")
    if not isinstance(found_version, int) or found_version > version or found_version < 1:
        raise ArtifactError(
            f"{source}: has version {found_version!r} of format {kind!r}; this library reads 1 to {version}. "
            "Upgrade medimg-cnn, or write the record again with this version."
        )
    return {key: value for key, value in content.items() if key not in {"format", "version"}}


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return float(value)
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        return _strict(value.item())
    return value
