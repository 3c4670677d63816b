"""What trackers are told, read back from where they wrote it; and that none of them ends a training."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import pytest

from medimg_cnn._keras import keras
from medimg_cnn.artifacts import EpochRecord
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning, TrainingError
from medimg_cnn.training import MLflowTracker, TensorBoardTracker, Tracker, Trainer, TrainingInterrupted

FIGURES = ("loss", "validation_loss", "validation_auroc", "learning_rate", "images_per_second", "seconds")
OPTIONS: dict[str, Any] = {"epochs": 3, "batch_size": 16, "progress": False}


def build() -> Any:
    image = keras.layers.Input((12, 12, 1))
    x = keras.layers.Dense(1, kernel_initializer="zeros", name="logit")(keras.layers.Flatten()(image))
    return keras.Model(image, keras.layers.Activation("sigmoid")(x), name="linear")


@pytest.fixture(scope="module")
def sources(make_source: Any) -> tuple[Any, Any]:
    return make_source(48), make_source(30, part="validation", seed=1)


class Interrupted:
    """Images that Ctrl-C interrupts while a batch is read."""

    def __init__(self, source: Any, after: int) -> None:
        self.source, self.left = source, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def read(self, rows: Any) -> Any:
        import signal

        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)
        return self.source.read(rows)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """All scalars of a folder's event files, record by record of their format, in the order they were written."""
    from tensorboardX.proto import event_pb2

    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack("<Q", content[at : at + 8])
            event = event_pb2.Event.FromString(content[at + 12 : at + 12 + length])
            at += 12 + length + 4
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def expected(run: Any) -> dict[str, list[tuple[int, float]]]:
    return {
        name: [(record.epoch, getattr(record, name)) for record in run.result.history] for name in FIGURES
    }


def same(found: dict[str, list[tuple[int, float]]], run: Any, *, times_too: bool = True) -> None:
    wanted = expected(run)
    assert found.keys() == wanted.keys()
    for name in FIGURES[: None if times_too else 4]:
        assert [step for step, _ in found[name]] == [1, 2, 3], name
        assert [value for _, value in found[name]] == pytest.approx([value for _, value in wanted[name]])


def test_tensorboard_holds_the_curves(sources: tuple[Any, Any], tmp_path: Path) -> None:
    run = Trainer(build(), **OPTIONS, trackers=[TensorBoardTracker(tmp_path)]).fit(*sources)
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("linear-")
    same(scalars(folder), run)
    # Without validation there are no curves of it.
    other = tmp_path / "without"
    with pytest.warns(MedimgCnnWarning, match="operating point is 0.5"):
        Trainer(build(), **OPTIONS, trackers=[TensorBoardTracker(other)]).fit(sources[0])
    assert scalars(other).keys() == {"loss", "learning_rate", "images_per_second", "seconds"}


def mlflow_runs(uri: str, experiment: str) -> tuple[Any, list[Any]]:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    return client, list(client.search_runs([found.experiment_id]))


@pytest.mark.slow
def test_a_run_that_goes_on_has_one_curve(sources: tuple[Any, Any], tmp_path: Path) -> None:
    train, validation = sources
    uri = f"sqlite:///{tmp_path / 'runs.db'}"

    def trackers() -> list[Tracker]:
        return [TensorBoardTracker(tmp_path / "tb"), MLflowTracker(uri, experiment="squares")]

    folder = tmp_path / "run"
    with pytest.raises(TrainingInterrupted):
        # 3 steps an epoch, and a hash of each image at the start: in the second epoch.
        Trainer(build(), **OPTIONS, directory=folder, trackers=trackers()).fit(
            Interrupted(train, 1 + 3 + 2), validation
        )
    client, (stopped,) = mlflow_runs(uri, "squares")
    assert stopped.info.status == "FAILED"
    assert stopped.data.tags["stopped"].startswith("TrainingInterrupted: Training was interrupted in epoch 2")
    assert [metric.step for metric in client.get_metric_history(stopped.info.run_id, "loss")] == [1]
    # As after a kill: an epoch that was told, but came into no checkpoint.
    for name in FIGURES:
        client.log_metric(stopped.info.run_id, name, 0.25, step=2)
    run = Trainer.resume(folder, progress=False, trackers=trackers()).fit(train, validation)

    (board,) = (tmp_path / "tb").iterdir()
    same(scalars(board), run)
    client, (found,) = mlflow_runs(uri, "squares")
    assert found.info.run_id == stopped.info.run_id
    assert (found.info.status, found.info.run_name) == ("FINISHED", "run")
    for name in FIGURES:
        history = client.get_metric_history(found.info.run_id, name)
        assert [metric.step for metric in history] == [1, 2, 3]
        assert history[2].value == pytest.approx(getattr(run.result.history[2], name))
    assert found.data.params["epochs"] == "3"
    assert found.data.params["learning_rate"] == "0.001"
    assert found.data.params["validation_images"] == "30"
    assert found.data.tags["environment.keras"] == keras.__version__
    assert found.data.metrics["kept_epoch"] == run.result.kept_epoch
    assert found.data.metrics["threshold"] == run.operating_point.threshold


class Notes:
    """A tracker that writes down what it is told, and may fail."""

    def __init__(self, fails: str = "") -> None:
        self.told: list[str] = []
        self.fails = fails

    def _note(self, what: str) -> None:
        self.told.append(what)
        if what.split(maxsplit=1)[0] == self.fails:
            raise OSError("the server is gone")

    def start(self, run: Any) -> None:
        assert (run.epochs, run.steps_per_epoch, run.images) == (3, 3, {"train": 48, "validation": 30})
        assert len(run.id) == 32
        self._note("start")

    def epoch(self, record: EpochRecord) -> None:
        self._note(f"epoch {record.epoch}")

    def finish(self, result: Any) -> None:
        self._note("finish")

    def fail(self, reason: str) -> None:
        self._note(f"fail {reason}")


@pytest.mark.parametrize("moment", ["start", "epoch", "finish"])
def test_a_tracker_that_fails_does_not_end_the_training(sources: tuple[Any, Any], moment: str) -> None:
    broken, whole = Notes(moment), Notes()
    with pytest.warns(MedimgCnnWarning, match=r"Notes failed .* \(OSError: the server is gone\)") as caught:
        run = Trainer(build(), **OPTIONS, trackers=[broken, whole]).fit(*sources)
    assert len(caught) == 1
    assert len(run.result.history) == 3
    assert whole.told == ["start", "epoch 1", "epoch 2", "epoch 3", "finish"]
    assert broken.told[-1].split()[0] == moment
    assert broken.told == whole.told[: len(broken.told)]


def test_a_store_that_cannot_be_opened_is_a_warning(sources: tuple[Any, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.warns(MedimgCnnWarning, match="TensorBoardTracker failed and is told no more of this run"):
        run = Trainer(build(), **OPTIONS, trackers=[TensorBoardTracker(tmp_path / "file")]).fit(*sources)
    assert len(run.result.history) == 3


def test_a_failure_of_the_training_is_told(sources: tuple[Any, Any]) -> None:
    notes = Notes()
    train, validation = sources
    broken = type(train)(train.images * math.nan, train.labels)
    with pytest.raises(TrainingError):
        Trainer(build(), **OPTIONS, trackers=[notes]).fit(broken, validation)
    assert notes.told[0] == "start"
    assert notes.told[-1].startswith("fail TrainingError: The loss became nan at step 1")
    assert len(notes.told) == 2


def test_what_is_no_tracker_is_refused() -> None:
    for trackers, words in (
        (Notes(), r"trackers: must be a list of trackers; got Notes\. Pass trackers=\[\.\.\.\]"),
        (["tensorboard"], r"trackers\[0\]: must have the methods start, epoch, finish and fail"),
        ([TensorBoardTracker], r"trackers\[0\]: must have the methods"),
    ):
        with pytest.raises(ArgumentError, match=words):
            Trainer(build(), trackers=trackers)
