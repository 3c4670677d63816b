"""Shards in files: written atomically, found by content, never half there.

A shard's name is the sha256 of what its pixels follow from: the content of its images, the preprocessing, and the
versions of the decoders. A changed image, option or decoder so gives another name, and nothing stored can be
stale. The description (.json) is written after the pixels (.npy); a shard without one does not exist. Two processes
that prepare the same images write the same bytes under the same names, each by renaming a finished file.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn.artifacts._files import atomic_write
from medimg_cnn.data._store import ImageFacts, Shard
from medimg_cnn.errors import DataError

__all__ = ["ShardFolder", "default_cache_folder", "shard_key"]

_FORMAT = "medimg_cnn.pixels"
_VERSION = 2  # 2: pictures are decoded at a lower resolution in other ways
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


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """A folder of shards."""

    path: Path

    def load(self, key: str) -> tuple[Shard, list[ImageFacts]] | None:
        """Return a shard and the facts of its images, or None where it is not there, or not whole."""
        description, pixels = self._names(key)
        try:
            content = json.loads(description.read_text(encoding="utf-8"))
            if content["format"] != _FORMAT or content["version"] != _VERSION:
                return None
            if pixels.stat().st_size != content["bytes"]:
                return None
            facts = [ImageFacts(*row) for row in content["facts"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Shard(pixels, int(content["bytes"])), facts

    def save(self, key: str, pixels: NDArray[Any], facts: Sequence[ImageFacts]) -> Shard:
        """Write a shard; return it.

        Raises:
            DataError: the folder cannot be written to, or the disk is full.
        """
        description, target = self._names(key)
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic_write(target, lambda stream: np.save(stream, pixels, allow_pickle=False))
            size = target.stat().st_size
            content = {
                "format": _FORMAT,
                "version": _VERSION,
                "bytes": size,
                "facts": [astuple(row) for row in facts],
            }
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


def _decoder_versions() -> list[str]:
    found = []
    for package in _DECODERS:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return found
