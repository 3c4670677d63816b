"""ConvNeXt: large depthwise convolutions between layer normalisations."""

from __future__ import annotations

from typing import Any

from medimg_cnn._keras import keras
from medimg_cnn.models._blocks import Parts, Tensor, channel_scale_layer, drop_path, mean_pool, normalise

__all__ = ["convnext_features"]

_SCALE = 1e-6
"""What each branch is multiplied by at the start, as in the paper."""


def convnext_features(x: Tensor, *, width: int, blocks: tuple[int, ...], parts: Parts) -> Tensor:
    """Return the features of a ConvNeXt (Liu et al. 2022, doi:10.1109/CVPR52688.2022.01167).

    The stem cuts the image into patches of 4 pixels, or of 2 where it is smaller than 64.
    """
    patch = 2 if min(x.shape[1:3]) < 64 else 4
    x = _conv(x, width, patch, stride=patch, parts=parts, name="stem_conv")
    x = normalise(x, parts=parts, name="stem_norm")
    made = 0
    for stage, count in enumerate(blocks):
        filters = width * 2**stage
        if stage > 0:
            x = normalise(x, parts=parts, name=f"stage{stage + 1}_norm")
            x = _conv(x, filters, 2, stride=2, parts=parts, name=f"stage{stage + 1}_conv")
        for block in range(count):
            made += 1
            name = f"stage{stage + 1}_{block + 1}"
            x = _block(x, filters, parts=parts, name=name, share=made / sum(blocks))
    return normalise(mean_pool(x, name="mean_pool"), parts=parts, name="features")


def _block(x: Tensor, filters: int, *, parts: Parts, name: str, share: float) -> Tensor:
    y = keras.layers.DepthwiseConv2D(
        7, padding="same", depthwise_initializer=_initializer(parts), name=f"{name}_depthwise"
    )(x)
    y = normalise(y, parts=parts, name=f"{name}_norm")
    y = keras.layers.Dense(4 * filters, kernel_initializer=_initializer(parts), name=f"{name}_1")(y)
    y = keras.layers.Activation("gelu", name=f"{name}_gelu")(y)
    y = keras.layers.Dense(filters, kernel_initializer=_initializer(parts), name=f"{name}_2")(y)
    y = channel_scale_layer(y.shape[1:], _SCALE, name=f"{name}_scale")(y)
    y = drop_path(y, share=share, parts=parts, name=name)
    return keras.layers.Add(name=f"{name}_out")([x, y])


def _conv(x: Tensor, filters: int, kernel: int, *, stride: int, parts: Parts, name: str) -> Tensor:
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        kernel_initializer=_initializer(parts),
        name=name,
    )(x)


def _initializer(parts: Parts) -> Any:
    return keras.initializers.TruncatedNormal(stddev=0.02, seed=parts.seeds())
