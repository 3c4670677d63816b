"""What a file is, told from its first bytes."""

from __future__ import annotations

__all__ = ["describe_junk", "is_dicom_image", "pillow_format"]

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
# The SOP class of a DICOMDIR.
_DIRECTORY = b"1.2.840.10008.1.3.10"
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


def is_dicom_image(head: bytes) -> bool:
    """Say whether a file has the mark of DICOM after its preamble, and is not the directory of a medium."""
    return head[128:132] == b"DICM" and _DIRECTORY not in head[132:1024]


def describe_junk(head: bytes) -> tuple[str, str]:
    """Return what a file is that no reader accepts, and what to do about it."""
    if not head:
        return "an empty file", "Get the file again, or remove it."
    if head[128:132] == b"DICM":
        return "the directory of a DICOM medium (DICOMDIR)", "Read the files that it lists."
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
