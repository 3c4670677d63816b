"""What a run's folder says of it from its first step on: ``run.json``, events, and the model it began with."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from medimg_cnn._validation import check_integer, explain
from medimg_cnn._variables import load_model, reason
from medimg_cnn.artifacts._files import (
    atomic_write,
    damage_as_artifact_error,
    read_json,
    to_json_text,
    write_json,
)
from medimg_cnn.errors import ArgumentError, ArtifactError
from medimg_cnn.training._config import TrainerConfig
from medimg_cnn.training._identity import Digests
from medimg_cnn.training._run import CHECKPOINTS, RECORD_FILE, RESULT_FILE, START_IMAGES

__all__ = ["EVENTS_FILE", "RunRecord", "log_event", "model_bytes", "read_start", "write_start"]

EVENTS_FILE = "events.jsonl"
_START_MODEL = "start.keras"
_FORMAT, _VERSION = "medimg_cnn.run", 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Everything that was settled before the first step.

    Attributes:
        config: of the trainer, as JSON values.
        augment: the augmentation as JSON values, or its ``repr`` where it has none; None for none.
        checkpoint_steps: see ``Trainer``.
        epochs: planned at most.
        steps_per_epoch: batches in an epoch.
        model: its name.
        model_sha256: of the file with the model before the first step.
        train: see ``describe_source``; so is ``validation``, None without one.
        preprocessing: how an image file became an input, as JSON values; None where it was not known.
        environment: package versions and the like.
        id: of the run, its own; empty in records of before there was one.
        model_recipe: sha256 of what the model is apart from its weights; empty in records of before there was one.
    """

    config: Mapping[str, Any]
    augment: Any
    checkpoint_steps: int | None
    epochs: int
    steps_per_epoch: int
    model: str
    model_sha256: str
    train: Mapping[str, Any]
    validation: Mapping[str, Any] | None
    preprocessing: Any = None
    environment: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    model_recipe: str = ""

    def save(self, folder: Path) -> None:
        """Write ``run.json``; from then on the run can be gone on with."""
        write_json(folder / RECORD_FILE, kind=_FORMAT, version=_VERSION, content=asdict(self))

    @classmethod
    def load(cls, folder: Path) -> RunRecord:
        """Read ``run.json``.

        Raises:
            ArtifactError: it does not exist, is damaged or of a newer format version.
        """
        path = folder / RECORD_FILE
        if not path.is_file():
            if (folder / RESULT_FILE).is_file():
                raise ArtifactError(
                    f"{path}: is gone from a finished run. Load the run with load_run({str(folder)!r}), or restore the "
                    "file from a copy."
                )
            raise ArtifactError(f"{path}: does not exist. Pass the directory that a Trainer was given.")
        content = read_json(path, kind=_FORMAT, version=_VERSION)
        with damage_as_artifact_error(path, "a run's record"):
            record = cls(**content)
            TrainerConfig.from_dict(record.config)
            if record.checkpoint_steps is not None:
                check_integer("checkpoint_steps", record.checkpoint_steps, low=1)
            for name in ("train", "environment"):
                if not isinstance(getattr(record, name), Mapping):
                    raise ArgumentError(
                        explain(name, "must be an object of names and values", getattr(record, name))
                    )
        return record


def model_bytes(model: Any, folder: Path) -> bytes:
    """Return the ``.keras`` file of a model; ``folder`` holds it for a moment."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as name:
        part = Path(name) / "model.keras"
        model.save(part)
        return part.read_bytes()


def write_start(folder: Path, model: bytes, digests: Mapping[str, Digests]) -> None:
    """Write the model that the run begins with and the images' checksums."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **digests)
    atomic_write(folder / CHECKPOINTS / _START_MODEL, lambda stream: stream.write(model))
    atomic_write(folder / CHECKPOINTS / START_IMAGES, lambda stream: stream.write(buffer.getvalue()))


def read_start(folder: Path, record: RunRecord, *, model: Any = None) -> tuple[Any, dict[str, Digests]]:
    """Return the model that a run began with, or ``model`` where it is given, and the images' checksums.

    Raises:
        ArtifactError: a file is missing or damaged, or the model cannot be rebuilt.
    """
    images = folder / CHECKPOINTS / START_IMAGES
    with (
        damage_as_artifact_error(images, "the images' checksums"),
        np.load(images, allow_pickle=False) as stored,
    ):
        digests = {name: stored[name] for name in stored.files}
    if model is not None:
        return model, digests
    path = folder / CHECKPOINTS / _START_MODEL
    hint = "Build the model as before and pass it: Trainer.resume(directory, model=...)."
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != record.model_sha256:
        raise ArtifactError(
            f"{path}: is missing, or not the file that was written (its sha256 differs). {hint}"
        )
    try:
        return load_model(path), digests
    except Exception as error:
        raise ArtifactError(f"{path}: cannot be rebuilt ({reason(error)}). {hint}") from error


def log_event(folder: Path | None, event: str, **content: Any) -> None:
    """Append one line of JSON to the run's events: the time (UTC), what happened, and figures of it."""
    if folder is None:
        return
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **content}
    text = json.dumps(json.loads(to_json_text(line)), ensure_ascii=False)
    # A full disk is reported with the checkpoint; a line about a run must not end it.
    with suppress(OSError), (folder / EVENTS_FILE).open("a", encoding="utf-8") as stream:
        stream.write(text + "\n")
