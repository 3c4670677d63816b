"""DenseNet: every layer reads what all before it wrote."""

from __future__ import annotations

from medimg_cnn._keras import keras
from medimg_cnn.models._blocks import Parts, Tensor, average_pool, conv_norm, max_pool, mean_pool, normalise

__all__ = ["densenet_features"]


def densenet_features(x: Tensor, *, width: int, blocks: tuple[int, ...], parts: Parts) -> Tensor:
    """Return the features of a DenseNet-BC (Huang et al. 2017, doi:10.1109/CVPR.2017.243).

    Each layer adds ``width / 2`` channels; between blocks half of the channels are kept, at half the size. Images
    under 64 pixels get a 3x3 stem without pooling.
    """
    growth = width // 2
    if min(x.shape[1:3]) < 64:
        x = conv_norm(x, width, 3, parts=parts, name="stem")
    else:
        x = conv_norm(x, width, 7, stride=2, parts=parts, name="stem")
        x = max_pool(x, 3, stride=2, name="stem_pool")
    for stage, count in enumerate(blocks, start=1):
        if stage > 1:
            x = _norm_relu_conv(x, x.shape[-1] // 2, 1, parts=parts, name=f"stage{stage}_transition")
            x = average_pool(x, 2, name=f"stage{stage}_pool")
        for layer in range(1, count + 1):
            name = f"stage{stage}_{layer}"
            new = _norm_relu_conv(x, 4 * growth, 1, parts=parts, name=f"{name}_1")
            new = _norm_relu_conv(new, growth, 3, parts=parts, name=f"{name}_2")
            x = keras.layers.Concatenate(name=f"{name}_out")([x, new])
    x = normalise(x, parts=parts, name="last_norm")
    return mean_pool(keras.layers.ReLU(name="last_relu")(x), name="features")


def _norm_relu_conv(x: Tensor, filters: int, kernel: int, *, parts: Parts, name: str) -> Tensor:
    x = keras.layers.ReLU(name=f"{name}_relu")(normalise(x, parts=parts, name=f"{name}_norm"))
    return keras.layers.Conv2D(
        filters,
        kernel,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(seed=parts.seeds()),
        name=f"{name}_conv",
    )(x)
