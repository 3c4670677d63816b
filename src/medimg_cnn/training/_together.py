"""Several processes that train one run: what one of them cannot do none does, and none goes on alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from medimg_cnn.artifacts._files import to_json_text
from medimg_cnn.errors import DataError, TrainingError
from medimg_cnn.training._devices import Devices

__all__ = ["all_or_none", "from_leader", "peers", "same"]


@contextmanager
def peers(devices: Devices) -> Iterator[None]:
    """Say in words that another process is gone, where the engine says so in its own.

    Raises:
        TrainingError: a process of the run ended, or the connection to it broke.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not devices.together:
            raise
        reason = str(error).splitlines()[0][:200]
        raise TrainingError(
            f"Process {devices.process} of {devices.processes} lost another process of this run, or the connection to "
            f"it ({reason}). Look at what the others said first. What is saved is whole: start all of them again, with "
            "Trainer.resume(directory)."
        ) from error


@contextmanager
def all_or_none(devices: Devices) -> Iterator[None]:
    """Do something that may fail; where it fails in one process it fails in all, so that none waits for ever.

    Raises:
        TrainingError: it failed in another process.
    """
    if not devices.together:
        yield
        return
    try:
        yield
    except BaseException:
        _gather([True])
        raise
    failed = np.flatnonzero(_gather([False])[:, 0])
    if failed.size:
        raise TrainingError(
            f"Process {failed[0]} of {devices.processes} could not go on; the reason stands in what it said. Mend "
            "that, and start all of them again."
        )


def same(devices: Devices, facts: Mapping[str, Any]) -> None:
    """See that every process has the same; the values are JSON values.

    Raises:
        DataError: one has not; the message says which, and what.
    """
    if not devices.together:
        return
    hashes = [
        hashlib.sha256(json.dumps(json.loads(to_json_text({"": value})), sort_keys=True).encode()).digest()
        for value in facts.values()
    ]
    found = _gather([np.frombuffer(value[:4], np.int32)[0] for value in hashes])
    different = found != found[0]
    if different.any():
        process = int(np.flatnonzero(different.any(axis=1))[0])
        names = [name for name, other in zip(facts, different[process], strict=True) if other]
        raise DataError(
            f"All {devices.processes} processes must train the same: process {process} differs from process 0 in its "
            f"{', '.join(names)}. Let every process load the whole dataset, with the same arguments and seed; each "
            "reads only its own part of a batch."
        )


def from_leader(devices: Devices, number: int) -> int:
    """Return what process 0 passed."""
    return int(_gather([number])[0, 0]) if devices.together else number


def _gather(values: Any) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Return (processes, len(values)) int32: what each process passed."""
    from jax.experimental import multihost_utils

    found: np.ndarray[Any, np.dtype[np.int32]] = np.asarray(
        multihost_utils.process_allgather(np.asarray(values, np.int32))
    )
    return found
