"""The decoded images of a dataset, for random access: in memory up to a budget, beyond it in files.

An image is kept as integers: 8 bits where its source had 8, else 16 (rounded). Colour is dropped where the three
channels are equal. Images lie in shards; which shard an image belongs to follows from its content alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image, Images, IntVector
from medimg_cnn.errors import DataError

__all__ = ["ImageFacts", "PixelStore", "Shard", "dequantise", "quantise"]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of one image as it was stored at its source."""

    format: str
    mode: str
    bit_depth: int
    height: int
    width: int
    colour: bool


@dataclass(frozen=True, slots=True)
class Shard:
    """Some images, (m, h, w, 1 or 3) uint8 or uint16: an array, or the file that holds it."""

    pixels: NDArray[Any] | Path
    nbytes: int


def quantise(image: Image, bit_depth: int) -> NDArray[Any]:
    """Return (h, w, 1 or 3) uint8 for sources of 8 bits, else uint16; one channel where all are equal.

    Example:
        >>> grey = np.full((2, 2, 3), 0.5, dtype=np.float32)
        >>> quantise(grey, 8).shape, int(quantise(grey, 16).max())
        ((2, 2, 1), 32768)
    """
    kind, high = (np.uint8, 255) if bit_depth <= 8 else (np.uint16, 65_535)
    scaled = np.clip(image, 0, 1)
    scaled *= np.float32(high)
    values: NDArray[Any] = np.rint(scaled, out=scaled).astype(kind)
    if values.shape[2] == 3 and (values == values[..., :1]).all():
        values = values[..., :1]
    return values


def dequantise(values: NDArray[Any], out: Image) -> None:
    """Write ``values`` as float32 in 0 to 1 into ``out``; one channel is repeated where ``out`` has three."""
    high = 255 if values.dtype == np.uint8 else 65_535
    np.divide(values, np.float32(high), out=out, dtype=np.float32, casting="unsafe")


def _mapped(path: Path) -> NDArray[Any]:
    try:
        pixels: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it has been altered"
        rule = "decoded images must stay where they are while the data set is in use"
        raise DataError(f"{path}: {rule}; got: {reason}. Call load_dataset again.") from error
    return pixels


class PixelStore:
    """Random access to decoded images; safe to read from several threads.

    Args:
        shards: the images.
        places: (n, 2) the shard and the row in it of each image.
        image_shape: (h, w, c) of what ``read`` returns.
        memory_budget: bytes of files that may be mapped at once; the least recently used are let go.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        places: IntVector,
        image_shape: tuple[int, int, int],
        *,
        memory_budget: int,
    ) -> None:
        self._shards = tuple(shards)
        self._places = places
        self.image_shape = image_shape
        self._budget = memory_budget
        self._mapped: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._mapped_bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._places)

    def read(self, rows: IntVector) -> Images:
        """Return the images of these rows, (m, h, w, c) float32 in 0 to 1."""
        out = np.empty((len(rows), *self.image_shape), dtype=np.float32)
        for index, (shard, row) in enumerate(self._places[rows].tolist()):
            dequantise(self._pixels(shard)[row], out[index])
        return out

    def read_stored(self, rows: IntVector) -> NDArray[Any]:
        """Return the images of these rows as integers, (m, h, w, 1 or c) of the store's one kind.

        uint8 where all images are, else uint16, whose 65,535 is the 255 of the others; one channel where all are grey.
        """
        kind, channels = self._kind
        out = np.empty((len(rows), *self.image_shape[:2], channels), dtype=kind)
        for index, (shard, row) in enumerate(self._places[rows].tolist()):
            values = self._pixels(shard)[row]
            np.multiply(values, kind.type(1 if values.dtype == kind else 257), out=out[index])
        return out

    @cached_property
    def _kind(self) -> tuple[np.dtype[Any], int]:
        found = [(pixels.dtype, pixels.shape[3]) for pixels in map(self._pixels, range(len(self._shards)))]
        return max(kind for kind, _ in found), max(channels for _, channels in found)

    def _pixels(self, number: int) -> NDArray[Any]:
        shard = self._shards[number]
        if not isinstance(shard.pixels, Path):
            return shard.pixels
        with self._lock:
            pixels = self._mapped.get(number)
            if pixels is None:
                pixels = _mapped(shard.pixels)
                self._mapped[number] = pixels
                self._mapped_bytes += shard.nbytes
                while self._mapped_bytes > self._budget and len(self._mapped) > 1:
                    old, _ = self._mapped.popitem(last=False)
                    self._mapped_bytes -= self._shards[old].nbytes
            else:
                self._mapped.move_to_end(number)
            return pixels

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state |= {"_lock": None, "_mapped": OrderedDict(), "_mapped_bytes": 0}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
