"""Counts by hand, of any Keras model, and the table of the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn._variables import blank
from medimg_cnn.errors import ArgumentError
from medimg_cnn.models import Architecture, build_cnn, describe
from medimg_cnn.models._build import Plan

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "models.md"
SHAPES = [(28, 28, 1), (128, 128, 1), (224, 224, 3)]


def test_every_kind_of_layer_by_hand() -> None:
    image = keras.layers.Input((10, 8, 4))
    x = keras.layers.Conv2D(6, 3, padding="valid", groups=2, name="grouped")(image)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same", name="depthwise")(x)
    x = keras.layers.SeparableConv2D(5, 3, padding="same", name="separable")(x)
    inner = keras.Sequential(
        [keras.layers.Input((4, 3, 5)), keras.layers.Dense(7, name="dense")], name="inside"
    )
    x = keras.layers.GlobalMaxPooling2D(name="pool")(inner(x))
    model = keras.Model(image, keras.layers.Dense(1, name="last")(x))
    counted = describe(model)
    found = {layer.name: layer.multiply_adds for layer in counted.layers if layer.multiply_adds}
    assert found == {
        "grouped": 8 * 6 * 6 * 3 * 3 * 2,
        "depthwise": 4 * 3 * 6 * 3 * 3,
        "separable": 4 * 3 * (6 * 3 * 3 + 6 * 5),
        "dense": 4 * 3 * 5 * 7,
        "last": 7,
    }
    assert counted.multiply_adds == sum(found.values())
    assert counted.flops == 2 * counted.multiply_adds
    assert counted.parameters == model.count_params()


@pytest.mark.slow
def test_other_kinds_are_counted_in_their_program() -> None:
    image = keras.layers.Input((6, 8, 4))
    attention = keras.layers.MultiHeadAttention(2, 3, name="attention")
    twice = keras.layers.Conv2D(4, 3, padding="same", name="twice")
    x = twice(twice(image))
    x = keras.layers.Conv2DTranspose(5, 2, strides=2, name="transposed")(x)
    x = keras.layers.Subtract()([x, x])
    x = keras.Sequential([keras.layers.Input((12, 16, 5)), keras.layers.Reshape((12 * 16, 5))])(x)
    x = keras.layers.Conv1D(6, 3, padding="same", name="line")(x)
    x = keras.layers.EinsumDense("abc,cd->abd", output_shape=(12 * 16, 7), name="einsum")(x)
    x = keras.layers.LSTM(3, name="recurrent")(attention(x, x))
    counted = describe(keras.Model(image, keras.layers.Dense(1, name="last")(x)))
    found = {layer.name: layer.multiply_adds for layer in counted.layers if layer.multiply_adds}
    n = 12 * 16
    assert found == {
        "twice": 2 * 6 * 8 * 4 * 4 * 9,
        "transposed": 6 * 8 * 4 * 5 * 2 * 2,  # each pixel writes a window
        "line": n * 5 * 6 * 3,
        "einsum": n * 6 * 7,
        "attention": 4 * n * 7 * 2 * 3 + 2 * n * n * 2 * 3,
        "recurrent": n * (7 + 3) * 4 * 3,
        "last": 3,
    }
    assert counted.uncounted == ()


def test_channels_first_are_counted_as_channels_last() -> None:
    image = keras.layers.Input((4, 10, 8))
    x = keras.layers.Conv2D(6, 3, padding="same", data_format="channels_first")(image)
    counted = describe(keras.Model(image, x))
    assert counted.multiply_adds == 10 * 8 * 6 * 4 * 9


class Stubborn(keras.layers.Layer):
    """Cannot be traced outside its model."""

    def build(self, shape: object) -> None:
        self.kernel = self.add_weight(shape=(3, 3))

    def compute_output_shape(self, shape: object) -> object:
        return shape

    def call(self, images: object) -> object:
        raise RuntimeError("not here")


def test_what_cannot_be_counted_is_said() -> None:
    image = keras.layers.Input((6, 8, 3))
    counted = describe(keras.Model(image, Stubborn(name="odd")(image), name="mine"))
    assert counted.uncounted == ("odd",)
    assert counted.multiply_adds == 0
    assert "billion multiply-adds an image without odd" in str(counted)


class Told(keras.layers.Layer):
    """Takes its images in a dictionary."""

    def call(self, images: dict[str, Any]) -> Any:
        return images["one"] + images["two"]


class Written(keras.Model):
    """A model that is a class: Keras keeps no graph of it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.layers.Dense(5, name="inner")

    def call(self, images: Any) -> Any:
        return self.inner(images)


def test_layers_of_inputs_by_name_and_those_of_models_that_are_classes_are_said_not_to_be_counted() -> None:
    image = keras.layers.Input((6, 8, 3))
    told = Told(name="told")({"one": image, "two": image})
    counted = describe(keras.Model(image, keras.layers.Conv2D(4, 3, padding="same")(Written()(told))))
    assert counted.uncounted == ("told", "inner")
    assert counted.multiply_adds == 6 * 8 * 5 * 4 * 9


def test_frozen_weights_are_not_trained_and_the_frame_has_every_layer() -> None:
    model = build_cnn((12, 12, 1), width=4)
    model.get_layer("stem_conv").trainable = False
    counted = describe(model)
    kernel = int(np.prod(model.get_layer("stem_conv").kernel.shape))
    averages = sum(int(np.prod(w.shape)) for w in model.weights if "moving" in w.path)
    assert counted.parameters - counted.trainable == kernel + averages
    frame = counted.to_frame()
    assert frame["parameters"].sum() == counted.parameters
    assert frame["name"].tolist() == [layer.name for layer in model.layers]
    assert str(counted).startswith(f"medcnn-s for 12 x 12 x 1: {counted.parameters:,} parameters")


@pytest.mark.parametrize("model", ["resnet18", keras.Sequential([keras.layers.Dense(2)])])
def test_what_has_no_known_shape_is_refused(model: object) -> None:
    with pytest.raises(ArgumentError, match=r"model: must be a keras\.Model of one input of known size"):
        describe(model)


def test_the_table_of_the_documentation_is_right() -> None:
    rows = [line.split("|")[1:-1] for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    table = {row[0].strip().strip("`"): [cell.strip() for cell in row[1:]] for row in rows}
    assert list(table)[:-1] == list(get_args(Architecture))
    for name in get_args(Architecture):
        counted = [describe(blank(Plan(image_shape=shape, architecture=name).layout)) for shape in SHAPES]
        expected = [
            f"{counted[0].parameters / 1e6:.1f}",
            *(f"{one.multiply_adds / 1e9:.3f}" for one in counted),
        ]
        assert table[name][:4] == expected, name
        assert len(table[name][4]) > 20
