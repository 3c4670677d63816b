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

__all__ = ["cnn_features", "resnet18_features"]


def cnn_features(x: Tensor, *, width: int, seeds: Seeds) -> Tensor:
    """Return the features of the small residual network.

    Large images are folded first (space to depth), so that the convolutions run at about 32 pixels,
    where XLA on a CPU is near the machine's limit; see docs/decisions/0002-work-at-32-pixels.md.
    Stages follow, each at half the size and up to 256 channels, until 4 pixels or fewer are left.
    """
    size = min(x.shape[1:3])
    x = space_to_depth(x, max(1, 2 ** ((size // 28).bit_length() - 1)) if size >= 48 else 1)
    x = conv_norm_relu(x, width, 3, seeds=seeds, name="stem")
    filters, stage = width, 1
    x = residual_block(x, filters, stride=1, seeds=seeds, name="stage1")
    while max(x.shape[1:3]) > 4 and min(x.shape[1:3]) > 1:
        filters, stage = min(2 * filters, 8 * width, 256), stage + 1
        x = residual_block(x, filters, stride=2, seeds=seeds, name=f"stage{stage}")
    return pooled_features(x)


def resnet18_features(x: Tensor, *, width: int, seeds: Seeds) -> Tensor:
    """Return the features of ResNet-18 (He et al. 2016, doi:10.1109/CVPR.2016.90).

    Images under 64 pixels get the 3x3 stem without pooling that is usual for them.
    """
    if min(x.shape[1:3]) < 64:
        x = conv_norm_relu(x, width, 3, seeds=seeds, name="stem")
    else:
        x = conv_norm_relu(x, width, 7, stride=2, seeds=seeds, name="stem")
        x = keras.layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)
    for stage in range(4):
        for block in range(2):
            stride = 2 if stage > 0 and block == 0 else 1
            name = f"stage{stage + 1}_{block + 1}"
            x = residual_block(x, width * 2**stage, stride=stride, seeds=seeds, name=name)
    return keras.layers.GlobalAveragePooling2D(name="features")(x)
