"""The forms in which a labelled set of images arrives, each read into one table."""

from medimg_cnn.data.sources._open import open_source

__all__ = ["open_source"]
