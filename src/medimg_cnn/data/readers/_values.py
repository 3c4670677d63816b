"""From a file's values to 0 to 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image
from medimg_cnn.data.readers._base import pass_option, unreadable
from medimg_cnn.data.readers._options import ValueRange

__all__ = ["check_finite", "map_linear", "map_window", "scale_values"]

_BLOCK = 2**18


def check_finite(values: NDArray[Any]) -> None:
    """Refuse NaN and infinity.

    Raises:
        ImageReadError: a value is not finite.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise unreadable(
            "every value must be finite",
            f"{int((~np.isfinite(values)).sum())} of {values.size} that are not",
            "Replace NaN and infinity when the file is written, or leave the file out.",
        )


def scale_values(values: NDArray[Any], full: tuple[float, float] | None, value_range: ValueRange) -> Image:
    """Map values to 0 to 1.

    Args:
        values: any numbers.
        full: the range of the values' type, mapped where ``value_range`` is None; None itself for float values,
            which must then lie in 0 to 1 already.
        value_range: (low, high), values outside being clipped; "image" for this image's own range, a constant
            image becoming 0; or None.

    Raises:
        ImageReadError: a value is not finite, or a float value lies outside 0 to 1 and no range was given.
    """
    check_finite(values)
    if value_range == "image":
        low, high = float(values.min()), float(values.max())
    elif value_range is not None:
        low, high = value_range
    elif full is not None:
        low, high = full
    else:
        low, high = 0.0, 1.0
        smallest, largest = float(values.min()), float(values.max())
        if smallest < 0.0 or largest > 1.0:
            raise unreadable(
                "float values must lie in 0 to 1, since their range is not in the file",
                f"{smallest:g} to {largest:g}",
                f"{pass_option('value_range=(low, high)')} For DICOM and NIfTI there is also window=(centre, width).",
            )
    return map_linear(values, low, high)


def map_linear(values: NDArray[Any], low: float, high: float) -> Image:
    """Return (values - low) / (high - low) as float32, clipped to 0 to 1; all 0 where low equals high.

    Works on a few rows at a time, so that memory for the result is nearly all that is taken.
    """
    if not high > low:
        return np.zeros(values.shape, dtype=np.float32)
    pixels = np.empty(values.shape, dtype=np.float32)
    if low == 0 and values.dtype in (np.uint8, np.uint16) and high >= np.iinfo(values.dtype).max:
        np.divide(values, np.float32(high), out=pixels)  # nothing to clip: most files come this way
        return pixels
    # Float32 holds every whole number of 16 bits; all else is scaled in float64.
    exact = np.float32 if values.dtype.itemsize <= 2 and values.dtype.kind in "iu" else np.float64
    offset, width = exact(low), exact(high - low)
    rows = max(1, _BLOCK // max(1, values[0].size))
    for start in range(0, len(values), rows):
        part: NDArray[np.floating[Any]] = values[start : start + rows].astype(exact)
        if low:
            part -= offset
        part /= width
        pixels[start : start + rows] = np.clip(part, 0, 1, out=part)
    return pixels


def map_window(values: NDArray[Any], centre: float, width: float, *, function: str = "LINEAR") -> Image:
    """Apply a window as DICOM defines it (PS3.3, C.11.2.1.2 and C.11.2.1.3), giving 0 to 1.

    Args:
        values: any numbers, in the file's units.
        centre: the value in the middle.
        width: how many units go from black to white; at least 1 for "LINEAR", above 0 else.
        function: "LINEAR", "LINEAR_EXACT" or "SIGMOID".

    Raises:
        ImageReadError: the function is none of these, or the width breaks its rule.
    """
    function = function.upper()
    if function == "LINEAR":
        if width < 1:
            raise unreadable(
                "a window must be at least 1 wide", f"{width:g}", pass_option("window=(centre, width)")
            )
        if width == 1:  # a step
            return (values > centre - 0.5).astype(np.float32)
        half = (width - 1) / 2
        return map_linear(values, centre - 0.5 - half, centre - 0.5 + half)
    if function == "LINEAR_EXACT":
        return map_linear(values, centre - width / 2, centre + width / 2)
    if function == "SIGMOID":
        steep = np.clip(-4.0 * (values.astype(np.float64) - centre) / width, -700.0, 700.0)
        return (1.0 / (1.0 + np.exp(steep))).astype(np.float32)
    raise unreadable(
        "the window function must be LINEAR, LINEAR_EXACT or SIGMOID",
        "another",
        pass_option("window=(centre, width)"),
    )
