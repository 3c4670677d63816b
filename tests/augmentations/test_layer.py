"""The Keras layer: random while training, silent otherwise, saved with the model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn import augmentations as A  # noqa: N812 - short, and used on every line
from medimg_cnn._keras import keras
from medimg_cnn.errors import ArgumentError

IMAGES = np.random.default_rng(0).random((4, 8, 8, 1)).astype(np.float32)
CHAIN = A.Rotation(degrees=20) | A.Noise(sigma=0.1)


def test_it_augments_in_training_only_draws_anew_and_repeats_with_its_seed() -> None:
    layer = CHAIN.as_layer(seed=3)
    assert np.array_equal(layer(IMAGES), IMAGES)
    assert np.array_equal(layer(IMAGES, training=False), IMAGES)
    first, second = np.asarray(layer(IMAGES, training=True)), np.asarray(layer(IMAGES, training=True))
    assert not np.array_equal(first, IMAGES)
    assert not np.array_equal(first, second)
    assert np.array_equal(CHAIN.as_layer(seed=3)(IMAGES, training=True), first)
    assert not np.array_equal(CHAIN.as_layer(seed=4)(IMAGES, training=True), first)


def test_it_trains_saves_and_loads_within_a_model(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            A.Brightness(amount=0.1).as_layer(seed=1, name="augment"),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("sgd", "binary_crossentropy")
    model.fit(IMAGES, np.array([0, 1, 0, 1]), epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(again.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))
    layer = again.get_layer("augment")
    assert isinstance(layer, A.AugmentationLayer)
    assert layer.augmentation == A.Brightness(amount=0.1)
    assert layer.seed == 1


def test_layers_of_other_augmentations_draw_other_numbers_from_the_same_seed() -> None:
    step = np.stack([np.full((200, 4, 4, 1), 0.5), np.full((200, 4, 4, 1), 0.3)], axis=2).reshape(
        200, 4, 8, 1
    )
    layers = [A.Brightness(amount=0.1), A.Brightness(amount=0.2), A.Gamma(amount=0.5), A.Contrast(amount=0.2)]
    drawn = [np.asarray(a.as_layer()(step.astype(np.float32), training=True))[:, 0, 0, 0] for a in layers]
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 0.25


def test_a_loaded_layer_begins_again_at_its_seed(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8, 8, 1)), CHAIN.as_layer(seed=2), keras.layers.Flatten()])
    expected = np.asarray(model.layers[0](IMAGES, training=True))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(again.layers[0](IMAGES, training=True), expected)


def test_load_run_knows_it_in_a_new_process(tmp_path: Path) -> None:
    keras.Sequential([keras.Input((8, 8, 1)), CHAIN.as_layer()]).save(tmp_path / "model.keras")
    path = str(tmp_path / "model.keras")
    code = (
        f"from medimg_cnn.training._run import _kept; from pathlib import Path; _kept(Path({path!r}), None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_stays_float32_under_mixed_precision() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert A.Noise(sigma=0.1).as_layer()(IMAGES, training=True).dtype == "float32"
    finally:
        keras.config.set_dtype_policy(before)


def test_what_is_no_augmentation_is_refused() -> None:
    with pytest.raises(ArgumentError, match="must be an Augmentation"):
        A.AugmentationLayer(3)
    with pytest.raises(ArgumentError, match="seed"):
        CHAIN.as_layer(seed=-1)


def test_what_could_not_be_loaded_with_the_model_is_refused_before_it_is_saved() -> None:
    step = A.PerImage(function=lambda key, image: image)
    for augmentation in (step, CHAIN | step):
        with pytest.raises(ArgumentError, match=r"must be rebuilt by from_dict.*register.*Trainer\(augment"):
            augmentation.as_layer()
