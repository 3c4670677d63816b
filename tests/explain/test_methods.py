"""Grad-CAM++ and integrated gradients: laws, values worked by hand, and models of keras.applications."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn.errors import ArgumentError
from medimg_cnn.explain import grad_cam, grad_cam_plus_plus, integrated_gradients, randomisation_check
from medimg_cnn.explain._parts import split_at, state_of
from medimg_cnn.models import build_cnn

METHODS = (grad_cam, grad_cam_plus_plus, integrated_gradients)


def linear(weights: np.ndarray) -> Any:
    """A model whose logit is the sum of pixels times weights, plus 0.5, through a convolution that changes nothing."""
    image = keras.layers.Input((*weights.shape, 1))
    same = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="same")(image)
    dense = keras.layers.Dense(1, name="logit")
    model = keras.Model(image, keras.layers.Activation("sigmoid")(dense(keras.layers.Flatten()(same))))
    dense.set_weights([weights.reshape(-1, 1), np.array([0.5], np.float32)])
    return model


def test_of_a_linear_model_each_pixel_has_its_weight_times_its_value():
    rng = np.random.default_rng(0)
    weights, images = rng.normal(size=(5, 4)).astype(np.float32), rng.random((3, 5, 4, 1), dtype=np.float32)
    shares = integrated_gradients(linear(weights), images, baseline=0.25, steps=3)
    np.testing.assert_allclose(shares, weights * (images[..., 0] - 0.25), atol=1e-6)


def test_shares_add_up_to_the_difference_of_logits():
    model = build_cnn((20, 20, 1), width=4, seed=1)
    kernel = model.get_layer("logit").kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    logit = keras.Model(model.input, model.get_layer("logit").output)
    images = np.random.default_rng(1).random((3, 20, 20, 1), dtype=np.float32)
    both = logit(np.concatenate([images, np.zeros((1, 20, 20, 1), np.float32)]))
    expected = np.asarray(both)[:-1, 0] - np.asarray(both)[-1, 0]
    shares = integrated_gradients(model, images, steps=128)
    np.testing.assert_allclose(shares.sum(axis=(1, 2)), expected, atol=0.02 * np.abs(expected).max())


def test_grad_cam_plus_plus_by_hand():
    """Features 2 x 2 with one channel, logit = a sum with weights: alpha = 1 / (2 + sum(A) g) where g is not 0."""
    weights = np.array([[1.0, -1.0], [0.5, 0.0]], np.float32)
    image = np.array([[0.1, 0.4], [0.6, 0.8]], np.float32)[None, ..., None]
    model = linear(weights)
    trunk, _ = split_at(model, "same")
    features = np.asarray(trunk.stateless_call(*state_of(trunk), image)[0])[0, ..., 0]
    np.testing.assert_allclose(features, image[0, ..., 0])
    total = features.sum()
    alpha = np.array([[1 / (2 + total), 1 / (2 - total)], [1 / (2 + total / 2), 0.0]])
    weight = (alpha * np.maximum(weights, 0)).sum()
    heat = np.maximum(weight * features, 0)
    found = grad_cam_plus_plus(model, image, layer="same")[0]
    np.testing.assert_allclose(found, heat / heat.max(), rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_one_by_one_equals_batched(method):
    model = build_cnn((16, 16, 1), width=4, seed=1)
    kernel = model.get_layer("logit").kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    images = np.random.default_rng(1).random((3, 16, 16, 1), dtype=np.float32)
    single = np.concatenate([method(model, image[None]) for image in images])
    np.testing.assert_allclose(method(model, images), single, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_logit_that_does_not_look_has_no_map(method):
    model = build_cnn((16, 16, 1), width=4)  # its last kernel starts at zero
    assert not method(model, np.random.default_rng(0).random((2, 16, 16, 1), dtype=np.float32)).any()


@pytest.mark.slow
def test_a_model_of_keras_applications_has_the_same_maps_flat_and_as_a_layer():
    base = keras.applications.MobileNetV2(
        input_shape=(64, 64, 3), alpha=0.35, include_top=False, weights=None
    )
    image = keras.layers.Input((64, 64, 3))

    def logit(features: Any) -> Any:
        pooled = keras.layers.GlobalAveragePooling2D()(features)
        return keras.layers.Dense(1, name="logit", kernel_initializer="ones")(pooled)

    nested, flat = keras.Model(image, logit(base(image))), keras.Model(base.input, logit(base.output))
    images = np.random.default_rng(0).random((2, 64, 64, 3), dtype=np.float32)
    maps = grad_cam(nested, images)
    assert (maps.max(axis=(1, 2)) > 0.99).all()
    np.testing.assert_allclose(maps, grad_cam(flat, images), atol=1e-3)


@pytest.mark.parametrize("method", ["grad_cam_plus_plus", "integrated_gradients"])
def test_the_randomisation_check_takes_every_method(method):
    model = build_cnn((16, 16, 1), width=4, seed=2)
    kernel = model.get_layer("logit").kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    images = np.random.default_rng(1).random((6, 16, 16, 1), dtype=np.float32)
    check = randomisation_check(model, images, method=method)
    assert 0 <= check.correlation <= 1
    assert check.n > 0


def test_bad_options_are_named():
    model = build_cnn((16, 16, 1), width=4)
    images = np.zeros((1, 16, 16, 1), np.float32)
    with pytest.raises(ArgumentError, match="steps"):
        integrated_gradients(model, images, steps=0)
    with pytest.raises(ArgumentError, match="baseline"):
        integrated_gradients(model, images, baseline=2)
    with pytest.raises(ArgumentError, match="method"):
        randomisation_check(model, images, method="magic")
    with pytest.raises(ArgumentError, match="layer"):
        randomisation_check(model, images, method="integrated_gradients", layer="stem_conv")
    bare = keras.Model(model.input, model.get_layer("features").output)
    with pytest.raises(ArgumentError, match='named "logit"'):
        integrated_gradients(bare, images)
