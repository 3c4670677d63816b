"""Any network of ``keras.applications`` under ``build_cnn``: seeded, for 0-1 images of one or three channels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from medimg_cnn._keras import keras
from medimg_cnn._validation import explain, suggest
from medimg_cnn.errors import ArgumentError
from medimg_cnn.models._blocks import MOMENTUM, Seeds, Tensor, channel_scale_layer, mean_pool

__all__ = ["DEVIATION", "MEAN", "PREFIX", "KerasNetwork", "keras_network", "keras_networks"]

PREFIX = "keras:"

Mode: TypeAlias = Literal["caffe", "tf", "tf-128", "torch"]

_CAFFE_MEAN = (123.68, 116.779, 103.939)
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
_SMALLEST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}


@dataclass(frozen=True, slots=True)
class KerasNetwork:
    """One network of ``keras.applications``.

    Attributes:
        name: in ``keras.applications``.
        mode: what its pretrained weights expect: "caffe" (blue, green, red in 0-255, less the mean), "tf" (-1 to 1),
            "tf-128" (-1 to 0.99, the same divided by 128), or "torch" (less ImageNet's mean, divided by its
            deviation).
    """

    name: str
    mode: Mode

    @property
    def smallest(self) -> int:
        """Pixels a side that it takes at least."""
        return _SMALLEST.get(self.name, 32)

    def scaling(self, channels: int) -> tuple[list[float], list[float]]:
        """Return by what each channel of an image in 0-1 is multiplied, and what is then added.

        One channel gets the mean of what red, green and blue get.
        """
        if self.mode == "caffe":
            pairs = [(255.0, -mean) for mean in _CAFFE_MEAN]
        elif self.mode == "tf":
            pairs = [(2.0, -1.0)] * 3
        elif self.mode == "tf-128":
            pairs = [(255.0 / 128.0, -1.0)] * 3
        else:
            pairs = [(1.0 / s, -m / s) for m, s in zip(MEAN, DEVIATION, strict=True)]
        factors, offsets = [factor for factor, _ in pairs], [offset for _, offset in pairs]
        return (factors, offsets) if channels == 3 else ([sum(factors) / 3], [sum(offsets) / 3])

    def whole(self, height: int, width: int) -> Any:
        """Return Keras's own model for RGB images, without its top."""
        constructor = getattr(keras.applications, self.name)
        return constructor(include_top=False, weights=None, input_shape=(height, width, 3))

    def body(self, whole: Any) -> Any:
        """Return that model up to its last map; a ConvNeXt normalises after it."""
        if not self.normalised:
            return whole
        return keras.Model(whole.input, whole.layers[-1].input, name=whole.name)

    @property
    def normalised(self) -> bool:
        """Whether the pooled features are normalised."""
        return self.name.startswith("ConvNeXt")

    def features(self, images: Tensor, *, seeds: Seeds) -> Tensor:
        """Return the features of images in 0-1: scaled, enlarged where too small, through the network, pooled.

        The network is a layer named "backbone". Its initialisers are seeded, its names do not depend on what was
        built before, its batch normalisation has our momentum, and it neither rescales nor normalises its input.
        """
        factor, offset = self.scaling(images.shape[-1])
        x = keras.layers.Rescaling(factor, offset, name="scale")(images)
        times = -(-self.smallest // min(x.shape[1:3]))
        if times > 1:
            x = keras.layers.UpSampling2D(times, interpolation="bilinear", name="enlarge")(x)
        body = self.body(self.whole(*x.shape[1:3]))
        placeholder = keras.layers.Input(x.shape[1:], name="backbone_input")
        backbone = keras.models.clone_model(body, input_tensors=placeholder, clone_function=_copier(seeds))
        backbone.name = "backbone"
        x = backbone(x)
        if not self.normalised:
            return mean_pool(x, name="features")
        return keras.layers.LayerNormalization(epsilon=1e-6, name="features")(mean_pool(x, name="mean_pool"))


def keras_networks() -> tuple[str, ...]:
    """Return the names of the networks of ``keras.applications``."""
    return tuple(name for name in sorted(vars(keras.applications)) if name[0].isupper() and _mode(name))


def keras_network(name: str) -> KerasNetwork:
    """Return the network of this name, which may begin with "keras:".

    Raises:
        ArgumentError: there is none.
    """
    plain = name.removeprefix(PREFIX)
    mode = _mode(plain)
    if mode is None or plain not in keras_networks():
        rule = "must be 'keras:' and a network of keras.applications"
        raise ArgumentError(explain("architecture", rule, name, suggest(plain, keras_networks())))
    return KerasNetwork(plain, mode)


def _mode(name: str) -> Mode | None:
    """Return how the pretrained weights of a family want their input, as ``preprocess_input`` of it says."""
    if re.fullmatch(r"VGG\d+|ResNet\d+", name):
        return "caffe"
    if re.fullmatch(r"DenseNet\d+|ConvNeXt\w+|EfficientNetB\d|EfficientNetV2B\d", name):
        return "torch"
    if re.fullmatch(r"ResNet\d+V2|Inception\w+|Xception|MobileNet\w*|NASNet\w+", name):
        return "tf"
    return "tf-128" if re.fullmatch(r"EfficientNetV2[SML]", name) else None


def _copier(seeds: Seeds) -> Callable[[Any], Any]:
    counts: Counter[str] = Counter()

    def copy(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return type(layer).from_config(layer.get_config())
        # Keras numbers unnamed layers over the whole process; here the count starts anew.
        kind = re.fullmatch(r"(.+?)(_\d+)?", layer.name)
        name = layer.name
        if kind is not None and kind[1].replace("_", "") == type(layer).__name__.lower():
            counts[kind[1]] += 1
            name = f"{kind[1]}_{counts[kind[1]]}"
        if isinstance(layer, (keras.layers.Rescaling, keras.layers.Normalization)):
            return keras.layers.Identity(name=name)
        if (
            type(layer).__name__ == "LayerScale"
        ):  # private to Keras, and its weight is numbered over the process
            return channel_scale_layer(layer.output.shape[1:], layer.init_values, name=name)
        config = _fresh({**layer.get_config(), "name": name}, seeds)
        if isinstance(layer, keras.layers.BatchNormalization):
            config["momentum"] = MOMENTUM
        return type(layer).from_config(config)

    return copy


def _fresh(config: Any, seeds: Seeds) -> Any:
    """Return a copy of a configuration, also of what is in it, with seeds of ours and not yet built for a shape."""
    if isinstance(config, dict):
        return {
            key: seeds() if key == "seed" else _fresh(value, seeds)
            for key, value in config.items()
            if key not in ("build_config", "build_input_shape")
        }
    if isinstance(config, list):
        inputs = [isinstance(value, dict) and value.get("class_name") == "InputLayer" for value in config]
        return [_fresh(value, seeds) for value, known in zip(config, inputs, strict=True) if not known]
    return config
