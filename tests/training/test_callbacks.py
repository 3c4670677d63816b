"""Keras's own callbacks, called as keras.Model.fit calls them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn.errors import ArgumentError
from medimg_cnn.training import Trainer, TrainingInterrupted

OPTIONS: dict[str, Any] = {"epochs": 3, "batch_size": 16, "average": 0.0, "progress": False}


def build() -> Any:
    image = keras.layers.Input((12, 12, 1))
    x = keras.layers.Dense(1, kernel_initializer="zeros", name="logit")(keras.layers.Flatten()(image))
    return keras.Model(image, keras.layers.Activation("sigmoid")(x), name="linear")


@pytest.fixture(scope="module")
def sources(make_source: Any) -> tuple[Any, Any]:
    return make_source(48), make_source(30, part="validation", seed=1)


class Diary(keras.callbacks.Callback):
    """Writes down each call, and the weights at some."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.weights: list[np.ndarray] = []
        self.losses: list[float] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.calls.append("train begin")
        self.weights.append(self.model.get_weights()[0])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(f"epoch begin {epoch}")

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.calls.append(f"batch begin {batch}")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(f"batch end {batch}")
        self.losses.append(logs["loss"])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(f"epoch end {epoch}")
        self.weights.append(self.model.get_weights()[0])

    def on_train_end(self, logs: Any = None) -> None:
        self.calls.append("train end")


def test_they_are_called_in_the_order_of_keras(sources: tuple[Any, Any]) -> None:
    mine, theirs = Diary(), Diary()
    model = build()
    run = Trainer(model, **OPTIONS, callbacks=[mine]).fit(*sources)
    reference = build()
    reference.compile(loss="binary_crossentropy")
    train = sources[0]
    reference.fit(train.images, train.labels, epochs=3, batch_size=16, verbose=0, callbacks=[theirs])
    assert mine.calls == theirs.calls
    assert mine.params == theirs.params
    # Keras's logs of a batch are the mean of the epoch so far.
    losses = [record.loss for record in run.result.history]
    assert mine.losses[2::3] == pytest.approx(losses, rel=1e-6)
    # The weights at each epoch's end are those that were judged; the user's own model is left alone.
    assert not mine.weights[0].any()
    kept = run.result.kept_epoch
    np.testing.assert_array_equal(mine.weights[kept], run.model.get_weights()[0])
    assert not np.array_equal(mine.weights[1], mine.weights[2])
    assert not model.get_weights()[0].any()
    # They change nothing of the run.
    plain = Trainer(build(), **OPTIONS).fit(*sources)
    np.testing.assert_array_equal(plain.model.get_weights()[0], run.model.get_weights()[0])


def test_the_callbacks_of_keras_work(sources: tuple[Any, Any], tmp_path: Path) -> None:
    said: list[tuple[int, dict[str, float]]] = []
    best = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "best.keras"), monitor="val_auroc", mode="max", save_best_only=True
    )
    history = keras.callbacks.History()
    run = Trainer(
        build(),
        **OPTIONS,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: said.append((epoch, logs))),
            keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
            keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras")),
            keras.callbacks.ModelCheckpoint(
                str(tmp_path / "step.weights.h5"), save_weights_only=True, save_freq=4
            ),
            best,
            history,
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.EarlyStopping(patience=20, restore_best_weights=True),
        ],
    ).fit(*sources)
    records = run.result.history
    assert [epoch for epoch, _ in said] == [0, 1, 2]
    assert said[1][1] == {
        "loss": records[1].loss,
        "val_loss": records[1].validation_loss,
        "val_auroc": records[1].validation_auroc,
        "learning_rate": records[1].learning_rate,
    }
    with (tmp_path / "log.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["val_auroc"]) for row in rows] == [record.validation_auroc for record in records]
    assert history.history["loss"] == [record.loss for record in records]
    saved = keras.saving.load_model(tmp_path / f"{run.result.kept_epoch}.keras")
    images = sources[1].images
    np.testing.assert_array_equal(saved(images), run.model(images))
    assert best.best == max(record.validation_auroc for record in records)
    assert (tmp_path / "best.keras").is_file()
    assert (tmp_path / "step.weights.h5").is_file()


def test_stop_training_ends_the_run_after_the_epoch(sources: tuple[Any, Any], tmp_path: Path) -> None:
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if self.params["steps"] == 3 and batch == 1 and self.seen == 1:
                self.model.stop_training = True

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.seen = epoch

    ended = []
    run = Trainer(
        build(),
        **OPTIONS,
        directory=tmp_path / "run",
        callbacks=[Stop(), keras.callbacks.LambdaCallback(on_train_end=ended.append)],
    ).fit(*sources)
    assert len(run.result.history) == 2
    assert len(ended) == 1
    early = keras.callbacks.EarlyStopping(monitor="val_auroc", mode="max", min_delta=2.0, patience=1)
    assert len(Trainer(build(), **OPTIONS, callbacks=[early]).fit(*sources).result.history) == 2


def test_an_interrupted_run_goes_on_with_them(sources: tuple[Any, Any], tmp_path: Path) -> None:
    import signal

    diary = Diary()

    def interrupt(batch: int, logs: Any) -> None:
        if len(diary.calls) == 12:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(TrainingInterrupted):
        Trainer(
            build(),
            **OPTIONS,
            directory=tmp_path / "run",
            callbacks=[diary, keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)],
        ).fit(*sources)
    assert diary.calls[-1].startswith("batch")
    again = Diary()
    run = Trainer.resume(tmp_path / "run", callbacks=[again], progress=False).fit(*sources)
    assert again.calls[:2] == ["train begin", "epoch begin 1"]
    assert again.calls[-1] == "train end"
    plain = Trainer(build(), **OPTIONS).fit(*sources)
    np.testing.assert_array_equal(plain.model.get_weights()[0], run.model.get_weights()[0])


@pytest.mark.parametrize(
    ("callbacks", "words"),
    [
        (
            [keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)],
            "LearningRateScheduler .* learning_rate= instead",
        ),
        (
            [keras.callbacks.ReduceLROnPlateau()],
            "ReduceLROnPlateau does nothing in this trainer: the schedule",
        ),
        ([keras.callbacks.SwapEMAWeights()], "SwapEMAWeights .* average= instead"),
        ([keras.callbacks.BackupAndRestore("x")], r"BackupAndRestore .* Trainer\.resume instead"),
        (
            [print],
            r"callbacks\[0\]: must be a keras\.callbacks\.Callback; got builtin_function_or_method\. For a func",
        ),
        (keras.callbacks.History(), r"callbacks: must be a list .* got History"),
    ],
)
def test_what_cannot_work_is_refused(callbacks: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        Trainer(build(), callbacks=callbacks)
