"""The networks of the literature are those of the literature: sizes, costs, and Keras's own results."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn._variables import blank, drawn
from medimg_cnn.models import describe
from medimg_cnn.models._build import Plan

# Trained weights with a top of 1,000 classes, and 10**9 multiply-adds for 224 x 224 x 3: torchvision's tables, but
# for EfficientNetV2-B0, of which Keras's summary counts all weights, the moving averages as well.
PUBLISHED = {
    "resnet18": (11_689_512, 1.81),
    "resnet34": (21_797_672, 3.66),
    "resnet50": (25_557_032, 4.09),
    "densenet121": (7_978_856, 2.83),
    "convnext-tiny": (28_589_128, 4.46),
    "efficientnetv2-b0": (7_200_312, 0.72),
}


def layout(name: str, shape: tuple[int, int, int] = (224, 224, 3), **options: Any) -> Any:
    return blank(Plan(image_shape=shape, architecture=name, **options).layout)


@pytest.mark.parametrize("name", PUBLISHED)
def test_size_and_cost_are_those_published(name: str) -> None:
    parameters, billions = PUBLISHED[name]
    model = layout(name)
    counted = describe(model)
    channels = model.get_layer("features").output.shape[-1]
    ours = counted.parameters if name == "efficientnetv2-b0" else counted.trainable
    assert ours - (channels + 1) + 1000 * (channels + 1) == parameters
    assert counted.multiply_adds / 1e9 == pytest.approx(billions, rel=0.01)


def test_multiply_adds_by_hand() -> None:
    counted = {layer.name: layer for layer in describe(layout("resnet18")).layers}
    assert counted["stem_conv"].multiply_adds == 112 * 112 * 64 * 7 * 7 * 3
    assert counted["stage2_1_1_conv"].multiply_adds == 28 * 28 * 128 * 3 * 3 * 64
    assert counted["stage2_1_shortcut_conv"].multiply_adds == 28 * 28 * 128 * 64
    assert counted["logit"].multiply_adds == 512
    assert counted["stem_norm"].multiply_adds == counted["stem_pool"].multiply_adds == 0
    counted = {layer.name: layer for layer in describe(layout("convnext-tiny")).layers}
    assert counted["stage1_1_depthwise"].multiply_adds == 56 * 56 * 96 * 7 * 7
    assert counted["stage1_1_1"].multiply_adds == 56 * 56 * 96 * 384


@pytest.mark.parametrize(
    ("name", "within"),
    # At 4 pixels a side nearly a third of a 3x3 kernel's places lie outside; XLA leaves them out, papers do not.
    [("medcnn-s", 0.12), ("resnet50", 0.08), ("densenet121", 0.08), ("efficientnetv2-b0", 0.08)],
)
def test_multiply_adds_are_half_of_what_xla_counts(name: str, within: float) -> None:
    model = layout(name)

    def shapes(variables: list[Any]) -> list[jax.ShapeDtypeStruct]:
        return [jax.ShapeDtypeStruct(tuple(v.shape), v.dtype) for v in variables]

    @jax.jit
    def forward(trained: list[Any], others: list[Any], images: jax.Array) -> Any:
        return model.stateless_call(trained, others, images, training=False)[0]

    images = jax.ShapeDtypeStruct((1, 224, 224, 3), np.float32)
    lowered = forward.lower(shapes(model.trainable_variables), shapes(model.non_trainable_variables), images)
    # XLA counts normalisation and activations as well.
    assert lowered.cost_analysis()["flops"] == pytest.approx(describe(model).flops, rel=within)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "theirs", "size", "epsilon"),
    [
        # At this size "same" padding is Keras's explicit padding, at each of the five strides.
        ("densenet121", partial(keras.applications.DenseNet121), 93, 1.001e-5),
        ("convnext-tiny", partial(keras.applications.ConvNeXtTiny, include_preprocessing=False), 64, None),
        (
            "efficientnetv2-b0",
            partial(keras.applications.EfficientNetV2B0, include_preprocessing=False),
            96,
            None,
        ),
    ],
)
def test_with_kerass_weights_it_gives_kerass_features(
    name: str, theirs: Callable[..., Any], size: int, epsilon: float | None
) -> None:
    shape = (size, size, 3)
    other = drawn(lambda: theirs(include_top=False, weights=None, input_shape=shape, pooling="avg"))
    rng = np.random.default_rng(0)
    for weight in other.weights:
        if (
            len(weight.shape) == 1
        ):  # biases, normalisation, and the scale of ConvNeXt's branches, which starts near 0
            weight.assign(np.abs(np.asarray(weight.value)) + 0.1 * rng.random(weight.shape))
    model = Plan(image_shape=shape, architecture=name).build()
    features = keras.Model(model.get_layer("scale").output, model.get_layer("features").output)
    assert len(features.weights) == len(other.weights)
    for own, weight in zip(features.weights, other.weights, strict=True):
        own.assign(
            np.asarray(weight.value).reshape(own.shape)
        )  # depthwise kernels differ in where the 1 stands
    for layer in features.layers:
        if epsilon is not None and isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = epsilon
    images = rng.normal(size=(2, *shape)).astype(np.float32)
    expected = np.asarray(other(images))
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(
        np.asarray(features(images)), expected, rtol=2e-4, atol=2e-5 * np.abs(expected).max()
    )
