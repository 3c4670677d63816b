"""Initial weights and copies: what Keras would give, from the seed and nothing else."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn._variables import blank, duplicate, load_model, values_of
from medimg_cnn.models import build_cnn
from medimg_cnn.models._build import Plan
from medimg_cnn.training._variants import faster

INITIALISERS = [
    keras.initializers.HeNormal(seed=3),
    keras.initializers.HeUniform(seed=3),
    keras.initializers.GlorotUniform(seed=3),
    keras.initializers.LecunNormal(seed=3),
    keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal", seed=3),
    keras.initializers.VarianceScaling(1.5, "fan_avg", "untruncated_normal", seed=3),
    keras.initializers.TruncatedNormal(stddev=0.02, seed=3),
    keras.initializers.TruncatedNormal(mean=0.5, stddev=0.02, seed=3),
    keras.initializers.Zeros(),
    keras.initializers.Ones(),
    keras.initializers.Constant(-1.25),
]


@pytest.mark.parametrize("initialiser", INITIALISERS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("shape", [(3, 3, 64, 128), (1,), (37, 21), (7, 7, 900, 32)], ids=str)
def test_the_values_are_kerass(initialiser: Any, shape: tuple[int, ...]) -> None:
    found = values_of(initialiser, shape)
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.asarray(initialiser(shape)))


def test_other_initialisers_are_left_to_keras() -> None:
    class Mine(keras.initializers.Zeros):
        pass

    for other in (Mine(), keras.initializers.Constant([1.0, 2.0, 3.0]), keras.initializers.Identity(), None):
        assert values_of(other, (3,)) is None


def weights(name: str, seed: int) -> list[np.ndarray]:
    return [
        np.asarray(v.value) for v in build_cnn((28, 28, 1), architecture=name, width=4, seed=seed).variables
    ]


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        pytest.param("efficientnetv2-b0", marks=pytest.mark.slow),
        *[pytest.param(n, marks=pytest.mark.heavy) for n in ("resnet50", "densenet121", "convnext-tiny")],
    ],
)
def test_the_seed_decides_and_nothing_global_moves(name: str) -> None:
    np.random.seed(1)  # noqa: NPY002 - the global state is what is looked at
    random.seed(1)
    before = (np.random.get_state()[1].tobytes(), random.getstate())  # noqa: NPY002
    first = weights(name, 7)
    assert (np.random.get_state()[1].tobytes(), random.getstate()) == before  # noqa: NPY002
    keras.utils.set_random_seed(2)
    again, other = weights(name, 7), weights(name, 8)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    kernels = [value.ravel()[:8].tobytes() for value in first if value.ndim == 4 and value.size > 8]
    assert len(set(kernels)) == len(kernels) > 10


def test_a_blank_model_takes_no_memory_and_leaves_nothing_behind() -> None:
    model = blank(Plan(image_shape=(64, 64, 1), architecture="resnet34", width=1024).layout)
    assert model.count_params() > 5e9  # 20 GB, had they values
    # Keras would give values now to what was made in a scope, were it not taken off its list.
    layer = keras.layers.Dense(2)
    layer(keras.layers.Input((3,)))
    assert layer.kernel.shape == (3, 2)
    assert model.variables[0]._value is None


def normalised() -> Any:
    layer = keras.layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3.0, 2.0, (64, 8, 8, 1)))
    image = keras.layers.Input((8, 8, 1))
    x = keras.layers.MaxPooling2D(2)(layer(image))
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, activation="relu")(x))
    logit = keras.layers.Dense(1, name="logit")(x)
    return keras.Model(image, keras.layers.Activation("sigmoid")(logit))


def test_what_layers_keep_beside_their_variables_is_copied_too(tmp_path: Path) -> None:
    model = normalised()
    images = np.random.default_rng(1).normal(3.0, 2.0, (4, 8, 8, 1)).astype(np.float32)
    expected = np.asarray(model(images))
    model.save(tmp_path / "model.keras")
    for copy in (duplicate(model), load_model(tmp_path / "model.keras")):
        np.testing.assert_array_equal(np.asarray(copy(images)), expected)
    fast = faster(model, training=True)
    assert fast is not model
    values = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]
    found, _ = fast.stateless_call(values, others, images, training=False)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


def test_where_draws_depend_on_their_number_keras_draws() -> None:
    initialiser = keras.initializers.HeNormal(seed=3)
    with jax.threefry_partitionable(False):
        assert values_of(initialiser, (3, 3, 4, 8)) is None
