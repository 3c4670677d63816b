"""A map laid over its image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image
from medimg_cnn._validation import check_fraction
from medimg_cnn.errors import ArgumentError

__all__ = ["overlay"]

# Four points of a black-red-yellow-white scale; it rises in lightness, so it can be read without colour.
_SCALE = np.array([[0.05, 0.03, 0.3], [0.7, 0.1, 0.35], [1.0, 0.6, 0.1], [1.0, 1.0, 0.75]], dtype=np.float32)


def overlay(image: Image, heat: NDArray[np.float32], *, opacity: float = 0.5) -> Image:
    """Return the image with the map in colour over it; where the map is 0 the image is untouched.

    Args:
        image: (height, width, 1 or 3) float32 in 0-1.
        heat: (height, width) float32 in 0-1, from ``grad_cam``.
        opacity: of the map at its maximum, 0 to 1.

    Returns:
        (height, width, 3) float32 in 0-1.

    Raises:
        ArgumentError: the map and the image differ in size, or the opacity is out of range.

    Example:
        >>> import numpy as np
        >>> overlay(np.zeros((4, 4, 1), np.float32), np.ones((4, 4), np.float32)).shape
        (4, 4, 3)
    """
    opacity = check_fraction("opacity", opacity)
    if image.ndim != 3 or heat.shape != image.shape[:2]:
        raise ArgumentError(f"heat: must have the image's size {image.shape[:2]}; got {heat.shape}.")
    position = np.clip(heat, 0.0, 1.0) * (len(_SCALE) - 1)
    low = np.minimum(position.astype(np.int64), len(_SCALE) - 2)
    share = (position - low)[..., None]
    colour = (1.0 - share) * _SCALE[low] + share * _SCALE[low + 1]
    weight = opacity * np.clip(heat, 0.0, 1.0)[..., None]
    return np.asarray((1.0 - weight) * image + weight * colour, dtype=np.float32)
