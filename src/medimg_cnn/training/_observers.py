"""Those who follow a run from outside: trackers, Keras callbacks, the pruning of a tuning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from medimg_cnn.artifacts import EpochRecord, FitResult
from medimg_cnn.training._loop import Loop

__all__ = ["Observer", "Observers"]


class Observer(Protocol):
    """Is told of a run, in this order; what it raises ends the run."""

    def begin(self, loop: Loop) -> None:
        """Be called before the first step; ``loop.records`` are the epochs done before, where a run goes on."""
        ...

    def step(self, loop: Loop) -> None:
        """Be called after each step."""
        ...

    def epoch(self, loop: Loop, record: EpochRecord) -> None:
        """Be called after each epoch, when it has been judged and written."""
        ...

    def finish(self, result: FitResult) -> None:
        """Be called when the run is written."""
        ...

    def fail(self, reason: str) -> None:
        """Be called instead of ``finish`` where the run was stopped or failed."""
        ...


class Observers:
    """Several observers as one."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)

    def begin(self, loop: Loop) -> None:
        """See ``Observer``, as for the others."""
        for observer in self._observers:
            observer.begin(loop)

    def step(self, loop: Loop) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.step(loop)

    def epoch(self, loop: Loop, record: EpochRecord) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.epoch(loop, record)

    def finish(self, result: FitResult) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.finish(result)

    def fail(self, reason: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.fail(reason)
