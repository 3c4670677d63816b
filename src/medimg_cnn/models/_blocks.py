"""The parts that architectures are made of. Every random choice comes from the ``Seeds`` given.

Pooling and normalisation layers are made here only, so that another implementation has one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from medimg_cnn._keras import keras

__all__ = [
    "MOMENTUM",
    "Normalisation",
    "Parts",
    "Seeds",
    "Tensor",
    "average_pool",
    "bottleneck_block",
    "channel_scale_layer",
    "conv_norm",
    "drop_path",
    "head",
    "max_pool",
    "mean_pool",
    "normalise",
    "pooled_features",
    "residual_block",
    "scale",
    "space_to_depth",
]

Tensor = Any
"""A symbolic Keras tensor (batch, height, width, channels)."""

Normalisation: TypeAlias = Literal["batch", "group", "layer"]

# Keras's 0.99 needs hundreds of steps to forget the start; small medical sets train for a few hundred in all.
MOMENTUM = 0.9


class Seeds:
    """A stream of seeds for initialisers and dropout, all drawn from one."""

    def __init__(self, seed: int, stream: int | None = None) -> None:
        self._generator = np.random.default_rng(seed if stream is None else (seed, stream))

    def __call__(self) -> int:
        """Return the next seed, 0 to 2**31 - 1."""
        return int(self._generator.integers(2**31))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """How the blocks of one network are made.

    Attributes:
        seed: of everything random.
        normalisation: "batch"; "group", up to 32 groups of at least 8 channels; or "layer", the channels of each pixel.
        drop_path: rate of stochastic depth in the last block; that of the others rises to it in equal steps.
    """

    seed: int
    normalisation: Normalisation = "batch"
    drop_path: float = 0.0
    seeds: Seeds = field(init=False)
    drop_seeds: Seeds = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", Seeds(self.seed))
        # A stream apart: the initial weights must not depend on whether paths are dropped.
        object.__setattr__(self, "drop_seeds", Seeds(self.seed, stream=1))


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


def normalise(x: Tensor, *, parts: Parts, name: str) -> Tensor:
    """Normalise as ``parts`` say."""
    if parts.normalisation == "group":
        return keras.layers.GroupNormalization(_groups(x.shape[-1]), name=name)(x)
    if parts.normalisation == "layer":
        return keras.layers.LayerNormalization(epsilon=1e-6, name=name)(x)
    return keras.layers.BatchNormalization(momentum=MOMENTUM, name=name)(x)


def _groups(channels: int) -> int:
    """Return the most groups, at most 32, of at least 8 channels each: one of a single channel loses its mean."""
    fitting = (groups for groups in range(1, 33) if channels % groups == 0 and channels >= 8 * groups)
    return max(fitting, default=1)


def max_pool(x: Tensor, size: int, *, name: str, stride: int | None = None) -> Tensor:
    """Take the maximum of ``size`` x ``size`` pixels every ``stride``; past the edge there is nothing."""
    return keras.layers.MaxPooling2D(size, strides=stride, padding="same", name=name)(x)


def average_pool(x: Tensor, size: int, *, name: str) -> Tensor:
    """Take the mean of ``size`` x ``size`` pixels; past the edge there is nothing."""
    return keras.layers.AveragePooling2D(size, padding="same", name=name)(x)


def mean_pool(x: Tensor, *, name: str, keepdims: bool = False) -> Tensor:
    """Take each channel's mean over the image."""
    return keras.layers.GlobalAveragePooling2D(keepdims=keepdims, name=name)(x)


def conv_norm(
    x: Tensor,
    filters: int,
    kernel: int,
    *,
    parts: Parts,
    name: str,
    stride: int = 1,
    relu: bool = True,
    initializer: Callable[[Parts], Any] | None = None,
) -> Tensor:
    """Apply a convolution without bias, normalisation and, where asked, ReLU.

    ``initializer`` gives that of the kernel; None: the normal distribution of He et al. (2015), by the fan in.
    """
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=(initializer or _he_normal)(parts),
        name=f"{name}_conv",
    )(x)
    x = normalise(x, parts=parts, name=f"{name}_norm")
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _he_normal(parts: Parts) -> Any:
    return keras.initializers.HeNormal(seed=parts.seeds())


def drop_path(x: Tensor, *, share: float, parts: Parts, name: str) -> Tensor:
    """Drop the whole branch for some images in training (Huang et al. 2016, arXiv:1603.09382).

    Those kept are divided by how many are kept. ``share`` is the block's part of the last block's rate, 0 to 1.
    """
    rate = parts.drop_path * share
    if rate == 0.0:
        return x
    return keras.layers.Dropout(
        rate, noise_shape=(None, 1, 1, 1), seed=parts.drop_seeds(), name=f"{name}_drop_path"
    )(x)


def residual_block(
    x: Tensor, filters: int, *, stride: int, parts: Parts, name: str, share: float = 0.0
) -> Tensor:
    """Apply the two-convolution residual block of He et al. 2016 (doi:10.1109/CVPR.2016.90).

    Where the size or the number of channels changes, the shortcut is average pooling and a 1x1
    convolution (He et al. 2019, doi:10.1109/CVPR.2019.00065), which loses no pixel.
    """
    y = conv_norm(x, filters, 3, stride=stride, parts=parts, name=f"{name}_1")
    y = conv_norm(y, filters, 3, relu=False, parts=parts, name=f"{name}_2")
    return _joined(x, y, stride=stride, parts=parts, name=name, share=share)


def bottleneck_block(
    x: Tensor, filters: int, *, stride: int, parts: Parts, name: str, share: float = 0.0
) -> Tensor:
    """Apply the three-convolution residual block of He et al. 2016, which gives four times ``filters`` channels.

    The stride is in the 3x3 convolution ("v1.5"), so that no position is skipped. Shortcut as in ``residual_block``.
    """
    y = conv_norm(x, filters, 1, parts=parts, name=f"{name}_1")
    y = conv_norm(y, filters, 3, stride=stride, parts=parts, name=f"{name}_2")
    y = conv_norm(y, 4 * filters, 1, relu=False, parts=parts, name=f"{name}_3")
    return _joined(x, y, stride=stride, parts=parts, name=name, share=share)


def _joined(x: Tensor, y: Tensor, *, stride: int, parts: Parts, name: str, share: float) -> Tensor:
    shortcut = x
    if stride > 1:
        shortcut = average_pool(shortcut, stride, name=f"{name}_shortcut_pool")
    if x.shape[-1] != y.shape[-1]:
        shortcut = conv_norm(shortcut, y.shape[-1], 1, relu=False, parts=parts, name=f"{name}_shortcut")
    y = drop_path(y, share=share, parts=parts, name=name)
    y = keras.layers.Add(name=f"{name}_add")([shortcut, y])
    return keras.layers.ReLU(name=f"{name}_out")(y)


def channel_scale_layer(shape: tuple[int, int, int], start: float, *, name: str) -> Any:
    """Return a layer that multiplies each channel by a learned number (Touvron et al. 2021, arXiv:2103.17239)."""
    return keras.layers.EinsumDense(
        "bhwc,c->bhwc",
        output_shape=tuple(shape),
        kernel_initializer=keras.initializers.Constant(start),
        name=name,
    )


def pooled_features(x: Tensor) -> Tensor:
    """Return each channel's mean and maximum over the image: how much of a sign, and whether it is there."""
    mean = mean_pool(x, name="mean_pool")
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
