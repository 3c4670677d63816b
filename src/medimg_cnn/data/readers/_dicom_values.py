"""The grey-scale pipeline of DICOM (PS3.3, C.11): stored values, modality, values of interest, 0 to 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image
from medimg_cnn.data.readers._base import pass_option, unreadable
from medimg_cnn.data.readers._dicom_file import DicomFile
from medimg_cnn.data.readers._options import ReadOptions
from medimg_cnn.data.readers._values import check_finite, map_linear, map_window, scale_values

__all__ = ["color_values", "display_values"]

# Without a window, values in Hounsfield units take the range of a 12-bit scanner.
_HOUNSFIELD_RANGE = (-1024.0, 3071.0)


def display_values(stored: NDArray[Any], file: DicomFile, frame: int, options: ReadOptions) -> Image:
    """Return (rows, columns, 1 or 3) float32, 0 to 1, of a grey image.

    Modality lookup table or rescale; then the first that there is of: the windows of the options, the range
    of the options, the file's VOI lookup table, its first window, -1024 to 3071 for Hounsfield units, the
    range of the stored bits. MONOCHROME1 is inverted, and padding is black whatever the photometric
    interpretation.
    """
    check_finite(stored)
    padding = _padding(stored, file)
    values, full = _modality(stored, file, frame)
    check_finite(values)
    if options.window is not None:
        planes = [map_window(values, *bounds) for bounds in options.window_bounds]
    elif options.value_range is not None:
        planes = [_in_range(values, padding, options)]
    else:
        planes = [_values_of_interest(values, full, file, frame)]
    pixels = np.stack(planes, axis=-1)
    if file.photometric == "MONOCHROME1":
        np.subtract(1, pixels, out=pixels)
    if padding is not None:
        pixels[padding] = 0
    return pixels


def color_values(stored: NDArray[Any], file: DicomFile, shown_as: str, options: ReadOptions) -> Image:
    """Return (rows, columns, 3) float32, 0 to 1, of a colour image."""
    bits = file.bits_stored
    if file.photometric == "PALETTE COLOR":
        stored, bits = _palette(stored, file)
    elif shown_as != "RGB":
        raise unreadable("colour must be convertible to RGB", "another colour space", "Convert the file.")
    if stored.ndim != 3 or stored.shape[2] != 3:
        raise unreadable("a colour image must have 3 samples a pixel", stored.shape, "The header is damaged.")
    return scale_values(stored, (0, 2.0**bits - 1), options.value_range)


def _palette(stored: NDArray[Any], file: DicomFile) -> tuple[NDArray[Any], int]:
    """Apply a colour palette (PS3.3, C.7.6.3.1.5 and C.7.6.3.1.6); return colour, and the bits of an entry."""
    header = file.header
    if "RedPaletteColorLookupTableData" not in header:  # segmented: pydicom expands it
        from pydicom.pixels import apply_color_lut

        color = apply_color_lut(stored, header)
        return color, color.dtype.itemsize * 8
    planes, bits = [], 8
    for name in ("Red", "Green", "Blue"):
        descriptor = header[f"{name}PaletteColorLookupTableDescriptor"].value
        plane, bits = _look_up(stored, descriptor, header[f"{name}PaletteColorLookupTableData"].value, file)
        planes.append(plane)
    return np.stack(planes, axis=-1), bits


def _in_range(values: NDArray[Any], padding: NDArray[np.bool_] | None, options: ReadOptions) -> Image:
    if options.value_range == "image" and padding is not None and not padding.all():
        inside = values[~padding]
        return map_linear(values, float(inside.min()), float(inside.max()))
    return scale_values(values, None, options.value_range)


def _padding(stored: NDArray[Any], file: DicomFile) -> NDArray[np.bool_] | None:
    """Mark pixels outside the image proper, which the header gives one value or a range of values."""
    header = file.header
    low = next(
        (
            value
            for name in ("PixelPaddingValue", "FloatPixelPaddingValue", "DoubleFloatPixelPaddingValue")
            if (value := header.get(name)) is not None
        ),
        None,
    )
    if not isinstance(low, (int, float)):
        return None
    limit = header.get("PixelPaddingRangeLimit")
    high = limit if isinstance(limit, (int, float)) else low
    mask: NDArray[np.bool_] = (stored >= min(low, high)) & (stored <= max(low, high))
    return mask if mask.any() else None


def _modality(
    stored: NDArray[Any], file: DicomFile, frame: int
) -> tuple[NDArray[Any], tuple[float, float] | None]:
    """Return values in the file's units and the range that they could have; None for float."""
    header = file.header
    tables = header.get("ModalityLUTSequence")
    if tables:
        values, bits = _look_up(stored, tables[0].LUTDescriptor, tables[0].LUTData, file)
        return values, (0.0, 2.0**bits - 1)
    rescale = _group(file, frame, "PixelValueTransformationSequence")
    slope = _number(rescale.get("RescaleSlope"), 1.0)
    intercept = _number(rescale.get("RescaleIntercept"), 0.0)
    if slope == 1.0 and intercept == 0.0:
        values = stored
    else:
        values = stored.astype(np.float64)
        values *= slope
        values += intercept
    if file.is_float:
        return values, None
    low, high = sorted(end * slope + intercept for end in _stored_range(file))
    return values, (low, high)


def _values_of_interest(
    values: NDArray[Any], full: tuple[float, float] | None, file: DicomFile, frame: int
) -> Image:
    group = _group(file, frame, "FrameVOILUTSequence")
    tables = file.header.get("VOILUTSequence")
    if tables and tables[0].get("LUTDescriptor") is not None:
        shown, bits = _look_up(values, tables[0].LUTDescriptor, tables[0].LUTData, file)
        return map_linear(shown, 0.0, 2.0**bits - 1)
    centre, width = _first(group.get("WindowCenter")), _first(group.get("WindowWidth"))
    if centre is not None and width is not None and width > 0:
        return map_window(values, centre, width, function=str(group.get("VOILUTFunction") or "LINEAR"))
    if full is not None and _is_hounsfield(file, group):
        full = _HOUNSFIELD_RANGE
    return scale_values(values, full, None)


def _is_hounsfield(file: DicomFile, group: Any) -> bool:
    kind = group.get("RescaleType") or file.header.get("RescaleType")
    if kind:
        return str(kind).upper() == "HU"
    return str(file.header.get("Modality", "")).upper() == "CT" and "RescaleIntercept" in file.header


def _look_up(values: NDArray[Any], descriptor: Any, data: Any, file: DicomFile) -> tuple[NDArray[Any], int]:
    """Apply a lookup table (PS3.3, C.11.1.1 and C.11.2.1.1); return what it gives, and its bits."""
    count, first, bits = (int(item) for item in descriptor)
    count = count or 2**16
    if not 8 <= bits <= 16:
        raise unreadable("a lookup table must have entries of 8 to 16 bits", bits, "The header is damaged.")
    if first > 32_767 and file.signed:
        first -= 65_536  # written as unsigned, meant as signed
    if isinstance(data, (bytes, bytearray)):
        order = "<" if file.header.original_encoding[1] else ">"
        entries = np.frombuffer(bytes(data), dtype=np.uint8 if len(data) < 2 * count else f"{order}u2")
    else:
        entries = np.atleast_1d(np.asarray(data, dtype=np.int64)).astype(np.uint16)
    if entries.size < count:
        raise unreadable(
            f"a lookup table must have its {count} entries", entries.size, "The header is damaged."
        )
    place = np.clip(np.rint(values).astype(np.int64) - first, 0, count - 1)
    return entries[place], bits


def _group(file: DicomFile, frame: int, name: str) -> Any:
    """Return the dataset that holds a frame's values: a functional group of an enhanced image, or the header."""
    for groups, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        sequence = file.header.get(groups)
        if sequence and index < len(sequence):
            inner = sequence[index].get(name)
            if inner:
                return inner[0]
    return file.header


def _stored_range(file: DicomFile) -> tuple[float, float]:
    if file.signed:
        return -(2.0 ** (file.bits_stored - 1)), 2.0 ** (file.bits_stored - 1) - 1
    return 0.0, 2.0**file.bits_stored - 1


def _number(value: Any, default: float) -> float:
    return default if value is None else float(value)


def _first(value: Any) -> float | None:
    """Return the first of one or several values."""
    if hasattr(value, "__len__") and not isinstance(value, (str, bytes)):
        value = value[0] if len(value) else None
    if value is None or value == "":
        return None
    if isinstance(value, (str, bytes)):  # pydicom leaves what is no number as text
        raise unreadable("a window must be given in numbers", "text", pass_option("window=(centre, width)"))
    return float(value)
