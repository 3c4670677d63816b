"""What a tracker is told of a run, and the guard that keeps one that fails from ending the training."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from medimg_cnn.artifacts import EpochRecord, FitResult
from medimg_cnn.artifacts._files import to_json_text
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning
from medimg_cnn.training._loop import Loop
from medimg_cnn.training._record import RunRecord

__all__ = ["RunFacts", "Tracker", "TrackerObserver", "check_trackers", "figures", "texts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a tracker learns of a run before its first step.

    Attributes:
        id: of the run, its own; the same when it goes on.
        name: of its directory, or of the model where it has none.
        config: of the trainer, as JSON values.
        augment: the augmentation as JSON values, or None.
        epochs: planned at most.
        steps_per_epoch: batches in an epoch.
        images: part -> number of images.
        positives: part -> number of positives.
        environment: package versions and the like.
        history: the epochs that are done already, where a run goes on.

    Example:
        >>> from medimg_cnn.training import RunFacts
        >>> facts = RunFacts(
        ...     id="8f2c", name="a", config={"seed": 0}, augment=None, epochs=40, steps_per_epoch=18,
        ...     images={"train": 546}, positives={"train": 147}, environment={}, history=(),
        ... )
        >>> facts.images["train"]
        546
    """

    id: str
    name: str
    config: Mapping[str, Any]
    augment: Any
    epochs: int
    steps_per_epoch: int
    images: Mapping[str, int]
    positives: Mapping[str, int]
    environment: Mapping[str, str]
    history: tuple[EpochRecord, ...]

    @classmethod
    def of(cls, record: RunRecord, directory: Path | None, history: Sequence[EpochRecord]) -> RunFacts:
        """Return the facts of a run with this record."""
        parts = {"train": record.train, "validation": record.validation}
        known = {name: part for name, part in parts.items() if part is not None}
        return cls(
            id=record.id or record.model_sha256,
            name=record.model if directory is None else directory.resolve().name,
            config=record.config,
            augment=record.augment,
            epochs=record.epochs,
            steps_per_epoch=record.steps_per_epoch,
            images={name: int(part["n"]) for name, part in known.items()},
            positives={name: int(part["positives"]) for name, part in known.items()},
            environment=record.environment,
            history=tuple(history),
        )


@runtime_checkable
class Tracker(Protocol):
    """Sends the course of a run elsewhere; pass yours as ``Trainer(..., trackers=[...])``.

    One that raises an exception is left out from then on, with a warning; the training goes on.

    Example:
        >>> from medimg_cnn.training import Tracker
        >>> class Printer:
        ...     def start(self, run):
        ...         print(f"{run.name}: {run.images['train']} images")
        ...     def epoch(self, record):
        ...         print(f"{record.epoch}: {record.validation_auroc:.3f}")
        ...     def finish(self, result):
        ...         print(f"kept epoch {result.kept_epoch}")
        ...     def fail(self, reason):
        ...         print(reason)
        >>> isinstance(Printer(), Tracker)
        True
    """

    def start(self, run: RunFacts) -> None:
        """Be called before the first step of a run, or of its continuation: then some epochs are done already."""
        ...

    def epoch(self, record: EpochRecord) -> None:
        """Be called after each epoch that follows."""
        ...

    def finish(self, result: FitResult) -> None:
        """Be called when the run is written."""
        ...

    def fail(self, reason: str) -> None:
        """Be called instead of ``finish`` where the run was stopped or failed; it may go on later."""
        ...


class TrackerObserver:
    """Tells trackers of a run, and drops those that fail."""

    def __init__(self, trackers: Sequence[Tracker], record: RunRecord, directory: Path | None) -> None:
        self._trackers = list(trackers)
        self._record, self._directory = record, directory
        self._started = False

    def begin(self, loop: Loop) -> None:
        """See ``Observer``, as for the others."""
        facts = RunFacts.of(self._record, self._directory, loop.records)
        self._started = True
        self._each(lambda tracker: tracker.start(facts))

    def step(self, loop: Loop) -> None:
        """Nothing: trackers are told of epochs."""

    def epoch(self, loop: Loop, record: EpochRecord) -> None:
        """Tell them of it."""
        del loop
        self._each(lambda tracker: tracker.epoch(record))

    def finish(self, result: FitResult) -> None:
        """Tell them of it."""
        self._each(lambda tracker: tracker.finish(result))

    def fail(self, reason: str) -> None:
        """Tell them of it, unless another observer failed before they were told of the run."""
        if self._started:
            self._each(lambda tracker: tracker.fail(reason))

    def _each(self, tell: Callable[[Tracker], None]) -> None:
        for tracker in list(self._trackers):
            try:
                tell(tracker)
            except Exception as error:  # noqa: BLE001 - whatever a tracker does, the training goes on
                self._trackers.remove(tracker)
                warnings.warn(
                    f"trackers: {type(tracker).__name__} failed and is told no more of this run "
                    f"({type(error).__name__}: {str(error)[:200]}). The training goes on.",
                    MedimgCnnWarning,
                    stacklevel=5,
                )


def check_trackers(trackers: Any) -> tuple[Tracker, ...]:
    """Return the trackers.

    Raises:
        ArgumentError: it is no sequence of them.
    """
    if isinstance(trackers, Tracker) or not isinstance(trackers, (list, tuple)):
        raise ArgumentError(
            f"trackers: must be a list of trackers; got {type(trackers).__name__}. Pass trackers=[...]."
        )
    for index, tracker in enumerate(trackers):
        if isinstance(tracker, type) or not isinstance(tracker, Tracker):
            raise ArgumentError(
                f"trackers[{index}]: must have the methods start, epoch, finish and fail of training.Tracker; got "
                f"{tracker!r:.80}. Use for example TensorBoardTracker('runs/tensorboard')."
            )
    return tuple(trackers)


def figures(record: EpochRecord) -> dict[str, float]:
    """Return an epoch's figures under the names of ``history.csv``, without those that are not defined."""
    found = asdict(record)
    del found["epoch"]
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}


def texts(facts: RunFacts) -> dict[str, str]:
    """Return the facts as short texts under short names."""
    values: dict[str, Any] = dict(facts.config) | {"epochs": facts.epochs, "augment": facts.augment}
    values |= {f"{part} images": n for part, n in facts.images.items()}
    values |= {f"{part} positives": n for part, n in facts.positives.items()}
    return {
        name: value if isinstance(value, str) else json.dumps(json.loads(to_json_text(value)))
        for name, value in values.items()
    }
