"""Augmentations that change grey values and colours and leave every pixel in its place."""

from medimg_cnn.augmentations.intensity._bias_field import BiasField
from medimg_cnn.augmentations.intensity._blur import Blur
from medimg_cnn.augmentations.intensity._clahe import CLAHE
from medimg_cnn.augmentations.intensity._colour import ColourJitter, StainJitter
from medimg_cnn.augmentations.intensity._cutout import Cutout
from medimg_cnn.augmentations.intensity._noise import Noise, Speckle
from medimg_cnn.augmentations.intensity._tone import Brightness, Contrast, Gamma, WindowJitter

__all__ = [
    "CLAHE",
    "BiasField",
    "Blur",
    "Brightness",
    "ColourJitter",
    "Contrast",
    "Cutout",
    "Gamma",
    "Noise",
    "Speckle",
    "StainJitter",
    "WindowJitter",
]
