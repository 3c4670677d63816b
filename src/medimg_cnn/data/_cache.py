"""Shards in files: written atomically, found by content, never half there.

A shard's name is the sha256 of what its pixels follow from: the content of its images, the preprocessing, and the
versions of the decoders. A changed image, option or decoder so gives another name, and nothing stored can be
stale. The description (.json) is written after the pixels (.npy); a shard without one does not exist. Two processes
that prepare the same images write the same bytes under the same names, each by renaming a finished file. The
description holds a checksum of both, which is compared whenever a shard is found: what a disk has altered is not taken
for pixels.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import zlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn.artifacts._files import atomic_write
from medimg_cnn.data._store import ImageFacts, Shard
from medimg_cnn.errors import DataError

__all__ = ["DamagedShardError", "ShardFolder", "default_cache_folder", "shard_key"]

_FORMAT = "medimg_cnn.pixels"
_VERSION = 3  # 2: pictures are decoded at a lower resolution in other ways; 3: with a checksum
_BLOCK = 2**20
_DECODERS = ("numpy", "pillow", "pydicom", "nibabel", "pylibjpeg", "pylibjpeg-openjpeg", "pyjpegls")


def default_cache_folder() -> Path:
    """Return the folder for decoded images: ``MEDIMG_CNN_CACHE``, or the user's usual cache folder."""
    named = os.environ.get("MEDIMG_CNN_CACHE")
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "medimg_cnn"


def shard_key(digests: Sequence[str], preprocessing: str) -> str:
    """Return the name of a shard, from its images' digests and the hash of the preprocessing."""
    parts = [_FORMAT, str(_VERSION), preprocessing, *_decoder_versions(), *digests]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class DamagedShardError(Exception):
    """A shard that is there cannot be used; it is to be made anew."""


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """A folder of shards."""

    path: Path

    def load(self, key: str) -> tuple[Shard, list[ImageFacts]] | None:
        """Return a shard and the facts of its images, or None where there is none of this name.

        The pixels are read once, in blocks, for the checksum.

        Raises:
            DamagedShardError: it is not whole, or not as it was written.
        """
        description, pixels = self._names(key)
        try:
            text = description.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DamagedShardError from error
        try:
            content = json.loads(text)
            size, rows = int(content["bytes"]), content["facts"]
            with pixels.open("rb") as stream:
                intact = content == _description(size, rows, _checksum(key, rows, stream))
            facts = [ImageFacts(*row) for row in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedShardError from error
        if not intact or pixels.stat().st_size != size:
            raise DamagedShardError
        return Shard(pixels, size), facts

    def save(self, key: str, pixels: NDArray[Any], facts: Sequence[ImageFacts]) -> Shard:
        """Write a shard; return it.

        Raises:
            DataError: the folder cannot be written to, or the disk is full.
        """
        description, target = self._names(key)
        rows = [list(astuple(row)) for row in facts]
        packed = io.BytesIO()
        np.save(packed, pixels, allow_pickle=False)
        size = packed.tell()
        packed.seek(0)
        content = _description(size, rows, _checksum(key, rows, packed))
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic_write(target, lambda stream: stream.write(packed.getbuffer()))
            atomic_write(description, lambda stream: stream.write(json.dumps(content).encode()))
        except OSError as error:
            raise DataError(
                f"cache: must be a folder that can be written to, with room for {pixels.nbytes:,} bytes; "
                f"{self.path}: {error.strerror or type(error).__name__}. Pass cache= with another folder, or none and "
                "a larger memory_budget."
            ) from error
        return Shard(target, size)

    def _names(self, key: str) -> tuple[Path, Path]:
        folder = self.path / key[:2]
        return folder / f"{key}.json", folder / f"{key}.npy"


def _description(size: int, rows: list[list[Any]], checksum: int) -> dict[str, Any]:
    return {"format": _FORMAT, "version": _VERSION, "bytes": size, "checksum": checksum, "facts": rows}


def _checksum(key: str, rows: list[list[Any]], pixels: IO[bytes]) -> int:
    """Return the CRC-32 of a shard's name, facts and file: against accidents, which it finds at 1.5 GB/s and thread."""
    value = zlib.crc32(json.dumps([key, rows]).encode())
    while block := pixels.read(_BLOCK):
        value = zlib.crc32(block, value)
    return value


def _decoder_versions() -> list[str]:
    found = []
    for package in _DECODERS:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return found
