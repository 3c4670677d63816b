"""``Trainer``: fits a model to a training split, keeps the best epoch, locks an operating point."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from medimg_cnn._keras import keras
from medimg_cnn._types import FloatVector, PathLike
from medimg_cnn.artifacts import Calibration, EpochRecord, FitResult, OperatingPoint
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning, TrainingError
from medimg_cnn.evaluation import auroc, choose_operating_point
from medimg_cnn.training._config import Rule, TrainerConfig
from medimg_cnn.training._directory import prepare_directory, write_run
from medimg_cnn.training._environment import describe_environment
from medimg_cnn.training._imbalance import class_weights, prior_correction
from medimg_cnn.training._predict import predict_logits
from medimg_cnn.training._progress import TrainingProgress
from medimg_cnn.training._run import Run
from medimg_cnn.training._selection import Selection
from medimg_cnn.training._source import ImageSource, check_source
from medimg_cnn.training._step import (
    TrainState,
    logit_model,
    make_logit_function,
    make_optimizer,
    make_train_step,
)

__all__ = ["Trainer"]

_PREDICTION_BATCH = 128


class Trainer:
    """Trains a model with binary cross-entropy and keeps the epoch with the best validation AUROC.

    AdamW with warm-up and cosine decay; a moving average of the weights is what is judged and kept;
    training stops early when validation no longer improves; at the end the operating point is chosen on
    validation. The same seed on the same machine gives the same weights, bit for bit.

    Args:
        model: what ``build_cnn`` returned, or any ``keras.Model`` whose last layers are a "logit" of
            one unit and a sigmoid. Training starts from the weights it has.
        augment: an augmentation, applied to training images only, inside the compiled step.
        epochs: see ``TrainerConfig`` for this and every following option up to ``seed``.
        directory: where to write ``model.keras``, ``history.csv`` and ``result.json``; None: nowhere.
        overwrite: whether a finished run in ``directory`` may be replaced.
        progress: whether to show a bar (on a terminal) or a line an epoch (elsewhere).

    Raises:
        ArgumentError: an option breaks its rule.

    Example:
        >>> import numpy as np
        >>> import medimg_cnn as mc
        >>> rng = np.random.default_rng(0)
        >>> y = np.arange(80) % 2
        >>> x = np.clip(rng.normal(0.4 + 0.2 * y[:, None, None], 0.1, (80, 8, 8)), 0, 1)
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
        patience: int = 15,
        class_weight: Literal["balanced"] | tuple[float, float] | None = None,
        operating_point: Rule = "youden",
        operating_target: float | None = None,
        seed: int = 0,
        directory: PathLike | None = None,
        overwrite: bool = False,
        progress: bool = True,
    ) -> None:
        self.config = TrainerConfig(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            average=average,
            label_smoothing=label_smoothing,
            patience=patience,
            class_weight=class_weight,
            operating_point=operating_point,
            operating_target=operating_target,
            seed=seed,
        )
        self.model = model
        self._logit_model = logit_model(model)
        for name in ("params", "apply", "apply_labels"):
            if augment is not None and not callable(getattr(augment, name, None)):
                raise ArgumentError(
                    f"augment: must be an augmentation with the methods params, apply and apply_labels; "
                    f"got {type(augment).__name__}. Use medimg_cnn.augmentations."
                )
        self.augment = augment
        self._directory, self._overwrite, self._progress = directory, overwrite, progress

    def fit(self, train: ImageSource, validation: ImageSource | None = None) -> Run:
        """Train, and return the run with the kept weights.

        Args:
            train: the training split; both classes must occur.
            validation: the split on which the best epoch and the operating point are chosen. Without
                it the last epoch is kept and the threshold is 0.5, with a warning.

        Returns:
            The ``Run``, whose ``model`` is a copy with the kept weights. The trainer's own model keeps those it
            had, so that each call of ``fit`` (each fold, say) starts from the same ones.

        Raises:
            ArgumentError: the images do not fit the model, training holds one class only, or validation has
                other classes or shares a patient with training.
            TrainingError: the loss became infinite or NaN; the message names the batch's images.
        """
        self._check(train, validation)
        folder = prepare_directory(self._directory, overwrite=self._overwrite)
        loop = _Loop(self._logit_model, self.augment, self.config, train, validation)
        steps = loop.steps_per_epoch
        with TrainingProgress(epochs=loop.epochs, steps=steps, show=self._progress) as progress:
            best, records, kept_epoch = loop.run(progress)
        model = best.into(self.model)
        calibration = prior_correction(loop.class_weights)
        result = FitResult(
            history=tuple(records),
            kept_epoch=kept_epoch,
            operating_point=self._choose_point(best.logit, validation, calibration),
            calibration=calibration,
            config=self.config.to_dict()
            | {"epochs": loop.epochs, "augment": _describe(self.augment), "model": self.model.name},
            fingerprint=train.fingerprint,
            preprocessing=_describe(getattr(train, "preprocessing", None)),
            environment=describe_environment(),
        )
        if folder is not None:
            result = write_run(folder, model, result)
        return Run(model, result, directory=folder)

    def _check(self, train: ImageSource, validation: ImageSource | None) -> None:
        expected = tuple(self.model.input_shape[1:])
        for name, source in (("train", train), ("validation", validation)):
            if source is None:
                continue
            check_source(name, source, example="data.train, data.validation")
            if tuple(source.image_shape) != expected:
                raise ArgumentError(
                    f"{name}: images must have the shape {expected} of the model's input; got {source.image_shape}. "
                    "Build the model with build_cnn(data.image_shape)."
                )
        if validation is not None:
            _check_together(train, validation)
        if np.unique(train.labels).size < 2:
            raise ArgumentError(
                f"train: must hold both classes; all {train.n} images are "
                f"{train.classes[int(train.labels[0])]!r}. Check the labels and the split."
            )

    def _choose_point(
        self, logit: FloatVector | None, validation: ImageSource | None, calibration: Calibration
    ) -> OperatingPoint:
        config = self.config
        target = config.operating_target
        if config.operating_point == "fixed" and target is not None:
            return OperatingPoint(threshold=target, rule="fixed", chosen_on="the configuration")
        if logit is None or validation is None or np.unique(validation.labels).size < 2:
            warnings.warn(
                "No validation images of both classes: the operating point is 0.5, not chosen on data. "
                "Pass a validation split to choose it.",
                MedimgCnnWarning,
                stacklevel=3,
            )
            return OperatingPoint(threshold=0.5, rule="fixed", chosen_on="not chosen on data (default 0.5)")
        return choose_operating_point(
            validation.labels,
            calibration.apply(logit),
            rule=config.operating_point,
            target=target if config.operating_point in {"sensitivity", "specificity"} else None,
            cost_ratio=target if config.operating_point == "cost" else None,
            chosen_on=validation.part,
        )


class _Kept:
    """The weights of the epoch to keep so far, copied out of the loop's donated buffers."""

    def __init__(self, state: TrainState, logit: FloatVector | None) -> None:
        self.weights = [jnp.copy(value) for value in state.average]
        self.other = [jnp.copy(value) for value in state.average_other]
        self.logit = logit

    def into(self, model: Any) -> Any:
        """Return a copy of the model with these weights."""
        copy = keras.models.clone_model(model)
        part = logit_model(copy)
        for variables, values in (
            (part.trainable_variables, self.weights),
            (part.non_trainable_variables, self.other),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return copy


class _Loop:
    """One run's epochs. Holds what stays the same; the state is passed from step to step."""

    def __init__(
        self,
        model: Any,
        augment: Any,
        config: TrainerConfig,
        train: ImageSource,
        validation: ImageSource | None,
    ) -> None:
        self.config, self.train, self.validation = config, train, validation
        self.batch_size = min(config.batch_size, train.n)
        self.steps_per_epoch = math.ceil(train.n / self.batch_size)
        self.epochs = config.planned_epochs(self.steps_per_epoch)
        self.class_weights = class_weights(config, train.labels)
        self._optimizer = make_optimizer(config, self.epochs * self.steps_per_epoch)
        self._optimizer.build(model.trainable_variables)
        self._step = make_train_step(model, self._optimizer, augment, config)
        self._logits = make_logit_function(model)
        self._labels = train.labels.astype(np.float32)
        self._weights = np.where(train.labels == 1, self.class_weights[1], self.class_weights[0]).astype(
            np.float32
        )
        weights = [jnp.copy(variable.value) for variable in model.trainable_variables]
        self._start_from_weighted_odds(model, weights)
        self._state = TrainState(
            weights=weights,
            other=[jnp.copy(variable.value) for variable in model.non_trainable_variables],
            optimizer=[jnp.copy(variable.value) for variable in self._optimizer.variables],
            average=[jnp.copy(value) for value in weights],
            average_other=[jnp.copy(variable.value) for variable in model.non_trainable_variables],
            step=jnp.zeros((), jnp.float32),
        )

    def _start_from_weighted_odds(self, model: Any, weights: list[jax.Array]) -> None:
        """Shift the last bias by what class weights do to the odds, so that the loss need not learn it."""
        bias = model.get_layer("logit").bias
        shift = math.log(self.class_weights[1] / self.class_weights[0])
        for index, variable in enumerate(model.trainable_variables):
            if bias is not None and variable is bias:
                weights[index] = weights[index] + shift

    def run(self, progress: TrainingProgress) -> tuple[_Kept, list[EpochRecord], int]:
        """Train until the epochs are done or patience is at its end."""
        selection = Selection(self.config.patience)
        records: list[EpochRecord] = []
        kept: _Kept | None = None
        for epoch in range(1, self.epochs + 1):
            started = time.perf_counter()
            loss = self._epoch(epoch, progress)
            trained = time.perf_counter()
            logit, validation_loss, validation_auroc = self._validate()
            keep = selection.update(validation_auroc, validation_loss)
            if keep or kept is None:
                kept = _Kept(self._state, logit)
            records.append(
                EpochRecord(
                    epoch=epoch,
                    loss=loss,
                    validation_loss=validation_loss,
                    validation_auroc=validation_auroc,
                    learning_rate=self._learning_rate(),
                    images_per_second=self.train.n / (trained - started),
                    seconds=time.perf_counter() - started,
                )
            )
            progress.epoch(records[-1], kept=keep)
            if self.validation is not None and selection.stop:
                progress.message(
                    f"stopped: no better validation AUROC for {self.config.patience} epochs; "
                    f"kept epoch {selection.kept_epoch}"
                )
                break
        if kept is None:
            raise TrainingError("No epoch was trained. Pass epochs of at least 1.")
        return kept, records, selection.kept_epoch

    def _epoch(self, epoch: int, progress: TrainingProgress) -> float:
        """Train one epoch and return its mean loss."""
        order = np.random.default_rng([self.config.seed, epoch]).permutation(self.train.n)
        keys = jax.random.split(
            jax.random.fold_in(jax.random.key(self.config.seed), epoch), self.steps_per_epoch
        )
        losses: list[jax.Array] = []
        checked = 0
        for index in range(self.steps_per_epoch):
            rows = order[index * self.batch_size : (index + 1) * self.batch_size]
            weights = self._weights[rows]
            if rows.size < self.batch_size:
                # The last batch is filled up, with weight 0, so that every step has one shape.
                missing = self.batch_size - rows.size
                rows = np.concatenate([rows, order[:missing]])
                weights = np.concatenate([weights, np.zeros(missing, np.float32)])
            images = self.train.read(rows)
            self._state, loss = self._step(self._state, images, self._labels[rows], weights, keys[index])
            losses.append(loss)
            if progress.due:
                self._check_losses(losses, checked, order)
                checked = len(losses)
                progress.step(epoch, index + 1, float(np.mean([float(value) for value in losses])))
        self._check_losses(losses, checked, order)
        return float(np.mean([float(value) for value in losses]))

    def _check_losses(self, losses: list[jax.Array], start: int, order: np.ndarray[Any, Any]) -> None:
        for index in range(start, len(losses)):
            value = float(losses[index])
            if not math.isfinite(value):
                rows = order[index * self.batch_size : (index + 1) * self.batch_size]
                names = ", ".join(self.train.sample_ids[rows][:8])
                raise TrainingError(
                    f"The loss became {value} at step {index + 1} of the epoch. The batch held {names}"
                    f"{' and others' if rows.size > 8 else ''}. Look at these images, or lower learning_rate "
                    f"(now {self.config.learning_rate:g})."
                )

    def _validate(self) -> tuple[FloatVector | None, float, float]:
        if self.validation is None:
            return None, math.nan, math.nan
        logit = predict_logits(
            self._logits,
            self._state.average,
            self._state.average_other,
            self.validation.read,
            self.validation.n,
            batch_size=_PREDICTION_BATCH,
        )
        labels = self.validation.labels
        weights = np.where(labels == 1, self.class_weights[1], self.class_weights[0])
        loss = float(np.average(np.logaddexp(0.0, logit) - labels * logit, weights=weights))
        if not np.isfinite(logit).all():
            raise TrainingError(
                "The model gives infinite or NaN logits on validation. Lower learning_rate "
                f"(now {self.config.learning_rate:g})."
            )
        return logit, loss, auroc(labels, logit).value

    def _learning_rate(self) -> float:
        schedule = self._optimizer._learning_rate  # noqa: SLF001 - Keras has no public way to the schedule itself
        return float(schedule(max(0.0, float(self._state.step) - 1.0)))


def _check_together(train: ImageSource, validation: ImageSource) -> None:
    if tuple(validation.classes) != tuple(train.classes):
        raise ArgumentError(
            f"validation: must have the classes (negative, positive) = {tuple(train.classes)} of train; "
            f"got {tuple(validation.classes)}. Load both with the same positive=."
        )
    if train.patient_ids is None or validation.patient_ids is None:
        return
    shared = np.intersect1d(train.patient_ids, validation.patient_ids).size
    if shared and (train.fingerprint is None or train.fingerprint != validation.fingerprint):
        raise ArgumentError(
            f"validation: must not share patients with train; {shared} are in both. "
            "Take both from one call of load_dataset, which divides by patient."
        )


def _describe(value: Any) -> Any:
    """Return an augmentation, or the preprocessing, as JSON values."""
    if value is None:
        return None
    to_dict = getattr(value, "to_dict", None)
    return to_dict() if callable(to_dict) else repr(value)
