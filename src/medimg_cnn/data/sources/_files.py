"""Places that hold files, seen alike by the sources; here the folder on a disk."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from medimg_cnn._types import ImageSize
from medimg_cnn.data._records import PixelSource
from medimg_cnn.errors import ImageReadError

if TYPE_CHECKING:
    from medimg_cnn.data.readers import DecodedImage, ReadOptions

__all__ = ["OTHER_FILES", "Below", "FilePixels", "Folder", "FoundFiles", "Tree", "choose_images", "is_inside"]

# A file so named is meant as an image: where it cannot be decoded it is listed, not passed over.
_IMAGE_SUFFIXES = frozenset(
    {
        ".bmp", ".dcm", ".dicom", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg", ".nii", ".pgm", ".png", ".pnm",
        ".ppm", ".tif", ".tiff", ".webp",
    }
)  # fmt: skip
_OTHER_SUFFIXES = frozenset(
    {
        ".cfg", ".csv", ".db", ".doc", ".docx", ".gz", ".htm", ".html", ".ini", ".ipynb", ".json", ".lnk", ".log",
        ".md", ".npy", ".npz", ".ods", ".parquet", ".pdf", ".py", ".rst", ".sh", ".tar", ".tgz", ".tsv", ".txt",
        ".url", ".xls", ".xlsx", ".xml", ".yaml", ".yml", ".zip",
    }
)  # fmt: skip
_OTHER_NAMES = frozenset({"thumbs.db", "desktop.ini", "license", "readme"})
# Of these the content is looked at: not every kind of DICOM holds an image.
_DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
OTHER_FILES = "files that are not images"
_BLOCK = 2**20
_HEAD = 4096
_SKIPPED_FOLDERS = frozenset({"__macosx", "@eadir", "$recycle.bin"})


@dataclass(slots=True)
class FoundFiles:
    """Files below a root, as sorted relative POSIX paths, and what was passed over."""

    paths: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def notes(self) -> tuple[str, ...]:
        """Return what was passed over, in sentences."""
        return tuple(f"Passed over {kind}: {count}." for kind, count in sorted(self.ignored.items()) if count)


class Tree(Protocol):
    """A folder or an archive."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    def files(self) -> FoundFiles:
        """Return all files but hidden ones and those that lead out."""
        ...

    def open(self, path: str) -> BinaryIO:
        """Open a file; raise ImageReadError where that cannot be."""
        ...

    def head(self, path: str, size: int) -> bytes:
        """Return the first bytes of a file; raise ImageReadError where that cannot be."""
        ...

    def pixels(self, paths: Sequence[str]) -> PixelSource:
        """Return what decodes these files."""
        ...


class Folder:
    """A folder on a disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._inside = os.path.realpath(root)
        self._known: dict[str, bool] = {}

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self._root)

    def files(self) -> FoundFiles:
        """Walk the folder. Symbolic links that leave it or point to a folder are passed over and counted."""
        found = FoundFiles()
        pending = [""]
        while pending:
            folder = pending.pop()
            with os.scandir(os.path.join(self._root, folder)) as entries:  # noqa: PTH118 - objects are slow
                for entry in entries:
                    relative = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.name.startswith("."):
                        found.ignored["hidden files or folders"] += 1
                    elif entry.is_symlink() and not _stays(entry.path, self._inside):
                        found.ignored["symbolic links that leave the folder or point to a folder"] += 1
                    elif entry.is_dir():
                        if entry.name.casefold() not in _SKIPPED_FOLDERS:
                            pending.append(relative)
                    elif entry.is_file():
                        found.paths.append(relative)
        found.paths.sort()
        return found

    def open(self, path: str) -> BinaryIO:
        """Open a file below the folder.

        Raises:
            ImageReadError: it cannot be opened, or a symbolic link leads out of the folder.
        """
        full = os.path.join(self._root, path)  # noqa: PTH118 - a path object per image is slow
        try:
            if not stat.S_ISREG(os.stat(full).st_mode):  # noqa: PTH116 - as above; a pipe would wait for ever
                raise ImageReadError(f"{full}: must be a file; got a folder, pipe or device. Name a file.")
            if self._leads_out(full):
                raise ImageReadError(
                    f"{full}: must lie in {self._root}; got a symbolic link that leads out of it. "
                    "Pass the folder that holds the files themselves, as the source or as root=."
                )
            return open(full, "rb")  # noqa: PTH123 - as above; the caller closes it
        except ImageReadError:
            raise
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "the path is not valid"
            raise ImageReadError(f"{full}: must be a readable file; {reason}. Check the path.") from error

    def head(self, path: str, size: int) -> bytes:
        """Return the first bytes of a file."""
        with self.open(path) as stream:
            try:
                return stream.read(size)
            except OSError as error:
                raise ImageReadError(f"{self.name}/{path}: cannot be read ({error.strerror}).") from error

    def pixels(self, paths: Sequence[str]) -> FilePixels:
        """Return what decodes these files."""
        return FilePixels(self.open, paths)

    def _leads_out(self, full: str) -> bool:
        folder = os.path.dirname(full)  # noqa: PTH120 - as above
        if folder not in self._known:  # most files share a folder, and resolving one takes many calls
            self._known[folder] = is_inside(os.path.realpath(folder), self._inside)
        return not self._known[folder] or (
            os.path.islink(full) and not is_inside(os.path.realpath(full), self._inside)  # noqa: PTH114 - as above
        )


class Below:
    """A folder inside a tree, seen as a tree."""

    def __init__(self, tree: Tree, folder: str) -> None:
        self._tree, self._start = tree, f"{folder}/"

    @property
    def name(self) -> str:
        """The path of the tree, and that of the folder in it."""
        return f"{self._tree.name}/{self._start[:-1]}"

    def files(self) -> FoundFiles:
        """Return the files below the folder."""
        paths = [path for path in self._tree.files().paths if path.startswith(self._start)]
        return FoundFiles([path.removeprefix(self._start) for path in paths])

    def open(self, path: str) -> BinaryIO:
        """Open a file below the folder."""
        return self._tree.open(self._start + path)

    def head(self, path: str, size: int) -> bytes:
        """Return the first bytes of a file below the folder."""
        return self._tree.head(self._start + path, size)

    def pixels(self, paths: Sequence[str]) -> FilePixels:
        """Return what decodes these files."""
        return FilePixels(self.open, paths)


class FilePixels:
    """Decodes files by position in a list of paths."""

    def __init__(self, open_file: Callable[[str], BinaryIO], paths: Sequence[str]) -> None:
        self._open = open_file
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def native_size(self) -> ImageSize | None:
        """None: files may differ."""
        return None

    def digest(self, index: int) -> str:
        """Return the sha256 of the file's bytes."""
        digest = hashlib.sha256()
        with self._open(self._paths[index]) as stream:
            try:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                return digest.hexdigest()
            except OSError as error:
                raise ImageReadError(f"{self._paths[index]}: cannot be read ({error.strerror}).") from error

    def decode(self, index: int, options: ReadOptions, minimum_size: ImageSize | None) -> DecodedImage:
        """Return the decoded file."""
        from medimg_cnn.data.readers import read_decoded

        with self._open(self._paths[index]) as stream:
            return read_decoded(stream, options, minimum_size=minimum_size)


def choose_images(tree: Tree) -> FoundFiles:
    """Return the image files of a tree; files of other kinds are counted by kind.

    A file is an image by its suffix, or, where the suffix says nothing, by its first bytes. DICOM whose SOP class has
    no image, such as a structured report or a DICOMDIR, is passed over whatever its name.
    """
    found = tree.files()
    images: list[str] = []
    ignored = Counter(found.ignored)
    for path in found.paths:
        kind = _other_kind(tree, path)
        if kind:
            ignored[kind] += 1
        else:
            images.append(path)
    return FoundFiles(images, ignored)


def _other_kind(tree: Tree, path: str) -> str:
    """Return "" for an image, else what the file is, in the plural."""
    name = path.rsplit("/", maxsplit=1)[-1].casefold()
    suffix = os.path.splitext(name)[1]  # noqa: PTH122 - a path object per file is slow
    if name.endswith(".nii.gz"):
        return ""
    if suffix in _OTHER_SUFFIXES or name in _OTHER_NAMES:
        return OTHER_FILES
    meant = suffix in _IMAGE_SUFFIXES
    if meant and suffix not in _DICOM_SUFFIXES:
        return ""
    from medimg_cnn.data.readers import is_image_file
    from medimg_cnn.data.readers._sniff import dicom_without_image

    try:
        head = tree.head(path, _HEAD)
    except ImageReadError:
        return "" if meant else OTHER_FILES
    if kind := dicom_without_image(head):
        return f"DICOM {kind}"
    return "" if meant or is_image_file(io.BytesIO(head)) else OTHER_FILES


def _stays(path: str, inside: str) -> bool:
    target = os.path.realpath(path)
    return os.path.isfile(target) and is_inside(target, inside)  # noqa: PTH113 - as above


def is_inside(path: str, folder: str) -> bool:
    """Return whether a path is the folder or lies below it, both absolute and without links or ``..``.

    Example:
        >>> is_inside("/data/a/1.png", "/data/a"), is_inside("/data/ab/1.png", "/data/a")
        (True, False)
    """
    try:
        return os.path.commonpath([path, folder]) == folder
    except ValueError:  # they lie on different drives
        return False
