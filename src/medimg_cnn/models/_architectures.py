"""From scaled images to one vector of features an image: our own networks and the ResNets."""

from __future__ import annotations

import math

from medimg_cnn._keras import keras
from medimg_cnn.models._blocks import (
    Parts,
    Tensor,
    average_pool,
    bottleneck_block,
    conv_norm,
    max_pool,
    mean_pool,
    pooled_features,
    residual_block,
    space_to_depth,
)

__all__ = ["cnn_features", "medcnn_features", "resnet_features"]


def cnn_features(x: Tensor, *, width: int, parts: Parts) -> Tensor:
    """Return the features of a plain stack: convolution, pooling and dropout, then a dense layer.

    Large images are folded first, as in ``medcnn_features``.
    """
    x, filters, stage = _folded(x), width, 0
    while stage == 0 or (max(x.shape[1:3]) > 4 and min(x.shape[1:3]) > 1):
        stage += 1
        x = conv_norm(x, filters, 3, parts=parts, name="stem" if stage == 1 else f"stage{stage}")
        x = max_pool(x, 2, name=f"stage{stage}_pool")
        x = keras.layers.Dropout(0.1, seed=parts.seeds(), name=f"stage{stage}_dropout")(x)
        filters = min(2 * filters, 8 * width, 256)
    x = keras.layers.Flatten(name="flat")(x)
    initializer = keras.initializers.HeNormal(seed=parts.seeds())
    return keras.layers.Dense(4 * width, "relu", kernel_initializer=initializer, name="features")(x)


def medcnn_features(x: Tensor, *, width: int, blocks: int, parts: Parts) -> Tensor:
    """Return the features of the small residual network.

    Images of more than 43 pixels are folded first (space to depth), so that the convolutions run at about 32 pixels,
    where XLA on a CPU is near the machine's limit; see docs/decisions/0002-work-at-32-pixels.md.
    Stages of ``blocks`` residual blocks follow, each at half the size and up to eight times ``width``
    channels, until 4 pixels or fewer are left, but four at most. Between stages the mean of 2x2 pixels is
    taken, not every second one; see docs/decisions/0055-pool-between-stages.md.
    """
    x = conv_norm(_folded(x), width, 3, parts=parts, name="stem")
    stages = _stages(x)
    for stage in range(stages):
        if stage > 0:
            x = average_pool(x, 2, name=f"stage{stage + 1}_pool")
        for block in range(blocks):
            name = f"stage{stage + 1}" if blocks == 1 else f"stage{stage + 1}_{block + 1}"
            share = (stage * blocks + block + 1) / (stages * blocks)
            x = residual_block(x, min(2**stage, 8) * width, stride=1, parts=parts, name=name, share=share)
    return pooled_features(x)


def _folded(x: Tensor) -> Tensor:
    """Fold images until the geometric mean of their sides is 22 to 43, and nearest 29; smaller ones are left alone."""
    return space_to_depth(x, _block(*x.shape[1:3]))


def _block(height: int, width: int) -> int:
    """Return the side of the patches; at 29 it is 1 at 28 pixels, 4 at 128 and 8 at 224, which need no padding."""
    return max(1, round(math.sqrt(height * width) / 29))


def _stages(x: Tensor) -> int:
    """Return how many stages there are when each halves the size, until 4 pixels or fewer are left; four at most.

    A fifth, for maps of 33 to 43 pixels, would double the weights.
    """
    height, width = (int(side) for side in x.shape[1:3])
    count = 1
    while count < 4 and max(height, width) > 4 and min(height, width) > 1:
        height, width, count = -(-height // 2), -(-width // 2), count + 1
    return count


def resnet_features(
    x: Tensor, *, width: int, blocks: tuple[int, ...], parts: Parts, bottleneck: bool = False
) -> Tensor:
    """Return the features of a ResNet (He et al. 2016, doi:10.1109/CVPR.2016.90).

    Images under 64 pixels get the 3x3 stem without pooling that is usual for them.
    """
    if min(x.shape[1:3]) < 64:
        x = conv_norm(x, width, 3, parts=parts, name="stem")
    else:
        x = conv_norm(x, width, 7, stride=2, parts=parts, name="stem")
        x = max_pool(x, 3, stride=2, name="stem_pool")
    one = bottleneck_block if bottleneck else residual_block
    made = 0
    for stage, count in enumerate(blocks):
        for block in range(count):
            made += 1
            stride = 2 if stage > 0 and block == 0 else 1
            name = f"stage{stage + 1}_{block + 1}"
            share = made / sum(blocks)
            x = one(x, width * 2**stage, stride=stride, parts=parts, name=name, share=share)
    return mean_pool(x, name="features")
