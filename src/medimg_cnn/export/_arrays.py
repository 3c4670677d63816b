"""Arrays in npz files from elsewhere: the header is read by us, the values as plain bytes, objects never."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from medimg_cnn.errors import BundleDamagedError, BundleUnsafeError
from medimg_cnn.export._container import checked_zip

__all__ = ["pack_arrays", "unpack_arrays"]

_HEADER = 4096


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the arrays as an npz file without compression; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), member.getvalue()
            )
    return buffer.getvalue()


def unpack_arrays(content: bytes, name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file that is held in memory, as views of its bytes.

    Nothing is allocated by what a header says: shape and type must account for the bytes that are there.

    Raises:
        BundleUnsafeError: an array holds Python objects, which only a pickle can hold.
        BundleDamagedError: the file is not intact, or holds something else than numbers.
    """
    archive = checked_zip(content, name)
    found = {}
    for info in archive.infolist():
        member = f"{name}, {info.filename}"
        try:
            stored = archive.read(info)
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise BundleDamagedError(f"{member}: cannot be read ({error}). Get the bundle again.") from error
        found[info.filename.removesuffix(".npy")] = _array(stored, member)
    return found


def _array(stored: bytes, name: str) -> NDArray[Any]:
    if stored[:1] == b"\x80":
        raise BundleUnsafeError(
            f"{name}: must hold numbers; it is a pickle, which can run code. It was not opened."
        )
    stream = io.BytesIO(stored)
    try:
        major, _ = np.lib.format.read_magic(stream)
        read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[major]
        shape, fortran, dtype = read(stream, max_header_size=_HEADER)
    except (ValueError, KeyError, EOFError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise BundleDamagedError(
            f"{name}: must be an array as NumPy writes it; got {type(error).__name__}. Get the bundle again."
        ) from error
    if dtype.hasobject:
        raise BundleUnsafeError(
            f"{name}: must hold numbers; it holds Python objects, which means a pickle, which can run code. "
            "It was not opened."
        )
    expected = int(np.prod([int(side) for side in shape], dtype=object)) * dtype.itemsize
    held = len(stored) - stream.tell()
    if dtype.kind not in "fiub" or fortran or expected != held or min(shape, default=0) < 0:
        raise BundleDamagedError(
            f"{name}: must hold numbers, row by row, as many as its header says; got {dtype}, {shape} and "
            f"{held:,} bytes. Get the bundle again."
        )
    values = np.frombuffer(stored, dtype=dtype, offset=stream.tell())
    return cast("NDArray[Any]", values.reshape(shape))
