"""Convolutional networks for one-logit classification, each an ordinary ``keras.Model``."""

from medimg_cnn.models._build import Architecture, build_cnn

__all__ = ["Architecture", "build_cnn"]
