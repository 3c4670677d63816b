"""What a tuning found: a table, a picture, and a trainer with the best options."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Never

from medimg_cnn._types import PathLike
from medimg_cnn.training._config import TrainerConfig
from medimg_cnn.training._trainer import Trainer
from medimg_cnn.training._unknown import refuse_tuning_options

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Trial", "Tuning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One trial.

    Attributes:
        outcome: "complete"; "pruned" (given up early); "failed" (the loss became infinite or NaN, or something else
            went wrong, as the device's memory that did not suffice); or "refused" (these options may not be given
            together).
        validation_auroc: of the kept epoch; NaN where the trial did not come to its end.
        kept_epoch: counted from 1; 0 where there is none.
        curve: validation AUROC by epoch, as far as it came.
        seconds: it took.
        options: that were chosen, by name.
        reason: why it failed or was refused; else empty.
    """

    outcome: str
    validation_auroc: float
    kept_epoch: int
    curve: tuple[float, ...]
    seconds: float
    options: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuning:
    """What ``tune`` returns.

    Attributes:
        trials: all of them, in their order.
        build: from options to a trainer.
    """

    trials: tuple[Trial, ...]
    build: Callable[[Mapping[str, Any], Mapping[str, Any]], Trainer]

    @property
    def best(self) -> Trial:
        """The trial with the highest validation AUROC, the earliest among equals."""
        complete = [trial for trial in self.trials if not math.isnan(trial.validation_auroc)]
        return max(complete, key=lambda trial: trial.validation_auroc)

    @property
    def best_config(self) -> TrainerConfig:
        """The trainer's configuration of the best trial."""
        return self.trainer().config

    def trainer(
        self,
        *,
        directory: PathLike | None = None,
        overwrite: bool = False,
        progress: bool = True,
        **unknown: Never,
    ) -> Trainer:
        """Return a trainer of a new model with the best options, ready for ``fit(data.train, data.validation)``.

        Args:
            directory: see ``Trainer``, as for the others.
            overwrite: whether a run in ``directory`` may be replaced.
            progress: whether to show it.
            **unknown: none; another keyword is refused.

        Raises:
            ArgumentError: an argument breaks its rule.
        """
        refuse_tuning_options(unknown)
        options = {"directory": directory, "overwrite": overwrite, "progress": progress}
        return self.build(self.best.options, options)

    @property
    def table(self) -> pd.DataFrame:
        """One row a trial, counted from 1: outcome, validation AUROC, kept epoch, epochs trained, seconds; options."""
        import pandas as pd

        rows = [
            {
                "outcome": trial.outcome,
                "validation_auroc": trial.validation_auroc,
                "kept_epoch": trial.kept_epoch,
                "epochs_trained": len(trial.curve),  # "epochs" may be an option
                "seconds": trial.seconds,
                **trial.options,
            }
            for trial in self.trials
        ]
        return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="trial"))

    def plot(self) -> Figure:
        """Return a picture: validation AUROC by trial and by epoch, and against each option."""
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        names = list(self.trials[0].options)
        count = 2 + len(names)
        rows = math.ceil(count / 3)
        figure = Figure(figsize=(11, 3.1 * rows), layout="constrained")
        axes = list(figure.subplots(rows, 3, squeeze=False).flat)
        numbers = range(1, len(self.trials) + 1)
        # What was given up is shown where it came to, hollow.
        heights = [trial.curve[-1] if trial.curve else math.nan for trial in self.trials]
        complete = [not math.isnan(trial.validation_auroc) for trial in self.trials]
        values = [
            trial.validation_auroc if whole else height
            for trial, whole, height in zip(self.trials, complete, heights, strict=True)
        ]
        _points(axes[0], list(numbers), values, complete)
        axes[0].set(title="Validation AUROC by trial", xlabel="trial")
        axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[0].legend(frameon=False, fontsize=8)
        for trial in self.trials:
            best = trial is self.best
            axes[1].plot(
                range(1, len(trial.curve) + 1),
                trial.curve,
                color="#D55E00" if best else "#999999",
                linewidth=2 if best else 0.8,
                zorder=3 if best else 2,
                label="best" if best else None,
            )
        axes[1].set(title="Validation AUROC by epoch", xlabel="epoch")
        axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[1].legend(frameon=False, fontsize=8)
        for each, name in zip(axes[2:], names, strict=False):
            options = [trial.options[name] for trial in self.trials]
            if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in options):
                options = [str(value) for value in options]
            _points(each, options, values, complete)
            if all(isinstance(value, float) and value > 0 for value in options) and max(options) > 30 * min(
                options
            ):
                each.set_xscale("log")
            each.set(title=name)
        for each in axes:
            each.title.set_fontsize(10)
            each.spines[["top", "right"]].set_visible(False)
        for each in axes[count:]:
            each.set_visible(False)
        return figure

    def __repr__(self) -> str:
        best = self.best
        words = ", ".join(f"{name}={value!r}" for name, value in best.options.items())
        return f"Tuning({len(self.trials)} trials, validation AUROC {best.validation_auroc:.4f} with {words})"


def _points(axes: Any, x: list[Any], y: list[float], complete: list[bool]) -> None:
    for whole, name in ((True, "complete"), (False, "given up")):
        chosen = [index for index, value in enumerate(complete) if value is whole]
        axes.scatter(
            [x[index] for index in chosen],
            [y[index] for index in chosen],
            s=22,
            facecolors="#0072B2" if whole else "none",
            edgecolors="#0072B2",
            label=name,
        )
