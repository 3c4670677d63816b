"""Files that the tests of the readers are made of."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SECRET = "SECRET^PATIENT"


def build_dicom(path: Path, pixels: np.ndarray, *, syntax: str | None = None, **tags: Any) -> Path:
    """Write an uncompressed DICOM file; pixels are (rows, columns[, 3]) or, with NumberOfFrames, one more."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["sop"])
    data.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    data.PatientName = SECRET
    data.PatientID = "SECRET-ID-7"
    multi = "NumberOfFrames" in tags
    shape = pixels.shape[1:] if multi else pixels.shape
    data.Rows, data.Columns = shape[:2]
    data.SamplesPerPixel = 3 if len(shape) == 3 else 1
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = "RGB" if data.SamplesPerPixel == 3 else "MONOCHROME2"
    bits = pixels.dtype.itemsize * 8
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit = bits - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    if pixels.dtype.kind == "f":
        del data.BitsStored, data.HighBit, data.PixelRepresentation
        setattr(data, "FloatPixelData" if bits == 32 else "DoubleFloatPixelData", pixels.tobytes())
    else:
        raw = pixels.tobytes()
        data.PixelData = raw + b"\0" * (len(raw) % 2)
        data["PixelData"].VR = "OB" if bits <= 8 else "OW"
    for name, value in tags.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture(name="dicom_file")
def _dicom_file() -> Callable[..., Path]:
    """See build_dicom."""
    return build_dicom


@pytest.fixture
def write_dicom(tmp_path: Path) -> Callable[..., Path]:
    """Write a DICOM file below the test's folder: write_dicom(pixels, **tags)."""

    def write(pixels: np.ndarray, *, name: str = "image.dcm", **tags: Any) -> Path:
        return build_dicom(tmp_path / name, pixels, **tags)

    return write


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def build_png(
    values: np.ndarray, color_type: int, *, bits: int = 16, transparent: bytes = b"", interlace: bool = False
) -> bytes:
    """Encode a PNG without Pillow, which writes no 16-bit colour: every filter type is used in turn.

    Values are (height, width, channels) of the stored bits, of 8 or 16; below 8 bits only grey and no filter.
    """
    height, width, channels = values.shape
    body = b""
    passes = (
        [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        if interlace
        else [(0, 0, 1, 1)]
    )
    for top, left, down, right in passes:
        part = values[top::down, left::right]
        if part.size:
            body += _png_rows(part, bits, channels)
    head = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, int(interlace))
    content = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head)
    if transparent:
        content += png_chunk(b"tRNS", transparent)
    return content + png_chunk(b"IDAT", zlib.compress(body)) + png_chunk(b"IEND", b"")


def _png_rows(values: np.ndarray, bits: int, channels: int) -> bytes:
    if bits < 8:
        packed = np.unpackbits(values.astype(np.uint8).reshape(*values.shape[:2], 1), axis=2)[..., 8 - bits :]
        return b"".join(b"\0" + np.packbits(row.reshape(-1)).tobytes() for row in packed)
    wide = values.astype(">u2" if bits == 16 else "u1")
    pixel = channels * bits // 8
    rows = np.frombuffer(wide.tobytes(), dtype=np.uint8).reshape(values.shape[0], -1).astype(int)
    above = np.vstack([np.zeros((1, rows.shape[1]), int), rows[:-1]])
    left = np.hstack([np.zeros((rows.shape[0], pixel), int), rows[:, :-pixel]])
    corner = np.hstack([np.zeros((rows.shape[0], pixel), int), above[:, :-pixel]])
    paeth = left + above - corner
    distances = np.abs(np.stack([paeth - left, paeth - above, paeth - corner]))
    nearest = np.choose(distances.argmin(axis=0), [left, above, corner])
    predictions = [np.zeros_like(rows), left, above, (left + above) // 2, nearest]
    out = b""
    for index in range(rows.shape[0]):
        kind = index % 5
        line = (rows[index] - predictions[kind][index]) % 256
        out += bytes([kind]) + line.astype(np.uint8).tobytes()
    return out


@pytest.fixture(name="png_bytes")
def _png_bytes() -> Callable[..., bytes]:
    """See build_png."""
    return build_png


@pytest.fixture(name="chunk")
def _chunk() -> Callable[[bytes, bytes], bytes]:
    """See png_chunk."""
    return png_chunk


def build_tiff(
    values: np.ndarray, *, order: str = "<", tags: dict[int, tuple[int, tuple[int, ...]]] | None = None
) -> bytes:
    """Encode an uncompressed one-strip TIFF; tags maps a tag to (type 3 or 4, values) and overrides."""
    height, width = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    fields: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (3, (width,)),
        257: (3, (height,)),
        258: (3, (values.dtype.itemsize * 8,) * channels),
        259: (3, (1,)),
        262: (3, (2 if channels >= 3 else 1,)),
        273: (4, (8,)),
        277: (3, (channels,)),
        278: (3, (height,)),
        279: (4, (len(data),)),
        339: (3, (kind,) * channels),
    } | (tags or {})
    at = 8 + len(data) + len(data) % 2
    extra_at = at + 2 + 12 * len(fields) + 4
    entries, extra = b"", b""
    for tag, (form, items) in sorted(fields.items()):
        content = struct.pack(order + ("H" if form == 3 else "L") * len(items), *items)
        if len(content) <= 4:
            entries += struct.pack(order + "HHL", tag, form, len(items)) + content.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "HHLL", tag, form, len(items), extra_at + len(extra))
            extra += content
    mark = b"II" if order == "<" else b"MM"
    return (
        mark
        + struct.pack(order + "HL", 42, at)
        + data
        + b"\0" * (len(data) % 2)
        + struct.pack(order + "H", len(fields))
        + entries
        + struct.pack(order + "L", 0)
        + extra
    )


@pytest.fixture(name="tiff_bytes")
def _tiff_bytes() -> Callable[..., bytes]:
    """See build_tiff."""
    return build_tiff


@pytest.fixture
def secret() -> str:
    """What every DICOM file of these tests has as the patient's name."""
    return SECRET
