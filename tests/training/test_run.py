"""What a finished run refuses and accepts."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn.data import KFold
from medimg_cnn.errors import ArgumentError, ArtifactError, MedimgCnnWarning
from medimg_cnn.training import Run, TensorBoardTracker, Trainer, cross_validate, load_run
from medimg_cnn.training._predict import augmented_views

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def data() -> mc.Dataset:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    slope = (2 * y[:, None, None] - 1) * np.linspace(-0.2, 0.2, 8)  # to the right or to the left
    x = np.clip(rng.normal(0.5 + slope, 0.1, (60, 8, 8)), 0, 1)
    return mc.load_dataset((x, y), positive=1, patients=np.arange(60).astype(str), progress=False)


@pytest.fixture(scope="module")
def run(data: mc.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "a"
    model = mc.build_cnn(data.image_shape, width=4)
    trainer = Trainer(model, epochs=1, class_weight=(1.0, 3.0), directory=folder, progress=False)
    return trainer.fit(data.train, data.validation)


def test_images_without_labels_get_calibrated_probabilities(run: Run, data: mc.Dataset) -> None:
    images, _ = data.test.arrays()
    expected = run.predict(data.test).probability
    np.testing.assert_array_equal(run.probabilities(images), expected)
    np.testing.assert_allclose(run.probabilities(images, batch_size=3), expected, atol=1e-6)
    plain = np.asarray(run.model(images))[:, 0]
    assert (expected < plain).all(), "class weights are undone, which the bare model does not know"


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((2, 8, 9, 1), np.float32), r"must be \(n, 8, 8, 1\)"),
        (np.zeros((8, 8, 1), np.float32), "needs a first axis"),
        (np.zeros((0, 8, 8, 1), np.float32), "with n at least 1"),
        (np.zeros((2, 8, 8, 1), np.uint8), "divided by 255"),
        (np.full((2, 8, 8, 1), 255.0), "0 to 1"),
        (
            np.stack([np.zeros((8, 8, 1)), np.full((8, 8, 1), np.nan)]),
            "1 of 2 images are not, the first at index 1",
        ),
    ],
)
def test_other_arrays_are_refused(run: Run, images: np.ndarray, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        run.probabilities(images)


def test_images_divided_anew_are_not_taken_for_images_not_trained_on(run: Run, data: mc.Dataset) -> None:
    anew = mc.load_dataset(
        (
            np.concatenate([part.arrays()[0] for part in data.parts]),
            np.concatenate([p.labels for p in data.parts]),
        ),
        positive=1,
        patients=np.arange(60).astype(str),
        seed=9,
        progress=False,
    )
    with pytest.warns(MedimgCnnWarning, match="divided otherwise"):
        predictions = run.predict(anew.test)
    assert predictions.part == ""
    checks = {check.code: check.outcome for check in mc.clinical_report(predictions, bootstrap=100).checks}
    assert checks["R010"] != "pass"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run.predict(data.test).part == "test"


def test_predict_says_what_to_pass(run: Run, data: mc.Dataset) -> None:
    for images, words in (
        (data, r"the whole Dataset. Pass data\.test"),
        ("somewhere/images", "got the path 'somewhere/images'. Load it first"),
        (Path("images"), "Load it first"),
        (np.zeros((2, 8, 8, 1), np.float32), r"Run\.probabilities"),
        (3, "got int"),
    ):
        with pytest.raises(ArgumentError, match=words):
            run.predict(images)


def test_a_name_is_no_augmentation(run: Run, data: mc.Dataset) -> None:
    with pytest.raises(ArgumentError, match=r"augment: .*preset\('chest_xray'\)"):
        run.predict(data.test, augment="chest_xray")


def test_fit_says_what_to_pass(data: mc.Dataset) -> None:
    trainer = Trainer(mc.build_cnn(data.image_shape, width=4), progress=False)
    with pytest.raises(ArgumentError, match=r"train: .* Dataset. Pass data\.train, data\.validation"):
        trainer.fit(data)
    with pytest.raises(ArgumentError, match=r"train: must be a Split.* got NoneType"):
        trainer.fit(None)
    with pytest.raises(ArgumentError, match=r"validation: .*load_dataset"):
        trainer.fit(data.train, "images")


def test_a_run_is_loaded_by_its_folder_or_a_file_in_it(run: Run, data: mc.Dataset, tmp_path: Path) -> None:
    assert run.directory is not None
    for place in (run.directory, str(run.directory / "result.json"), run.directory / "model.keras"):
        read = mc.load_run(place)
        np.testing.assert_array_equal(read.predict(data.test).logit, run.predict(data.test).logit)
    with pytest.raises(ArtifactError, match="Pass the directory of a finished run"):
        load_run(tmp_path / "nowhere")
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "images.npz").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"is not finished\. Finish it with Trainer\.resume"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        (["model.keras"], r"model\.keras: is gone from a finished run"),
        (["result.json"], r"result\.json: is gone from a finished run"),
        (["result.json", "model.keras"], "checkpoints: is gone from a run that was not finished"),
        (["result.json", "model.keras"], r"images\.npz: is gone from a run that was not finished"),
    ],
)
def test_a_run_that_lost_a_file_says_which(
    run: Run, data: mc.Dataset, tmp_path: Path, gone: list[str], named: str
) -> None:
    folder = shutil.copytree(run.directory or "", tmp_path / "fold-1-of-2")
    for name in gone:
        (folder / name).unlink()
    if "images" in named:
        (folder / "checkpoints" / "0").mkdir(parents=True)
    step = r".*Restore it from a copy, or begin again .*overwrite=True"
    for again in (load_run, Trainer.resume):
        with pytest.raises(ArtifactError, match=named + step):
            again(folder)
    with pytest.raises(ArtifactError, match=named + r".* delete the folder .*fold-1-of-2"):
        cross_validate(
            data,
            lambda fold: mc.build_cnn(fold.image_shape, width=4),
            splitter=KFold(k=2),
            directory=tmp_path,
            progress=False,
        )
    if gone == ["result.json"]:
        with pytest.raises(ArgumentError, match="directory: .*" + named):
            Trainer(run.model, directory=folder, progress=False).fit(data.train, data.validation)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("result.json", lambda content: content["operating_point"].update(threshold=7)),
        ("result.json", lambda content: content.update(kept_epoch=999)),
        ("result.json", lambda content: content.update(kept_epoch=None)),
        ("result.json", lambda content: content["config"].update(colour=1)),
        ("result.json", lambda content: content.update(config=None)),
        ("result.json", lambda content: content.update(history="x")),
        ("run.json", lambda content: content.update(config=None)),
        ("run.json", lambda content: content["config"].update(epochs="x")),
        ("run.json", lambda content: content.update(train=None)),
    ],
)
def test_a_record_that_says_what_cannot_be_is_damaged(
    run: Run, tmp_path: Path, name: str, change: Callable[[Any], None]
) -> None:
    folder = shutil.copytree(run.directory or "", tmp_path / "run")
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))
    with pytest.raises(
        ArtifactError, match=rf"{name}: is damaged or not a run's|{name}: is damaged or not a fit"
    ):
        (load_run if name == "result.json" else Trainer.resume)(folder)


@pytest.mark.parametrize("value", ["", 3, b"abc", "a\0b", "x" * 300, "runs/" + "é" * 128, [], " "])
def test_what_is_no_path_is_refused_by_name(run: Run, value: Any) -> None:
    for take in (
        lambda path: Trainer(run.model, directory=path),
        Trainer.resume,
        load_run,
        TensorBoardTracker,
    ):
        with pytest.raises(
            ArgumentError, match=r"directory: must be a path.*Pass for example directory='runs/"
        ):
            take(value)


def test_a_folder_must_be_said(run: Run, data: mc.Dataset) -> None:
    for take in (Trainer.resume, load_run, TensorBoardTracker):
        with pytest.raises(ArgumentError, match="directory: must be a path"):
            take(None)
    with pytest.raises(ArgumentError, match="directory: must be a path"):
        cross_validate(data, lambda fold: run.model, directory="")


def test_test_time_augmentation_is_the_mean_logit_over_views(run: Run, data: mc.Dataset) -> None:
    from medimg_cnn.augmentations import Flip, MixUp, Noise

    images, _ = data.test.arrays()
    plain, mirrored = (
        run.result.calibration.logit(run.probabilities(x)) for x in (images, images[:, :, ::-1])
    )
    found = run.predict(data.test, augment=Flip(horizontal=True, vertical=False, probability=1.0), draws=1)
    both = run.result.calibration.logit(found.probability)
    np.testing.assert_allclose(both, (plain + mirrored) / 2, atol=1e-5)
    noise = Noise(sigma=0.2)
    first = run.predict(data.test, augment=noise, draws=2, seed=4)
    again = run.predict(data.test, augment=noise, draws=2, seed=4, batch_size=3)
    np.testing.assert_allclose(first.logit, again.logit, atol=1e-6)
    assert (first.logit != run.predict(data.test, augment=noise, draws=2, seed=5).logit).any()
    np.testing.assert_allclose(
        run.predict(data.test, augment=Noise(sigma=0.0)).logit, run.predict(data.test).logit, rtol=1e-12
    )
    same = np.repeat(images[:1], len(images), axis=0)  # the views do not hang on an image's place
    _, view = augmented_views(lambda rows: same[rows], noise, images.shape[1:], draws=1, seed=0)
    assert np.ptp(view(np.arange(len(same))), axis=0).max() == 0.0
    with pytest.raises(ArgumentError, match="does not mix images"):
        run.predict(data.test, augment=MixUp())
    with pytest.raises(ArgumentError, match="draws: must be a whole number of at least 1"):
        run.predict(data.test, augment=noise, draws=0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lr": 0.1}, "'lr' is not an option of Trainer. Did you mean 'learning_rate'"),
        ({"learningrate": 0.1}, "Did you mean 'learning_rate'"),
        ({"verbose": 0}, "Did you mean 'progress'"),
        ({"dropout": 0.5}, r"It is an option of the model: build_cnn\("),
    ],
)
def test_a_misspelt_option_is_answered(data: mc.Dataset, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        Trainer(mc.build_cnn(data.image_shape, width=4), **options)


def test_fit_as_in_keras_is_answered(data: mc.Dataset) -> None:
    trainer = Trainer(mc.build_cnn(data.image_shape, width=4), progress=False)
    images, labels = data.train.arrays()
    with pytest.raises(
        ArgumentError, match=r"become a dataset with medimg_cnn\.load_dataset\(\(images, labels\)"
    ):
        trainer.fit(images, labels)
    for options, words in (
        ({"epochs": 3}, r"'epochs' is not an option of Trainer\.fit\. .* Trainer\(model, epochs=\.\.\.\)"),
        (
            {"validation_data": data.validation},
            r"as the second argument: fit\(data\.train, data\.validation\)",
        ),
        ({"batch": 8}, "Known: 'train', 'validation'"),
    ):
        with pytest.raises(ArgumentError, match=words):
            trainer.fit(data.train, **options)
    with pytest.raises(ArgumentError, match=r"'y' is not an option"):
        trainer.fit(images, y=labels)
