"""Progress of a run: a live bar on a terminal or in a notebook, one plain line an epoch elsewhere."""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from medimg_cnn.artifacts import EpochRecord

__all__ = ["TrainingProgress"]

_INTERVAL = 0.25
"""Seconds between two updates; each one waits for the device, so it is not done at every step."""


class TrainingProgress:
    """Shows epochs, steps, loss, validation AUROC, images a second and the time left.

    Args:
        epochs: planned.
        steps: in an epoch.
        show: False shows nothing.
    """

    def __init__(self, *, epochs: int, steps: int, show: bool) -> None:
        self._epochs, self._steps, self._show = epochs, steps, show
        self._console = Console(stderr=True)
        self._live = show and (self._console.is_terminal or self._console.is_jupyter)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._live,
        )
        self._task: TaskID | None = None
        self._next = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        self._task = self._bar.add_task("training", total=self._epochs * self._steps, figures="compiling")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def due(self) -> bool:
        """Whether the bar should be told of the current step."""
        return self._live and time.monotonic() >= self._next

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Show that ``step`` steps of ``epoch`` are done, and the mean loss so far."""
        self._next = time.monotonic() + _INTERVAL
        if self._task is not None:
            self._bar.update(
                self._task,
                completed=(epoch - 1) * self._steps + step,
                description=f"epoch {epoch}/{self._epochs}",
                figures=f"loss {loss:.4f}",
            )

    def epoch(self, record: EpochRecord, *, kept: bool) -> None:
        """Show an epoch's figures; an asterisk marks the best one so far."""
        if not self._show:
            return
        figures = f"loss {record.loss:.4f}"
        if not math.isnan(record.validation_loss):
            figures += f"  validation loss {record.validation_loss:.4f}  AUROC {record.validation_auroc:.4f}"
        line = f"epoch {record.epoch}/{self._epochs}  {figures}  {record.images_per_second:.0f} images/s"
        self._console.print(line + (" *" if kept else ""), highlight=False, soft_wrap=True)

    def message(self, text: str) -> None:
        """Show a line of text."""
        if self._show:
            self._console.print(text, highlight=False, soft_wrap=True)
