"""The loop of a run: epochs of compiled steps, a judgement after each, and the weights of the best one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import jax
import numpy as np

from medimg_cnn._types import FloatVector, IntVector
from medimg_cnn._variables import blank, duplicate
from medimg_cnn.artifacts import EpochRecord
from medimg_cnn.errors import ArtifactError, TrainingError
from medimg_cnn.training._config import TrainerConfig
from medimg_cnn.training._devices import Devices, copied
from medimg_cnn.training._imbalance import Imbalance
from medimg_cnn.training._monitor import monitored, turned
from medimg_cnn.training._predict import predict_logits
from medimg_cnn.training._scaling import first_scale
from medimg_cnn.training._selection import Selection
from medimg_cnn.training._snapshot import HostArrays, Snapshot, on_host
from medimg_cnn.training._source import ImageSource, reader
from medimg_cnn.training._step import (
    Batch,
    TrainState,
    TrainStep,
    logit_model,
    make_logit_function,
    make_optimizer,
    make_train_step,
)
from medimg_cnn.training._variants import check_copies, check_start, faster, variant

__all__ = ["Kept", "Loop", "Watcher"]

_PREDICTION_BATCH = 128
_NAMED = 64
"""Images that an error names of its batch; the folder's events name all."""


class Watcher(Protocol):
    """Is told how a loop goes on, and may stop it by an exception."""

    def check(self) -> None:
        """Be called often: between any two batches."""
        ...

    @property
    def asked(self) -> int:
        """The signal that asked this process to stop, or 0; looked at before each step where there are several."""
        ...

    def told(self, number: int) -> None:
        """Be called between two steps, in every process, where a signal asked one of them to stop."""
        ...

    def step(self, loop: Loop) -> None:
        """Be called after each step."""
        ...

    def epoch(self, loop: Loop, record: EpochRecord, *, kept: bool) -> None:
        """Be called after each epoch, when it has been judged."""
        ...


class Kept:
    """The weights of the epoch to keep so far, copied out of the loop's donated buffers."""

    def __init__(self, weights: list[Any], other: list[Any], logit: FloatVector | None) -> None:
        self.weights, self.other, self.logit = weights, other, logit

    def into(self, model: Any) -> Any:
        """Return a copy of the model with these weights."""
        copy = duplicate(model)
        part = logit_model(copy)
        for variables, values in (
            (part.trainable_variables, on_host(self.weights)),
            (part.non_trainable_variables, on_host(self.other)),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return copy


class Loop:
    """One run's epochs.

    Attributes:
        epoch: the one that is being trained, counted from 1.
        index: its steps that are done.
        records: of the epochs that are done.
        kept: the best epoch's weights and validation logits; None before the first judgement.
        selection: says which epoch that is.
        imbalance: how the classes are treated.
        half_epochs: those at the beginning that train on images of half the height and width.
        devices: that batches are divided among.
        suspects: ids of the batch that a loss or a weight was not finite after; empty where that did not happen.
    """

    def __init__(
        self,
        model: Any,
        augment: Any,
        config: TrainerConfig,
        train: ImageSource,
        validation: ImageSource | None,
        *,
        devices: Devices | None = None,
    ) -> None:
        check_copies(model)
        check_start(model)
        self.config, self.train, self.validation = config, train, validation
        self.devices = devices = Devices(1) if devices is None else devices
        self.batch_size = min(config.batch_size, train.n)
        self.steps_per_epoch = math.ceil(train.n / self.batch_size)
        self.epochs = config.planned_epochs(self.steps_per_epoch)
        self.imbalance = Imbalance.plan(config, train.labels)
        steps = self.epochs * self.steps_per_epoch
        self._optimizer = make_optimizer(config, steps, model.trainable_variables)
        blank(lambda: self._optimizer.build(model.trainable_variables))  # its variables begin at 0, see below
        self.half_epochs = int(config.progressive * self.epochs)
        self._step = self._half_step = self._compile(model, augment, half=False)
        if self.half_epochs:
            self._half_step = self._compile(model, augment, half=True)
        self._logits = make_logit_function(model, devices)
        self._augments = augment is not None
        self._read = reader(train)
        self._part = devices.own(np.arange(self.batch_size))
        self._labels = train.labels.astype(np.float32)
        negative, positive = self.imbalance.weights
        self._weights = np.where(train.labels == 1, positive, negative).astype(np.float32)
        weights = self.imbalance.starting_weights(model)
        other = [variable.value for variable in model.non_trainable_variables]
        self._state = TrainState(
            weights=devices.copy(weights),
            other=devices.copy(other),
            optimizer=devices.copy(
                [np.zeros(variable.shape, variable.dtype) for variable in self._optimizer.variables]
            ),
            average=devices.copy(weights),
            average_other=devices.copy(other),
            scaling=devices.copy(first_scale(config.precision)),
            step=devices.copy([np.float32(0)])[0],
        )
        self.epoch, self.index = 1, 0
        self.records: list[EpochRecord] = []
        self.selection = Selection.of(epochs=self.epochs, patience=config.patience)
        self.kept: Kept | None = None
        self.suspects: tuple[str, ...] = ()
        self._losses: list[jax.Array | float] = []
        self._checked = 0
        self._order = np.zeros(0, np.int64)
        self._asked: jax.Array | None = None
        self._ended = False

    @property
    def done(self) -> bool:
        """Whether all epochs are trained, or patience is at its end."""
        if not self.records:
            return False
        patient = self.validation is None or not self.selection.stop
        return self._ended or self.epoch > self.epochs or not patient

    def end(self) -> None:
        """Let the epoch that was judged last be the last one."""
        self._ended = True

    @property
    def number(self) -> int:
        """The moment's place in the run: steps done, and one more for each validation done."""
        return (self.epoch - 1) * (self.steps_per_epoch + 1) + self.index

    def steps_done(self, number: int) -> int:
        """Return how many steps are done at the moment with this number; -1 is that before the start."""
        return number - number // (self.steps_per_epoch + 1)

    @property
    def last_loss(self) -> float:
        """Of the step before; waits for it."""
        return float(self._losses[-1])

    def averages(self) -> tuple[HostArrays, HostArrays]:
        """Return copies of the averaged weights as they are now: those that are judged and kept."""
        return on_host(self._state.average), on_host(self._state.average_other)

    @property
    def mean_loss(self) -> float:
        """Of the images of the epoch's steps so far; the last step may hold fewer."""
        sizes = [self.images_in(index) for index in range(len(self._losses))]
        return float(np.average([float(value) for value in self._losses], weights=sizes))

    def images_in(self, index: int) -> int:
        """Return how many images the step with this index in its epoch holds."""
        return min(self.batch_size, self.train.n - index * self.batch_size)

    def run(self, watcher: Watcher) -> Kept:
        """Train until the run is done, from wherever it is."""
        while not self.done:
            self._run_epoch(watcher)
        if self.kept is None:
            raise TrainingError("No epoch was trained. Pass epochs of at least 1.")
        return self.kept

    def check_losses(self) -> None:
        """Wait for the steps so far and see that their losses are finite.

        Raises:
            TrainingError: one is not; the message names the batch's images.
        """
        for index in range(self._checked, len(self._losses)):
            value = float(self._losses[index])
            if not math.isfinite(value):
                raise TrainingError(
                    f"The loss became {value} at step {index + 1} of epoch {self.epoch}. {self._batch_words(index)}"
                )
        self._checked = len(self._losses)

    def snapshot(self) -> Snapshot:
        """Return this moment, copied to the host.

        Raises:
            TrainingError: a loss or a weight is not finite.
        """
        self.check_losses()
        arrays = {name: on_host(values) for name, values in self._state._asdict().items() if name != "step"}
        for name in ("weights", "other", "optimizer"):
            self._check_finite(arrays[name])
        arrays["step"] = on_host([self._state.step])
        if self.kept is not None:
            arrays["kept_weights"], arrays["kept_other"] = (
                on_host(self.kept.weights),
                on_host(self.kept.other),
            )
            arrays["kept_logit"] = [] if self.kept.logit is None else [self.kept.logit]
        facts = {
            "epoch": self.epoch,
            "index": self.index,
            "losses": [float(value) for value in self._losses],
            "records": [asdict(record) for record in self.records],
            "selection": asdict(self.selection),
        }
        return Snapshot(number=self.number, arrays=arrays, facts=facts)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a moment.

        Raises:
            ArtifactError: it is of another network.
        """
        arrays, facts = snapshot.arrays, snapshot.facts
        for name in ("weights", "other", "optimizer"):
            mine = [(value.shape, value.dtype) for value in getattr(self._state, name)]
            if mine != [(value.shape, value.dtype) for value in arrays[name]]:
                raise ArtifactError(
                    f"checkpoint {snapshot.number}: its {name} are not those of this model. Build the model as before."
                )
        # Before there was a loss scale, checkpoints were without.
        state: dict[str, Any] = {name: self.devices.copy(arrays.get(name, [])) for name in TrainState._fields}
        self._state = TrainState(**(state | {"step": state["step"][0]}))
        self.epoch, self.index = facts["epoch"], facts["index"]
        self._losses = [float(value) for value in facts["losses"]]
        self._checked = len(self._losses)
        self.records = [
            EpochRecord(**{name: _number(value) for name, value in row.items()}) for row in facts["records"]
        ]
        self.selection = Selection.from_dict(facts["selection"])
        self.kept = None
        if "kept_weights" in arrays:
            logit: HostArrays = arrays["kept_logit"]
            self.kept = Kept(arrays["kept_weights"], arrays["kept_other"], logit[0] if logit else None)

    def _run_epoch(self, watcher: Watcher) -> None:
        started, first = time.perf_counter(), self.index
        self._train_epoch(watcher)
        trained = time.perf_counter()
        logit, validation_loss, validation_auroc, figure = self._validate(watcher.check)
        keep = self.selection.update(turned(self.config.monitor, figure), validation_loss)
        if keep or self.kept is None:
            state = self._state
            self.kept = Kept(
                [copied(value) for value in state.average],
                [copied(value) for value in state.average_other],
                logit,
            )
        share = (self.steps_per_epoch - first) / self.steps_per_epoch
        record = EpochRecord(
            epoch=self.epoch,
            loss=self.mean_loss,
            validation_loss=validation_loss,
            validation_auroc=validation_auroc,
            validation_monitor=math.nan if self.config.monitor == "auroc" else figure,
            learning_rate=self._learning_rate(),
            images_per_second=share * self.train.n / (trained - started) if share else math.nan,
            seconds=time.perf_counter() - started,
        )
        self.records.append(record)
        self.epoch, self.index = self.epoch + 1, 0
        self._losses, self._checked = [], 0
        watcher.epoch(self, record, kept=keep)

    def _train_epoch(self, watcher: Watcher) -> None:
        """Train what is left of the epoch."""
        epoch, seed = self.epoch, self.config.seed
        order = self._order = self.imbalance.order(self.train.labels, seed=seed, epoch=epoch)
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), epoch), self.steps_per_epoch)
        data = np.asarray(jax.random.key_data(keys))
        step = self._half_step if epoch <= self.half_epochs else self._step
        while self.index < self.steps_per_epoch:
            rows = self._rows(self.index)
            weights = self._weights[rows]
            if rows.size < self.batch_size:
                # The last batch is filled up, with weight 0, so that every step has one shape.
                missing = self.batch_size - rows.size
                rows = np.concatenate([rows, order[:missing]])
                weights = np.concatenate([weights, np.zeros(missing, np.float32)])
            batch = self._batch(rows[self._part], weights[self._part], data[self.index], watcher)
            self._state, loss, asked = step(self._state, batch)
            self._losses.append(loss)
            self.index += 1
            watcher.step(self)
            if self.devices.together:
                self._obey(asked, watcher)
        self.check_losses()

    def _batch(self, rows: IntVector, weights: Any, key: Any, watcher: Watcher) -> Batch:
        """Return the batch of which these rows are this process's."""
        divide = self.devices.divide
        asked = np.full(rows.size, watcher.asked, np.float32) if self.devices.together else None
        return Batch(
            images=divide(self._read(rows)),
            labels=divide(self._labels[rows]),
            weights=divide(weights),
            key=key,
            asked=None if asked is None else divide(asked),
            mixed_weights=divide(self._weights[rows]) if self._augments else None,
        )

    def _obey(self, asked: jax.Array, watcher: Watcher) -> None:
        """Stop in the same step as the other processes: what was asked in the step before is known to all by now."""
        before, self._asked = self._asked, asked
        if before is not None and float(before):
            watcher.told(int(before))

    def _compile(self, model: Any, augment: Any, *, half: bool) -> TrainStep:
        return make_train_step(
            faster(variant(model, precision=self.config.precision, half=half), training=True),
            self._optimizer,
            augment,
            self.config,
            self.imbalance,
            rows=self.batch_size,
            devices=self.devices,
        )

    def _validate(self, between: Callable[[], None]) -> tuple[FloatVector | None, float, float, float]:
        """Return the logits, the loss, the AUROC, and the figure that chooses."""
        if self.validation is None:
            return None, math.nan, math.nan, math.nan
        logit = predict_logits(
            self._logits,
            self._state.average,
            self._state.average_other,
            reader(self.validation),
            self.validation.n,
            batch_size=_PREDICTION_BATCH,
            between=(lambda: None) if self.devices.together else between,
            devices=self.devices,
        )
        good = np.isfinite(logit)
        if good.any() and not good.all():
            self.suspects = tuple(self.validation.sample_ids[~good].tolist())
            raise TrainingError(
                f"The model gives infinite or NaN logits for {np.sum(~good)} of the {good.size} validation images "
                f"after epoch {self.epoch}: {_listed(self.suspects)}. Look at these images."
            )
        if not good.all():
            raise TrainingError(
                f"The model gives infinite or NaN logits on validation after epoch {self.epoch}, all of whose losses "
                f"were finite. {self._batch_words(self.steps_per_epoch - 1)}"
            )
        labels, correction = self.validation.labels, self.imbalance.correction()
        area, name = monitored("auroc", labels, logit, correction), self.config.monitor
        figure = area if name == "auroc" else monitored(name, labels, logit, correction)
        return logit, self.imbalance.loss(logit, labels), area, figure

    def _learning_rate(self) -> float:
        schedule = self._optimizer._learning_rate  # noqa: SLF001 - Keras has no public way to the schedule itself
        return float(schedule(max(0.0, float(self._state.step) - 1.0)))

    def _rows(self, index: int) -> IntVector:
        return self._order[index * self.batch_size : (index + 1) * self.batch_size]

    def _batch_words(self, index: int) -> str:
        self.suspects = tuple(self.train.sample_ids[self._rows(index)].tolist())
        look = (
            "these images and what augment makes of them (augment.preview)"
            if self._augments
            else "these images"
        )
        return (
            f"The batch held {_listed(self.suspects)}. Look at {look}, or lower learning_rate (now "
            f"{self.config.learning_rate:g})."
        )

    def _check_finite(self, values: HostArrays) -> None:
        for value in values:
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise TrainingError(
                    f"Weights became infinite or NaN in the step before step {self.index + 1} of epoch {self.epoch}. "
                    + self._batch_words((self.index - 1) % self.steps_per_epoch)
                )


def _listed(ids: Sequence[str]) -> str:
    more = len(ids) - _NAMED
    return ", ".join(ids[:_NAMED]) + (f" and {more} others" if more > 0 else "")


def _number(value: Any) -> Any:
    """Undo what strict JSON makes of NaN and infinities."""
    return float(value) if isinstance(value, str) else value
