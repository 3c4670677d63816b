"""Runs that were stopped go on bit for bit, or say why they cannot."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import signal
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn._keras import keras
from medimg_cnn.augmentations import Flip, MixUp, Noise, PerImage
from medimg_cnn.errors import (
    ArgumentError,
    ArtifactError,
    DataError,
    ImageReadError,
    MedimgCnnWarning,
    TrainingError,
)
from medimg_cnn.training import Run, Trainer, TrainingInterrupted, load_run
from medimg_cnn.training._checkpoints import Checkpoints
from medimg_cnn.training._recipe import recipe_sha256
from medimg_cnn.training._signals import StopSignals
from medimg_cnn.training._source import ImageSource

Make = Callable[..., Any]
AUGMENT = Flip() | Noise(sigma=0.05) | MixUp(alpha=0.2)
EVENTS_OF_CHECKPOINTS = ("checkpoint", "checkpoint failed")
OPTIONS: dict[str, Any] = {"epochs": 3, "batch_size": 8, "seed": 3, "progress": False}


def model(dropout: float = 0.3) -> Any:
    """Small, with all that changes from step to step: a norm, dropout, a moving average."""
    image = keras.layers.Input((12, 12, 1))
    x = keras.layers.Conv2D(4, 3, strides=2, kernel_initializer=keras.initializers.HeNormal(seed=1))(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.Dropout(dropout, seed=2)(keras.layers.GlobalMaxPooling2D()(x))
    x = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed=3), name="logit")(x)
    return keras.Model(image, keras.layers.Activation("sigmoid")(x), name="tiny")


class Stop:
    """A source that does something while its k-th batch is read."""

    def __init__(self, source: Any, at: int, action: Callable[[], None]) -> None:
        self._source, self._at, self._action, self._count = source, at, action, 0
        # True attributes: from Python 3.12 on, a Protocol does not see what __getattr__ would give.
        for name, _ in inspect.getmembers(ImageSource, lambda member: isinstance(member, property)):
            setattr(self, name, getattr(source, name))

    def read(self, rows: np.ndarray) -> np.ndarray:
        self._count += 1
        if self._count == self._at:
            self._action()
        return self._source.read(rows)


class Killed(BaseException):
    """Ends a run as abruptly as can be within a process."""


def die() -> None:
    raise Killed


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def values(run: Run) -> dict[str, Any]:
    """What must be the same, bit for bit."""
    history = [(r.loss, r.validation_loss, r.validation_auroc, r.learning_rate) for r in run.result.history]
    return {
        "weights": [np.asarray(variable.value).tobytes() for variable in run.model.weights],
        "history": history,
        "kept": run.result.kept_epoch,
        "point": run.operating_point,
    }


@contextmanager
def said(pattern: str) -> Iterator[None]:
    """As ``pytest.warns``, which would also raise Keras's own warnings that the settings let pass."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MedimgCnnWarning)
        yield
    assert any(re.search(pattern, str(warning.message)) for warning in caught), [
        str(w.message) for w in caught
    ]


@pytest.fixture
def sources(make_source: Make) -> tuple[Any, Any]:
    return make_source(36), make_source(30, part="validation", seed=1)


@pytest.fixture(autouse=True, scope="module")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same step is compiled dozens of times here; JAX keeps it on disk."""
    import jax

    options = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in options}
    for name, value in options.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture(scope="module")
def reference(make_source: Make) -> dict[str, Any]:
    """The run that nothing stopped."""
    sources = make_source(36), make_source(30, part="validation", seed=1)
    return values(Trainer(model(), augment=AUGMENT, **OPTIONS).fit(*sources))


def stopped(
    folder: Path, sources: tuple[Any, Any], at: int, action: Callable[[], None], **options: Any
) -> Path:
    """Begin a run, stop it at a batch, and return its folder. Reads before the first step are counted too."""
    train, validation = sources
    trainer = Trainer(model(), augment=AUGMENT, directory=folder, **(OPTIONS | options))
    with pytest.raises((Killed, TrainingInterrupted, SystemExit)):
        trainer.fit(Stop(train, at, action), validation)
    return folder


# The first read is that of the checksums; then there are five steps an epoch.
@pytest.mark.parametrize(
    "how",
    [
        pytest.param((3, die, {}), marks=pytest.mark.slow),
        pytest.param((9, die, {}), marks=pytest.mark.slow),
        (9, die, {"checkpoint_steps": 2}),
        (14, interrupt, {}),
        (4, terminate, {}),
        pytest.param((16, interrupt, {}), marks=pytest.mark.slow),
    ],
)
def test_a_stopped_run_goes_on_bit_for_bit(
    sources: Any, reference: Any, tmp_path: Path, how: tuple[int, Callable[[], None], dict[str, Any]]
) -> None:
    at, action, options = how
    folder = stopped(tmp_path / "run", sources, at, action, **options)
    run = Trainer.resume(folder, progress=False).fit(*sources)
    assert values(run) == reference
    assert values(load_run(folder)) == reference
    assert not (folder / "checkpoints").exists()
    again = Trainer.resume(folder, progress=False).fit(*sources)
    assert values(again) == reference, "a finished run is loaded"


@pytest.mark.slow
def test_a_run_that_is_stopped_again_and_again_comes_to_its_end(
    sources: Any, reference: Any, tmp_path: Path
) -> None:
    folder = stopped(tmp_path / "run", sources, 3, interrupt)
    train, validation = sources
    for _ in range(30):
        trainer = Trainer.resume(folder, progress=False)
        with suppress(TrainingInterrupted):
            run = trainer.fit(Stop(train, 2, interrupt), validation)
            break
    assert values(run) == reference


def test_validation_is_stopped_too(sources: Any, reference: Any, tmp_path: Path) -> None:
    train, validation = sources
    folder = tmp_path / "run"
    with pytest.raises(TrainingInterrupted):
        Trainer(model(), augment=AUGMENT, directory=folder, **OPTIONS).fit(
            train, Stop(validation, 3, interrupt)
        )
    assert values(Trainer.resume(folder, progress=False).fit(*sources)) == reference


def test_ctrl_c_loses_nothing_without_a_directory(sources: Any) -> None:
    train, validation = sources
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(TrainingInterrupted, match=r"epoch 3 of 3\. The best epoch so far") as caught:
        Trainer(model(), **OPTIONS).fit(Stop(train, 12, interrupt), validation)
    assert signal.getsignal(signal.SIGINT) is handler
    run = caught.value.run
    assert run is not None
    assert len(run.history) == 2
    assert run.predict(validation).n == 30
    with pytest.raises(TrainingInterrupted) as caught:
        Trainer(model(), **OPTIONS).fit(Stop(train, 2, interrupt), validation)
    assert caught.value.run is None


def test_sigterm_saves_and_ends_with_143(
    sources: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    train, validation = sources
    with pytest.raises(SystemExit) as caught:
        Trainer(model(), directory=tmp_path, **OPTIONS).fit(Stop(train, 9, terminate), validation)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is handler
    assert "ended by SIGTERM" in capfd.readouterr().err
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir() if path.name.isdecimal()) == [
        "5",
        "9",
    ]


def test_ctrl_c_after_sigterm_takes_nothing_back() -> None:
    with StopSignals(terminate=True, say=False) as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert stop.received == signal.SIGTERM


def test_a_handler_of_the_users_own_is_called_after_saving(sources: Any, tmp_path: Path) -> None:
    called: list[Path] = []
    before = signal.signal(signal.SIGTERM, lambda *_: called.extend((tmp_path / "checkpoints").iterdir()))
    try:
        stopped(tmp_path, sources, 9, terminate)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert tmp_path / "checkpoints" / "9" in called


def test_signals_are_left_alone_in_another_thread(sources: Any, tmp_path: Path) -> None:
    runs: list[Run] = []
    train, validation = sources
    trainer = Trainer(model(), directory=tmp_path, **(OPTIONS | {"epochs": 1}))
    thread = threading.Thread(target=lambda: runs.append(trainer.fit(train, validation)))
    thread.start()
    thread.join()
    assert len(runs) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "flip",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("cut", "missing", "manifest", "extra")),
    ],
)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    sources: Any, reference: Any, tmp_path: Path, damage: str
) -> None:
    folder = stopped(tmp_path / "run", sources, 14, die)
    newest = folder / "checkpoints" / "11"
    file = max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "cut":
        file.write_bytes(content[:-7])
    elif damage == "missing":
        file.unlink()
    elif damage == "manifest":
        (newest / "manifest.json").unlink()
    else:
        (newest / "more").write_text("x")
    with said(r"checkpoints/11: the checkpoint .* the one before it is taken"):
        run = Trainer.resume(folder, progress=False).fit(*sources)
    assert values(run) == reference


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("memory", r"bytes are those that were written.*MemoryError.*Nothing was deleted"),
        ("denied", r"cannot be read \(Permission denied\).*Nothing was deleted"),
        ("newer", r"version 99.*Nothing was deleted.*Upgrade"),
    ],
)
def test_a_checkpoint_that_may_be_whole_is_never_deleted(  # noqa: PLR0917 - fixtures
    sources: Any, reference: Any, tmp_path: Path, trouble: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stopped(tmp_path / "run", sources, 14, die)
    names = sorted(path.name for path in (folder / "checkpoints").iterdir())
    manifest = folder / "checkpoints" / "11" / "manifest.json"
    content = manifest.read_text()
    with monkeypatch.context() as patch:
        if trouble == "memory":
            patch.setattr(Checkpoints, "_read", fail(MemoryError()))
        elif trouble == "denied":  # the superuser may read what nobody may
            error = PermissionError(13, "Permission denied")
            patch.setattr("medimg_cnn.training._checkpoints._hashes", fail(error))
        else:
            manifest.write_text(json.dumps(json.loads(content) | {"version": 99}))
        with pytest.raises(ArtifactError, match=words):
            Trainer.resume(folder, progress=False).fit(*sources)
    manifest.write_text(content)
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == names
    assert values(Trainer.resume(folder, progress=False).fit(*sources)) == reference


def fail(error: Exception) -> Callable[..., Any]:
    """Return a function that raises."""

    def failing(*_: Any) -> Any:
        raise error

    return failing


def test_without_any_whole_checkpoint_it_begins_again(sources: Any, reference: Any, tmp_path: Path) -> None:
    folder = stopped(tmp_path / "run", sources, 9, die)
    for manifest in folder.glob("checkpoints/*/manifest.json"):
        manifest.write_text("{}")
    with said(r"damaged manifest.*the run begins again"):
        run = Trainer.resume(folder, progress=False).fit(*sources)
    assert values(run) == reference


def test_a_nan_never_gets_into_a_checkpoint(sources: Any, reference: Any, tmp_path: Path) -> None:
    """What is kept are the weights of the last good step, from which the run goes on with good images."""
    train, validation = sources
    good = train.images.copy()

    def spoil() -> None:
        train.images[:] = np.nan

    trainer = Trainer(
        model(), augment=AUGMENT, directory=tmp_path / "nan", **(OPTIONS | {"checkpoint_steps": 4})
    )
    with pytest.raises(TrainingError, match=r"at step 3 of epoch 1.*what augment makes of them") as caught:
        trainer.fit(Stop(train, 4, spoil), validation)
    train.images[:] = good
    assert "is from before this" in caught.value.__notes__[0]
    stopped(tmp_path / "good", sources, 4, die, checkpoint_steps=4)
    found = [Checkpoints(tmp_path / name / "checkpoints") for name in ("nan", "good")]
    snapshots = [checkpoints.restore() for checkpoints in found]
    for checkpoints in found:
        checkpoints.close()
    assert [snapshot.number for snapshot in snapshots if snapshot is not None] == [2, 2]
    kept, expected = (snapshot.arrays for snapshot in snapshots if snapshot is not None)
    for name, arrays in kept.items():
        assert all(np.isfinite(array).all() for array in arrays), name
        assert [array.tobytes() for array in arrays] == [array.tobytes() for array in expected[name]], name
    events = [json.loads(line) for line in (tmp_path / "nan" / "events.jsonl").read_text().splitlines()]
    assert events[-1]["event"] == "failed"
    assert values(Trainer.resume(tmp_path / "nan", progress=False).fit(train, validation)) == reference


def test_a_nan_in_the_images_that_a_run_began_with_is_named(sources: Any, tmp_path: Path) -> None:
    train, validation = sources
    train.images[7] = np.nan
    with pytest.raises(TrainingError, match="train_7"):
        Trainer(model(), directory=tmp_path, **(OPTIONS | {"checkpoint_steps": 1})).fit(train, validation)
    train.images[7] = 0.3
    with pytest.raises(DataError, match=r"train: pixels of 1 image\(s\) changed: train_7"):
        Trainer.resume(tmp_path, progress=False).fit(train, validation)


def test_events_name_checkpoints_that_are_whole_and_those_that_failed(sources: Any, tmp_path: Path) -> None:
    train, validation = sources

    folder, away = tmp_path / "checkpoints", tmp_path / "away"

    def be_in_the_way() -> None:
        folder.rename(away)
        folder.write_text("a file where a folder was")

    def give_up() -> None:
        folder.unlink()
        away.rename(folder)
        raise MemoryError("no more")

    stop = Stop(Stop(train, 9, be_in_the_way), 14, give_up)
    with said("checkpoint could not be written"), pytest.raises(MemoryError, match="no more") as caught:
        Trainer(model(), directory=tmp_path, **OPTIONS).fit(stop, validation)
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    said_of = {name: [e["number"] for e in events if e["event"] == name] for name in EVENTS_OF_CHECKPOINTS}
    assert said_of == {"checkpoint": [0, 5], "checkpoint failed": [11]}
    assert sorted(int(p.name) for p in folder.iterdir() if p.is_dir()) == [0, 5]
    assert (events[-1]["event"], events[-1]["message"]) == ("failed", "MemoryError: no more")
    assert caught.value.__notes__ == [f"Checkpoint 5 in {tmp_path} is from before this."]


def test_what_changed_in_the_data_is_said(sources: Any, make_source: Make, tmp_path: Path) -> None:
    folder = stopped(tmp_path / "run", sources, 9, interrupt)
    train, validation = sources
    trainer = Trainer.resume(folder, progress=False)
    flipped = make_source(36)
    flipped.labels = np.where(np.arange(36) == 2, 1 - flipped.labels, flipped.labels).astype(np.int8)
    dimmer = make_source(30, part="validation", seed=1)
    dimmer.images = dimmer.images.copy()
    dimmer.images[4] *= 0.5
    for changed, words in (
        ((make_source(35), validation), "train: 36 images became 35"),
        ((flipped, validation), r"train: labels changed \(18 positives became 17\)"),
        ((train, dimmer), r"validation: pixels of 1 image\(s\) changed: validation_4"),
        ((train, None), "validation: it is missing"),
        ((make_source(36, part="other"), validation), "train: other images, or another order"),
    ):
        with pytest.raises(DataError, match=words):
            trainer.fit(*changed)
    trainer.fit(train, validation)


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    from PIL import Image

    made = mc.data.make_phantoms(tmp_path / "phantoms", patients=30, image_size=32, seed=1)
    options: dict[str, Any] = {
        "positive": "lesion",
        "patients": "patient_id",
        "image_size": 12,
        "channels": 1,
        "seed": 7,
    }
    data = mc.load_dataset(str(made), progress=False, **options)
    trainer = Trainer(model(), augment=AUGMENT, directory=tmp_path / "run", **OPTIONS)
    with pytest.raises(TrainingInterrupted):
        trainer.fit(Stop(data.train, 9, interrupt), data.validation)
    name = str(data.train.sample_ids[0])
    with Image.open(made / name) as image:
        pixels = np.asarray(image).copy()
    pixels[8:24, 8:24] = 255
    Image.fromarray(pixels).save(made / name)
    changed = mc.load_dataset(str(made), progress=False, **options)
    with pytest.raises(DataError, match=rf"pixels of 1 image\(s\) changed: {name}"):
        Trainer.resume(tmp_path / "run", progress=False).fit(changed.train, changed.validation)


def test_images_that_changed_places_are_noticed(tmp_path: Path) -> None:
    made = mc.data.make_phantoms(tmp_path / "phantoms", patients=30, image_size=32, seed=1)
    options: dict[str, Any] = {"positive": "lesion", "patients": "patient_id", "channels": 1, "seed": 7}
    options |= {"image_size": 12, "progress": False}
    data = mc.load_dataset(str(made), **options)
    trainer = Trainer(model(), augment=AUGMENT, directory=tmp_path / "run", **OPTIONS)
    with pytest.raises(TrainingInterrupted):
        trainer.fit(Stop(data.train, 9, interrupt), data.validation)
    one, other = (made / data.train.sample_ids[i] for i in np.flatnonzero(data.train.labels == 1)[:2])
    one.rename(made / "between")
    other.rename(one)
    (made / "between").rename(other)
    swapped = mc.load_dataset(str(made), **options)
    assert swapped.train.fingerprint == data.train.fingerprint
    with pytest.raises(DataError, match=r"pixels of 2 image\(s\) changed"):
        Trainer.resume(tmp_path / "run", progress=False).fit(swapped.train, swapped.validation)


def test_other_versions_are_said(sources: Any, tmp_path: Path) -> None:
    folder = stopped(tmp_path / "run", sources, 9, interrupt)
    record = json.loads((folder / "run.json").read_text())
    assert int(record["environment"]["threads"]) <= int(record["environment"]["processors"])
    record["environment"] |= {"jax": "0.1", "threads": "999", "XLA_FLAGS": "--xla_other"}
    (folder / "run.json").write_text(json.dumps(record))
    threads = r".*threads 999 became \d+" if jax.default_backend() == "cpu" else ".*"
    with said(rf"not bit for bit .* jax 0\.1 became {threads}, XLA_FLAGS --xla_other became"):
        Trainer.resume(folder, progress=False).fit(*sources)


def test_a_run_in_the_way_is_not_replaced(sources: Any, tmp_path: Path) -> None:
    folder = stopped(tmp_path / "run", sources, 9, interrupt)
    with pytest.raises(ArgumentError, match=r"not finished\. Go on with"):
        Trainer(model(), directory=folder, **OPTIONS).fit(*sources)
    run = Trainer(model(), directory=folder, overwrite=True, **OPTIONS).fit(*sources)
    assert len(run.history) == 3
    # One that did not get past its first steps is of no use to anyone.
    stopped(tmp_path / "other", sources, 3, die)
    Trainer(model(), directory=tmp_path / "other", **(OPTIONS | {"epochs": 1})).fit(*sources)


def test_a_run_is_not_deleted_for_one_that_cannot_begin(
    sources: Any, make_source: Make, tmp_path: Path
) -> None:
    before = Trainer(model(), directory=tmp_path, **(OPTIONS | {"epochs": 1})).fit(*sources)
    new = Trainer(model(), directory=tmp_path, overwrite=True, **OPTIONS)
    unreadable = Stop(sources[1], 1, fail(ImageReadError("phantoms/7.png: is damaged")))
    with pytest.raises(ImageReadError, match="is damaged"):
        new.fit(sources[0], unreadable)
    assert values(load_run(tmp_path)) == values(before)
    assert json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])["event"] == "finished"


def test_two_processes_do_not_train_in_one_folder(sources: Any, tmp_path: Path) -> None:
    train, validation = sources
    said: list[str] = []

    def begin_another() -> None:
        with pytest.raises(ArgumentError) as caught:
            Trainer(model(), directory=tmp_path, overwrite=True, **OPTIONS).fit(train, validation)
        said.append(str(caught.value))

    Trainer(model(), directory=tmp_path, **(OPTIONS | {"epochs": 1})).fit(
        Stop(train, 4, begin_another), validation
    )
    assert "another process trains" in said[0]


def test_an_augmentation_that_cannot_be_rebuilt_is_asked_for(sources: Any, tmp_path: Path) -> None:
    train, validation = sources

    def dim(key: Any, image: Any) -> Any:
        return image * 0.9

    own = PerImage(function=dim)
    with pytest.raises(TrainingInterrupted):
        Trainer(model(), augment=own, directory=tmp_path, **OPTIONS).fit(
            Stop(train, 9, interrupt), validation
        )
    with pytest.raises(
        ArgumentError, match=r"augment: the run's own cannot be rebuilt .* Trainer.resume\(directory, augment"
    ):
        Trainer.resume(tmp_path)
    with pytest.raises(ArgumentError, match="augment: must be that of the run"):
        Trainer.resume(tmp_path, augment=Noise(sigma=0.1))
    assert len(Trainer.resume(tmp_path, augment=own, progress=False).fit(train, validation).history) == 3


def test_a_model_that_cannot_be_rebuilt_is_asked_for(sources: Any, reference: Any, tmp_path: Path) -> None:
    folder = stopped(tmp_path / "run", sources, 9, interrupt)
    (folder / "checkpoints" / "start.keras").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"start\.keras: is missing, or not the file"):
        Trainer.resume(folder)
    image = keras.layers.Input((12, 12, 1))
    other = keras.Model(image, keras.layers.Dense(1, name="logit")(keras.layers.Flatten()(image)))
    frozen = model()
    assert recipe_sha256(frozen) == recipe_sha256(model())
    frozen.layers[1].trainable = False
    for wrong in (other, model(dropout=0.4), frozen):
        with pytest.raises(ArgumentError, match=r"model: must be of the recipe .* Build the model as before"):
            Trainer.resume(folder, model=wrong, progress=False)
    assert values(Trainer.resume(folder, model=model(), progress=False).fit(*sources)) == reference


def test_resume_says_where_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"run\.json: does not exist"):
        Trainer.resume(tmp_path)
    with pytest.raises(
        ArgumentError, match=r"goes on with the options it began with\. .*, epochs=\.\.\., dir"
    ):
        Trainer.resume(tmp_path, epochs=20)
    with pytest.raises(ArgumentError, match="Did you mean 'progress'"):
        Trainer.resume(tmp_path, progres=False)
    (tmp_path / "run.json").write_text('{"format": "medimg_cnn.run", "version": 99}')
    with pytest.raises(ArtifactError, match="version 99"):
        Trainer.resume(tmp_path)


def test_the_folder_says_what_was_done(sources: Any, tmp_path: Path) -> None:
    train, validation = sources
    fingerprint = mc.artifacts.DatasetFingerprint(
        content="c",
        preprocessing="p",
        counts=(("train", 36, 18),),
        classes=("no", "yes"),
        image_shape=(12, 12, 1),
    )
    train, validation = replace(train, fingerprint=fingerprint), replace(validation, fingerprint=fingerprint)
    run = Trainer(model(), augment=AUGMENT, directory=tmp_path, **OPTIONS).fit(train, validation)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["config"]["seed"] == 3
    assert record["augment"] == json.loads(json.dumps(AUGMENT.to_dict()))
    assert record["train"]["fingerprint"]["content"] == "c"
    assert {"jax", "keras", "orbax-checkpoint", "python"} <= record["environment"].keys()
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events if event["event"] not in EVENTS_OF_CHECKPOINTS] == [
        "begun",
        *["epoch"] * 3,
        "finished",
    ]
    import pandas as pd

    table = pd.read_csv(tmp_path / "history.csv", index_col="epoch")  # pandas drops the last digit of some
    pd.testing.assert_frame_equal(table, run.history, rtol=1e-12)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_of_the_users_code_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from medimg_cnn._environment import describe_environment

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    script = tmp_path / "study.py"
    script.write_text("1")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(script), raising=False)
    assert "git commit" not in describe_environment()
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "study")
    commit = git("rev-parse", "HEAD")
    assert describe_environment()["git commit"] == commit
    script.write_text("2")
    assert describe_environment()["git commit"] == f"{commit} with uncommitted changes"


@pytest.mark.parametrize("limit", [0, 1_000, 40_000])  # nothing fits; not the model; not the checkpoints
def test_a_disk_with_too_little_room_is_found_before_the_first_step(
    sources: Any, reference: Any, tmp_path: Path, limit: int
) -> None:
    """A limit on file sizes stands for a full disk, which needs no rights to make; see test_survival for a real one."""
    import resource

    folder = stopped(tmp_path / "run", sources, 9, interrupt)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        with pytest.raises(ArgumentError, match=r"must have room for .* Free some space"):
            Trainer(model(), directory=folder, overwrite=True, **OPTIONS).fit(*sources)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert values(Trainer.resume(folder, progress=False).fit(*sources)) == reference, (
        "the old run is still there"
    )


def test_a_disk_that_fills_up_later_warns_and_the_old_checkpoint_stays(
    sources: Any, reference: Any, tmp_path: Path
) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    train, validation = sources

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))

    folder = tmp_path / "run"
    trainer = Trainer(model(), augment=AUGMENT, directory=folder, **OPTIONS)
    try:
        with (
            said(r"checkpoint could not be written .* checkpoint \d+ is the last good one"),
            pytest.raises(TrainingError, match=r"File too large.*attribute run.*Trainer\.resume") as caught,
        ):
            trainer.fit(Stop(train, 9, fill), validation)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert values(caught.value.run) == reference
    assert [path.name for path in (folder / "checkpoints").iterdir() if path.name.isdecimal()]
    assert values(Trainer.resume(folder, progress=False).fit(*sources)) == reference
