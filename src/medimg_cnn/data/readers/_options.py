"""How a file is to be read: frame, window, range, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

from medimg_cnn._validation import check_choice, check_integer, check_number, explain, suggest
from medimg_cnn.errors import ArgumentError

__all__ = ["CT_WINDOWS", "Plane", "ReadOptions", "ValueRange", "Window", "WindowBounds"]

Window: TypeAlias = str | tuple[float, float]
"""A name of CT_WINDOWS, or (centre, width) in the units of the file's values."""

ValueRange: TypeAlias = tuple[float, float] | Literal["image"] | None
Plane: TypeAlias = Literal["axial", "coronal", "sagittal"]
WindowBounds: TypeAlias = tuple[tuple[float, float], ...]

CT_WINDOWS: Mapping[str, tuple[float, float]] = {
    "abdomen": (50.0, 400.0),
    "bone": (400.0, 1800.0),
    "brain": (40.0, 80.0),
    "liver": (30.0, 150.0),
    "lung": (-600.0, 1500.0),
    "mediastinum": (50.0, 350.0),
    "soft_tissue": (50.0, 400.0),
    "spine": (50.0, 250.0),
    "stroke": (32.0, 8.0),
    "subdural": (75.0, 215.0),
}
"""Customary CT windows as (centre, width) in Hounsfield units."""

_PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
# Decoding this many pixels of any kind stays below 1 GiB; a large mammogram has 30 million.
_MAX_PIXELS = 36_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What to take from a file, and how its values become 0 to 1. Checked when built.

    Attributes:
        frame: which frame, page or slice, counted from 0. None takes the one frame there is, the first page of
            a TIFF and the first picture of an animated GIF, PNG or WebP. A DICOM or NIfTI file with more than
            one frame has no first one that stands for all: there None is an error that says how many there are.
        window: for DICOM and NIfTI, instead of the file's own window: a name of ``CT_WINDOWS``, a pair
            (centre, width) in the file's units (Hounsfield for CT), or three of these, which become three
            channels. Mapped as the DICOM function LINEAR (PS3.3, C.11.2.1.2.1).
        value_range: (low, high) in the file's units that become 0 and 1, values outside being clipped; or
            "image" for the smallest and largest value of this image (which loses comparability between images).
            None takes the rule of the file's type: integers by the full range of their bits (16-bit grey is
            divided by 65,535, also where only 12 bits are in use), float values must lie in 0 to 1 already,
            DICOM by its own window. Not together with ``window``.
        plane: which slices of a NIfTI volume.
        background: grey value, 0 to 1, on which transparent pixels are composited.
        max_pixels: largest height x width that is decoded; told from the header, before any memory is taken.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> ReadOptions(window=("lung", "mediastinum", "bone")).channels_by_window
        3
    """

    frame: int | None = None
    window: Window | tuple[Window, Window, Window] | None = None
    value_range: ValueRange = None
    plane: Plane = "axial"
    background: float = 0.0
    max_pixels: int = _MAX_PIXELS

    def __post_init__(self) -> None:
        if self.frame is not None:
            check_integer("frame", self.frame, low=0)
        if self.window is not None:
            object.__setattr__(self, "window", _checked_window(self.window))
        if self.value_range is not None:
            object.__setattr__(self, "value_range", _checked_range(self.value_range))
            if self.window is not None:
                raise ArgumentError(
                    explain("value_range", "cannot be given together with window", self.value_range)
                )
        check_choice("plane", self.plane, _PLANES)
        check_number("background", self.background, low=0.0, high=1.0)
        check_integer("max_pixels", self.max_pixels, low=1)

    @property
    def window_bounds(self) -> WindowBounds:
        """The chosen windows as (centre, width), one a channel; empty where none was chosen."""
        if self.window is None:
            return ()
        if isinstance(self.window, str):
            return (CT_WINDOWS[self.window],)
        if len(self.window) == 2:
            return ((float(self.window[0]), float(self.window[1])),)
        return tuple(CT_WINDOWS[item] if isinstance(item, str) else item for item in self.window)

    @property
    def channels_by_window(self) -> int:
        """Number of channels that the windows make: 1 or 3."""
        return max(len(self.window_bounds), 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON values."""
        return {name: _as_list(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ReadOptions:
        """Build options from what ``to_dict`` gave.

        Raises:
            ArgumentError: a name is not an option's, or a value breaks its rule.
        """
        known = [item.name for item in fields(cls)]
        for name in values:
            if name not in known:
                raise ArgumentError(
                    explain("read options", f"has no option {name!r}", name, suggest(name, known))
                )
        return cls(**{name: _as_tuple(value) for name, value in values.items()})


def _checked_window(value: object) -> Any:
    if isinstance(value, str):
        return check_choice("window", value, CT_WINDOWS)
    if isinstance(value, (tuple, list)):
        if len(value) == 2 and not any(isinstance(item, (str, tuple, list)) for item in value):
            return (
                check_number("window[0] (centre)", value[0]),
                check_number("window[1] (width)", value[1], low=1.0),
            )
        if len(value) == 1:
            return _checked_window(value[0])
        if len(value) == 3 and all(isinstance(item, (str, tuple, list)) for item in value):
            parts = tuple(_checked_window(item) for item in value)
            if all(isinstance(part, str) or len(part) == 2 for part in parts):
                return parts
    raise ArgumentError(
        explain(
            "window",
            "must be a name, a pair (centre, width), or three of these as three channels",
            value,
            f"Known names: {', '.join(CT_WINDOWS)}.",
        )
    )


def _checked_range(value: object) -> Any:
    if value == "image":
        return value
    if isinstance(value, (tuple, list)) and len(value) == 2:
        low = check_number("value_range[0] (low)", value[0])
        return low, check_number("value_range[1] (high)", value[1], low=low, low_open=True)
    raise ArgumentError(explain("value_range", 'must be (low, high) or "image"', value))


def _as_list(value: object) -> Any:
    return [_as_list(item) for item in value] if isinstance(value, tuple) else value


def _as_tuple(value: object) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, (list, tuple)) else value
