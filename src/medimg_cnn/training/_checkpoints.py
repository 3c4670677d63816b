"""The newest moments of a run on disk: written by Orbax, each with a manifest of hashes written last.

Orbax writes to a temporary folder and renames it, so that a kill leaves whole checkpoints only. The manifest finds
what Orbax cannot: bytes that changed afterwards. Writing is done in a thread beside the training.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medimg_cnn.artifacts._files import to_json_text, write_json
from medimg_cnn.errors import ArgumentError, ArtifactError, MedimgCnnWarning
from medimg_cnn.training._snapshot import Snapshot, pack, unpack

__all__ = ["KEEP", "Checkpoints", "reserve", "room"]

KEEP = 2
"""Checkpoints that stay; the older one is for the case that the newer one is damaged."""

_MANIFEST = "manifest.json"
_FORMAT = "medimg_cnn.checkpoint"
_VERSION = 1


class Checkpoints:
    """Saves snapshots, and finds the newest one that is whole.

    Args:
        folder: made where it does not exist. Numbered folders in it are checkpoints; other files are left alone.
        told: called with an event and figures of it when a checkpoint is whole, in the thread that writes, or could
            not be written; None: nobody is told.
    """

    def __init__(self, folder: Path, *, told: Callable[..., object] | None = None) -> None:
        self.folder, self._told = folder, told
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self._writing = -1
        self._manager: Any = None
        self._saved = -1

    def read(self, number: int) -> Snapshot:
        """Return the checkpoint with this number, which another process has found to be whole."""
        self._saved = number
        return self._read(number)

    def restore(self) -> Snapshot | None:
        """Return the newest checkpoint whose bytes are those that were written; None where there is none.

        Those that are damaged, or were not finished, are deleted.

        Warns:
            MedimgCnnWarning: a checkpoint was damaged, and an older one is taken, or the run begins again.

        Raises:
            ArtifactError: a checkpoint may be whole but cannot be read now; nothing was deleted.
        """
        numbers = sorted(self._numbers(), reverse=True)
        for place, number in enumerate(numbers, start=1):
            folder = self.folder / str(number)
            problem = _problem(folder)
            if not problem:
                try:
                    snapshot = self._read(number)
                except Exception as error:
                    raise ArtifactError(
                        f"{folder}: the checkpoint's bytes are those that were written, but it cannot be read here "
                        f"({type(error).__name__}: {str(error)[:200]}). Nothing was deleted. Go on with the versions "
                        "that run.json names, and with enough memory."
                    ) from error
                self._saved = number
                return snapshot
            then = "the one before it is taken" if place < len(numbers) else "the run begins again"
            warnings.warn(
                f"{folder}: the checkpoint {problem}. It is deleted, and {then}.",
                MedimgCnnWarning,
                stacklevel=3,
            )
            self._forget_manager()
            shutil.rmtree(folder)
        return None

    def save(self, snapshot: Snapshot, *, wait: bool = False) -> None:
        """Write a snapshot, beside the training unless ``wait``; older ones than ``KEEP`` are deleted.

        Warns:
            MedimgCnnWarning: the one before could not be written. It is tried again with this one.
        """
        self.wait()
        if snapshot.number == self._saved:
            return
        self._pending, self._writing = self._writer.submit(self._write, snapshot), snapshot.number
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait for what is being written."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            pending.result()
        except Exception as error:  # noqa: BLE001 - a checkpoint that fails must not end the training
            self._forget_manager()
            self._remove_unfinished()
            reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            if self._told is not None:
                self._told("checkpoint failed", number=self._writing, message=str(reason)[:200])
            kept = max(self._numbers(), default=None)
            warnings.warn(
                f"{self.folder}: the checkpoint could not be written ({str(reason)[:200]}). Training goes on; "
                + (
                    "there is no older checkpoint."
                    if kept is None
                    else f"checkpoint {kept} is the last good one."
                ),
                MedimgCnnWarning,
                stacklevel=4,
            )

    def close(self) -> None:
        """Finish writing."""
        try:
            self.wait()
        finally:
            self._writer.shutdown()
            self._forget_manager()

    @property
    def newest(self) -> int:
        """The number of the checkpoint that was written or read last; -1 for none."""
        return self._saved

    @property
    def count(self) -> int:
        """How many lie in the folder."""
        return len(self._numbers())

    def _numbers(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        return [int(path.name) for path in self.folder.iterdir() if path.name.isdecimal() and path.is_dir()]

    def _open(self) -> Any:
        import orbax.checkpoint as ocp

        if self._manager is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            options = ocp.CheckpointManagerOptions(
                max_to_keep=KEEP,
                create=False,
                cleanup_tmp_directories=True,
                enable_async_checkpointing=False,
                save_root_metadata=False,
                multiprocessing_options=_alone(),
            )
            self._manager = ocp.CheckpointManager(self.folder.resolve(), options=options)
        return self._manager

    def _forget_manager(self) -> None:
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.close()

    def _write(self, snapshot: Snapshot) -> None:
        import orbax.checkpoint as ocp

        vectors, layout = pack(snapshot.arrays)
        # Through our own text, which keeps NaN and infinities in strict JSON.
        facts = json.loads(to_json_text({"facts": dict(snapshot.facts), "layout": layout}))
        self._open().save(
            snapshot.number,
            args=ocp.args.Composite(arrays=ocp.args.StandardSave(vectors), facts=ocp.args.JsonSave(facts)),
            force=True,
        )
        folder = self.folder / str(snapshot.number)
        content = {"files": _hashes(folder)}
        write_json(folder / _MANIFEST, kind=_FORMAT, version=_VERSION, content=content)
        self._saved = snapshot.number
        if self._told is not None:
            self._told("checkpoint", number=snapshot.number)

    def _read(self, number: int) -> Snapshot:
        import orbax.checkpoint as ocp

        found = self._open().restore(
            number,
            args=ocp.args.Composite(arrays=ocp.args.StandardRestore(), facts=ocp.args.JsonRestore()),
        )
        facts: dict[str, Any] = found["facts"]
        arrays = unpack(found["arrays"], facts["layout"])
        return Snapshot(number=number, arrays=arrays, facts=facts["facts"])

    def _remove_unfinished(self) -> None:
        for path in self.folder.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(path, ignore_errors=True)
        for number in self._numbers():
            if not (self.folder / str(number) / _MANIFEST).exists():
                shutil.rmtree(self.folder / str(number), ignore_errors=True)


def _alone() -> Any:
    """Return Orbax's options for reading and writing in this process without waiting for others."""
    import jax
    import orbax.checkpoint as ocp

    if jax.process_count() == 1:
        return ocp.options.MultiprocessingOptions()
    process = jax.process_index()
    return ocp.options.MultiprocessingOptions(primary_host=process, active_processes={process})


def reserve(folder: Path, nbytes: int, *, copies: int) -> None:
    """See that ``copies`` files of ``nbytes`` can be written, by writing them; they are deleted again.

    Raises:
        ArgumentError: they cannot.
    """
    needed = f"what the run still writes, {copies * nbytes / 1e6:.1f} MB of checkpoints and the model"
    with room(folder, needed), tempfile.TemporaryDirectory(dir=folder, prefix=".reserve-") as name:
        for copy in range(copies):
            with (Path(name) / str(copy)).open("wb") as stream:
                _allocate(stream.fileno(), nbytes)


@contextmanager
def room(folder: Path, needed: str) -> Iterator[None]:
    """Say in words what there is no room for, where writing it before the first step fails.

    Raises:
        ArgumentError: it does.
    """
    try:
        yield
    except OSError as error:
        free = shutil.disk_usage(folder).free / 1e6
        raise ArgumentError(
            f"directory: {folder} must have room for {needed}; {free:.1f} MB are free ({error.strerror or error}). "
            "Free some space, or pass another directory."
        ) from error


def _allocate(descriptor: int, nbytes: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, nbytes)
        return
    block = bytes(1 << 20)
    for start in range(0, nbytes, len(block)):
        os.write(descriptor, block[: nbytes - start])


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / _MANIFEST)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def _problem(folder: Path) -> str:
    """Return in words what is damaged of a checkpoint's files; empty where nothing is.

    Raises:
        ArtifactError: the files cannot be read, or are of a newer version: they may be whole.
    """
    try:
        content = json.loads((folder / _MANIFEST).read_text("utf-8"))
        version, of_another = int(content["version"]), content["format"] != _FORMAT
        expected, found = content["files"], _hashes(folder)
    except FileNotFoundError:
        return "was not finished"
    except OSError as error:
        raise ArtifactError(
            f"{folder}: the checkpoint cannot be read ({error.strerror or error}). Nothing was deleted. See to the "
            "disk and to permissions, and go on then."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        return f"has a damaged manifest ({type(error).__name__})"
    if version > _VERSION:
        raise ArtifactError(
            f"{folder}: the checkpoint is of version {version} of its format; this library reads up to {_VERSION}. "
            "Nothing was deleted. Upgrade medimg-cnn."
        )
    if of_another or version < 1:
        return "has a damaged manifest (another format)"
    changed = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    return f"is damaged: {', '.join(changed[:3])} changed since it was written" if changed else ""
