"""What a file is, told from its first bytes."""

from __future__ import annotations

import struct

__all__ = ["describe_junk", "dicom_without_image", "is_dicom", "is_dicom_image", "pillow_format"]

_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # BigTIFF
    (b"MM\x00+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),  # codestream
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
)
_JUNK: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the image itself"),
    (b"\x93NUMPY", "a NumPy array file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"%PDF-", "a PDF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a Windows thumbnail cache or Office document"),
    (b"\x00\x00\x00\x01Bud1", "a macOS folder record"),
    (b"<!DOCTYPE html", "a web page"),
    (b"<html", "a web page"),
)
_STORAGE = "1.2.840.10008.5.1.4.1.1."
# SOP classes without an image (DICOM PS3.4, table B.5-1), by how they begin; the first that fits.
_WITHOUT_IMAGE: tuple[tuple[str, str], ...] = (
    ("1.2.840.10008.1.3.10.", "directories of media (DICOMDIR)"),
    (_STORAGE + "88.59.", "key object selections"),
    (_STORAGE + "88.", "structured reports"),
    (_STORAGE + "11.", "presentation states"),
    (_STORAGE + "104.", "encapsulated documents"),
    (_STORAGE + "9.", "waveforms"),
    (_STORAGE + "4.2.", "spectroscopy data"),
    *((f"{_STORAGE}481.{number}.", "") for number in (1, 2, 23, 24)),  # images and doses
    (_STORAGE + "481.", "radiotherapy plans and records"),
    (_STORAGE + "66.4.", ""),  # segmentations are images
    (_STORAGE + "66.", "raw data and registrations"),
    (_STORAGE + "67.", "raw data and registrations"),
)
# The sizes of the header that follows the 14 bytes of a bitmap's file header.
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)


def pillow_format(head: bytes) -> str | None:
    """Return the name of the picture format of a file that starts with ``head``, or None."""
    for prefix, name in _PREFIXES:
        if head.startswith(prefix):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and len(head) >= 18 and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return None


def is_dicom(head: bytes) -> bool:
    """Say whether a file has the mark of DICOM after its preamble."""
    return head[128:132] == b"DICM"


def is_dicom_image(head: bytes) -> bool:
    """Say whether a file has the mark of DICOM, and does not say that it holds no image."""
    return is_dicom(head) and not dicom_without_image(head)


def dicom_without_image(head: bytes) -> str:
    """Return what a DICOM file is whose SOP class has no image, in the plural; "" for every other file."""
    name = _sop_class(head) + "."
    return next((kind for start, kind in _WITHOUT_IMAGE if name.startswith(start)), "")


def _sop_class(head: bytes) -> str:
    """Return the SOP class that the file meta information names (PS3.10, 7.1), "" where there is none."""
    if not is_dicom(head):
        return ""
    at = 132
    while at + 12 <= len(head):
        group, element, vr, length = struct.unpack_from("<HH2sH", head, at)
        if group != 0x0002 or element > 0x0002:
            break
        at += 8
        if vr in (b"OB", b"OW", b"UN"):
            length = struct.unpack_from("<L", head, at)[0]
            at += 4
        if element == 0x0002:
            return head[at : at + length].rstrip(b"\0 ").decode("ascii", "replace")
        at += length
    return ""


def describe_junk(head: bytes) -> tuple[str, str]:
    """Return what a file is that no reader accepts, and what to do about it."""
    if not head:
        return "an empty file", "Get the file again, or remove it."
    if kind := dicom_without_image(head):
        return (
            f"DICOM without an image ({kind})",
            "Leave it out; for a DICOMDIR, read the files that it lists.",
        )
    for prefix, name in _JUNK:
        if head.startswith(prefix):
            if "LFS" in name:
                return name, "Run 'git lfs pull' in the folder that it came from."
            return name, "Remove it from the images, or convert it."
    return (
        "bytes of no known kind",
        (
            "Readable are PNG, JPEG, TIFF, BMP, WebP, GIF, JPEG 2000, DICOM (with its preamble) and NIfTI; "
            "for another kind use register_reader."
        ),
    )
