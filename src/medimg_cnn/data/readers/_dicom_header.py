"""The header of a DICOM file, read and checked before anything is decoded."""

from __future__ import annotations

import struct
import zlib
from typing import Any, BinaryIO

from medimg_cnn.data.readers._base import unreadable
from medimg_cnn.data.readers._dicom_file import DicomFile
from medimg_cnn.errors import ImageReadError

__all__ = ["open_dicom"]

_DEFLATED = "1.2.840.10008.1.2.1.99"
_MAX_INFLATED = 256 * 2**20
_PIXEL_ELEMENTS = {0x0010: "PixelData", 0x0009: "DoubleFloatPixelData", 0x0008: "FloatPixelData"}
_UNDEFINED_LENGTH = 0xFFFFFFFF
# What is read of the header: how to decode and show the pixels, and nothing of the patient.
_TAGS = [
    "Modality",
    "BurnedInAnnotation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "FloatPixelPaddingValue",
    "DoubleFloatPixelPaddingValue",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
]


def open_dicom(stream: BinaryIO) -> DicomFile:
    """Read and check the header of a DICOM file.

    Args:
        stream: the file, at its start.

    Raises:
        ImageReadError: the header is damaged, or the file has no pixels, or fewer than the header says.
    """
    import pydicom
    from pydicom.pixels.utils import as_pixel_options

    deflated = _is_deflated(stream)
    # A deflated file is inflated whole by pydicom: its pixels stay with the header.
    header = pydicom.dcmread(
        stream, stop_before_pixels=not deflated, specific_tags=None if deflated else _TAGS
    )
    syntax = str(header.file_meta.TransferSyntaxUID)
    options: dict[str, Any] = {
        **as_pixel_options(header),
        "transfer_syntax_uid": header.file_meta.TransferSyntaxUID,
    }
    source: Any
    if deflated:
        keyword = next((name for name in _PIXEL_ELEMENTS.values() if name in header), None)
        if keyword is None:
            raise _no_pixels()
        length = len(header[keyword].value)
        source, available = header, length
        options["pixel_keyword"] = keyword
    else:
        length, available = _enter_pixels(stream, header, options)
        source = stream
    _check_options(options)
    _check_length(
        options,
        length,
        available,
        compressed=header.file_meta.TransferSyntaxUID.is_compressed and not deflated,
    )
    is_float = "Float" in options["pixel_keyword"]
    return DicomFile(
        header=header,
        source=source,
        start=None if deflated else stream.tell(),
        syntax=syntax,
        options=options,
        rows=int(options["rows"]),
        columns=int(options["columns"]),
        frames=int(options["number_of_frames"]),
        bits_stored=32 if is_float else int(options["bits_stored"]),
        signed=not is_float and int(options["pixel_representation"]) == 1,
        photometric=str(options["photometric_interpretation"]),
    )


def _no_pixels() -> ImageReadError:
    return unreadable(
        "a DICOM file must hold an image", "no pixel data", "Leave out plans, reports and the like."
    )


def _enter_pixels(stream: BinaryIO, header: Any, options: dict[str, Any]) -> tuple[int, int]:
    """Read the head of the pixel element; return its length and how many bytes the file has for it."""
    implicit, little = header.original_encoding
    order = "<" if little else ">"
    head = stream.read(8)
    if len(head) < 8:
        raise _no_pixels()
    group, element = struct.unpack(f"{order}HH", head[:4])
    if group != 0x7FE0 or element not in _PIXEL_ELEMENTS:
        raise _no_pixels()
    if implicit:
        length = struct.unpack(f"{order}L", head[4:])[0]
    else:
        options["pixel_vr"] = head[4:6].decode("ascii")
        length = struct.unpack(f"{order}L", stream.read(4))[0]
    options["pixel_keyword"] = _PIXEL_ELEMENTS[element]
    start = stream.tell()
    available = stream.seek(0, 2) - start
    stream.seek(start)
    return length, available


def _check_options(options: dict[str, Any]) -> None:
    """Check the numbers that memory is taken by, before pydicom does."""
    is_float = "Float" in options["pixel_keyword"]
    rules: list[tuple[str, range | tuple[int, ...]]] = [
        ("rows", range(1, 65_536)),
        ("columns", range(1, 65_536)),
        ("samples_per_pixel", (1, 3)),
        ("number_of_frames", range(1, 2**31)),
        ("bits_allocated", (32, 64) if is_float else (1, 8, 16, 32)),
    ]
    if not is_float:
        rules += [("bits_stored", range(1, 33)), ("pixel_representation", (0, 1))]
    for name, allowed in rules:
        value = options.get(name)
        # pydicom's own kind of int would be looked for in the range one by one.
        value = int(value) if isinstance(value, int) else None
        if value is None or value not in allowed:
            said = f"{allowed.start} to {allowed.stop - 1}" if isinstance(allowed, range) else str(allowed)
            raise unreadable(
                f"the DICOM tag for {name.replace('_', ' ')} must be {said}",
                "none, or another kind of value" if value is None else value,
                "The header is damaged; get the file again.",
            )
        options[name] = value
    if not isinstance(options.get("photometric_interpretation"), str):
        raise unreadable("the photometric interpretation must be given", "none", "The header is damaged.")


def _check_length(options: dict[str, Any], length: int, available: int, *, compressed: bool) -> None:
    if compressed or length == _UNDEFINED_LENGTH:
        return
    pixels = options["rows"] * options["columns"] * options["samples_per_pixel"] * options["number_of_frames"]
    bits = pixels * options["bits_allocated"]
    if options["photometric_interpretation"] == "YBR_FULL_422":
        bits = bits // 3 * 2
    needed = (bits + 7) // 8
    if min(length, available) < needed:
        raise unreadable(
            f"the pixel data must have the {needed:,} bytes that the header announces",
            f"{min(length, available):,}",
            "The file is cut off or damaged; get it again.",
        )


def _is_deflated(stream: BinaryIO) -> bool:
    """Tell from the file meta information; refuse a file that would inflate beyond bounds."""
    stream.seek(132)
    syntax = ""
    while len(head := stream.read(8)) == 8:
        group, element, vr, length = struct.unpack("<HH2sH", head)
        if group != 0x0002:
            stream.seek(-8, 1)
            break
        if vr in (b"OB", b"UN", b"OW", b"SQ", b"UT"):
            length = struct.unpack("<L", stream.read(4).ljust(4, b"\0"))[0]
        if element == 0x0010:
            syntax = stream.read(length).rstrip(b"\0 ").decode("ascii", "replace")
        else:
            stream.seek(length, 1)
    if syntax == _DEFLATED:
        inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while not inflater.eof and (piece := inflater.unconsumed_tail or stream.read(65_536)):
            size += len(inflater.decompress(piece, 2**20))
            if size > _MAX_INFLATED:
                raise unreadable(
                    f"a deflated file may inflate to at most {_MAX_INFLATED:,} bytes",
                    "more",
                    "Inflate it with a DICOM tool first if it is to be trusted.",
                )
    stream.seek(0)
    return syntax == _DEFLATED
