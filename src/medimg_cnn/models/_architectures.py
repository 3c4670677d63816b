"""From scaled images to one vector of features an image, by architecture."""

from __future__ import annotations

from medimg_cnn._keras import keras
from medimg_cnn.models._blocks import (
    Seeds,
    Tensor,
    conv_norm_relu,
    pooled_features,
    residual_block,
    space_to_depth,
)

__all__ = ["cnn_features", "medcnn_features", "resnet_features"]


def cnn_features(x: Tensor, *, width: int, seeds: Seeds) -> Tensor:
    """Return the features of a plain stack: convolution, pooling and dropout, then a dense layer.

    Large images are folded first, as in ``medcnn_features``.
    """
    x, filters, stage = _folded(x), width, 0
    while stage == 0 or (max(x.shape[1:3]) > 4 and min(x.shape[1:3]) > 1):
        stage += 1
        x = conv_norm_relu(x, filters, 3, seeds=seeds, name="stem" if stage == 1 else f"stage{stage}")
        x = keras.layers.MaxPooling2D(2, padding="same", name=f"stage{stage}_pool")(x)
        x = keras.layers.Dropout(0.1, seed=seeds(), name=f"stage{stage}_dropout")(x)
        filters = min(2 * filters, 8 * width, 256)
    x = keras.layers.Flatten(name="flat")(x)
    initializer = keras.initializers.HeNormal(seed=seeds())
    return keras.layers.Dense(4 * width, "relu", kernel_initializer=initializer, name="features")(x)


def medcnn_features(x: Tensor, *, width: int, blocks: int, seeds: Seeds) -> Tensor:
    """Return the features of the small residual network.

    Large images are folded first (space to depth), so that the convolutions run at about 32 pixels,
    where XLA on a CPU is near the machine's limit; see docs/decisions/0002-work-at-32-pixels.md.
    Stages of ``blocks`` residual blocks follow, each at half the size and up to eight times ``width``
    channels, until 4 pixels or fewer are left. Between stages the mean of 2x2 pixels is taken, not every
    second one; see docs/decisions/0055-pool-between-stages.md.
    """
    x = conv_norm_relu(_folded(x), width, 3, seeds=seeds, name="stem")
    filters, stage = width, 1
    x = _stage(x, filters, blocks, stage, seeds)
    while max(x.shape[1:3]) > 4 and min(x.shape[1:3]) > 1:
        filters, stage = min(2 * filters, 8 * width), stage + 1
        x = keras.layers.AveragePooling2D(2, padding="same", name=f"stage{stage}_pool")(x)
        x = _stage(x, filters, blocks, stage, seeds)
    return pooled_features(x)


def _folded(x: Tensor) -> Tensor:
    """Fold images of 48 pixels and more until the shorter side is 28 to 55."""
    size = min(x.shape[1:3])
    return space_to_depth(x, max(1, 2 ** ((size // 28).bit_length() - 1)) if size >= 48 else 1)


def _stage(x: Tensor, filters: int, blocks: int, stage: int, seeds: Seeds) -> Tensor:
    for block in range(blocks):
        name = f"stage{stage}" if blocks == 1 else f"stage{stage}_{block + 1}"
        x = residual_block(x, filters, stride=1, seeds=seeds, name=name)
    return x


def resnet_features(x: Tensor, *, width: int, blocks: tuple[int, ...], seeds: Seeds) -> Tensor:
    """Return the features of a ResNet of two-convolution blocks (He et al. 2016, doi:10.1109/CVPR.2016.90).

    Images under 64 pixels get the 3x3 stem without pooling that is usual for them.
    """
    if min(x.shape[1:3]) < 64:
        x = conv_norm_relu(x, width, 3, seeds=seeds, name="stem")
    else:
        x = conv_norm_relu(x, width, 7, stride=2, seeds=seeds, name="stem")
        x = keras.layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            name = f"stage{stage + 1}_{block + 1}"
            x = residual_block(x, width * 2**stage, stride=stride, seeds=seeds, name=name)
    return keras.layers.GlobalAveragePooling2D(name="features")(x)
