"""A small dataset, a run on it without training, and its bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn.artifacts import Calibration, DatasetFingerprint, FitResult, OperatingPoint
from medimg_cnn.data import Dataset
from medimg_cnn.evaluation import auroc
from medimg_cnn.training import Run

SIZE = 12


def images_of(n: int, *, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Images in which a bright square, in half of them, is the sign."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    images = rng.uniform(0.2 + shift, 0.5 + shift, (n, SIZE, SIZE))
    for index in np.flatnonzero(labels):
        row, column = rng.integers(0, SIZE - 4, 2)
        images[index, row : row + 4, column : column + 4] += 0.3
        images[index] -= 0.3 * 16 / SIZE**2  # brightness alone says nothing
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8), np.where(labels == 1, "ill", "well")


def make_run(model: object, fingerprint: DatasetFingerprint | None, preprocessing: dict | None) -> Run:
    result = FitResult(
        history=(),
        kept_epoch=0,
        operating_point=OperatingPoint(threshold=0.37, rule="youden", chosen_on="validation"),
        calibration=Calibration(
            method="platt", parameters=(("slope", 1.5), ("intercept", 0.25)), fitted_on="validation"
        ),
        config={"epochs": 0},
        fingerprint=fingerprint,
        preprocessing=preprocessing,
        environment={"python": "3"},
    )
    return Run(model, result)


def shaken(model: object, seed: int = 0) -> object:
    """Give every weight, also those that start at zero, a value of its own."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = np.asarray(weight.value)
        weight.assign(
            np.abs(value + rng.normal(0, 0.1, value.shape))
            if "variance" in weight.path
            else value + rng.normal(0, 0.1, value.shape)
        )
    return model


@pytest.fixture(scope="session", name="images_of")
def images_of_fixture() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """``images_of(n, seed=..., shift=...)``: images and labels."""
    return images_of


@pytest.fixture(scope="session", name="make_run")
def make_run_fixture() -> Callable[..., Run]:
    """``make_run(model, fingerprint, preprocessing)``: a run without training."""
    return make_run


@pytest.fixture(scope="session", name="shaken")
def shaken_fixture() -> Callable[..., object]:
    """``shaken(model)``: every weight moved."""
    return shaken


@pytest.fixture(scope="session")
def data() -> Dataset:
    images, labels = images_of(300, seed=0)
    return mc.load_dataset(
        (images, labels), positive="ill", patients=np.arange(300) // 2, image_size=SIZE, seed=1
    )


@pytest.fixture(scope="session")
def run(data) -> Run:
    made = make_run(
        shaken(mc.build_cnn(data.image_shape, width=4, seed=3)),
        data.fingerprint,
        data.preprocessing.to_dict(),
    )
    if auroc(made.predict(data.validation)).value < 0.5:  # chance decides, without training
        kernel = made.model.get_layer("logit").kernel
        kernel.assign(-np.asarray(kernel.value))
    return made


@pytest.fixture(scope="session")
def bundle_zip(run, data, tmp_path_factory) -> Path:
    return mc.save_bundle(
        run,
        tmp_path_factory.mktemp("bundle") / "model.zip",
        data=data,
        test=run.predict(data.test),
        name="Squares 1",
        intended_use="tests",
        out_of_scope="patients",
        abstain_between=(0.3, 0.45),
    )


@pytest.fixture(scope="session")
def bundle_folder(run, data, tmp_path_factory) -> Path:
    return mc.save_bundle(run, tmp_path_factory.mktemp("bundle") / "model", data=data)


@pytest.fixture(scope="session")
def bundle(bundle_zip) -> mc.export.Bundle:
    return mc.load_bundle(bundle_zip)


@pytest.fixture
def image_folder(tmp_path) -> Path:
    """Files of many kinds: grey, colour, 16 bits, other sizes, one that is cut off."""
    from PIL import Image

    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    rng = np.random.default_rng(5)
    for index in range(9):
        grey = rng.integers(0, 256, (SIZE + index, 30), dtype=np.uint8)
        Image.fromarray(grey).save(folder / f"grey_{index}.png")
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / "sub" / "colour.jpg")
    Image.fromarray(rng.integers(0, 65536, (20, 24), dtype=np.uint16)).save(folder / "sub" / "deep.png")
    whole = (folder / "grey_0.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("not an image")
    return folder
