"""Normalisation, stochastic depth, width and size: every choice with every architecture that takes it."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn._keras import keras
from medimg_cnn._variables import blank, leaves
from medimg_cnn.errors import ArgumentError
from medimg_cnn.explain._parts import split_at
from medimg_cnn.models import Architecture, Normalisation, build_cnn, describe
from medimg_cnn.models._architectures import _block
from medimg_cnn.models._blocks import Parts, drop_path, normalise
from medimg_cnn.models._build import Plan

ARCHITECTURES = get_args(Architecture)
SIZES = (28, 32, 40, 43, 44, 48, 55, 56, 64, 96, 111, 112, 127, 128, 200, 223, 224, 256, 384)
RESIDUAL = [name for name in ARCHITECTURES if name not in ("cnn", "densenet121")]
KINDS = {
    "batch": keras.layers.BatchNormalization,
    "group": keras.layers.GroupNormalization,
    "layer": keras.layers.LayerNormalization,
}


def layout(name: str, shape: tuple[int, int, int] = (28, 28, 1), **options: Any) -> Any:
    return blank(Plan(image_shape=shape, architecture=name, **options).layout)


def awake(model: Any) -> None:
    """Give the output, which starts at the prior for any image, weights."""
    kernel = model.get_layer("logit").kernel
    kernel.assign(np.linspace(-1, 1, kernel.shape[0]).reshape(kernel.shape))


@pytest.mark.parametrize("normalisation", get_args(Normalisation))
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_normalisation_is_the_one_asked_for_throughout(name: str, normalisation: str) -> None:
    found = {type(layer) for layer in leaves(layout(name, normalisation=normalisation, width=8))}
    assert found & set(KINDS.values()) == {KINDS[normalisation]}


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 9, 3), (33, 57, 1), (65, 40, 3), (131, 67, 1), (512, 512, 3)], ids=str
)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_any_size_fits_and_maps_can_be_made(name: str, shape: tuple[int, int, int]) -> None:
    model = layout(name, shape, width=4)
    assert model.output_shape == (None, 1)
    assert [layer.name for layer in model.layers][-3:] == ["dropout", "logit", "probability"]
    if min(shape[:2]) > 2:
        trunk, _ = split_at(model, None)
        height, width = trunk.output.shape[1:3]
        assert height * width > 1


@pytest.mark.parametrize(
    ("channels", "groups"),
    [(4, 1), (12, 1), (16, 2), (24, 3), (32, 4), (48, 6), (64, 8), (256, 32), (2048, 32)],
)
def test_groups_hold_at_least_eight_channels(channels: int, groups: int) -> None:
    network = blank(lambda: _normalised(channels))
    assert network.get_layer("norm").groups == groups


def _normalised(channels: int) -> Any:
    image = keras.layers.Input((1, 1, channels))
    return keras.Model(image, normalise(image, parts=Parts(seed=0, normalisation="group"), name="norm"))


def test_the_figures_of_the_how_to_hold() -> None:
    found = {size: describe(layout("medcnn-s", (size, size, 1))) for size in (28, 256, 512, 1024)}
    assert [round(one.multiply_adds / 1e9, 2) for one in found.values()] == [0.05, 0.08, 0.14, 0.38]
    assert [round(one.parameters / 1e6, 2) for one in found.values()] == [1.23, 1.25, 1.32, 1.58]
    coloured = describe(layout("medcnn-s", (1024, 1024, 3)))
    assert (round(coloured.multiply_adds / 1e9, 2), round(coloured.parameters / 1e6, 2)) == (1.01, 2.29)


@pytest.mark.slow
@pytest.mark.parametrize("normalisation", get_args(Normalisation))
def test_only_batch_normalisation_does_something_else_in_training(normalisation: Normalisation) -> None:
    model = build_cnn((12, 12, 1), width=4, dropout=0.0, normalisation=normalisation)
    awake(model)
    images = np.random.default_rng(0).random((3, 12, 12, 1), dtype=np.float32)
    alone = np.concatenate([np.asarray(model(images[i : i + 1], training=True)) for i in range(3)])
    same = np.allclose(np.asarray(model(images, training=False)), alone, atol=1e-6)
    assert same == (normalisation != "batch")


@pytest.mark.parametrize("name", RESIDUAL)
def test_the_rate_of_stochastic_depth_rises_to_the_one_asked_for(name: str) -> None:
    layers = [
        layer for layer in layout(name, drop_path=0.4, width=8).layers if layer.name.endswith("_drop_path")
    ]
    rates = [layer.rate for layer in layers]
    assert rates == sorted(rates)
    assert rates[0] > 0
    assert rates[-1] == 0.4
    assert len({layer.seed for layer in layers}) == len(layers)


def test_channels_first_are_refused() -> None:
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ArgumentError, match=r"channels_last.*set_image_data_format"):
            build_cnn((16, 16, 1), width=4)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("name", ["cnn", "densenet121", "keras:ResNet50"])
def test_a_network_without_branches_refuses_stochastic_depth(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"drop_path: must be 0 for .*; got 0\.1"):
        build_cnn((28, 28, 1), architecture=name, drop_path=0.1)


def test_a_branch_is_dropped_for_whole_images_and_kept_ones_are_scaled() -> None:
    branch = keras.layers.Input((3, 3, 2))
    parts = Parts(seed=5, drop_path=0.5)
    model = keras.Model(branch, drop_path(branch, share=0.5, parts=parts, name="x"))
    ones = np.ones((4000, 3, 3, 2), np.float32)
    dropped = np.asarray(model(ones, training=True))
    assert (dropped == dropped[:, :1, :1, :1]).all()
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / 0.75)}
    assert dropped.mean() == pytest.approx(1.0, abs=0.03)
    np.testing.assert_array_equal(np.asarray(model(ones, training=False)), ones)
    again = keras.Model(branch, drop_path(branch, share=0.5, parts=Parts(seed=5, drop_path=0.5), name="x"))
    np.testing.assert_array_equal(np.asarray(again(ones, training=True)), dropped)


@pytest.mark.slow
def test_stochastic_depth_changes_neither_initial_weights_nor_predictions() -> None:
    plain, deep = (build_cnn((12, 12, 1), width=4, drop_path=rate, seed=3) for rate in (0.0, 0.6))
    ours, theirs = (
        {weight.path: np.asarray(weight.value) for weight in model.weights} for model in (plain, deep)
    )
    assert ours.keys() == theirs.keys()
    for path, value in ours.items():
        np.testing.assert_array_equal(value, theirs[path])
    for model in (plain, deep):
        awake(model)
    images = np.random.default_rng(0).random((5, 12, 12, 1), dtype=np.float32)
    np.testing.assert_array_equal(np.asarray(plain(images)), np.asarray(deep(images)))
    assert not np.array_equal(
        np.asarray(plain(images, training=True)), np.asarray(deep(images, training=True))
    )


@given(st.integers(22, 4096), st.integers(22, 4096))
def test_large_images_are_folded_to_about_32_pixels(height: int, width: int) -> None:
    block = _block(height, width)
    assert 21.5 <= np.sqrt(height * width) / block <= 43.5
    assert _block(height + 1, width) - block in (0, 1)
    assert _block(width, height) == block


def test_size_and_cost_of_the_default_network_hardly_depend_on_the_size_of_the_images() -> None:
    found = {size: describe(layout("medcnn-s", (size, size, 1))) for size in SIZES}
    assert all(1.22e6 < one.parameters < 1.28e6 for one in found.values())
    costs = [one.multiply_adds / 1e9 for one in found.values()]
    assert 0.03 < min(costs) < max(costs) < 0.13
    assert describe(layout("medcnn-s", (32, 1024, 1))).multiply_adds / 1e9 < 0.13
    assert [_block(size, size) for size in (28, 43, 44, 64, 96, 128, 224)] == [1, 1, 2, 2, 3, 4, 8]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_width_scales_the_weights(name: str) -> None:
    small, large = (layout(name, width=width).count_params() for width in (32, 64))
    assert 3.0 < large / small < 4.2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"normalisation": "instance"}, "normalisation: must be one of 'batch', 'group', 'layer'"),
        ({"drop_path": 1.0}, r"drop_path: must be a finite number in \[0, 1\)"),
        ({"dropout": -0.1}, r"dropout: must be a finite number in \[0, 1\)"),
        ({"architecture": "ResNet101"}, r"Did you mean 'keras:ResNet101'\? mc\.models\.keras_networks"),
        (
            {"architecture": "keras:MobileNet", "weights": 3},
            "weights: must be the path .*got 3. Nothing is down",
        ),
        ({"architecture": "keras:MobileNet", "weights": "imagenet"}, "weights: .*downloaded.*guide"),
        (
            {"architecture": "keras:MobileNet", "weights": "a.h5", "weights_sha256": "ec31a2"},
            "weights_sha256: must be 64 hexadecimal digits; got 'ec31a2'",
        ),
        ({"drop_path": -0.1}, "drop_path"),
        ({"architecture": "keras:ResNet50", "width": 8}, "width: cannot be chosen for 'keras:ResNet50'"),
        ({"architecture": "keras:VGG16", "normalisation": "group"}, "normalisation: cannot be chosen"),
        ({"architecture": "keras:ResNet51"}, "Did you mean 'ResNet50"),
        ({"architecture": "keras:layers"}, "architecture: must be 'keras:' and a network"),
        ({"weights": "a.weights.h5"}, "weights: can be read for networks of keras.applications only"),
        ({"weights_sha256": "0" * 64}, "weights_sha256: has no meaning without weights"),
    ],
)
def test_bad_choices_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        build_cnn((28, 28, 1), **arguments)
