"""The parts that architectures are made of. Every random choice comes from the ``Seeds`` given."""

from __future__ import annotations

from typing import Any

import numpy as np

from medimg_cnn._keras import keras

__all__ = [
    "Seeds",
    "Tensor",
    "conv_norm_relu",
    "head",
    "pooled_features",
    "residual_block",
    "scale",
    "space_to_depth",
]

Tensor = Any
"""A symbolic Keras tensor (batch, height, width, channels)."""

# Keras's 0.99 needs hundreds of steps to forget the start; small medical sets train for a few hundred in all.
_MOMENTUM = 0.9


class Seeds:
    """A stream of seeds for initialisers and dropout, all drawn from one."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def __call__(self) -> int:
        """Return the next seed, 0 to 2**31 - 1."""
        return int(self._generator.integers(2**31))


def scale(x: Tensor) -> Tensor:
    """Map images in 0-1 to about -2 to 2, where the initialisers expect their inputs."""
    return keras.layers.Rescaling(scale=4.0, offset=-2.0, name="scale")(x)


def space_to_depth(x: Tensor, block: int) -> Tensor:
    """Fold each ``block`` x ``block`` patch of pixels into channels; sizes that do not divide are padded."""
    if block == 1:
        return x
    height, width, channels = x.shape[1:]
    missing = (-height % block, -width % block)
    if any(missing):
        pad = tuple((m // 2, m - m // 2) for m in missing)
        x = keras.layers.ZeroPadding2D(pad, name="pad_to_patches")(x)
        height, width = height + missing[0], width + missing[1]
    rows, columns = height // block, width // block
    x = keras.layers.Reshape((rows, block, columns, block, channels), name="patches")(x)
    x = keras.layers.Permute((1, 3, 2, 4, 5), name="patch_order")(x)
    return keras.layers.Reshape((rows, columns, block * block * channels), name="space_to_depth")(x)


def conv_norm_relu(
    x: Tensor, filters: int, kernel: int, *, seeds: Seeds, name: str, stride: int = 1, relu: bool = True
) -> Tensor:
    """Apply a convolution without bias, batch normalisation and, where asked, ReLU."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(seed=seeds()),
        name=f"{name}_conv",
    )(x)
    x = keras.layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def residual_block(x: Tensor, filters: int, *, stride: int, seeds: Seeds, name: str) -> Tensor:
    """Apply the two-convolution residual block of He et al. 2016 (doi:10.1109/CVPR.2016.90).

    Where the size or the number of channels changes, the shortcut is average pooling and a 1x1
    convolution (He et al. 2019, doi:10.1109/CVPR.2019.00065), which loses no pixel.
    """
    shortcut = x
    y = conv_norm_relu(x, filters, 3, stride=stride, seeds=seeds, name=f"{name}_1")
    y = conv_norm_relu(y, filters, 3, relu=False, seeds=seeds, name=f"{name}_2")
    if stride > 1:
        shortcut = keras.layers.AveragePooling2D(stride, padding="same", name=f"{name}_shortcut_pool")(
            shortcut
        )
    if x.shape[-1] != filters:
        shortcut = conv_norm_relu(shortcut, filters, 1, relu=False, seeds=seeds, name=f"{name}_shortcut")
    y = keras.layers.Add(name=f"{name}_add")([shortcut, y])
    return keras.layers.ReLU(name=f"{name}_out")(y)


def pooled_features(x: Tensor) -> Tensor:
    """Return each channel's mean and maximum over the image: how much of a sign, and whether it is there."""
    mean = keras.layers.GlobalAveragePooling2D(name="mean_pool")(x)
    peak = keras.layers.GlobalMaxPooling2D(name="max_pool")(x)
    return keras.layers.Concatenate(name="features")([mean, peak])


def head(x: Tensor, *, prior: float, dropout: float, seeds: Seeds) -> Tensor:
    """Return the probability, (batch, 1) float32: dropout, a dense "logit", and its sigmoid.

    The dense layer starts at zero with the prior's log-odds as its bias, so that the first
    predictions are the prevalence exactly and no epoch is spent on learning it.
    """
    x = keras.layers.Dropout(dropout, seed=seeds(), name="dropout")(x)
    logit = keras.layers.Dense(
        1,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(float(np.log(prior / (1.0 - prior)))),
        dtype="float32",
        name="logit",
    )(x)
    return keras.layers.Activation("sigmoid", dtype="float32", name="probability")(logit)
