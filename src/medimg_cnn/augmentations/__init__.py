"""Random changes to batches of images, as pure functions of a key: fast, replayable, made to be chained.

>>> import jax
>>> import medimg_cnn as mc
>>> augment = mc.augmentations.Rotation(degrees=10) | mc.augmentations.Noise(sigma=0.02)
>>> images = jax.numpy.zeros((4, 32, 32, 1))
>>> augment(jax.random.key(0), images).shape
(4, 32, 32, 1)
"""

from medimg_cnn._backend import require

require()  # before JAX loads: it reads XLA_FLAGS once

from medimg_cnn.augmentations._base import Augmentation, Params, register  # noqa: E402
from medimg_cnn.augmentations._compose import Compose  # noqa: E402
from medimg_cnn.augmentations.intensity import (  # noqa: E402
    Brightness,
    Contrast,
    Gamma,
    Noise,
    Speckle,
    WindowJitter,
)
from medimg_cnn.augmentations.spatial import (  # noqa: E402
    AffineAugmentation,
    AffineMap,
    Elastic,
    Flip,
    QuarterTurn,
    Rotation,
    Shear,
    Shift,
    SpatialAugmentation,
    Zoom,
)

__all__ = [
    "AffineAugmentation",
    "AffineMap",
    "Augmentation",
    "Brightness",
    "Compose",
    "Contrast",
    "Elastic",
    "Flip",
    "Gamma",
    "Noise",
    "Params",
    "QuarterTurn",
    "Rotation",
    "Shear",
    "Shift",
    "SpatialAugmentation",
    "Speckle",
    "WindowJitter",
    "Zoom",
    "register",
]
