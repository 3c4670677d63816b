"""Architectures: what they promise, on several sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn._variables import load_model
from medimg_cnn.errors import ArgumentError
from medimg_cnn.models import Architecture, build_cnn

ARCHITECTURES = get_args(Architecture)
LARGE = {"resnet34", "resnet50", "densenet121", "convnext-tiny", "efficientnetv2-b0"}
EACH = [pytest.param(name, marks=[pytest.mark.heavy] if name in LARGE else []) for name in ARCHITECTURES]
SHAPES = [(28, 28, 1), (128, 96, 3), (37, 61, 1)]


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [("medcnn-s", shape) for shape in SHAPES]
    + [
        pytest.param(name, SHAPES[-1], marks=[pytest.mark.heavy] if name in LARGE else [])
        for name in ARCHITECTURES[1:]
    ],
    ids=str,
)
def test_output_is_one_float32_probability(architecture: str, shape: tuple[int, int, int]) -> None:
    model = build_cnn(shape, architecture=architecture, width=4)
    images = np.random.default_rng(0).random((3, *shape), dtype=np.float32)
    output = np.asarray(model(images))
    assert (output.shape, output.dtype) == ((3, 1), np.float32)
    assert ((output > 0) & (output < 1)).all()
    assert isinstance(model, keras.Model)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 9, 1), (1, 64, 3)], ids=str)
def test_tiny_and_thin_images_are_accepted(shape: tuple[int, int, int]) -> None:
    assert build_cnn(shape, width=4)(np.zeros((2, *shape), np.float32)).shape == (2, 1)


@pytest.mark.parametrize("prior", [0.02, 0.5, 0.9])
def test_first_predictions_are_the_prior(prior: float) -> None:
    images = np.random.default_rng(1).random((16, 28, 28, 1), dtype=np.float32)
    output = np.asarray(build_cnn((28, 28, 1), prior=prior)(images))
    np.testing.assert_allclose(output, prior, rtol=1e-6)


def test_the_seed_decides_the_weights_and_nothing_else_does() -> None:
    def weights(seed: int) -> list[np.ndarray]:
        return [np.asarray(v.value) for v in build_cnn((28, 28, 1), seed=seed).trainable_variables]

    keras.utils.set_random_seed(1)
    first = weights(7)
    keras.utils.set_random_seed(2)
    again, other = weights(7), weights(8)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_no_two_layers_start_with_the_same_weights() -> None:
    kernels = [
        np.asarray(v.value).ravel()[:16]
        for v in build_cnn((28, 28, 1)).trainable_variables
        if v.name == "kernel"
    ]
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)


@pytest.mark.parametrize(
    ("architecture", "load"),
    # Keras's own loader draws initial weights first, each compiled for its shape, only to overwrite them.
    [pytest.param(*each.values, load_model, marks=each.marks) for each in EACH]
    + [
        pytest.param(*each.values, keras.saving.load_model, marks=each.marks or pytest.mark.slow)
        for each in EACH
        if each.values != ("cnn",)
    ]
    + [("cnn", keras.saving.load_model)],
)
def test_saving_and_loading_gives_equal_outputs(tmp_path: Path, architecture: str, load: Any) -> None:
    model = build_cnn((12, 16, 3), architecture=architecture, width=4)
    images = np.random.default_rng(2).random((4, 12, 16, 3), dtype=np.float32)
    kernel = model.get_layer("logit").kernel  # at zero, every image would get the prior
    kernel.assign(np.linspace(-1, 1, kernel.shape[0]).reshape(kernel.shape))
    model.save(tmp_path / "model.keras")
    loaded = load(tmp_path / "model.keras")  # Keras's own refuses code in the file by default
    # Probabilities of such weights may be 0 or 1 for every image.
    before, after = (
        np.asarray(keras.Model(one.input, one.get_layer("logit").output)(images)) for one in (model, loaded)
    )
    assert np.ptp(before) > 0
    np.testing.assert_array_equal(before, after)


@pytest.mark.slow
@pytest.mark.slow
def test_it_is_an_ordinary_keras_model_that_compiles_and_learns() -> None:
    rng = np.random.default_rng(3)
    y = np.arange(64) % 2
    x = np.clip(rng.normal(0.35 + 0.3 * y[:, None, None, None], 0.1, (64, 16, 16, 1)), 0, 1).astype(
        np.float32
    )
    model = build_cnn((16, 16, 1), width=8, dropout=0.0)
    model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="binary_crossentropy", metrics=["AUC"])
    model.fit(x, y, epochs=12, batch_size=16, verbose=0)
    assert model.evaluate(x, y, verbose=0, return_dict=True)["AUC"] > 0.95


def test_space_to_depth_keeps_every_pixel() -> None:
    model = build_cnn((128, 130, 1), width=4)
    folded = keras.Model(model.input, model.get_layer("space_to_depth").output)
    image = np.random.default_rng(4).random((1, 128, 130, 1), dtype=np.float32)
    values = np.sort(np.asarray(folded(image)).ravel())
    expected = np.sort(
        np.append(image.ravel() * 4 - 2, np.zeros(values.size - image.size)).astype(np.float32)
    )
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_space_to_depth_is_the_patch_order_it_says() -> None:
    model = build_cnn((64, 64, 1), width=4)
    folded = keras.Model(model.input, model.get_layer("space_to_depth").output)
    image = np.arange(64 * 64, dtype=np.float32).reshape(1, 64, 64, 1) / 4096
    patch = np.asarray(folded(image))[0, 3, 5]
    np.testing.assert_allclose(patch, image[0, 6:8, 10:12, 0].ravel() * 4 - 2, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image_shape": (28, 28)}, r"image_shape: must be \(height, width, channels\)"),
        ({"image_shape": (28, 28, 2)}, "must be 1 .grey. or 3"),
        ({"image_shape": (0, 28, 1)}, "at least 1"),
        ({"image_shape": (28, 28, 1), "prior": 0.0}, "prior: must be a finite number in"),
        ({"image_shape": (28, 28, 1), "prior": 1}, "prior"),
        ({"image_shape": (28, 28, 1), "architecture": "resnet-18"}, "Did you mean 'resnet18'"),
        ({"image_shape": (28, 28, 1), "dropout": 1.0}, r"dropout: must be a finite number in \[0, 1\)"),
        ({"image_shape": (28, 28, 1), "width": 2.5}, "width: must be a whole number"),
        ({"image_shape": (28, 28, 1), "seed": -1}, "seed"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        build_cnn(**arguments)
