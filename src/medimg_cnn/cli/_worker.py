"""One of the processes that ``medimg-cnn launch`` starts: joins the others, then runs the user's script."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from pathlib import Path

from medimg_cnn._backend import require
from medimg_cnn.cli._launch import COORDINATOR, PROCESS, PROCESSES

_HEARTBEAT = 30
"""Seconds after which a process that says nothing is taken for lost, by the engine."""

_FAREWELL = 24 * 3600
"""Seconds that a process that is done waits for the others: one may write reports while they have nothing to do."""


def _join() -> None:
    require()  # sets XLA's flags, which JAX reads when it starts
    import jax

    # The engine's own handler of SIGTERM would keep it from the trainer's, which saves and stops.
    jax.config.update("jax_enable_preemption_service", False)  # type: ignore[no-untyped-call] # JAX
    address, place = os.environ[COORDINATOR], os.environ.get(f"{PROCESS}_ON_HOST", "")
    jax.distributed.initialize(
        coordinator_address=address,
        num_processes=int(os.environ[PROCESSES]),
        process_id=int(os.environ[PROCESS]),
        local_device_ids=[int(place)] if place else None,
        # On one machine nobody else is to reach it.
        coordinator_bind_address=address if address.startswith("127.") else None,
        heartbeat_timeout_seconds=_HEARTBEAT,
        shutdown_timeout_seconds=_FAREWELL,
    )
    # Connections are made in the first exchange, which waits 30 s for the others; later ones wait as long as it takes.
    # So it is done now, while all are here, and not when one has loaded its images and another has not.
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices("medimg_cnn joined")


def _run(script: str, arguments: list[str]) -> None:
    if script == "-m":
        sys.argv = arguments
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [script, *arguments]
        sys.path.insert(0, str(Path(script).resolve().parent))
        runpy.run_path(script, run_name="__main__")


def _main() -> None:
    status: int | str | None = 0
    try:
        _join()
        _run(sys.argv[1], sys.argv[2:])
    except SystemExit as stop:
        status = stop.code if stop.code is None or isinstance(stop.code, int) else 1
        if isinstance(stop.code, str):
            sys.stderr.write(f"{stop.code}\n")
    except BaseException as error:  # noqa: BLE001 - whatever it is, the others must not wait for this process
        traceback.print_exc()
        status = 130 if isinstance(error, KeyboardInterrupt) else 1
    if status:
        # Without the engine's farewell, in which all would wait for each other.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(status))


if __name__ == "__main__":
    _main()
