"""Zip and tar archives, read in place: nothing is unpacked, so no member can write anywhere."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import tempfile
import threading
import weakref
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Protocol

from medimg_cnn.data.sources._files import FilePixels, FoundFiles
from medimg_cnn.errors import DataError, ImageReadError

__all__ = ["ARCHIVE_SUFFIXES", "Archive", "is_archive"]

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_LARGEST_MEMBER = 2**30
_DAMAGE = (
    OSError, EOFError, RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile, tarfile.TarError,
    zlib.error, lzma.LZMAError, gzip.BadGzipFile,
)  # fmt: skip


def is_archive(path: Path) -> bool:
    """Return whether the name is that of an archive."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


class Archive:
    """A zip or tar file seen as a folder.

    Members with absolute names or names that lead out of the archive, links and devices are passed over and
    counted; a member of more than 1 GiB is unreadable. Members may be opened from several threads.

    Raises:
        DataError: the archive is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._members: _Members = _Zip(path) if path.suffix.lower() == ".zip" else _Tar(path)
        except _DAMAGE as error:
            raise DataError(
                f"{path}: must be an intact zip or tar archive; got {type(error).__name__} ({error}). "
                "Get it again, or unpack it and pass the folder."
            ) from error

    @property
    def name(self) -> str:
        """The archive's path."""
        return str(self._path)

    def files(self) -> FoundFiles:
        """Return the members that are files, but hidden ones."""
        found = FoundFiles()
        for name in self._members.names():
            parts = PurePosixPath(name.replace("\\", "/")).parts
            if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
                found.ignored["members with names that lead out of the archive"] += 1
            elif any(part.startswith(".") or part.casefold() == "__macosx" for part in parts):
                found.ignored["hidden files or folders"] += 1
            else:
                found.paths.append(name)
        if self._members.special:
            found.ignored["links and devices"] += self._members.special
        if len(set(found.paths)) < len(found.paths):
            raise DataError(f"{self.name}: each member must have its own name; some names occur twice.")
        found.paths.sort()
        return found

    def open(self, path: str) -> BinaryIO:
        """Return a member's content.

        Raises:
            ImageReadError: there is no such member, or it is damaged, encrypted or too large.
        """
        with self._explained(path):
            size = self._members.size(path)
            if size > _LARGEST_MEMBER:
                raise ImageReadError(
                    f"{self.name}, {path}: a member may have at most {_LARGEST_MEMBER:,} bytes; got {size:,}. "
                    "Unpack the archive and pass the folder."
                )
            return _Named(self._members.read(path, size), f"{self.name}/{path}")

    def head(self, path: str, size: int) -> bytes:
        """Return the first bytes of a member; no more is unpacked."""
        with self._explained(path):
            return self._members.read(path, min(size, self._members.size(path)))

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except KeyError as error:
            raise ImageReadError(f"{self.name}: has no member {path!r}. Check the path.") from error
        except _DAMAGE as error:
            if isinstance(error, ImageReadError):
                raise
            raise ImageReadError(
                f"{self.name}, {path}: must be intact and not encrypted; got {type(error).__name__} ({error}). "
                "Get the archive again."
            ) from error

    def pixels(self, paths: Sequence[str]) -> FilePixels:
        """Return what decodes these members."""
        return FilePixels(self.open, paths)


class _Members(Protocol):
    special: int

    def names(self) -> Sequence[str]: ...

    def size(self, name: str) -> int: ...

    def read(self, name: str, size: int) -> bytes: ...


class _Named(io.BytesIO):
    """Bytes with a name, for messages."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


class _Zip:
    special = 0

    def __init__(self, path: Path) -> None:
        self._file = zipfile.ZipFile(path)  # reads of members are locked inside
        # Some programs under Windows write "\\" between folders.
        members = [(info.filename.replace("\\", "/"), info) for info in self._file.infolist()]
        self._names = [name for name, _ in members if not name.endswith("/")]
        self._infos = dict(members)

    def names(self) -> Sequence[str]:
        return self._names

    def size(self, name: str) -> int:
        return self._infos[name].file_size

    def read(self, name: str, size: int) -> bytes:
        with self._file.open(self._infos[name]) as member:
            return member.read(size)


class _Tar:
    def __init__(self, path: Path) -> None:
        self._file = _plain_tar(path)
        self._close = weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._members: dict[str, tuple[int, int]] = {}
        self._names: list[str] = []
        self.special = 0
        try:
            self._list()
        except BaseException:
            self._close()
            raise

    def _list(self) -> None:
        with tarfile.open(fileobj=self._file, mode="r:") as archive:
            for member in archive:
                if member.isreg() and not member.issparse():
                    name = member.name.removeprefix("./")
                    self._names.append(name)
                    self._members[name] = (member.offset_data, member.size)
                elif not member.isdir():
                    self.special += 1

    def names(self) -> Sequence[str]:
        return self._names

    def size(self, name: str) -> int:
        return self._members[name][1]

    def read(self, name: str, size: int) -> bytes:
        start = self._members[name][0]
        with self._lock:
            self._file.seek(start)
            content = self._file.read(size)
        if len(content) < size:
            raise EOFError("the archive ends too early")
        return content


def _plain_tar(path: Path) -> IO[bytes]:
    """Return the tar without compression: the file itself, or a nameless temporary one of bounded size."""
    name = path.name.lower()
    if name.endswith(".tar"):
        return path.open("rb")
    target = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the archive
    limit = shutil.disk_usage(tempfile.gettempdir()).free // 2
    try:
        with _unpacked(path) as packed:
            while block := packed.read(2**24):
                if target.tell() + len(block) > limit:
                    raise ValueError(
                        f"unpacked it takes more than the {limit:,} bytes that may be used for it"
                    )
                target.write(block)
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


def _unpacked(path: Path) -> gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    if path.name.lower().endswith("gz"):
        return gzip.GzipFile(path)
    if path.name.lower().endswith("bz2"):
        return bz2.BZ2File(path)
    return lzma.LZMAFile(path)
