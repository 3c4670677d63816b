"""What an image looks like, in 1,024 small integers that a re-encoding, resizing or brightening hardly changes.

The image is averaged down to at most 32 x 32, smooth shading is taken away, and what is left is divided by its own
local strength, so that a burned-in marker or a black border weighs no more than the anatomy. The similarity of two
images is the correlation of these numbers, -1 to 1. Chest films are alike in their shading and differ in what this
keeps (decision 0027).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Images, IntVector

__all__ = ["SMALLEST_SIDE", "Looks", "look_size", "looks_of", "similarity_of"]

SMALLEST_SIDE = 16
"""Below this many pixels a side too little is seen to tell a copy from a look-alike."""

_SIDE = 32
_BLUR = 1.0  # pixels of the small image
_CONTRAST_FLOOR = 0.3  # of the strength in the whole image: keeps noise in empty regions small
_LEAST_DETAIL = 1e-3  # of the range 0 to 1; a quarter of a grey level of 8 bits
_UNIT = 127 / 4  # integers for one unit of local contrast; more than four units are held to four


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """The descriptors of n images.

    Attributes:
        values: (n, d) int8.
        norms: (n,) float32, the length of each row; 0 where an image has no detail to compare.
    """

    values: NDArray[np.int8]
    norms: NDArray[np.float32]

    def unit(self, rows: IntVector) -> NDArray[np.float32]:
        """Return the descriptors of some images as (m, d) float32 of length 1."""
        lengths = np.maximum(self.norms[rows], np.float32(1e-6))[:, None]
        return np.divide(self.values[rows], lengths, dtype=np.float32)


def look_size(height: int, width: int) -> int:
    """Return how many numbers describe an image of this size."""
    return min(height, _SIDE) * min(width, _SIDE)


def looks_of(grey: Images) -> Looks:
    """Return the descriptors of grey images, (n, h, w) float32 in 0 to 1.

    Example:
        >>> images = np.random.default_rng(0).random((2, 64, 64), dtype=np.float32)
        >>> images[1] = 0.9 * images[0] + 0.05
        >>> bool(similarity_of(looks_of(images), np.array([[0, 1]]))[0] > 0.999)
        True
    """
    height, width = min(grey.shape[1], _SIDE), min(grey.shape[2], _SIDE)
    down, across = _averages(height, grey.shape[1]), _averages(width, grey.shape[2])
    small = np.matmul(np.matmul(down, grey), across.T, dtype=np.float32)
    detail: Images = small - _blurred(small, _BLUR)
    whole = np.sqrt((detail * detail).mean(axis=(1, 2), keepdims=True))
    local = np.sqrt(np.maximum(_blurred(detail * detail, 2 * _BLUR), 0))
    contrast = (detail / (local + _CONTRAST_FLOOR * whole + 1e-9)).reshape(len(grey), -1)
    contrast -= contrast.mean(axis=1, keepdims=True)
    values = np.clip(np.rint(contrast * _UNIT), -127, 127).astype(np.int8)
    norms = np.sqrt((values.astype(np.float32) ** 2).sum(axis=1))
    norms[whole[:, 0, 0] < _LEAST_DETAIL] = 0
    return Looks(values, norms)


def similarity_of(looks: Looks, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the similarity of each pair of rows, (m,) float32, -1 to 1."""
    out = np.empty(len(pairs), dtype=np.float32)
    for start in range(0, len(pairs), 4096):
        some = pairs[start : start + 4096]
        out[start : start + 4096] = np.einsum("ij,ij->i", looks.unit(some[:, 0]), looks.unit(some[:, 1]))
    return out


def _blurred(images: Images, sigma: float) -> Images:
    down, across = _gauss(images.shape[1], sigma), _gauss(images.shape[2], sigma)
    blurred: Images = np.matmul(np.matmul(down, images), across.T, dtype=np.float32)
    return blurred


@functools.lru_cache(maxsize=16)
def _averages(target: int, source: int) -> NDArray[np.float32]:
    """Return (target, source) weights: each row averages the source pixels that its cell covers."""
    edges = np.linspace(0, source, target + 1)
    pixel = np.arange(source)
    cover = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    cover = np.clip(cover, 0, None)
    return np.asarray(cover / cover.sum(axis=1, keepdims=True), dtype=np.float32)


@functools.lru_cache(maxsize=16)
def _gauss(size: int, sigma: float) -> NDArray[np.float32]:
    """Return (size, size) weights of a Gaussian blur, the image mirrored at its edges."""
    reach = int(4 * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    weights = np.zeros((size, size))
    for row in range(size):
        place = (row + offsets) % (2 * size)
        np.add.at(weights[row], np.where(place < size, place, 2 * size - 1 - place), kernel / kernel.sum())
    return weights.astype(np.float32)
