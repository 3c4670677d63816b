"""The 3x3 convolution with half the multiplications: Keras's values and gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medimg_cnn import Trainer, build_cnn, load_dataset
from medimg_cnn._keras import keras
from medimg_cnn.errors import ArgumentError
from medimg_cnn.models import _convolution as ours
from medimg_cnn.models._convolution import FastConv2D, convolution
from medimg_cnn.training._step import make_logit_function
from medimg_cnn.training._variants import faster, variant


def plain(images: Any, kernel: Any) -> Any:
    return keras.ops.conv(images, kernel, padding="same")


@jax.jit
def both_ways(images: Any, kernel: Any, gradient: Any) -> Any:
    """Return values and the two gradients, ours and Keras's."""
    found = []
    for way in (convolution, plain):
        values, back = jax.vjp(way, images, kernel)
        found.append((values, *back(gradient)))
    return found


def in_float64(shape: tuple[int, int, int], channels: int, filters: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        images = jnp.asarray(rng.normal(size=(*shape, channels)))
        kernel = jnp.asarray(rng.normal(size=(3, 3, channels, filters)))
        assert images.dtype == kernel.dtype == jnp.float64
        gradient = jnp.asarray(rng.normal(size=(*shape, filters)))
        got, want = both_ways(images, kernel, gradient)
        for found, its in zip(got, want, strict=True):
            np.testing.assert_allclose(found, its, rtol=0, atol=1e-13 * np.abs(its).max())


@settings(deadline=None, max_examples=10)
@given(
    height=st.integers(1, 13),
    width=st.integers(1, 13),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
def test_values_and_gradients_are_those_of_keras_in_float64(
    height: int, width: int, channels: int, filters: int, seed: int
) -> None:
    # As many images as make it worth while; with fewer it is XLA's own convolution.
    images = -(-ours._FEWEST_PIXELS // (height * width))
    in_float64((images, height, width), channels, filters, seed)


@pytest.mark.parametrize(
    "shape", [(1, 3, 5), (2, 32, 29), (1, 40, 64)], ids=["few pixels", "large images", "one image"]
)
def test_so_they_are_where_xla_s_own_is_taken(shape: tuple[int, int, int]) -> None:
    in_float64(shape, 2, 3, 0)


def kernels(images: tuple[int, ...], channels: int = 4) -> list[tuple[int, int]]:
    """Return rows and columns of the kernels that the compiled function convolves with."""
    x, kernel = jnp.zeros((*images, channels)), jnp.zeros((3, 3, channels, channels))
    equations = jax.make_jaxpr(convolution.fun)(x, kernel).eqns
    found = [each.invars[1].aval.shape for each in equations if each.primitive.name == "conv_general_dilated"]
    return [shape[:2] for shape in found]


def test_it_makes_six_products_where_that_pays_and_leaves_the_rest_to_xla():
    assert kernels((32, 8, 8)) == [(1, 3)] * 6
    assert kernels((8, 8, 8)) == [(3, 3)]  # few pixels
    assert kernels((256, 5, 8)) == [(3, 3)]  # three rows of eight would be made for nothing
    assert kernels((256, 6, 8)) == [(1, 3)] * 6
    assert kernels((32, 512, 512), channels=8) == [(3, 3)]  # much memory


@pytest.mark.parametrize("size", [7, 16, 32])
def test_in_float32_they_differ_by_rounding(size: int) -> None:
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.normal(size=(24, size, size, 64)), "float32")
    kernel = jnp.asarray(rng.normal(size=(3, 3, 64, 32)) / 24, "float32")
    gradient = jnp.asarray(rng.normal(size=(24, size, size, 32)), "float32")
    got, want = both_ways(images, kernel, gradient)
    for found, its in zip(got, want, strict=True):
        assert float(jnp.abs(found - its).max() / jnp.abs(its).max()) < 5e-6


def layer(filters: int = 64, size: int = 3, **options: Any) -> Any:
    found = keras.layers.Conv2D(filters, size, **{"padding": "same"} | options)
    found(keras.Input((32, 32, 64)))
    return found


def test_it_stands_in_for_keras_s_own_layer_where_it_is_faster() -> None:
    class Other(keras.layers.Conv2D):
        pass

    other = Other(64, 3, padding="same")
    other(keras.Input((32, 32, 64)))
    small = keras.layers.Conv2D(64, 3, padding="same")
    small(keras.Input((8, 8, 64)))
    open_ended = keras.layers.Conv2D(64, 3, padding="same")
    open_ended(keras.Input((None, None, 64)))
    for training in (False, True):
        assert FastConv2D.fits(layer(), training=training)
        assert FastConv2D.fits(layer(activation="relu", use_bias=True), training=training)
        for unfit in (
            layer(16),
            layer(size=5),
            layer(strides=2),
            layer(dilation_rate=2),
            layer(groups=2),
            layer(padding="valid"),
            layer(dtype="mixed_bfloat16"),
            other,
            small if training else layer(16),
            open_ended,
            keras.layers.Conv2D(64, 3, padding="same"),
            keras.layers.SeparableConv2D(64, 3, padding="same"),
        ):
            assert not FastConv2D.fits(unfit, training=training)
    assert FastConv2D.fits(small, training=False)


def test_a_network_is_trained_and_predicts_with_it_as_with_keras_s(monkeypatch: pytest.MonkeyPatch) -> None:
    image = keras.Input((28, 28, 64))
    x = keras.layers.Conv2D(64, 3, padding="same", activation="relu")(image)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(64, 3, padding="same")(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    model = keras.Model(image, keras.layers.Dense(1, name="logit")(x))
    fast = faster(model, training=True)
    assert [type(layer) for layer in fast.layers].count(FastConv2D) == 2
    assert FastConv2D not in {type(layer) for layer in model.layers}
    images = np.random.default_rng(0).random((4, 28, 28, 64), dtype=np.float32)
    rng = np.random.default_rng(1)
    weights = [v.value + 0.01 * rng.normal(size=v.shape).astype("f4") for v in model.trainable_variables]
    other = [variable.value for variable in model.non_trainable_variables]

    def loss(network: Any, weights: Any) -> Any:
        return jnp.mean(network.stateless_call(weights, other, images, training=True)[0] ** 2)

    (value, gradients), (same, others) = (
        jax.jit(jax.value_and_grad(lambda w, n=network: loss(n, w)))(weights) for network in (model, fast)
    )
    assert np.isclose(value, same, rtol=1e-4)
    # That of the bias before the normalisation is zero, but for rounding.
    for gradient, its in zip(gradients, others, strict=True):
        assert float(jnp.abs(gradient - its).max()) <= 1e-4 * float(jnp.abs(its).max()) + 1e-6
    calls = []
    convolve = FastConv2D.convolution_op
    monkeypatch.setattr(
        FastConv2D, "convolution_op", lambda self, *given: calls.append(self) or convolve(self, *given)
    )
    predict = make_logit_function(model)
    logits = predict(weights, other, images)
    assert len(calls) == 2
    np.testing.assert_allclose(
        logits, model.stateless_call(weights, other, images)[0][:, 0], rtol=1e-4, atol=1e-5
    )
    # Frozen since: the weights come in other lists.
    model.layers[1].trainable = False
    weights, other = (
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    np.testing.assert_allclose(
        predict(weights, other, images),
        model.stateless_call(weights, other, images)[0][:, 0],
        rtol=1e-4,
        atol=1e-5,
    )


class Twice(keras.Sequential):
    """Doubles what its layers give; Keras would copy it as a Sequential, which does not."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        return 2.0 * super().call(inputs, training=training)


class Remembers(keras.layers.Layer):
    """Keeps what its configuration does not say."""

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.factors = {"all": 1.0}

    def call(self, inputs: Any) -> Any:
        return inputs * self.factors["all"]


@pytest.mark.parametrize("kind", ["nested", "own layer"])
def test_what_keras_would_copy_otherwise_is_computed_as_it_is(kind: str) -> None:
    image = keras.Input((32, 32, 32))
    wide = keras.layers.Conv2D(256, 3, padding="same")
    x = Twice([wide, keras.layers.MaxPooling2D(2)])(image) if kind == "nested" else Remembers()(wide(image))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(1, name="logit")(x))
    if kind == "nested":
        assert faster(model, training=True) is model
        with pytest.raises(ArgumentError, match=r"precision: .*a call of your own is not copied"):
            variant(model, precision="bfloat16", half=False)
    assert faster(model, training=False) is model


def test_two_runs_are_the_same_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "_LEAST_WORK", {False: 0, True: 0})
    monkeypatch.setattr(ours, "_FEWEST_CHANNELS", 1)
    rng = np.random.default_rng(0)
    images, labels = rng.random((64, 16, 16, 1)).astype("float32"), np.arange(64) % 2
    patients = np.arange(64).astype(str)
    data = load_dataset((images, labels), positive=1, patients=patients, progress=False)

    def weights() -> list[Any]:
        model = build_cnn(data.image_shape, width=8, seed=0)
        trainer = Trainer(model, epochs=2, batch_size=16, progress=False)
        return trainer.fit(data.train, data.validation).model.get_weights()

    calls = []
    convolve = FastConv2D.convolution_op
    monkeypatch.setattr(
        FastConv2D, "convolution_op", lambda self, *given: calls.append(self) or convolve(self, *given)
    )
    first, second = weights(), weights()
    assert calls
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
