"""The files of a bundle, in a folder or a zip: listed, measured and hashed before anything is believed.

A bundle comes from elsewhere. Its names must be those that a bundle has, each a plain file; its manifest says the
size and the sha256 of each; sizes are compared before a file is read, and a file is never read past its size.
Nothing is unpacked. The hashes find damage, not forgery: whoever writes a bundle writes its hashes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import shutil
import stat
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medimg_cnn.artifacts._files import atomic_write, to_json_text
from medimg_cnn.errors import (
    ArgumentError,
    BundleDamagedError,
    BundleError,
    BundleTooLargeError,
    BundleUnsafeError,
    BundleVersionError,
)

__all__ = ["FORMAT_VERSION", "MANIFEST", "OpenBundle", "checked_zip", "open_files", "write_files"]

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_FORMAT = "medimg_cnn.bundle"
_NAMES = frozenset({MANIFEST, "bundle.json", "weights.npz", "reference.npz", "MODEL_CARD.md"})
_NEEDED = _NAMES - {"reference.npz"}
_MANIFEST_BYTES = 2**16
_DIRECTORY_BYTES = 2**18
_END = struct.Struct("<4s4H2LH")
"""A zip's end record: signature, two disk numbers, two entry counts, directory size and offset, comment size."""
_LOCATOR_BYTES = 20
"""What a zip of the 64-bit format has before its end record, and by which it may name another directory size."""
_ARCHIVE_BYTES = 2**31 - 2**20
"""Beyond it an archive would be of that format."""


class _Files(Protocol):
    """Plain files by name, with their sizes."""

    @property
    def sizes(self) -> Mapping[str, int]: ...

    def read(self, name: str, size: int) -> bytes:
        """Return the ``size`` bytes of a file, or fewer where it ends before."""
        ...


@dataclass(frozen=True, slots=True)
class OpenBundle:
    """The files of a bundle whose manifest was checked; each file is checked when it is read.

    Attributes:
        name: the path, for messages.
        sha256: of the manifest, which holds the hash of every other file: the bundle's identity.
        version: of the format.
    """

    name: str
    sha256: str
    version: int
    _files: _Files
    _listed: Mapping[str, tuple[int, str]]

    def __contains__(self, file: str) -> bool:
        return file in self._listed

    def size(self, file: str) -> int:
        """Return the bytes of a file, as the manifest says and the folder or archive confirms."""
        return self._listed[file][0]

    def read(self, file: str, *, limit: int) -> bytes:
        """Return a file's bytes after comparing size and hash with the manifest's.

        Raises:
            BundleTooLargeError: it is larger than ``limit``.
            BundleDamagedError: its bytes are not those that were written.
        """
        size, expected = self._listed[file]
        if size > limit:
            raise BundleTooLargeError(
                f"{self.name}: {file} may have at most {limit:,} bytes; it has {size:,}. "
                "If you trust it, pass a larger max_parameters."
            )
        content = self._files.read(file, size)
        if hashlib.sha256(content).hexdigest() != expected:
            raise BundleDamagedError(
                f"{self.name}: the bytes of {file} must have the sha256 of the manifest; they have another. "
                "The bundle was damaged or changed: get it again from where it was made."
            )
        return content


def open_files(path: Path) -> OpenBundle:
    """List a bundle, compare it with its manifest, and return it; no other file is read.

    Raises:
        BundleError: of the kind that fits; see ``medimg_cnn.errors``.
        ArgumentError: there is no such folder or file.
    """
    name = str(path)
    if (path / "run.json").is_file() or (path / "result.json").is_file():
        own = path / "bundle.zip"
        step = (
            f"Its bundle is {own}."
            if own.is_file()
            else f"Make one: save_bundle(load_run({name!r}), 'model.zip', data=data)."
        )
        raise ArgumentError(f"path: must be a bundle; {name!r} is the folder of a run. {step}")
    if not path.exists():
        raise ArgumentError(
            f"path: must be a bundle, a folder or a .zip; got {name!r}, which does not exist."
        )
    files: _Files = _FolderFiles(path) if path.is_dir() else _ZipFiles(path)
    manifest = files.read(MANIFEST, _limited(name, files.sizes[MANIFEST]))
    version, listed = _checked_manifest(name, manifest)
    present = {file: size for file, size in files.sizes.items() if file != MANIFEST}
    for file in sorted(listed.keys() | present.keys()):
        if file not in present:
            raise BundleDamagedError(f"{name}: {file} is missing. Get the whole bundle again.")
        if file not in listed:
            raise BundleUnsafeError(
                f"{name}: a bundle holds only the files of its manifest; {file} is not one of them. Remove it."
            )
        if present[file] != listed[file][0]:
            raise BundleDamagedError(
                f"{name}: {file} must have {listed[file][0]:,} bytes; it has {present[file]:,}. It was cut off or "
                "changed: get the bundle again."
            )
    return OpenBundle(name, hashlib.sha256(manifest).hexdigest(), version, files, listed)


def write_files(path: Path, files: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Write the files with a manifest as a folder, or, where the path ends in .zip, as an archive.

    Nothing is seen under the name before all of it is there. Equal files give equal bytes.

    Raises:
        ArgumentError: the target exists and is not to be replaced, or is something else than a bundle.
    """
    path = Path(os.path.realpath(path))  # what a link leads to is replaced, not the link
    _check_target(path, overwrite=overwrite)
    everything = {MANIFEST: _manifest_of(files), **files}
    if path.suffix.lower() == ".zip":
        total = sum(map(len, everything.values()))
        if total > _ARCHIVE_BYTES:
            raise ArgumentError(
                f"path: an archive holds at most {_ARCHIVE_BYTES:,} bytes; this bundle has {total:,}. Pass a folder."
            )
        atomic_write(path, lambda stream: stream.write(_zip_of(everything)))
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    part.mkdir()
    try:
        for file, content in everything.items():
            atomic_write(part / file, lambda stream, content=content: stream.write(content))  # type: ignore[misc]
        if path.exists():
            old = path.with_name(f".{path.name}.{secrets.token_hex(8)}.old")
            path.rename(old)
            try:
                part.rename(path)
            except BaseException:
                old.rename(path)
                raise
            shutil.rmtree(old)
        else:
            part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def checked_zip(content: bytes, name: str) -> zipfile.ZipFile:
    """Return a zip held in memory whose members are all stored as they are, each once, none a link.

    Raises:
        BundleDamagedError: it is no intact zip.
        BundleUnsafeError: a member is a link, is encrypted or compressed, or occurs twice.
    """
    if content[:1] == b"\x80":
        raise BundleUnsafeError(
            f"{name}: must hold arrays; it is a pickle, which can run code. It was not opened."
        )
    return _opened_zip(io.BytesIO(content), len(content), name)


class _FolderFiles:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.sizes: dict[str, int] = {}
        with os.scandir(path) as entries:
            for entry in entries:
                if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                    raise BundleUnsafeError(
                        f"{path}: a bundle holds plain files only; {entry.name!r} is a link, a folder or a device. "
                        "Copy the files themselves."
                    )
                _check_name(str(path), entry.name)
                self.sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
        _check_complete(str(path), self.sizes)

    def read(self, name: str, size: int) -> bytes:
        # A link put in its place since it was listed is not followed.
        descriptor = os.open(self._path / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(size)


class _ZipFiles:
    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as stream:
            archive = _opened_zip(stream, path.stat().st_size, str(path))
            for info in archive.infolist():
                _check_name(str(path), info.filename)
        self.sizes = {info.filename: info.file_size for info in archive.infolist()}
        _check_complete(str(path), self.sizes)

    def read(self, name: str, size: int) -> bytes:
        with self._path.open("rb") as stream:
            archive = _opened_zip(stream, self._path.stat().st_size, str(self._path))
            try:
                with archive.open(name) as member:
                    return member.read(size)
            except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
                raise BundleDamagedError(
                    f"{self._path}: {name} cannot be read ({error}). Get the bundle again."
                ) from error


def _opened_zip(stream: io.BufferedReader | io.BytesIO, size: int, name: str) -> zipfile.ZipFile:
    stream.seek(max(0, size - _END.size - _LOCATOR_BYTES))
    tail = stream.read(_END.size + _LOCATOR_BYTES)
    end = tail[-_END.size :]
    if len(end) < _END.size or not end.startswith(b"PK\x05\x06") or _END.unpack(end)[7] != 0:
        raise BundleDamagedError(
            f"{name}: must end as the zip archives of this library do; it was cut off, or is something else. "
            "Get it again, or write it with save_bundle(run, 'name.zip')."
        )
    # zipfile reads the whole directory into memory, so its size is looked at before.
    if tail.startswith(b"PK\x06\x07"):
        raise BundleUnsafeError(
            f"{name}: must be a zip as this library writes it; this one is of the 64-bit format, which can hide the "
            "size of its directory. Unpack it and load the folder."
        )
    if _END.unpack(end)[5] > _DIRECTORY_BYTES:
        raise BundleUnsafeError(
            f"{name}: the archive's directory must be small; it says {_END.unpack(end)[5]:,} bytes."
        )
    try:
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BundleDamagedError(f"{name}: is not an intact zip archive ({error}). Get it again.") from error
    seen: set[str] = set()
    for info in archive.infolist():
        if stat.S_ISLNK(info.external_attr >> 16):
            raise BundleUnsafeError(
                f"{name}: a bundle holds plain files only; {info.filename!r} is a symbolic link."
            )
        if info.filename in seen:
            raise BundleUnsafeError(f"{name}: each file must be there once; {info.filename!r} occurs twice.")
        seen.add(info.filename)
        if (
            info.flag_bits & 1
            or info.compress_type != zipfile.ZIP_STORED
            or info.file_size != info.compress_size
        ):
            raise BundleUnsafeError(
                f"{name}: files must be stored as they are; {info.filename!r} is compressed or encrypted. "
                "Unpack the archive and load the folder, or write it with save_bundle(run, 'name.zip')."
            )
    if sum(info.file_size for info in archive.infolist()) > size:
        raise BundleUnsafeError(
            f"{name}: files must lie one after the other; here they overlap, so that they are larger together than the "
            "archive. Get it again."
        )
    return archive


def _check_name(bundle: str, name: str) -> None:
    if name in _NAMES:
        return
    if "/" in name or "\\" in name or ".." in name or ":" in name or name.startswith("~"):
        raise BundleUnsafeError(
            f"{bundle}: a bundle's files have plain names; {name!r} is a path, which could lead out of its folder."
        )
    raise BundleUnsafeError(
        f"{bundle}: a bundle holds only {', '.join(sorted(_NAMES))}; {name!r} is not one of them. Remove it."
    )


def _check_complete(bundle: str, sizes: Mapping[str, int]) -> None:
    missing = sorted(_NEEDED - sizes.keys())
    if missing:
        raise BundleDamagedError(f"{bundle}: {', '.join(missing)} missing: not a bundle, or not a whole one.")


def _limited(bundle: str, size: int) -> int:
    if size > _MANIFEST_BYTES:
        raise BundleTooLargeError(
            f"{bundle}: {MANIFEST} may have at most {_MANIFEST_BYTES:,} bytes; it has {size:,}."
        )
    return size


def _manifest_of(files: Mapping[str, bytes]) -> bytes:
    listed = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(files.items())
    }
    return _sealed({"format": _FORMAT, "version": FORMAT_VERSION, "files": listed})


def _sealed(content: Mapping[str, object]) -> bytes:
    """Return the manifest with the hash of itself, so that damage to it is found as well."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return to_json_text({**content, "sha256": digest}).encode("utf-8")


def _checked_manifest(bundle: str, text: bytes) -> tuple[int, dict[str, tuple[int, str]]]:
    try:
        content = json.loads(text.decode("utf-8"))
        kind, version = content["format"], content["version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleDamagedError(
            f"{bundle}: {MANIFEST} cannot be read ({type(error).__name__}). Get the bundle again."
        ) from error
    if kind != _FORMAT or isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise BundleError(f"{bundle}: is not a model bundle; its format is {kind!r}, version {version!r}.")
    if version > FORMAT_VERSION:
        raise BundleVersionError(
            f"{bundle}: has version {version} of the bundle format; this library reads 1 to {FORMAT_VERSION}. "
            "Upgrade medimg-cnn, or save the bundle again with this version."
        )
    try:
        listed = {
            str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in content["files"].items()
        }
        whole = _sealed({name: value for name, value in content.items() if name != "sha256"}) == text
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BundleDamagedError(
            f"{bundle}: {MANIFEST} is not whole ({type(error).__name__}). Get the bundle again."
        ) from error
    if not whole:
        raise BundleDamagedError(
            f"{bundle}: {MANIFEST} must have the sha256 that stands in it; it was damaged or changed. "
            "Get the bundle again from where it was made."
        )
    for name in listed:
        _check_name(bundle, name)
    return version, listed


def _zip_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def _check_target(path: Path, *, overwrite: bool) -> None:
    if path.suffix.lower() != ".zip" and path.suffix and not path.is_dir():
        raise ArgumentError(
            f"path: must be a folder or end with .zip; got {path.name!r}. Pass for example 'model.zip' or 'model'."
        )
    if not path.exists():
        return
    if not overwrite:
        raise ArgumentError(f"path: {path} exists already. Pass another path, or overwrite=True.")
    if path.is_dir():
        other = sorted(entry.name for entry in path.iterdir() if entry.name not in _NAMES)
        if other:
            raise ArgumentError(
                f"path: {path} is a folder that holds other files than a bundle's ({other[0]}). Pass another."
            )
    elif path.suffix.lower() != ".zip":
        raise ArgumentError(f"path: {path} is a file. Pass a folder, or a name that ends with .zip.")
    elif not _holds_a_bundle(path):
        raise ArgumentError(f"path: {path} is no bundle, so it is not replaced. Pass another path.")


def _holds_a_bundle(path: Path) -> bool:
    """Say whether an archive has nothing but the files of a bundle; damaged ones may be replaced."""
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) <= _NAMES
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return path.stat().st_size == 0
