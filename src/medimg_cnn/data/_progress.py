"""Says how far a long preparation is: a bar on a terminal, plain lines elsewhere where asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Advance", "progress_of"]

_LINE_EVERY_S = 10.0


class Advance(Protocol):
    """Called with the number of steps done since the last call."""

    def __call__(self, steps: int = 1) -> None:
        """Count steps."""
        ...


@contextmanager
def progress_of(task: str, total: int, *, show: bool | None) -> Iterator[Advance]:
    """Show progress on standard error while the block runs.

    Args:
        task: what is being done.
        total: number of steps.
        show: None for a bar where standard error is a terminal and nothing elsewhere; True for plain lines
            elsewhere; False for nothing.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if show is False or total == 0 or sys.stderr is None or (show is None and not terminal):
        yield _nothing
    elif terminal:
        with _bar(task, total) as advance:
            yield advance
    else:
        yield _Lines(task, total)


def _nothing(steps: int = 1) -> None:
    del steps


@contextmanager
def _bar(task: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        identity = bar.add_task(task, total=total)

        def advance(steps: int = 1) -> None:
            bar.advance(identity, steps)

        yield advance


class _Lines:
    def __init__(self, task: str, total: int) -> None:
        self._task, self._total, self._done = task, total, 0
        self._next = time.monotonic() + _LINE_EVERY_S

    def __call__(self, steps: int = 1) -> None:
        self._done += steps
        if self._done >= self._total or time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_EVERY_S
            sys.stderr.write(f"{self._task}: {self._done:,} of {self._total:,}\n")
