"""Keras callbacks, called as ``keras.Model.fit`` would call them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from medimg_cnn._keras import keras
from medimg_cnn._variables import duplicate
from medimg_cnn.artifacts import EpochRecord, FitResult
from medimg_cnn.errors import ArgumentError
from medimg_cnn.training._loop import Loop
from medimg_cnn.training._step import logit_model

__all__ = ["CallbackObserver", "check_callbacks"]

_REFUSED = {
    "LearningRateScheduler": "the schedule (warm-up and cosine) is part of the compiled step. Pass learning_rate=",
    "ReduceLROnPlateau": "the schedule (warm-up and cosine) is part of the compiled step. Pass learning_rate=",
    "SwapEMAWeights": "the averaged weights are judged and kept already. Pass average=",
    "BackupAndRestore": "the trainer saves and goes on by itself. Pass directory=, and use Trainer.resume",
    "TensorBoard": "it needs TensorFlow. Pass trackers=[TensorBoardTracker(...)]",
}
_BATCH_METHODS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")


class CallbackObserver:
    """Calls Keras callbacks from the loop.

    Their ``self.model`` is a copy of the model with the averaged weights, those that are judged and kept; they are
    copied into it when a callback looks at it. What a callback does to the copy does not change the run, but for
    ``stop_training``, which ends it after the epoch.

    Args:
        callbacks: what ``check_callbacks`` returned.
        model: the trainer's.
    """

    def __init__(self, callbacks: Sequence[Any], model: Any) -> None:
        self._model = duplicate(model)
        part = logit_model(self._model)
        self._weights, self._other = part.trainable_variables, part.non_trainable_variables
        # A callback's ``model`` calls this before it gives the model away, as in keras.Model.fit on JAX.
        self._model.jax_state_sync = self._synchronise
        self._model.stop_training = False
        self._callbacks = tuple(callbacks)
        self._list: Any = None
        self._batches = any(_overrides(callback, name) for callback in callbacks for name in _BATCH_METHODS)
        self._loop: Loop | None = None
        self._copied: tuple[int, int] | None = None
        self._sum, self._images = 0.0, 0
        self._logs: dict[str, float] = {}

    def begin(self, loop: Loop) -> None:
        """See ``Observer``, as for the others."""
        self._loop = loop
        self._list = keras.callbacks.CallbackList(
            list(self._callbacks),
            model=self._model,
            epochs=loop.epochs,
            steps=loop.steps_per_epoch,
            verbose=0,
        )
        self._list.on_train_begin()
        self._begin_epoch(loop)

    def step(self, loop: Loop) -> None:
        """Call them for the step that ended, and the one that begins."""
        if not self._batches:
            return
        images = loop.images_in(loop.index - 1)
        self._images += images
        self._sum += images * loop.last_loss
        self._list.on_train_batch_end(loop.index - 1, {"loss": self._sum / self._images})
        if loop.index < loop.steps_per_epoch:
            self._list.on_train_batch_begin(loop.index)

    def epoch(self, loop: Loop, record: EpochRecord) -> None:
        """Call them for the epoch that ended, and the one that begins."""
        logs = {
            "loss": record.loss,
            "val_loss": record.validation_loss,
            "val_auroc": record.validation_auroc,
            "val_monitor": record.validation_monitor,
            "learning_rate": record.learning_rate,
        }
        self._logs = {name: value for name, value in logs.items() if not math.isnan(value)}
        self._list.on_epoch_end(record.epoch - 1, dict(self._logs))
        if self._model.stop_training:
            loop.end()
        elif not loop.done:
            self._begin_epoch(loop)

    def finish(self, result: FitResult) -> None:
        """Call them for the end of the training."""
        del result
        self._list.on_train_end(dict(self._logs))

    def fail(self, reason: str) -> None:
        """Nothing: ``keras.Model.fit`` does not tell them either."""

    def _begin_epoch(self, loop: Loop) -> None:
        self._sum, self._images = 0.0, 0
        self._list.on_epoch_begin(loop.epoch - 1)
        if self._batches and loop.index < loop.steps_per_epoch:
            self._list.on_train_batch_begin(loop.index)

    def _synchronise(self) -> None:
        loop = self._loop
        if loop is None or self._copied == (loop.epoch, loop.index):
            return
        self._copied = loop.epoch, loop.index
        averages = loop.averages()
        for variables, values in zip((self._weights, self._other), averages, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


def check_callbacks(callbacks: Any) -> tuple[Any, ...]:
    """Return the callbacks.

    Raises:
        ArgumentError: it is no sequence of them, or one cannot work here; the message says what to do instead.
    """
    if not isinstance(callbacks, (list, tuple)):
        raise ArgumentError(
            f"callbacks: must be a list of keras.callbacks.Callback; got {type(callbacks).__name__}. "
            "Pass callbacks=[...]."
        )
    for index, callback in enumerate(callbacks):
        if not isinstance(callback, keras.callbacks.Callback):
            raise ArgumentError(
                f"callbacks[{index}]: must be a keras.callbacks.Callback; got {type(callback).__name__}. For a "
                "function use keras.callbacks.LambdaCallback(on_epoch_end=...)."
            )
        for name, reason in _REFUSED.items():
            if isinstance(callback, getattr(keras.callbacks, name)):
                raise ArgumentError(
                    f"callbacks[{index}]: {name} does nothing in this trainer: {reason} instead."
                )
    return tuple(callbacks)


def _overrides(callback: Any, name: str) -> bool:
    method = getattr(callback, name)
    return getattr(method, "__func__", None) is not getattr(keras.callbacks.Callback, name)
