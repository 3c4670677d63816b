"""``build_cnn``: from an image shape to a ``keras.Model`` that gives one probability."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeAlias

from medimg_cnn._keras import keras
from medimg_cnn._validation import check_choice, check_fraction, check_integer, check_seed, explain
from medimg_cnn.errors import ArgumentError
from medimg_cnn.models._architectures import cnn_features, medcnn_features, resnet_features
from medimg_cnn.models._blocks import Seeds, Tensor, head, scale

__all__ = ["Architecture", "build_cnn"]

Architecture: TypeAlias = Literal["medcnn-s", "medcnn-m", "medcnn-l", "cnn", "resnet18", "resnet34"]

_FEATURES: dict[Architecture, Callable[..., Tensor]] = {
    "medcnn-s": partial(medcnn_features, blocks=1),
    "medcnn-m": partial(medcnn_features, blocks=1),
    "medcnn-l": partial(medcnn_features, blocks=2),
    "cnn": cnn_features,
    "resnet18": partial(resnet_features, blocks=(2, 2, 2, 2)),
    "resnet34": partial(resnet_features, blocks=(3, 4, 6, 3)),
}
_WIDTHS: dict[Architecture, int] = {
    "medcnn-s": 32,
    "medcnn-m": 64,
    "medcnn-l": 64,
    "cnn": 32,
    "resnet18": 64,
    "resnet34": 64,
}


def build_cnn(
    image_shape: tuple[int, int, int],
    *,
    architecture: Architecture = "medcnn-s",
    prior: float = 0.5,
    width: int | None = None,
    dropout: float = 0.3,
    seed: int = 0,
) -> Any:
    """Build a convolutional network for binary classification.

    Args:
        image_shape: (height, width, channels) of the images, 1 to 4,096 pixels a side; 1 or 3 channels.
        architecture: "medcnn-s" (1.2 million weights), "medcnn-m" (4.9) or "medcnn-l" (11.2): residual networks
            that do their work at 32 pixels and below; the small one is the right start for hundreds to tens
            of thousands of images. "cnn" is a plain stack of convolution, pooling and dropout, then a
            dense layer; "resnet18" and "resnet34" are those of the literature.
        prior: share of positives in the training data, in (0, 1); sets the output's initial bias.
        width: channels of the first stage; the later ones double it. None: 32 for "medcnn-s" and "cnn", 64
            for the others.
        dropout: share of the pooled features that is dropped in training, 0 to below 1.
        seed: of the initial weights and of dropout. The same seed gives the same weights.

    Returns:
        An uncompiled ``keras.Model`` from float32 images in 0-1, (batch, height, width, channels),
        to the probability of the positive class, (batch, 1) float32. The layer before the last is
        named "logit". Compile and fit it as any other Keras model, or give it to ``Trainer``.

    Raises:
        ArgumentError: an argument breaks its rule.
        BackendError: Keras does not run on JAX.

    Example:
        >>> import medimg_cnn as mc
        >>> model = mc.build_cnn((28, 28, 1), prior=0.3, seed=7)
        >>> model.output_shape
        (None, 1)
    """
    shape = _check_image_shape(image_shape)
    name = check_choice("architecture", architecture, list(_FEATURES))
    prior = check_fraction("prior", prior, open_ends=True)
    first = _WIDTHS[name] if width is None else check_integer("width", width, low=4, high=1024)
    dropout = check_fraction("dropout", dropout)
    if dropout == 1.0:
        raise ArgumentError(explain("dropout", "must be below 1", dropout))
    seeds = Seeds(check_seed("seed", seed))

    images = keras.layers.Input(shape, name="image")
    features = _FEATURES[name](scale(images), width=first, seeds=seeds)
    output = head(features, prior=prior, dropout=dropout, seeds=seeds)
    return keras.Model(images, output, name=name)


def _check_image_shape(value: object) -> tuple[int, int, int]:
    rule = "must be (height, width, channels)"
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise ArgumentError(
            explain("image_shape", rule, value, "Pass data.image_shape, or for example (128, 128, 1).")
        )
    height = check_integer("image_shape[0] (height)", value[0], low=1, high=4096)
    width = check_integer("image_shape[1] (width)", value[1], low=1, high=4096)
    channels = check_integer("image_shape[2] (channels)", value[2], low=1)
    if channels not in (1, 3):
        raise ArgumentError(explain("image_shape[2] (channels)", "must be 1 (grey) or 3 (RGB)", channels))
    return height, width, channels
