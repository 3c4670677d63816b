"""EfficientNetV2: inverted residual blocks, the early ones fused, the late ones with squeeze and excitation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medimg_cnn._keras import keras
from medimg_cnn.models._blocks import Parts, Tensor, conv_norm, drop_path, mean_pool, normalise

__all__ = ["efficientnet_features"]


@dataclass(frozen=True, slots=True)
class _Stage:
    """One row of the table of stages: blocks, channels at a width of 32, stride, expansion, fused or not."""

    blocks: int
    filters: int
    stride: int
    expansion: int
    fused: bool


_STAGES = (
    _Stage(1, 16, 1, 1, True),
    _Stage(2, 32, 2, 4, True),
    _Stage(2, 48, 2, 4, True),
    _Stage(3, 96, 2, 4, False),
    _Stage(5, 112, 1, 6, False),
    _Stage(8, 192, 2, 6, False),
)
_LAST = 1280
_SQUEEZE = 4


def efficientnet_features(x: Tensor, *, width: int, parts: Parts) -> Tensor:
    """Return the features of EfficientNetV2-B0 (Tan & Le 2021, arXiv:2104.00298), scaled by ``width / 32``.

    Images under 64 pixels get a stem without stride.
    """
    stride = 1 if min(x.shape[1:3]) < 64 else 2
    x = _conv_norm(x, width, 3, stride=stride, parts=parts, name="stem")
    made, total = 0, sum(stage.blocks for stage in _STAGES)
    for index, stage in enumerate(_STAGES, start=1):
        for block in range(stage.blocks):
            made += 1
            x = _block(
                x,
                stage,
                filters=_scaled(stage.filters, width),
                stride=stage.stride if block == 0 else 1,
                parts=parts,
                name=f"stage{index}_{block + 1}",
                share=made / total,
            )
    x = _conv_norm(x, _scaled(_LAST, width), 1, parts=parts, name="last")
    return mean_pool(x, name="features")


def _scaled(filters: int, width: int) -> int:
    """Return the channels at this width, a multiple of 8 where there are that many."""
    number = filters * width / 32
    return max(8, round(number / 8) * 8) if number >= 8 else max(1, round(number))


def _block(
    x: Tensor, stage: _Stage, *, filters: int, stride: int, parts: Parts, name: str, share: float
) -> Tensor:
    inner = x.shape[-1] * stage.expansion
    y = x
    if stage.fused:
        if stage.expansion > 1:
            y = _conv_norm(y, inner, 3, stride=stride, parts=parts, name=f"{name}_expand")
    else:
        y = _conv_norm(y, inner, 1, parts=parts, name=f"{name}_expand")
        y = keras.layers.DepthwiseConv2D(
            3,
            strides=stride,
            padding="same",
            use_bias=False,
            depthwise_initializer=_initializer(parts),
            name=f"{name}_depthwise_conv",
        )(y)
        y = normalise(y, parts=parts, name=f"{name}_depthwise_norm")
        y = keras.layers.Activation("silu", name=f"{name}_depthwise_silu")(y)
        y = _excite(y, max(1, x.shape[-1] // _SQUEEZE), parts=parts, name=name)
    if stage.fused and stage.expansion == 1:
        y = _conv_norm(y, filters, 3, stride=stride, parts=parts, name=f"{name}_project")
    else:
        y = _conv_norm(y, filters, 1, parts=parts, name=f"{name}_project", activation=False)
    if stride == 1 and x.shape[-1] == filters:
        y = drop_path(y, share=share, parts=parts, name=name)
        y = keras.layers.Add(name=f"{name}_out")([y, x])
    return y


def _excite(x: Tensor, filters: int, *, parts: Parts, name: str) -> Tensor:
    gate = mean_pool(x, keepdims=True, name=f"{name}_squeeze")
    for step, (channels, activation) in enumerate(((filters, "silu"), (x.shape[-1], "sigmoid")), start=1):
        gate = keras.layers.Conv2D(
            channels,
            1,
            activation=activation,
            kernel_initializer=_initializer(parts),
            name=f"{name}_excite_{step}",
        )(gate)
    return keras.layers.Multiply(name=f"{name}_excite")([x, gate])


def _conv_norm(
    x: Tensor, filters: int, kernel: int, *, parts: Parts, name: str, stride: int = 1, activation: bool = True
) -> Tensor:
    x = conv_norm(
        x, filters, kernel, parts=parts, name=name, stride=stride, relu=False, initializer=_initializer
    )
    return keras.layers.Activation("silu", name=f"{name}_silu")(x) if activation else x


def _initializer(parts: Parts) -> Any:
    # By the fan out, as the paper's code: for a depthwise convolution Keras's fan in counts channels it does not read.
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal", seed=parts.seeds())
