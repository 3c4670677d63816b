"""Random changes to batches of images, as pure functions of a key: fast, replayable, made to be chained.

>>> import jax
>>> import medimg_cnn as mc
>>> augment = mc.augmentations.Rotation(degrees=10) | mc.augmentations.Noise(sigma=0.02)
>>> images = jax.numpy.zeros((4, 32, 32, 1))
>>> augment(jax.random.key(0), images).shape
(4, 32, 32, 1)
"""

from typing import Any

from medimg_cnn._backend import require

require()  # before JAX loads: it reads XLA_FLAGS once

from medimg_cnn.augmentations._base import Augmentation, Params, register  # noqa: E402
from medimg_cnn.augmentations._compose import Compose  # noqa: E402
from medimg_cnn.augmentations._per_image import PerImage  # noqa: E402
from medimg_cnn.augmentations._presets import PRESETS, Preset, PresetChoice, preset  # noqa: E402
from medimg_cnn.augmentations._preview import preview  # noqa: E402
from medimg_cnn.augmentations._replay import params_from_dict, params_to_dict  # noqa: E402
from medimg_cnn.augmentations._test_time import (  # noqa: E402
    TestTimePrediction,
    predict_with_augmentation,
)
from medimg_cnn.augmentations.intensity import (  # noqa: E402
    CLAHE,
    BiasField,
    Blur,
    Brightness,
    ColourJitter,
    Contrast,
    Cutout,
    Gamma,
    Noise,
    Speckle,
    StainJitter,
    WindowJitter,
)
from medimg_cnn.augmentations.mixing import CutMix, MixingAugmentation, MixUp  # noqa: E402
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
    "CLAHE",
    "PRESETS",
    "AffineAugmentation",
    "AffineMap",
    "Augmentation",
    "AugmentationLayer",
    "BiasField",
    "Blur",
    "Brightness",
    "ColourJitter",
    "Compose",
    "Contrast",
    "CutMix",
    "Cutout",
    "Elastic",
    "Flip",
    "Gamma",
    "MixUp",
    "MixingAugmentation",
    "Noise",
    "Params",
    "PerImage",
    "Preset",
    "PresetChoice",
    "QuarterTurn",
    "Rotation",
    "Shear",
    "Shift",
    "SpatialAugmentation",
    "Speckle",
    "StainJitter",
    "TestTimePrediction",
    "WindowJitter",
    "Zoom",
    "params_from_dict",
    "params_to_dict",
    "predict_with_augmentation",
    "preset",
    "preview",
    "register",
]


def __getattr__(name: str) -> Any:
    # The layer loads Keras, which augmenting does not need.
    if name == "AugmentationLayer":
        from medimg_cnn.augmentations._layer import AugmentationLayer

        return AugmentationLayer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
