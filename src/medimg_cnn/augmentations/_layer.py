"""An augmentation as a Keras layer. Imported only when a layer is asked for, since it loads Keras."""

from __future__ import annotations

import json
import zlib
from typing import Any

import jax

from medimg_cnn._keras import keras
from medimg_cnn._types import JsonValue
from medimg_cnn._validation import check_seed, explain
from medimg_cnn.augmentations._base import Augmentation
from medimg_cnn.errors import ArgumentError, ArtifactError

__all__ = ["AugmentationLayer"]


@keras.saving.register_keras_serializable(package="medimg_cnn")
class AugmentationLayer(keras.layers.Layer):  # type: ignore[misc]
    """Augment while training; pass images on unchanged otherwise.

    Images are float32 (n, height, width, channels), 0 to 1, whatever the dtype policy. The state of the
    random numbers is part of the layer, so each step draws anew and a seed repeats a run; a loaded layer
    begins again at its seed. Before Keras loads a model with this layer in a new process, import this
    class; ``load_run`` does so itself.

    Args:
        augmentation: what to apply; not one that mixes images, since a layer cannot change labels.
        seed: 0 to 2**31 - 1. Layers of other augmentations draw other numbers from the same seed; two
            of the same augmentation draw the same, so give each its own.
        name: of the layer.

    Raises:
        ArgumentError: the augmentation mixes images, is none, or cannot be rebuilt from its ``to_dict``, as
            ``PerImage`` and classes that are not registered cannot: a model with it could not be loaded.

    Example:
        >>> import medimg_cnn as mc
        >>> layer = mc.augmentations.Rotation(degrees=10).as_layer(seed=1)
        >>> layer(jax.numpy.zeros((2, 8, 8, 1)), training=True).shape
        (2, 8, 8, 1)
    """

    def __init__(
        self,
        augmentation: Augmentation | dict[str, Any],
        *,
        seed: int = 0,
        name: str | None = None,
        **base: Any,
    ):
        # ``base`` is Keras's own contract: trainable and dtype come back through get_config.
        if isinstance(augmentation, dict):
            augmentation = Augmentation.from_dict(augmentation)
        if getattr(augmentation, "mixes", True):
            raise ArgumentError(
                explain(
                    "augmentation",
                    "must be an Augmentation that mixes no images, since a layer cannot change labels",
                    augmentation,
                    "Give it to Trainer(augment=...) instead.",
                )
            )
        _check_rebuilt(augmentation)
        base["dtype"] = "float32"
        super().__init__(name=name, **base)
        self.augmentation = augmentation
        self.seed = check_seed("seed", seed)
        # With the seed alone, Brightness and Gamma would draw the same numbers, image by image.
        told = json.dumps([self.seed, augmentation.to_dict()], sort_keys=True, default=repr)
        self.seed_generator = keras.random.SeedGenerator(zlib.crc32(told.encode()))
        self.built = True

    def call(self, images: Any, training: bool = False) -> Any:
        """Augment images, (n, height, width, channels), if ``training``."""
        if not training:
            return images
        key = jax.random.wrap_key_data(self.seed_generator.next(), impl="threefry2x32")
        return self.augmentation(key, images)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape stays."""
        return input_shape

    def get_config(self) -> dict[str, JsonValue]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "augmentation": self.augmentation.to_dict(), "seed": self.seed}


def _check_rebuilt(augmentation: Augmentation) -> None:
    try:
        Augmentation.from_dict(augmentation.to_dict())
    except ArtifactError as error:
        raise ArgumentError(
            explain(
                "augmentation",
                "must be rebuilt by from_dict, since it is saved with the model",
                augmentation,
                f"{error} Or give it to Trainer(augment=...).",
            )
        ) from error
