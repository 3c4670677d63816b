"""Starts several processes that train one run together, and ends them together."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

from medimg_cnn._validation import check_integer, explain
from medimg_cnn.errors import ArgumentError

__all__ = ["COORDINATOR", "PROCESS", "PROCESSES", "launch"]

COORDINATOR, PROCESSES, PROCESS = (f"MEDIMG_CNN_{name}" for name in ("COORDINATOR", "PROCESSES", "PROCESS"))
"""What a process is told: the address of the first one, how many there are, and its own number from 0."""

_ADDRESS = re.compile(r"[^\s:]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}")

_PATIENCE = 30.0
_PASSED_ON = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Seconds that the others have to say what they lost, when one has failed; they are ended then."""


def launch(
    script: Sequence[str], *, processes: int, hosts: int = 1, host: int = 0, coordinator: str | None = None
) -> int:
    """Start the processes of this host, wait for their end, and return the exit status of the first that failed.

    Signals that end a process are passed on to all of them.

    Args:
        script: a Python file, or "-m" and a module, and its arguments.
        processes: on each host, at least 1.
        hosts: machines that take part, at least 1.
        host: the place of this one, from 0.
        coordinator: "name:port" of host 0, where all hosts reach it; None: a free port of this machine alone.

    Raises:
        ArgumentError: an argument breaks its rule.
    """
    check_integer("processes", processes, low=1)
    check_integer("hosts", hosts, low=1)
    check_integer("host", host, low=0, high=hosts - 1)
    if not script or (script[0] == "-m" and len(script) < 2):
        raise ArgumentError(
            explain("script", "must be a Python file, or -m and a module", " ".join(script) or None)
        )
    if hosts > 1 and coordinator is None:
        rule = "must be given where there are several hosts: the name of host 0 and a free port of it"
        raise ArgumentError(explain("coordinator", rule, coordinator, "Pass for example node0:29400."))
    if coordinator is not None and not _ADDRESS.fullmatch(coordinator):
        rule = "must be HOST:PORT, the name of host 0 and a free port of it"
        raise ArgumentError(explain("coordinator", rule, coordinator, "Pass for example node0:29400."))
    if script[0] == "-m" and not _is_module(script[1]):
        raise ArgumentError(
            explain("script", "-m must be followed by a module that can be imported from here", script[1])
        )
    address = coordinator or f"127.0.0.1:{_free_port()}"
    if script[0] != "-m" and not os.path.exists(script[0]):  # noqa: PTH110 - any text may be given
        raise ArgumentError(explain("script", "must be a Python file that exists", script[0]))
    group = _Group()
    with group:
        for index in range(processes):
            settings = {
                COORDINATOR: address,
                PROCESSES: str(hosts * processes),
                PROCESS: str(host * processes + index),
                # Of a host's GPUs each of its processes takes one, unless it is the only one.
                f"{PROCESS}_ON_HOST": "" if processes == 1 else str(index),
            }
            group.start([sys.executable, "-m", "medimg_cnn.cli._worker", *script], settings)
        return group.wait(first=host * processes)


class _Group:
    """Processes that end together; a context manager that passes signals on to them."""

    def __init__(self) -> None:
        self._children: list[subprocess.Popen[bytes]] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in _PASSED_ON:
            self._before[number] = signal.signal(number, self._pass_on)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for child in self._children:
            if child.poll() is None:
                child.kill()
            child.wait()

    def start(self, command: list[str], settings: dict[str, str]) -> None:
        # Of a session of its own: Ctrl-C on the terminal comes from here, once.
        self._children.append(
            subprocess.Popen(command, env=os.environ | settings, start_new_session=True)  # noqa: S603 - Python itself
        )

    def wait(self, *, first: int) -> int:
        """Return 0 where all did, else the status of the one that failed first."""
        status, ends = 0, float("inf")
        while True:
            running = any(child.poll() is None for child in self._children)
            failed = [index for index, child in enumerate(self._children) if child.poll() not in {None, 0}]
            if failed and not status:
                # Of those that ended between two looks, one that was killed is the cause: the others noticed.
                cause = min(failed, key=lambda index: self._children[index].returncode >= 0)
                status, ends = self._status(cause), time.monotonic() + _PATIENCE
                if running or (len(self._children) > 1 and status > 128):
                    _say(f"process {first + cause} ended with status {status}; the others end too")
            if not running:
                return status
            if time.monotonic() > ends:
                _say(f"what is left after {_PATIENCE:.0f} s is killed")
                ends = float("inf")
                for child in self._children:
                    child.kill()
            time.sleep(0.1)

    def _status(self, index: int) -> int:
        """As a shell gives it: 128 and the signal's number where a signal ended it."""
        status = self._children[index].wait()
        return status if status >= 0 else 128 - status

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        del frame
        for child in self._children:
            if child.poll() is None:
                child.send_signal(number)


def _is_module(name: str) -> bool:
    """Say whether there is a module, or the package that it would be in, for a process that starts in this folder."""
    top = name.partition(".")[0]
    if top in sys.modules or PathFinder.find_spec(top, [str(Path.cwd())]) is not None:
        return True
    try:
        return find_spec(top) is not None
    except ValueError:  # of an empty name
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _say(text: str) -> None:
    sys.stderr.write(f"medimg-cnn launch: {text}\n")
    sys.stderr.flush()
