"""Convolutional networks for one-logit classification, each an ordinary ``keras.Model``."""

from medimg_cnn.models._blocks import Normalisation
from medimg_cnn.models._build import Architecture, build_cnn
from medimg_cnn.models._describe import LayerDescription, ModelDescription, describe
from medimg_cnn.models._keras_networks import keras_networks

__all__ = [
    "Architecture",
    "LayerDescription",
    "ModelDescription",
    "Normalisation",
    "build_cnn",
    "describe",
    "keras_networks",
]
