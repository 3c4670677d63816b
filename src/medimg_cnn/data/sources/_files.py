"""Images in files: finding them in a folder, and decoding them."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medimg_cnn._types import ImageSize
from medimg_cnn.errors import ImageReadError

if TYPE_CHECKING:
    from medimg_cnn.data.readers import DecodedImage, ReadOptions

__all__ = ["FilePixels", "FoundFiles", "find_images"]

# A file so named is meant as an image: where it cannot be decoded it is listed, not passed over.
_IMAGE_SUFFIXES = frozenset(
    {
        ".bmp", ".dcm", ".dicom", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg", ".nii", ".pgm", ".png", ".pnm",
        ".ppm", ".tif", ".tiff", ".webp",
    }
)  # fmt: skip
_OTHER_SUFFIXES = frozenset(
    {
        ".cfg", ".csv", ".db", ".doc", ".docx", ".htm", ".html", ".ini", ".ipynb", ".json", ".lnk", ".log", ".md",
        ".npy", ".npz", ".ods", ".parquet", ".pdf", ".py", ".rst", ".sh", ".tsv", ".txt", ".url", ".xls",
        ".xlsx", ".xml", ".yaml", ".yml", ".zip", ".tar", ".gz",
    }
)  # fmt: skip
_OTHER_NAMES = frozenset({"dicomdir", "thumbs.db", "desktop.ini", "license", "readme"})
_SKIPPED_FOLDERS = frozenset({"__macosx", "@eadir", "$recycle.bin"})


class FilePixels:
    """Decodes files by position. Paths are relative to one root unless they are absolute."""

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self._root = str(root)
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def native_size(self) -> ImageSize | None:
        """None: files may differ."""
        return None

    def digest(self, index: int) -> str:
        """Return the sha256 of the file's bytes."""
        path = self._path(index)
        try:
            with open(path, "rb") as stream:  # noqa: PTH123 - a path object per image is slow and large
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise ImageReadError(f"{path}: cannot be opened ({error.strerror}).") from error

    def decode(self, index: int, options: ReadOptions, minimum_size: ImageSize | None) -> DecodedImage:
        """Return the decoded file."""
        from medimg_cnn.data.readers import read_decoded

        return read_decoded(self._path(index), options, minimum_size=minimum_size)

    def _path(self, index: int) -> str:
        return os.path.join(self._root, self._paths[index])  # noqa: PTH118 - as above


@dataclass(slots=True)
class FoundFiles:
    """Image files below a root, as sorted relative POSIX paths, and what was passed over."""

    paths: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def notes(self) -> tuple[str, ...]:
        """Return what was passed over, in sentences."""
        return tuple(f"{count} {kind} passed over." for kind, count in sorted(self.ignored.items()))


def find_images(root: Path) -> FoundFiles:
    """Walk a folder and return its image files.

    Hidden files and folders, other kinds of file, and symbolic links that leave the root or point to a
    folder are passed over and counted.
    """
    found = FoundFiles()
    inside = os.path.realpath(root)
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(os.path.join(root, folder)) as entries:  # noqa: PTH118 - 100,000 path objects are slow
            for entry in entries:
                relative = f"{folder}/{entry.name}" if folder else entry.name
                if entry.name.startswith("."):
                    found.ignored["hidden files or folders"] += 1
                elif entry.is_symlink() and not _stays(entry.path, inside):
                    found.ignored["symbolic links that leave the folder or point to a folder"] += 1
                elif entry.is_dir():
                    if entry.name.casefold() not in _SKIPPED_FOLDERS:
                        pending.append(relative)
                elif _is_image(entry):
                    found.paths.append(relative)
                else:
                    found.ignored["files that are not images"] += 1
    found.paths.sort()
    return found


def _is_image(entry: os.DirEntry[str]) -> bool:
    name = entry.name.casefold()
    suffix = os.path.splitext(name)[1]  # noqa: PTH122 - as above
    if suffix in _IMAGE_SUFFIXES or name.endswith(".nii.gz"):
        return True
    if suffix in _OTHER_SUFFIXES or name in _OTHER_NAMES:
        return False
    from medimg_cnn.data.readers import is_image_file

    return is_image_file(entry.path)


def _stays(path: str, inside: str) -> bool:
    target = os.path.realpath(path)
    return os.path.isfile(target) and os.path.commonpath([target, inside]) == inside  # noqa: PTH113 - as above
