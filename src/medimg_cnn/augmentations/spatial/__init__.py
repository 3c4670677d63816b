"""Augmentations that move pixels. Neighbours in a chain become one resample."""

from medimg_cnn.augmentations.spatial._affine import Rotation, Shear, Shift, Zoom
from medimg_cnn.augmentations.spatial._affine_map import AffineMap
from medimg_cnn.augmentations.spatial._elastic import Elastic
from medimg_cnn.augmentations.spatial._flip import Flip, QuarterTurn
from medimg_cnn.augmentations.spatial._spatial import AffineAugmentation, SpatialAugmentation

__all__ = [
    "AffineAugmentation",
    "AffineMap",
    "Elastic",
    "Flip",
    "QuarterTurn",
    "Rotation",
    "Shear",
    "Shift",
    "SpatialAugmentation",
    "Zoom",
]
