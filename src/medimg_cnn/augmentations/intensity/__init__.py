"""Augmentations that change grey values and colours and leave every pixel in its place."""

from medimg_cnn.augmentations.intensity._noise import Noise, Speckle
from medimg_cnn.augmentations.intensity._tone import Brightness, Contrast, Gamma, WindowJitter

__all__ = ["Brightness", "Contrast", "Gamma", "Noise", "Speckle", "WindowJitter"]
