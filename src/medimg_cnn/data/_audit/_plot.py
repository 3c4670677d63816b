"""Pairs of copies, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medimg_cnn._types import IntVector
from medimg_cnn.data._audit._material import Material

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from medimg_cnn.data._audit._report import PairTable

__all__ = ["plot_pairs"]

_COLUMNS = 3


def plot_pairs(material: Material, pairs: PairTable, chosen: IntVector, *, none: str) -> Figure:
    """Return a figure with the chosen pairs, or, without any, the text ``none``; see ``AuditReport.plot_pairs``."""
    from matplotlib.figure import Figure

    if chosen.size == 0:
        figure = Figure(figsize=(_COLUMNS * 3.2, 1.5))
        figure.text(0.5, 0.5, none, ha="center", va="center")
        return figure
    height, width, _ = material.image_shape
    across = min(_COLUMNS, len(chosen))
    down = -(-len(chosen) // across)
    tall = 1.5 * height / width
    figure = Figure(figsize=(across * 3.2, down * (tall + 0.7) + 0.3), layout="constrained")
    cells = figure.subplots(down, across * 2, squeeze=False)
    for axis in cells.flat:
        axis.set_axis_off()
    for place, index in enumerate(chosen.tolist()):
        row, column = divmod(place, across)
        kind = "equal" if pairs.exact[index] else f"similarity {pairs.similarity[index]:.3f}"
        for side, (member, image) in enumerate(
            zip(pairs.rows[index].tolist(), material.read(pairs.rows[index]), strict=True)
        ):
            axis = cells[row][2 * column + side]
            axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            words = [material.classes[material.labels[member]], str(pairs.parts[member])]
            said = ", ".join(word for word in words if word)
            axis.set_title(f"{kind if side == 0 else ''}\n{said}", loc="left", fontsize="x-small")
    return figure
