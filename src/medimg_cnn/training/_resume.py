"""What a run's folder must hold, and the images must be, for the run to go on."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from medimg_cnn._types import PathLike
from medimg_cnn._validation import check_path, explain
from medimg_cnn.augmentations import Augmentation
from medimg_cnn.errors import ArgumentError, ArtifactError, DataError, MedimgCnnWarning
from medimg_cnn.training._identity import Digests, changes
from medimg_cnn.training._outcome import describe
from medimg_cnn.training._recipe import recipe_sha256
from medimg_cnn.training._record import RunRecord, read_start
from medimg_cnn.training._run import AGAIN, RESULT_FILE, load_run, lost
from medimg_cnn.training._source import ImageSource

__all__ = ["Unfinished", "read_unfinished"]

_NONE: Digests = np.zeros(0, np.uint32)
_MATTERS = (
    "medimg-cnn",
    "keras",
    "jax",
    "jaxlib",
    "numpy",
    "platform",
    "devices",
    "threads",
    "XLA_FLAGS",
)
"""What may change the last bits of the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A run that can go on, as its folder tells of it; ``given`` is the model that was passed for its, or None."""

    record: RunRecord
    model: Any
    given: Any
    augment: Any
    digests: dict[str, Digests]

    def check_images(self, train: ImageSource, validation: ImageSource | None) -> None:
        """See that the images are those that the run began with.

        Raises:
            DataError: they are not; the message says what changed.
        """
        found: list[str] = []
        for name, before, source in (
            ("train", self.record.train, train),
            ("validation", self.record.validation, validation),
        ):
            if (before is None) != (source is None):
                found.append(f"{name}: {'there was none' if before is None else 'it is missing'}")
            elif before is not None and source is not None:
                found += changes(name, before, self.digests[name], source)
        if found:
            raise DataError(
                f"The images are not those that the run began with: {'; '.join(dict.fromkeys(found))}. Bring back the "
                "images as they were, or begin a new run."
            )

    def check_environment(self, now: Mapping[str, str]) -> None:
        """Warn where another version of something, other devices, processors or flags go on with the run."""
        changed = [
            f"{name} {before or 'none'} became {now.get(name) or 'none'}"
            for name, before in self.record.environment.items()
            if name in _MATTERS and sorted(now.get(name, "").split()) != sorted(before.split())
            # Threads of the processor change no sum on a GPU.
            if name != "threads" or "cpu" in now.get("devices", "cpu").lower()
        ]
        if changed:
            warnings.warn(
                f"The run goes on, but not bit for bit as it would have: {', '.join(changed)}.",
                MedimgCnnWarning,
                stacklevel=3,
            )


def read_unfinished(directory: PathLike, *, model: Any, augment: Any) -> Unfinished:
    """Read a run's folder.

    Raises:
        ArtifactError: the folder holds no run, or a file of it is damaged.
        ArgumentError: ``augment`` is missing, or it or ``model`` is not the one that the run began with.
    """
    folder = check_path("directory", directory)
    record, given = RunRecord.load(folder), model
    if gone := lost(folder):
        raise ArtifactError(f"{gone} {AGAIN}")
    # Another Keras may describe the same layers in other words.
    comparable = bool(record.model_recipe) and record.environment.get("keras") == metadata.version("keras")
    if model is not None and comparable and recipe_sha256(model) != record.model_recipe:
        raise ArgumentError(
            explain(
                "model",
                f"must be of the recipe that the run in {folder.name} began with: the same layers with the same "
                "settings (dropout, activations, seeds, what is frozen)",
                model.name,
                "Build the model as before; to train on with another one, begin a new run.",
            )
        )
    digests: dict[str, Digests] = {"train": _NONE, "validation": _NONE}
    if (folder / RESULT_FILE).is_file():
        model = load_run(folder, model=given).model
    else:
        model, found = read_start(folder, record, model=model)
        digests |= found
    return Unfinished(
        record=record, model=model, given=given, augment=_augment(record, augment), digests=digests
    )


def _augment(record: RunRecord, given: Any) -> Any:
    before = record.augment
    if given is not None:
        said = describe(given)
        said = json.loads(json.dumps(said))
        # An object without to_dict is described by its repr, which may hold an address and need not say what it does.
        vague = isinstance(before, str) and isinstance(said, str) and " at 0x" in before + said
        if before is None or (said != before and not vague):
            raise ArgumentError(f"augment: must be that of the run, {before}; got {said}. Leave it out.")
        return given
    if before is None:
        return None
    hint = "Build it as before and pass it: Trainer.resume(directory, augment=...)."
    if not isinstance(before, dict):
        raise ArgumentError(f"augment: the run's own, {before}, cannot be rebuilt from its record. {hint}")
    try:
        return Augmentation.from_dict(before)
    except ArtifactError as error:
        raise ArgumentError(
            f"augment: the run's own cannot be rebuilt from its record ({error}) {hint}"
        ) from error
