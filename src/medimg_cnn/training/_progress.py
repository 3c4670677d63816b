"""Progress of a run: a live line on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from medimg_cnn.artifacts import EpochRecord

__all__ = ["TrainingProgress"]

_LIVE = 0.25
"""Seconds between two updates; each one waits for the device, so it is not done at every step."""

_PLAIN = 60.0
"""Seconds between two lines within an epoch, where there is no live display."""

_AREA = 4
"""Of a whole image, over that of one with half the height and width: at most so much more time takes a step."""


class TrainingProgress:
    """Shows epoch, step, loss, validation AUROC, images a second and the time left.

    On a terminal a live line stands under a line for each epoch. Elsewhere (a log, a pipe) there is a line for each
    epoch, and one a minute within a long epoch.

    Args:
        epochs: planned.
        steps: in an epoch.
        batch_size: images in a step.
        half_epochs: those at the beginning that train on images of half the height and width.
        show: False shows nothing.
        plain_every: seconds between two lines within an epoch, where the display is not live.
    """

    def __init__(
        self,
        *,
        epochs: int,
        steps: int,
        batch_size: int,
        half_epochs: int = 0,
        show: bool,
        plain_every: float = _PLAIN,
    ) -> None:
        self._epochs, self._steps, self._batch_size, self._show = epochs, steps, batch_size, show
        self._console = Console(stderr=True)
        self._live = show and (self._console.is_terminal or self._console.is_jupyter)
        self._interval = _LIVE if self._live else plain_every
        one_line = Column(no_wrap=True, overflow="ellipsis")
        self._bar = Progress(
            TextColumn("{task.description}", table_column=one_line),
            # The bar takes what the figures leave; a narrow terminal has none for it.
            *([BarColumn(bar_width=None)] if self._console.width >= 80 else []),
            TextColumn("{task.fields[figures]}", table_column=one_line),
            console=self._console,
            expand=True,
            disable=not self._live,
        )
        self._task: TaskID | None = None
        self._auroc = math.nan
        self._speed: float | None = None
        self._next = time.monotonic() + (0.0 if self._live else self._interval)
        self._half_steps = half_epochs * steps
        self._first: tuple[int, float] | None = None
        self._seconds: float | None = None
        self._of_epoch: tuple[int, int, float] | None = None

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
        """Whether ``step`` is to be called for the current step."""
        return self._show and time.monotonic() >= self._next

    def go_on(self, auroc: float) -> None:
        """Show this validation AUROC, of the last epoch before the run went on, until there is another."""
        self._auroc = auroc

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Show that ``step`` steps of ``epoch`` are done, and the mean loss so far."""
        self._next = time.monotonic() + self._interval
        done = (epoch - 1) * self._steps + step
        where = f"epoch {epoch}/{self._epochs} step {step}/{self._steps}"
        figures = [f"loss {loss:.4f}"]
        if not math.isnan(self._auroc):
            figures.append(f"AUROC {self._auroc:.4f}")
        rate = self._rate(epoch, done)
        figures += ["" if rate is None else f"{rate:.0f} img/s", self._left(done)]
        text = " ".join(figure for figure in figures if figure)
        if not self._live:
            self.message(f"{where}  {text}")
        elif self._task is not None:
            self._bar.update(self._task, completed=done, description=where, figures=text)

    def epoch(self, record: EpochRecord, *, kept: bool) -> None:
        """Show an epoch's figures; an asterisk marks the best one so far."""
        self._auroc = record.validation_auroc
        self._speed = None if math.isnan(record.images_per_second) else record.images_per_second
        if not self._show:
            return
        figures = f"loss {record.loss:.4f}"
        if not math.isnan(record.validation_loss):
            figures += f"  val loss {record.validation_loss:.4f}  AUROC {record.validation_auroc:.4f}"
        if not math.isnan(record.validation_monitor):
            figures += f"  chosen by {record.validation_monitor:.4f}"
        if not math.isnan(record.images_per_second):
            figures += f"  {record.images_per_second:.0f} img/s"
        left = "" if self._live else self._left(record.epoch * self._steps)
        line = f"epoch {record.epoch}/{self._epochs}  {figures}" + (f"  {left}" if left else "")
        self.message(line + (" *" if kept else ""))

    def message(self, text: str) -> None:
        """Show a line of text."""
        if self._show:
            self._console.print(text, highlight=False, soft_wrap=True)

    def _rate(self, epoch: int, done: int) -> float | None:
        """Return images a second since the epoch was first shown, or those of the last epoch; not compiling."""
        now = time.monotonic()
        if self._of_epoch is None or self._of_epoch[0] != epoch:
            self._of_epoch = epoch, done, now
            return self._speed
        _, steps, since = self._of_epoch
        return (
            (done - steps) * self._batch_size / (now - since) if done > steps and now > since else self._speed
        )

    def _left(self, done: int) -> str:
        """Return the time that is left at most, from the steps of this process and size after the first one shown.

        Until steps on whole images have been timed, one counts as four on images of half the height and width.
        """
        now, half = time.monotonic(), self._half_steps
        whole = done > half
        if self._first is None or whole != (self._first[0] > half):
            self._first = done, now
        elif done > self._first[0]:
            steps, since = self._first
            self._seconds = (now - since) / (done - steps) * (1 if whole else _AREA)
        if self._seconds is None:
            return ""
        left = self._epochs * self._steps - max(done, half) + max(0, half - done) / _AREA
        return f"{timedelta(seconds=round(left * self._seconds))} left"
