"""A picture of what an augmentation does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from medimg_cnn._types import Images
from medimg_cnn._validation import check_integer, check_seed, explain
from medimg_cnn.augmentations._base import Augmentation, augment_images
from medimg_cnn.augmentations._checks import check_images
from medimg_cnn.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["preview"]


def preview(
    augmentation: Augmentation, data: Any, *, images: int = 4, draws: int = 5, seed: int = 0
) -> Figure:
    """Draw originals beside augmented copies of them, one original a row. Look before you train.

    Args:
        augmentation: what to show.
        data: a Split, or images, float32 (n, height, width, channels), 0 to 1.
        images: how many originals, at least 1; spread evenly over the data.
        draws: how many augmented copies of each, at least 1.
        seed: of the random key.

    Returns:
        A matplotlib Figure, which draws itself in a notebook and has ``savefig``.

    Raises:
        ArgumentError: an option breaks its rule, there are no images, or they have another shape, dtype or range.

    Example:
        >>> import jax
        >>> from medimg_cnn.augmentations import Rotation, preview
        >>> figure = preview(Rotation(degrees=10), jax.numpy.zeros((3, 8, 8, 1)), images=2, draws=3)
        >>> len(figure.axes)
        8
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = check_integer("images", images, low=1)
    draws = check_integer("draws", draws, low=1)
    originals = _some(data, count)
    key = jax.random.key(check_seed("seed", seed))
    batch = jnp.asarray(originals)
    copies = [
        np.asarray(augment_images(augmentation, jax.random.fold_in(key, draw), batch))
        for draw in range(draws)
    ]

    rows, columns = len(originals), draws + 1
    height, width = originals.shape[1:3]
    figure = Figure(figsize=(1.6 * columns, 1.6 * rows * height / width + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for column in range(columns):
        axes[0, column].set_title("original" if column == 0 else f"draw {column}", fontsize=9)
        for row in range(rows):
            picture = originals[row] if column == 0 else copies[column - 1][row]
            axes[row, column].imshow(
                np.clip(picture if picture.shape[-1] == 3 else picture[..., 0], 0, 1),
                cmap=None if picture.shape[-1] == 3 else "gray",
                vmin=0,
                vmax=1,
                interpolation="nearest",
            )
            axes[row, column].set_axis_off()
    return figure


def _some(data: Any, count: int) -> Images:
    # A Split is asked by its methods: this package does not import the one that defines it.
    if hasattr(data, "read") and hasattr(data, "n"):
        n, read = data.n, data.read
    else:
        images = np.asarray(check_images("data", data))
        n, read = len(images), images.__getitem__
    if n == 0:
        raise ArgumentError(explain("data", "must hold at least one image", n, "There is nothing to draw."))
    places = np.unique(np.linspace(0, n - 1, min(count, n)).round().astype(np.int64))
    return np.asarray(check_images("data", read(places)))
