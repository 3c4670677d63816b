"""From an image of any size to the one shape that a model takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image, ImageSize
from medimg_cnn._validation import check_choice, check_image_size, explain, suggest
from medimg_cnn.data.readers import ReadOptions
from medimg_cnn.data.readers._channels import adapt_channels
from medimg_cnn.errors import ArgumentError

__all__ = ["Fit", "Preprocessing"]

Fit: TypeAlias = Literal["stretch", "pad", "crop"]

_FITS: tuple[Fit, ...] = ("stretch", "pad", "crop")
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How a decoded image becomes a model's input. Travels with the dataset and the model.

    Attributes:
        image_size: (height, width) of the result; one whole number stands for a square.
        channels: 1 (colour is weighed to grey by Rec. 601 luma) or 3 (grey is repeated).
        fit: "stretch" changes the aspect ratio; "pad" keeps it and fills the rest with 0 at both sides evenly;
            "crop" keeps it and cuts the ends of the longer side evenly.
        read: how files are read before.

    Raises:
        ArgumentError: an attribute breaks its rule, or three windows are to become one channel.

    Example:
        >>> import numpy as np
        >>> p = Preprocessing(image_size=(4, 4), channels=1, fit="pad")
        >>> p.apply(np.full((2, 4, 3), 0.5, dtype=np.float32))[:, 0, 0].round(3).tolist()
        [0.0, 0.5, 0.5, 0.0]
    """

    image_size: ImageSize
    channels: Literal[1, 3]
    fit: Fit = "stretch"
    read: ReadOptions = field(default_factory=ReadOptions)

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_size", check_image_size("image_size", self.image_size))
        if isinstance(self.channels, bool) or self.channels not in (1, 3):
            raise ArgumentError(explain("channels", "must be 1 or 3", self.channels))
        check_choice("fit", self.fit, _FITS)
        if not isinstance(self.read, ReadOptions):
            raise ArgumentError(explain("read", "must be ReadOptions", self.read))
        if self.read.channels_by_window > self.channels:
            raise ArgumentError(
                explain("channels", "must be 3 where three windows become channels", self.channels)
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the result."""
        return (*self.image_size, self.channels)

    def apply(self, pixels: Image, *, extent: tuple[float, float] | None = None) -> Image:
        """Return the image in the wanted shape.

        Resampling weighs all source pixels that a target pixel covers (a triangle filter as wide as the
        reduction), on float values: 16 bits are kept, nothing is aliased, and no value leaves the range.

        Args:
            pixels: (height, width, 1 or 3) float32, 0 to 1.
            extent: (height, width) of the picture, where it does not fill the last row or column; see
                ``DecodedImage``.

        Returns:
            (height, width, channels) float32, 0 to 1, contiguous.

        Raises:
            ArgumentError: the pixels have another shape, type or range.

        Example:
            >>> import numpy as np
            >>> Preprocessing(image_size=2, channels=3).apply(np.ones((5, 7, 1), np.float32)).shape
            (2, 2, 3)
        """
        pixels = _checked(pixels)
        if self.channels == 1:
            pixels = adapt_channels(pixels, 1)
        height, width = extent or pixels.shape[:2]
        target = self.image_size
        if (height, width) != target:
            whole = (0.0, 0.0, float(width), float(height))
            if self.fit == "stretch":
                pixels = _resized(pixels, target, whole)
            elif self.fit == "crop":
                pixels = _resized(pixels, target, _centred_box(height, width, target))
            else:
                pixels = _padded(_resized(pixels, _inner_size(height, width, target), whole), target)
        return np.ascontiguousarray(adapt_channels(pixels, self.channels), dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values, with a format version."""
        return {
            "version": _VERSION,
            "image_size": list(self.image_size),
            "channels": self.channels,
            "fit": self.fit,
            "read": self.read.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Build from what ``to_dict`` gave.

        Raises:
            ArgumentError: a name is missing or unknown, the version is newer, or a value breaks its rule.
        """
        known = ("version", "image_size", "channels", "fit", "read")
        for name in values:
            if name not in known:
                raise ArgumentError(explain("preprocessing", f"has no {name!r}", name, suggest(name, known)))
        for name in known:
            if name not in values:
                raise ArgumentError(explain("preprocessing", f"must have {name!r}", sorted(values)))
        if values["version"] != _VERSION:
            raise ArgumentError(
                explain(
                    "version", f"must be {_VERSION}", values["version"], "Use the medimg-cnn that wrote it."
                )
            )
        return cls(
            image_size=values["image_size"],
            channels=values["channels"],
            fit=values["fit"],
            read=ReadOptions.from_dict(values["read"]),
        )

    def sha256(self) -> str:
        """Return a digest of all settings, the same in every process; part of the cache's key.

        Example:
            >>> a, b = (Preprocessing(image_size=size, channels=1).sha256() for size in (32, 33))
            >>> len(a), a == b
            (64, False)
        """
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode("utf-8")).hexdigest()


def _checked(pixels: NDArray[Any]) -> Image:
    array = np.asarray(pixels)
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise ArgumentError(
            explain("pixels", "must have the shape (height, width, 1 or 3), nowhere 0", array.shape)
        )
    if array.dtype.kind != "f":
        raise ArgumentError(
            explain(
                "pixels", "must be float, 0 to 1", array.dtype, "Divide by the largest value of the type."
            )
        )
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 1.0):
        raise ArgumentError(explain("pixels", "must be finite and lie in 0 to 1", f"{low:g} to {high:g}"))
    return array.astype(np.float32, copy=False)


def _resized(pixels: Image, size: ImageSize, box: tuple[float, float, float, float]) -> Image:
    """Resample each channel from the box (left, upper, right, lower) to the size (height, width)."""
    from PIL import Image as PillowImage

    planes = [
        np.asarray(
            PillowImage.fromarray(np.ascontiguousarray(pixels[..., channel])).resize(
                (size[1], size[0]), PillowImage.Resampling.BILINEAR, box=box
            )
        )
        for channel in range(pixels.shape[2])
    ]
    resized: Image = planes[0][..., None] if len(planes) == 1 else np.stack(planes, axis=-1)
    # Rounding may pass the ends by one unit in the last place.
    return np.clip(resized, 0.0, 1.0)


def _centred_box(height: float, width: float, target: ImageSize) -> tuple[float, float, float, float]:
    """Return the largest centred box of the target's aspect ratio, as (left, upper, right, lower)."""
    scale = min(height / target[0], width / target[1])
    tall, wide = min(target[0] * scale, height), min(target[1] * scale, width)
    left, upper = (width - wide) / 2, (height - tall) / 2
    return left, upper, min(left + wide, width), min(upper + tall, height)


def _inner_size(height: float, width: float, target: ImageSize) -> ImageSize:
    """Return the largest size of the image's own aspect ratio that fits into the target."""
    scale = min(target[0] / height, target[1] / width)
    return (
        min(max(round(height * scale), 1), target[0]),
        min(max(round(width * scale), 1), target[1]),
    )


def _padded(pixels: Image, target: ImageSize) -> Image:
    canvas = np.zeros((*target, pixels.shape[2]), dtype=np.float32)
    upper, left = (target[0] - pixels.shape[0]) // 2, (target[1] - pixels.shape[1]) // 2
    canvas[upper : upper + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas
