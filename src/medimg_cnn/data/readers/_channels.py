"""Grey to colour and back."""

from __future__ import annotations

import numpy as np

from medimg_cnn._types import Image

__all__ = ["adapt_channels", "luma"]

_REC_601 = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def luma(pixels: Image) -> Image:
    """Weigh (height, width, 3) to (height, width, 1) by the luma of ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B."""
    # The weights add up to 1 + 6e-8 in float32: clip, so that white stays 1.
    grey: Image = np.clip(pixels @ _REC_601, 0.0, 1.0)[..., None]
    return grey


def adapt_channels(pixels: Image, channels: int | None) -> Image:
    """Return (height, width, channels): grey is repeated, colour weighed to grey; None changes nothing."""
    if channels is None or pixels.shape[2] == channels:
        return pixels
    return luma(pixels) if channels == 1 else np.repeat(pixels, 3, axis=2)
