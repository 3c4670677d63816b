"""What goes on beside the loop of one call of ``fit``: progress, checkpoints, events, and signals that stop it."""

from __future__ import annotations

import math
import signal
import sys
from contextlib import ExitStack, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from medimg_cnn.artifacts import EpochRecord, FitResult
from medimg_cnn.errors import MedimgCnnError
from medimg_cnn.training._checkpoints import KEEP, Checkpoints, reserve, room
from medimg_cnn.training._directory import clear, held, write_history
from medimg_cnn.training._identity import image_digests
from medimg_cnn.training._loop import Kept, Loop
from medimg_cnn.training._memory import kept_memory
from medimg_cnn.training._observers import Observers
from medimg_cnn.training._progress import TrainingProgress
from medimg_cnn.training._record import RunRecord, log_event, write_start
from medimg_cnn.training._run import CHECKPOINTS
from medimg_cnn.training._signals import TERMINATED, StopRequested, StopSignals
from medimg_cnn.training._snapshot import Snapshot
from medimg_cnn.training._together import all_or_none, from_leader

__all__ = ["Session"]


class Session:
    """Watches a loop; a context manager that holds the folder and the signals while it is entered.

    Args:
        loop: what is trained.
        directory: of the run; None: nothing is written, and SIGTERM is left alone. Of several processes the first
            one writes.
        checkpoint_steps: see ``Trainer``.
        show: whether to show progress, in the first process.
    """

    def __init__(
        self, loop: Loop, directory: Path | None, *, checkpoint_steps: int | None, show: bool
    ) -> None:
        self._directory = directory
        self.folder = folder = directory if loop.devices.leads else None
        show = show and loop.devices.leads
        self._loop, self._every = loop, checkpoint_steps
        self._progress = TrainingProgress(
            epochs=loop.epochs,
            steps=loop.steps_per_epoch,
            batch_size=loop.batch_size,
            half_epochs=loop.half_epochs,
            show=show,
        )
        self._signals = StopSignals(terminate=directory is not None, say=show)
        self._checkpoints = (
            None if folder is None else Checkpoints(folder / CHECKPOINTS, told=partial(log_event, folder))
        )
        self._begun = self._finished = False
        self._observers = Observers()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(held(self.folder))
            stack.enter_context(self._signals)
            stack.enter_context(self._progress)
            if self._checkpoints is not None:
                stack.callback(self._checkpoints.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None and issubclass(kind, Exception) and self._begun and not self._finished:
                message = str(error) if issubclass(kind, MedimgCnnError) else f"{kind.__name__}: {error}"
                batch = {"sample_ids": self._loop.suspects} if self._loop.suspects else {}
                log_event(self.folder, "failed", message=message, **batch)
            if kind is not None and not self._finished:
                self._observers.fail(f"{kind.__name__}: {error}")
        finally:
            self._stack.close()

    def observe(self, observers: Observers) -> None:
        """Let these follow the run, from ``run`` on."""
        self._observers = observers

    def begin(self, record: RunRecord, model: bytes) -> None:
        """Make room in the folder, and write the record and the first checkpoint.

        Raises:
            ArgumentError: there is no room for what the run will write.
        """
        if self.folder is None or self._checkpoints is None:
            return
        loop = self._loop
        start = loop.snapshot()
        reserve(self.folder, _size(start), copies=KEEP + 1)
        digests = {"train": image_digests(loop.train)}
        if loop.validation is not None:
            digests["validation"] = image_digests(loop.validation)
        with room(self.folder, "the run's record and the model that it begins with"):
            clear(self.folder)  # after all that can be refused: an old run goes only when this one can begin
            write_start(self.folder, model, digests)
            log_event(
                self.folder, "begun", seed=loop.config.seed, epochs=loop.epochs, steps=loop.steps_per_epoch
            )
            self._checkpoints.save(start, wait=True)
            record.save(self.folder)
        self._begun = True

    def go_on(self) -> None:
        """Bring the loop to the newest checkpoint that is whole; to the start where there is none.

        Raises:
            ArgumentError: there is no room for what the run will still write.
        """
        if self._directory is None:
            return
        devices, snapshot, newest = self._loop.devices, None, -1
        with all_or_none(devices):
            if self._checkpoints is not None:
                snapshot, newest = self._checkpoints.restore(), self._checkpoints.newest
        newest = from_leader(devices, newest)
        with all_or_none(devices):
            if self._checkpoints is None and newest >= 0:
                snapshot = Checkpoints(self._directory / CHECKPOINTS).read(newest)
            if snapshot is not None:
                self._loop.restore(snapshot)
            if self.folder is not None and self._checkpoints is not None:
                copies = max(1, KEEP + 1 - self._checkpoints.count)
                reserve(self.folder, _size(self._loop.snapshot()), copies=copies)
        log_event(self.folder, "resumed", checkpoint=newest)
        self._begun = True
        auroc = self._loop.records[-1].validation_auroc if self._loop.records else math.nan
        self._progress.go_on(auroc)
        self._progress.message(f"going on at epoch {self._loop.epoch}, step {self._loop.index + 1}")

    def run(self) -> Kept:
        """Run the loop to its end.

        Raises:
            StopRequested: a signal came.
            Exception: whatever ended the loop, as a TrainingError; a note says which checkpoint is from before.
        """
        try:
            self._observers.begin(self._loop)
            with kept_memory():
                kept = self._loop.run(self)
        except StopRequested:
            raise
        except Exception as error:
            if self._checkpoints is not None:
                self._checkpoints.wait()
                if self._checkpoints.newest >= 0:
                    newest = self._checkpoints.newest
                    error.add_note(f"Checkpoint {newest} in {self.folder} is from before this.")
            raise
        if self._checkpoints is not None:
            self._checkpoints.wait()
        selection = self._loop.selection
        if self._loop.epoch <= self._loop.epochs and selection.stop:
            self._progress.message(
                f"stopped: no better validation {_words(self._loop.config.monitor)} for {selection.patience} epochs; "
                f"kept epoch {selection.kept_epoch}"
            )
        return kept

    def check(self) -> None:
        """Stop the loop where a signal came; several processes stop together, see ``told``."""
        if self._finished or not self._loop.devices.together:
            self._signals.check()

    @property
    def asked(self) -> int:
        """The signal that came here, or 0."""
        return 0 if self._signals.received is None else int(self._signals.received)

    def told(self, number: int) -> None:
        """Stop the loop, because a signal came to one of the processes."""
        self._signals.told(number)

    def step(self, loop: Loop) -> None:
        """Show progress and save, where either is due."""
        if self._progress.due:
            loop.check_losses()
            self._progress.step(loop.epoch, loop.index, loop.mean_loss)
        self._observers.step(loop)
        # The end of an epoch is written while it is judged.
        if self._due(loop):
            self._save()
        if loop.index < loop.steps_per_epoch:
            self._hold()
        self.check()

    def epoch(self, loop: Loop, record: EpochRecord, *, kept: bool) -> None:
        """Show and write the epoch's figures."""
        self._progress.epoch(record, kept=kept)
        if self.folder is not None:
            log_event(self.folder, "epoch", **asdict(record), kept=kept)
            with suppress(OSError):  # a full disk is reported with the checkpoint
                write_history(self.folder, loop.records)
        self._observers.epoch(loop, record)
        self._hold()
        self.check()

    def finished(self, result: FitResult) -> None:
        """Say that everything is written."""
        self._finished = True
        log_event(self.folder, "finished", kept_epoch=self._loop.selection.kept_epoch)
        self._observers.finish(result)

    def stop(self) -> None:
        """Obey the signal that came: save; after SIGTERM, end the process.

        Raises:
            SystemExit: with status 143, after SIGTERM, unless the user's own handler for it did otherwise.
        """
        received = self._signals.received
        if not self._finished:
            with all_or_none(self._loop.devices):
                self._save_last("" if received is None else received.name)
        if received != signal.SIGTERM:
            return
        self._stack.close()
        self._signals.pass_on()
        if self.folder is not None:
            sys.stderr.write(
                f"medimg_cnn: ended by SIGTERM after {len(self._loop.records)} of {self._loop.epochs} epochs; "
                f"{self._saved()}. Go on with Trainer.resume({str(self.folder)!r}).fit(...).\n"
            )
        raise SystemExit(TERMINATED)

    def _save_last(self, name: str) -> None:
        if self._checkpoints is not None:
            self._checkpoints.save(self._loop.snapshot(), wait=True)
            log_event(self.folder, "stopped", signal=name, checkpoint=self._checkpoints.newest)

    def _saved(self) -> str:
        newest = -1 if self._checkpoints is None else self._checkpoints.newest
        if self._finished or newest == self._loop.number:
            return "the run is saved"
        if newest < 0:
            return "the run could NOT be saved"
        lost = self._loop.steps_done(self._loop.number) - self._loop.steps_done(newest)
        return f"the last {lost} steps could NOT be saved"

    def _due(self, loop: Loop) -> bool:
        if loop.index == loop.steps_per_epoch:
            return True
        # Twice as often as promised: one is written while the steps up to the next are trained.
        return self._every is not None and loop.steps_done(loop.number) % math.ceil(self._every / 2) == 0

    def _save(self) -> None:
        if self._checkpoints is not None:
            self._checkpoints.save(self._loop.snapshot())

    def _hold(self) -> None:
        """Wait for the checkpoint that is being written, where another step would put more than an interval at risk."""
        if self._checkpoints is None:
            return
        loop = self._loop
        interval = loop.steps_per_epoch if self._every is None else self._every
        at_risk = loop.steps_done(loop.number) - loop.steps_done(self._checkpoints.newest)
        if at_risk >= interval:
            self._checkpoints.wait()


def _size(snapshot: Snapshot) -> int:
    """Return the bytes of a later checkpoint, with the best weights beside the newest, and of the model's file."""
    weights = sum(array.nbytes for name in ("average", "average_other") for array in snapshot.arrays[name])
    kept = 0 if "kept_weights" in snapshot.arrays else weights
    more = 256 << 10  # names, hashes, history and the network's description
    return snapshot.nbytes + kept + weights + more


def _words(monitor: str) -> str:
    return "AUROC" if monitor == "auroc" else monitor.replace("_", " ")
