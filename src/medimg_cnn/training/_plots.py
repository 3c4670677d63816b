"""The picture of a run's history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medimg_cnn.artifacts import FitResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_history"]


def plot_history(result: FitResult) -> Figure:
    """Return loss, AUROC and learning rate by epoch, the kept epoch marked."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    table = result.to_frame()
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    panels = {
        "Binary cross-entropy (nats)": {"training": table["loss"], "validation": table["validation_loss"]},
        "Validation AUROC": {"validation": table["validation_auroc"]},
        "Learning rate": {"learning rate": table["learning_rate"]},
    }
    for axes, (title, lines) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for (name, values), colour in zip(lines.items(), ("#0072B2", "#D55E00"), strict=False):
            axes.plot(table.index, values, color=colour, label=name, marker="." if len(table) < 40 else None)
        axes.axvline(result.kept_epoch, color="#666666", linewidth=1, linestyle=":", label="kept")
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    return figure
