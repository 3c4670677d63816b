"""The picture of a run's history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medimg_cnn.artifacts import FitResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_history"]


def plot_history(result: FitResult) -> Figure:
    """Return loss, AUROC, learning rate and images a second by epoch, the kept epoch marked."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    table = result.to_frame()
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    panels = {
        "Loss (nats)": {"training": table["loss"], "validation": table["validation_loss"]},
        "Validation AUROC": {"validation": table["validation_auroc"]},
        "Learning rate, at the epoch's end": {"learning rate": table["learning_rate"]},
        "Training images a second": {"images a second": table["images_per_second"]},
    }
    colours = {"validation": "#D55E00"}
    for axes, (title, lines) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        for name, values in lines.items():
            if values.isna().all():  # trained without validation
                continue
            colour = colours.get(name, "#0072B2")
            axes.plot(table.index, values, color=colour, label=name, marker="." if len(table) < 40 else None)
        axes.axvline(result.kept_epoch, color="#666666", linewidth=1, linestyle=":", label="kept epoch")
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.axes[3].set_ylim(bottom=0)
    return figure
