"""Pictures of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medimg_cnn._validation import check_choice, check_integer, check_seed
from medimg_cnn.data._batches import Split

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_samples"]


def plot_samples(parts: Sequence[Split], part: str, *, columns: int, seed: int) -> Figure:
    """Return a figure with one row of images for each class, drawn at random; see ``Dataset.plot_samples``."""
    from matplotlib.figure import Figure

    by_name = {item.part: item for item in parts}
    split = by_name[check_choice("part", part, tuple(by_name))]
    check_integer("columns", columns, low=1)
    draw = np.random.default_rng(check_seed("seed", seed))
    height, width, _ = split.image_shape
    tall = 1.5 * height / width
    figure = Figure(figsize=(1.5 * columns + 0.2, 2 * tall + 1.1), layout="constrained")
    figure.suptitle(f"{part}: {split.n:,} images, prevalence {split.prevalence:.1%}")
    axes = figure.subplots(2, columns, squeeze=False)
    for label, row in enumerate(axes):
        members = np.flatnonzero(split.labels == label)
        chosen = draw.permutation(members)[:columns]
        images = split.read(chosen)
        for axis, image in zip(row, images, strict=False):
            axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        for axis in row:
            axis.set_axis_off()
        word = "positive" if label else "negative"
        row[0].set_title(f"{split.classes[label]} ({word}, {members.size:,})", loc="left", fontsize="medium")
    return figure
