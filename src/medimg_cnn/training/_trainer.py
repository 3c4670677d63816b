"""``Trainer``: fits a model to a training split, keeps the best epoch, locks an operating point."""

from __future__ import annotations

import hashlib
import inspect
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Never, Self

import numpy as np

from medimg_cnn._environment import describe_environment
from medimg_cnn._types import PathLike
from medimg_cnn._validation import check_integer, check_path
from medimg_cnn.errors import ArgumentError, TrainingError
from medimg_cnn.training._callbacks import CallbackObserver, check_callbacks
from medimg_cnn.training._checkpoints import room
from medimg_cnn.training._config import (
    CalibrationMethod,
    Loss,
    Monitor,
    Precision,
    Rule,
    Sampling,
    TrainerConfig,
)
from medimg_cnn.training._devices import DeviceChoice, Devices, check_devices
from medimg_cnn.training._directory import finish_run, prepare_directory
from medimg_cnn.training._identity import describe_source
from medimg_cnn.training._imbalance import warn_of_smoothing
from medimg_cnn.training._loop import Kept, Loop
from medimg_cnn.training._observers import Observer, Observers
from medimg_cnn.training._outcome import describe, fit_result
from medimg_cnn.training._recipe import recipe_sha256
from medimg_cnn.training._record import RunRecord, model_bytes
from medimg_cnn.training._resume import Unfinished, read_unfinished
from medimg_cnn.training._run import RESULT_FILE, Run, load_run
from medimg_cnn.training._session import Session
from medimg_cnn.training._signals import StopRequested
from medimg_cnn.training._source import ImageSource, check_augment, check_development, check_together
from medimg_cnn.training._step import logit_model
from medimg_cnn.training._together import all_or_none, peers, same
from medimg_cnn.training._tracker import Tracker, TrackerObserver, check_trackers
from medimg_cnn.training._unknown import refuse_fit_options, refuse_resume_options, refuse_trainer_options

__all__ = ["Trainer", "TrainingInterrupted"]


class TrainingInterrupted(KeyboardInterrupt):
    """Raised by ``Trainer.fit`` when Ctrl-C stops it; nothing is lost.

    Attributes:
        run: the run as far as it got, with the best epoch's weights; None before the first epoch was judged.

    Example:
        >>> try:
        ...     raise TrainingInterrupted("stopped in epoch 3", run=None)
        ... except TrainingInterrupted as stopped:
        ...     run = stopped.run
    """

    def __init__(self, message: str, *, run: Run | None) -> None:
        super().__init__(message)
        self.run = run


class Trainer:
    """Trains a model with binary cross-entropy and keeps the best epoch by validation AUROC, or another figure.

    AdamW with warm-up and cosine decay; a moving average of the weights is what is judged and kept, the best
    of the second half of the epochs, in which training also stops when validation no longer improves; at the
    end the operating point is chosen on validation. The same seed on the same machine gives the same weights,
    bit for bit.

    Args:
        model: what ``build_cnn`` returned, or any ``keras.Model`` whose last layers are a "logit" of
            one unit and a sigmoid. Training starts from the weights it has. Only the last bias is moved, and only
            where the last kernel is all zeros, as ``build_cnn`` leaves it: by what class weights, balanced sampling,
            logit adjustment and focal loss do to the odds, so that it need not be learnt.
        augment: an augmentation, applied to training images only, inside the compiled step.
        epochs: see ``TrainerConfig`` for this and every following option up to ``seed``.
        directory: where to write ``model.keras``, ``result.json``, ``run.json``, ``history.csv`` and
            ``events.jsonl``; None: nothing is written. While it trains, the two newest checkpoints are there too.
        overwrite: whether a run in ``directory`` may be replaced; it is deleted when all images have been read once
            and nothing was refused.
        checkpoint_steps: how many steps a kill may cost at most, at least 1; None: an epoch. Checkpoints are written
            beside the training, at the end of every epoch and every half of these steps.
        devices: among how many of this process's devices each batch is divided, or "all". What is trained does not
            depend on it but for the order of sums. Several processes: see ``medimg-cnn launch``.
        trackers: what sends the course of the run elsewhere, such as ``TensorBoardTracker``; one that fails is left
            out, with a warning.
        callbacks: ``keras.callbacks.Callback`` objects. Their ``model`` is a copy with the averaged weights; setting
            its ``stop_training`` ends the run after the epoch. In one process only.
        progress: whether to show a bar (on a terminal) or a line an epoch (elsewhere).
        **unknown: none; another keyword is refused, with the one that was meant.

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import numpy as np
        >>> import medimg_cnn as mc
        >>> rng = np.random.default_rng(0)
        >>> y = np.arange(80) % 2
        >>> slope = (2 * y[:, None, None] - 1) * np.linspace(-0.2, 0.2, 8)
        >>> x = np.clip(rng.normal(0.5 + slope, 0.1, (80, 8, 8)), 0, 1)
        >>> data = mc.load_dataset((x, y), positive=1, patients=np.arange(80).astype(str), progress=False)
        >>> model = mc.build_cnn(data.image_shape, width=4)
        >>> run = mc.Trainer(model, epochs=2, progress=False).fit(data.train, data.validation)
        >>> run.operating_point.chosen_on
        'validation'
    """

    def __init__(
        self,
        model: Any,
        *,
        augment: Any = None,
        epochs: int | None = None,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        clip_norm: float = 1.0,
        average: float = 0.99,
        label_smoothing: float = 0.0,
        monitor: Monitor = "auroc",
        patience: int = 15,
        precision: Precision = "float32",
        progressive: float = 0.0,
        class_weight: Literal["balanced"] | tuple[float, float] | None = None,
        sampling: Sampling = "natural",
        loss: Loss = "cross_entropy",
        focal_gamma: float = 2.0,
        logit_adjustment: float = 0.0,
        calibration: CalibrationMethod = "none",
        operating_point: Rule = "youden",
        operating_target: float | None = None,
        seed: int = 0,
        directory: PathLike | None = None,
        overwrite: bool = False,
        checkpoint_steps: int | None = None,
        devices: DeviceChoice = "all",
        trackers: Sequence[Tracker] = (),
        callbacks: Sequence[Any] = (),
        progress: bool = True,
        **unknown: Never,
    ) -> None:
        refuse_trainer_options(unknown, _OPTIONS)
        self.config = TrainerConfig(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            average=average,
            label_smoothing=label_smoothing,
            monitor=monitor,
            patience=patience,
            precision=precision,
            progressive=progressive,
            class_weight=class_weight,
            sampling=sampling,
            loss=loss,
            focal_gamma=focal_gamma,
            logit_adjustment=logit_adjustment,
            calibration=calibration,
            operating_point=operating_point,
            operating_target=operating_target,
            seed=seed,
        )
        self.model = model
        self._logit_model = logit_model(model)
        self.augment = check_augment(augment)
        if checkpoint_steps is not None:
            check_integer("checkpoint_steps", checkpoint_steps, low=1)
        self._directory = None if directory is None else check_path("directory", directory)
        self._overwrite, self._progress = overwrite, progress
        self._checkpoint_steps, self._devices = checkpoint_steps, check_devices(devices)
        self._trackers, self._callbacks = check_trackers(trackers), check_callbacks(callbacks)
        self._more: tuple[Observer, ...] = ()
        self._unfinished: Unfinished | None = None

    @classmethod
    def resume(
        cls,
        directory: PathLike,
        *,
        model: Any = None,
        augment: Any = None,
        devices: DeviceChoice = "all",
        trackers: Sequence[Tracker] = (),
        callbacks: Sequence[Any] = (),
        progress: bool = True,
        **unknown: Never,
    ) -> Self:
        """Return a trainer whose ``fit`` goes on with a run that was not finished, bit for bit.

        Configuration, model and augmentation come from the folder. A run that was finished is loaded by
        ``fit``, so that a job that is started again and again comes to an end.

        Args:
            directory: of the run. Only go on in folders that you trust.
            model: built as before; needed only where the folder's cannot be rebuilt (it has layers of your own).
            augment: built as before; needed only where it is a function or a class that is not registered.
            devices: see ``Trainer``; on another number of them it goes on, but not bit for bit.
            trackers: see ``Trainer``.
            callbacks: see ``Trainer``; they do not remember what was before.
            progress: see ``Trainer``.
            **unknown: none; another keyword is refused.

        Raises:
            ArtifactError: the folder holds no run, or a file of it is damaged.
            ArgumentError: ``augment`` is needed, or it or ``model`` is another one.
        """
        refuse_resume_options(unknown, _OPTIONS)
        unfinished = read_unfinished(directory, model=model, augment=augment)
        trainer = cls(
            unfinished.model,
            augment=unfinished.augment,
            **TrainerConfig.from_dict(unfinished.record.config).to_dict(),
            directory=directory,
            checkpoint_steps=unfinished.record.checkpoint_steps,
            devices=devices,
            trackers=trackers,
            callbacks=callbacks,
            progress=progress,
        )
        trainer._unfinished = unfinished
        return trainer

    def fit(self, train: ImageSource, validation: ImageSource | None = None, **unknown: Never) -> Run:
        """Train, and return the run with the kept weights.

        Args:
            train: the training split; both classes must occur.
            validation: the split on which the best epoch and the operating point are chosen. Without
                it the last epoch is kept and the threshold is 0.5, with a warning.
            **unknown: none; another keyword is refused, with the one that was meant.

        Returns:
            The ``Run``, whose ``model`` is a copy with the kept weights. The trainer's own model keeps those it
            had, so that each call of ``fit`` (each fold, say) starts from the same ones.

        Raises:
            ArgumentError: the images do not fit the model, a weight of it is not finite, one of the two is the test
                split, training holds one class only, or validation has other classes or shares an image or a patient
                with training (a patient: unless ``load_dataset`` was told ``allow_shared_patients=True``); or
                ``directory`` cannot take the run.
            DataError: after ``resume``, the images are not those that the run began with.
            ArtifactError: after ``resume``, a checkpoint cannot be read though it may be whole; nothing was deleted.
            TrainingError: the loss became infinite or NaN; the message names the batch's images. Or the trained run
                could not be written, as on a full disk; it is in the exception's attribute ``run``.
            TrainingInterrupted: Ctrl-C was pressed. The step that runs is finished, and what was reached is saved.
            SystemExit: SIGTERM came and there is a ``directory``: what was reached is saved, the status is 143.
        """
        refuse_fit_options(unknown, _OPTIONS)
        devices, unfinished = Devices(self._devices), self._unfinished
        folder = self._directory
        with ExitStack() as stack:
            stack.enter_context(peers(devices))
            with all_or_none(devices):
                self._check(train, validation)
                warn_of_smoothing(self.config)
                if devices.leads:
                    prepare_directory(folder, overwrite=self._overwrite, resume=unfinished is not None)
                    if unfinished is not None:
                        unfinished.check_images(train, validation)
            if unfinished is not None and folder is not None and (folder / RESULT_FILE).is_file():
                return load_run(folder, model=unfinished.given)
            with all_or_none(devices):
                environment = describe_environment(devices)
                if unfinished is not None and devices.leads:
                    unfinished.check_environment(environment)
                loop = Loop(self._logit_model, self.augment, self.config, train, validation, devices=devices)
                session = Session(loop, folder, checkpoint_steps=self._checkpoint_steps, show=self._progress)
                stack.enter_context(session)
                model = b""
                if unfinished is None and devices.leads and folder is not None:
                    with room(folder, "the model that the run begins with"):
                        model = model_bytes(self.model, folder)
                record = self._record(loop, model, environment)
                observers = self._observers(record if unfinished is None else unfinished.record, loop)
            if devices.together:
                same(devices, self._facts(record))
            if unfinished is not None:
                session.go_on()
            else:
                with all_or_none(devices):
                    session.begin(record, model)
            session.observe(observers)
            try:
                kept = session.run()
                with all_or_none(devices):
                    run = self._result(kept, loop, folder, environment)
                session.finished(run.result)
                session.check()
            except StopRequested:
                session.stop()
                raise self._interrupted(loop, folder, environment) from None
        return run

    def _record(self, loop: Loop, model: bytes, environment: dict[str, str]) -> RunRecord:
        validation = loop.validation
        return RunRecord(
            config=self.config.to_dict(),
            augment=describe(self.augment),
            checkpoint_steps=self._checkpoint_steps,
            epochs=loop.epochs,
            steps_per_epoch=loop.steps_per_epoch,
            model=self.model.name,
            model_sha256=hashlib.sha256(model).hexdigest(),
            train=describe_source(loop.train),
            validation=None if validation is None else describe_source(validation),
            preprocessing=describe(getattr(loop.train, "preprocessing", None)),
            environment=environment,
            id=uuid.uuid4().hex,
            model_recipe=recipe_sha256(self.model),
        )

    def _observers(self, record: RunRecord, loop: Loop) -> Observers:
        found = list(self._more)
        if self._callbacks:
            if loop.devices.together:
                raise ArgumentError(
                    f"callbacks: must be left out where {loop.devices.processes} processes train together: what one of "
                    "them does the others would not. Pass trackers=."
                )
            found.append(CallbackObserver(self._callbacks, self.model))
        if self._trackers and loop.devices.leads:
            found.append(TrackerObserver(self._trackers, record, self._directory))
        return Observers(found)

    def _facts(self, record: RunRecord) -> dict[str, Any]:
        """What must be the same in all processes that train one run."""
        weights = [np.asarray(variable.value).tobytes() for variable in self.model.variables]
        return {
            "configuration": [record.config, record.checkpoint_steps, record.environment["devices"]],
            "augmentation": record.augment,
            "model": [record.model, hashlib.sha256(b"".join(weights)).hexdigest()],
            "training images": record.train,
            "validation images": record.validation,
        }

    def _result(self, kept: Kept, loop: Loop, folder: Path | None, environment: dict[str, str]) -> Run:
        said = {"augment": describe(self.augment), "model": self.model.name}
        result = fit_result(loop, kept, said=said, environment=environment)
        model = kept.into(self.model)
        if folder is not None and loop.devices.leads:
            try:
                result = finish_run(folder, model, result)
            except OSError as error:
                failure = TrainingError(
                    f"directory: the run is trained, but could not be written to {folder} ({error.strerror or error}). "
                    "It is in this exception's attribute run (sys.last_value.run in a notebook). Free some space; then "
                    f"Trainer.resume({str(folder)!r}).fit(data.train, data.validation) goes on from the last "
                    "checkpoint."
                )
                failure.run = Run(model, result)
                raise failure from error
        return Run(model, result, directory=folder)

    def _interrupted(
        self, loop: Loop, folder: Path | None, environment: dict[str, str]
    ) -> TrainingInterrupted:
        run = None if loop.kept is None else self._result(loop.kept, loop, None, environment)
        message = f"Training was interrupted in epoch {min(loop.epoch, loop.epochs)} of {loop.epochs}."
        if run is not None:
            message += (
                f" The best epoch so far, {loop.selection.kept_epoch}, is in this exception's attribute run "
                "(sys.last_value.run in a notebook)."
            )
        if folder is not None:
            message += f" Go on with Trainer.resume({str(folder)!r}).fit(data.train, data.validation)."
        return TrainingInterrupted(message, run=run)

    def _check(self, train: ImageSource, validation: ImageSource | None) -> None:
        expected = tuple(self.model.input_shape[1:])
        sources = {"train": train} if validation is None else {"train": train, "validation": validation}
        for name, source in sources.items():
            check_development(name, source)
            if tuple(source.image_shape) != expected:
                raise ArgumentError(
                    f"{name}: images must have the shape {expected} of the model's input; got {source.image_shape}. "
                    "Build the model with build_cnn(data.image_shape)."
                )
        if validation is not None:
            check_together(train, validation)
        elif self.config.calibration != "none":
            raise ArgumentError(
                f"validation: must be given, because calibration={self.config.calibration!r} is fitted on it. "
                "Pass data.validation, or calibration='none'."
            )
        if np.unique(train.labels).size < 2:
            raise ArgumentError(
                f"train: must hold both classes; all {train.n} images are "
                f"{train.classes[int(train.labels[0])]!r}. Check the labels and the split."
            )


_OPTIONS = [name for name in inspect.signature(Trainer).parameters if name not in {"model", "unknown"}]
