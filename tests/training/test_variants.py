"""Training at half the size and in 16 bits: the same weights, bit for bit after an interruption, a float32 model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn.augmentations import Flip, Noise
from medimg_cnn.errors import ArgumentError
from medimg_cnn.models import build_cnn
from medimg_cnn.training import Run, Trainer, TrainerConfig
from medimg_cnn.training._loop import Loop
from medimg_cnn.training._scaling import next_scale
from medimg_cnn.training._step import Batch, logit_model
from medimg_cnn.training._variants import _target, altered, faster, half_size, variant

Make = Callable[..., Any]
OPTIONS: dict[str, Any] = {"epochs": 4, "batch_size": 8, "seed": 3, "progress": False}


def network(size: int | None = 16) -> Any:
    """Small, of convolutions up to the pooling; None: for images of any size."""
    image = keras.layers.Input((size, size, 1))
    x = keras.layers.Conv2D(4, 3, strides=2, kernel_initializer=keras.initializers.HeNormal(seed=1))(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.Dropout(0.3, seed=2)(keras.layers.GlobalMaxPooling2D()(x))
    x = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed=3), name="logit")(x)
    return keras.Model(image, keras.layers.Activation("sigmoid")(x), name="tiny")


def values(run: Run) -> dict[str, Any]:
    return {
        "weights": [np.asarray(variable.value).tobytes() for variable in run.model.weights],
        "history": [(r.loss, r.validation_loss, r.validation_auroc) for r in run.result.history],
    }


@pytest.fixture
def sources(make_source: Make) -> tuple[Any, Any]:
    return make_source(36, size=16), make_source(30, part="validation", seed=1, size=16)


def test_at_half_the_size_it_is_the_same_network() -> None:
    model, anywhere = logit_model(network()), logit_model(network(None))
    small = variant(model, half=True)
    weights = [v.value for v in model.trainable_variables]
    other = [v.value for v in model.non_trainable_variables]
    images = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)
    found, _ = small.stateless_call(weights, other, images, training=False)
    expected, _ = anywhere.stateless_call(weights, other, images, training=False)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert variant(model) is model


@pytest.mark.parametrize("architecture", ["medcnn-s", "resnet18"])
def test_the_networks_of_the_library_can_be_halved(architecture: Any) -> None:
    # At 96 x 100 pixels medcnn folds patches of 3 x 3, the width padded to 102; at 48 x 50, padded to 51, the same.
    model = logit_model(build_cnn((96, 100, 1), architecture=architecture, width=4))
    small = variant(model, half=True)
    assert small.input_shape == (None, 48, 50, 1)
    assert [v.shape for v in small.variables] == [v.shape for v in model.variables]


@pytest.mark.parametrize(
    ("old", "new", "target", "expected"),
    [
        ((128, 64, 3), (64, 32, 3), (32, 4, 16, 4, 3), [16, 4, 8, 4, 3]),
        ((32, 16, 4, 4, 3), (16, 8, 4, 4, 3), (32, 16, 48), [16, 8, 48]),
        ((4, 4, 8), (2, 2, 8), (128,), [32]),
        ((48, 50, 2, 2, 1), (24, 25, 2, 2, 1), (48, 50, 4), [24, 25, 4]),
        ((16,), (16,), (4, 4), [4, 4]),
    ],
)
def test_patches_keep_their_size(old: Any, new: Any, target: Any, expected: list[int]) -> None:
    assert _target(old, new, target) == expected


def test_what_cannot_be_halved_is_refused(sources: Any) -> None:
    assert half_size((15, 16, 3)) == (8, 8, 3)
    flat = build_cnn((16, 16, 1), architecture="cnn", width=4)
    with pytest.raises(
        ArgumentError, match=r"weights must not depend on the size .* Take another architecture"
    ):
        Trainer(flat, progressive=0.5, **OPTIONS).fit(*sources)
    with pytest.raises(ArgumentError, match="half-size images must have 8 pixels a side"):
        variant(logit_model(network(14)), half=True)
    with pytest.raises(ArgumentError, match=r"progressive: must be .* 0\.5\]"):
        TrainerConfig(progressive=0.6)


class Killed(BaseException):
    """Ends a run as abruptly as can be within a process."""


class Watched:
    """An augmentation that remembers for which shapes it was compiled."""

    def __init__(self) -> None:
        self.shapes: list[Any] = []

    def params(self, key: Any, n: int, shape: Any) -> dict[str, Any]:
        self.shapes.append((n, *shape))
        return {}

    def apply(self, params: Any, images: Any) -> Any:
        return images

    def apply_labels(self, params: Any, labels: Any) -> Any:
        return labels


@pytest.mark.slow
def test_the_first_epochs_see_half_size_images(sources: Any) -> None:
    watched = Watched()
    run = Trainer(network(), augment=watched, progressive=0.5, **OPTIONS).fit(*sources)
    assert watched.shapes == [(8, 8, 8, 1), (8, 16, 16, 1)]
    plain = Trainer(network(), augment=Watched(), **OPTIONS).fit(*sources)
    assert values(run)["history"][0] != values(plain)["history"][0]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"progressive": 0.5}, marks=pytest.mark.slow),
        pytest.param({"precision": "float16"}, marks=pytest.mark.slow),
        pytest.param({"precision": "bfloat16"}, marks=pytest.mark.slow),
    ],
)
def test_such_runs_go_on_bit_for_bit(sources: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    options = OPTIONS | options
    augment = Flip() | Noise(sigma=0.05)
    expected = values(Trainer(network(), augment=augment, **options).fit(*sources))
    train, validation = sources
    read, count = train.read, [0]

    def stop_at(*numbers: int) -> Callable[[Any], Any]:
        def reading(rows: Any) -> Any:
            count[0] += 1
            if count[0] in numbers:
                raise Killed
            return read(rows)

        return reading

    # Five steps an epoch, after one read for checksums: in the second epoch, and in the third, the first of full size.
    train.read = stop_at(8, 14)
    with pytest.raises(Killed):
        Trainer(network(), augment=augment, directory=tmp_path, checkpoint_steps=2, **options).fit(*sources)
    with pytest.raises(Killed):
        Trainer.resume(tmp_path, progress=False).fit(train, validation)
    assert values(Trainer.resume(tmp_path, progress=False).fit(train, validation)) == expected


@pytest.mark.parametrize("precision", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_16_bits_in_training_and_32_in_the_model(sources: Any, precision: Any) -> None:
    model = network()
    layers = {
        layer.name: layer.compute_dtype for layer in variant(logit_model(model), precision=precision).layers
    }
    assert layers.pop("logit") == "float32"
    assert precision in layers.values()
    options = OPTIONS | {"epochs": 12, "learning_rate": 0.03}
    runs = [Trainer(model, precision=name, **options).fit(*sources) for name in ("float32", precision)]
    first, second = (run.history["loss"].to_numpy() for run in runs)
    assert first[-1] < 0.7 * first[0]
    assert (first != second).any()
    np.testing.assert_allclose(first, second, atol=0.1)
    for run in runs:
        assert {str(variable.dtype) for variable in run.model.trainable_variables} == {"float32"}
        assert {layer.compute_dtype for layer in run.model.layers} == {"float32"}
        assert run.predict(sources[1]).logit.shape == (30,)


def test_a_step_that_overflows_is_left_out_and_the_scale_halved(sources: Any) -> None:
    train, _ = sources
    loop = Loop(logit_model(network()), None, TrainerConfig(batch_size=8, precision="float16"), train, None)
    rows = np.arange(8)

    def step(weight: float) -> tuple[list[bytes], list[float], float]:
        batch = Batch(
            train.images[rows],
            train.labels[rows].astype(np.float32),
            np.full(8, weight, np.float32),
            np.asarray(jax.random.key_data(jax.random.key(0))),
        )
        loop._state, loss, _ = loop._step(loop._state, batch)
        state = loop._state
        assert np.isfinite(float(loss))
        changed = [np.asarray(value).tobytes() for value in (*state.weights, *state.other, *state.optimizer)]
        return changed, [float(value) for value in state.scaling], float(state.step)

    before = step(1.0)
    assert before[1:] == ([2.0**15, 1.0], 1.0)
    overflowed = step(1e9)
    assert overflowed == (before[0], [2.0**14, 0.0], 1.0)
    after = step(1.0)
    assert after[0] != before[0]
    assert after[1:] == ([2.0**14, 1.0], 2.0)


def test_the_scale_grows_after_2000_steps_and_stays_in_its_range() -> None:
    def following(scale: float, steps: float, *, taken: bool) -> list[float]:
        scaling = [np.float32(scale), np.float32(steps)]
        return [float(value) for value in next_scale(scaling, np.bool_(taken))]

    assert following(1024.0, 1998.0, taken=True) == [1024.0, 1999.0]
    assert following(1024.0, 1999.0, taken=True) == [2048.0, 0.0]
    assert following(2.0**24, 1999.0, taken=True) == [2.0**24, 0.0]
    assert following(1024.0, 500.0, taken=False) == [512.0, 0.0]
    assert following(1.0, 0.0, taken=False) == [1.0, 0.0]


def test_old_checkpoints_have_no_scale(sources: Any) -> None:
    loop = Loop(logit_model(network()), None, TrainerConfig(batch_size=8), sources[0], None)
    snapshot = loop.snapshot()
    arrays = dict(snapshot.arrays)
    del arrays["scaling"]
    object.__setattr__(snapshot, "arrays", arrays)
    loop.restore(snapshot)
    assert loop._state.scaling == []


@pytest.mark.slow
def test_max_pooling_is_replaced_for_training_and_changes_neither_values_nor_gradients():
    model = logit_model(build_cnn((16, 16, 1), architecture="cnn", width=4, dropout=0.0, seed=3))
    fast = faster(model, training=True)
    assert "FastMaxPooling2D" in {type(layer).__name__ for layer in fast.layers}
    assert "FastMaxPooling2D" not in {type(layer).__name__ for layer in model.layers}
    images = np.random.default_rng(0).random((4, 16, 16, 1), dtype=np.float32)
    weights = [variable.value + 0.01 for variable in model.trainable_variables]
    other = [variable.value for variable in model.non_trainable_variables]

    def loss(network, weights):
        return jnp.sum(network.stateless_call(weights, other, images, training=True)[0] ** 2)

    for network in (model, fast):
        assert [variable.shape for variable in network.variables] == [v.shape for v in model.variables]
    (value, gradients), (same, others) = (
        jax.jit(jax.value_and_grad(lambda w, n=network: loss(n, w)))(weights) for network in (model, fast)
    )
    assert np.isclose(value, same, rtol=1e-6)
    for gradient, its in zip(gradients, others, strict=True):
        np.testing.assert_allclose(gradient, its, rtol=1e-4, atol=1e-5)


class Times(keras.layers.Layer):
    """Forgets its factor, which is not in ``get_config``."""

    factor = 1.0

    def call(self, images: Any) -> Any:
        return images * self.factor


@pytest.mark.parametrize("value", [3.0, (1, 3), [2.0], "three", np.ones(3)], ids=str)
def test_a_layer_that_would_be_copied_with_another_setting_is_refused(sources: Any, value: Any) -> None:
    class Outer(keras.layers.Layer):
        """Holds the layer, and others in a tuple, which are not settings."""

        def __init__(self, **base: Any) -> None:
            super().__init__(**base)
            self.inner, self.two = Times(), (keras.layers.ReLU(), keras.layers.ReLU())

        def call(self, images: Any) -> Any:
            return self.two[0](self.inner(images))

    image = keras.layers.Input((16, 16, 1))
    outer = Outer(name="outer")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.MaxPooling2D(2)(outer(image)))
    x = keras.layers.Dense(1, name="logit")(x)
    model = keras.Model(image, keras.layers.Activation("sigmoid")(x))
    assert altered(keras.models.clone_model(model), model) is None
    outer.inner.factor = value
    with pytest.raises(ArgumentError, match=r"'outer\.factor' was set after the layer was made.*get_config"):
        Trainer(model, **OPTIONS).fit(*sources)


def test_a_network_with_nothing_to_replace_is_trained_as_it_is():
    model = logit_model(build_cnn((16, 16, 1), width=4))
    assert faster(model, training=True) is model
    assert faster(model, training=False) is model
