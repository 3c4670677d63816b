"""Every architecture learns, explains itself, saves and loads, with the library's own Trainer, at any size."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn._keras import keras
from medimg_cnn.models import Architecture

SMALL = {"medcnn-s", "medcnn-m", "medcnn-l", "cnn", "resnet18"}
EVERY = [
    pytest.param(name, marks=pytest.mark.slow if name in SMALL else pytest.mark.heavy)
    for name in [*get_args(Architecture), "keras:MobileNetV2", "keras:ConvNeXtTiny"]
]


def squares(n: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images of noise; the positive ones have a bright square."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    images = rng.uniform(0.2, 0.5, (n, size, size))
    for index in np.flatnonzero(labels):
        row, column = rng.integers(0, size - 8, 2)
        images[index, row : row + 8, column : column + 8] += 0.4
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8), labels


@pytest.mark.parametrize("name", EVERY)
def test_it_learns_a_tiny_set_by_heart_and_survives_saving(name: str, tmp_path: Path) -> None:
    data = mc.load_dataset(
        squares(60, 28),
        positive=1,
        patients=np.arange(60),
        fractions=(0.6, 0.4, 0.0),
        audit="off",
        progress=False,
    )
    model = mc.build_cnn(
        data.image_shape, architecture=name, prior=data.train.prevalence, dropout=0.0, seed=1
    )
    run = mc.Trainer(model, epochs=EPOCHS.get(name, 20), batch_size=12, seed=1, progress=False).fit(
        data.train, data.validation
    )
    trained = run.predict(data.train)
    positive, negative = (trained.logit[trained.y_true == value] for value in (1, 0))
    assert positive.min() > negative.max(), "AUROC 1.0 on the images it was trained on"

    bundle = mc.load_bundle(mc.save_bundle(run, tmp_path / "model.zip", data=data))
    np.testing.assert_array_equal(bundle.run.predict(data.train).logit, trained.logit)
    run.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    images, _ = data.train.arrays()
    np.testing.assert_array_equal(np.asarray(loaded(images[:4])), np.asarray(run.model(images[:4])))

    maps = mc.explain.grad_cam(run.model, images[:4])
    assert maps.shape == (4, 28, 28)
    assert np.isfinite(maps).all()
    assert maps.max() > 0


EPOCHS = {"keras:MobileNetV2": 60}


@pytest.mark.parametrize("name", EVERY)
def test_it_predicts_images_of_28_to_512_pixels_and_odd_sizes(name: str) -> None:
    for shape in [(28, 28, 1), (37, 61, 3), (129, 65, 1), (227, 131, 3), (512, 512, 1)]:
        model = mc.build_cnn(shape, architecture=name, prior=0.3)
        images = np.random.default_rng(1).random((2, *shape), dtype=np.float32)
        both = keras.Model(model.input, [model.get_layer("features").output, model.output])
        features, probability = map(np.asarray, both(images))
        np.testing.assert_allclose(probability, np.full((2, 1), 0.3), rtol=1e-6)
        # Without training, normalisation does not hold their scale: it may be 1e-6 or 1e6 in a deep network.
        assert np.isfinite(features).all()
        assert np.abs(features[0] - features[1]).max() > 1e-3 * np.abs(features).max() > 0
