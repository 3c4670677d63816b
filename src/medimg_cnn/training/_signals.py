"""Ctrl-C and SIGTERM, turned into a request that the loop obeys between two steps."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["TERMINATED", "StopRequested", "StopSignals"]

TERMINATED = 128 + signal.SIGTERM
"""143: what a shell gives for a process that SIGTERM ended; the exit status after SIGTERM was obeyed."""


class StopRequested(Exception):  # noqa: N818 - not an error: it ends the loop from within
    """Raised inside the loop where a signal asked it to stop."""


class StopSignals:
    """While entered, the first SIGINT (and SIGTERM, if asked for) is remembered instead of obeyed.

    Only in the main thread, where Python lets handlers be set, and only where nobody ignores the signal or, for
    SIGINT, has a handler of his own. A second SIGINT interrupts at once.

    Args:
        terminate: whether to take SIGTERM too.
        say: whether to write a line to standard error when Ctrl-C is taken.
    """

    def __init__(self, *, terminate: bool, say: bool) -> None:
        self.received: signal.Signals | None = None
        self._terminate, self._say = terminate, say
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._take(signal.SIGINT)
            # None is a handler that was not set from Python, which could not be given back.
            if self._terminate and signal.getsignal(signal.SIGTERM) not in {None, signal.SIG_IGN}:
                self._take(signal.SIGTERM)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Stop the loop where a signal came.

        Raises:
            StopRequested: one came.
        """
        if self.received is not None:
            raise StopRequested

    def told(self, number: int) -> None:
        """Stop as if this signal had come here.

        Raises:
            StopRequested: always.
        """
        self.received = signal.Signals(number)
        raise StopRequested

    def pass_on(self) -> None:
        """Call the handler that the user had set for the signal, if there was one."""
        if self.received is not None and callable(self._before.get(self.received)):
            signal.raise_signal(self.received)

    def _take(self, number: signal.Signals) -> None:
        self._before[number] = signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received is not signal.SIGTERM:  # whose exit status was promised
            self.received = signal.Signals(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, self._before[signal.SIGINT])
            if self._say:
                os.write(2, b"\nstopping after this step; press Ctrl-C again to stop at once\n")
