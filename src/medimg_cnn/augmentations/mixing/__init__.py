"""Augmentations that mix the images of a batch, and their labels."""

from medimg_cnn.augmentations.mixing._cutmix import CutMix
from medimg_cnn.augmentations.mixing._mixing import MixingAugmentation
from medimg_cnn.augmentations.mixing._mixup import MixUp

__all__ = ["CutMix", "MixUp", "MixingAugmentation"]
