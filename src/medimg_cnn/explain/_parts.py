"""What the methods share: a model's two parts around a layer, checked images, bounded batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from medimg_cnn._keras import keras
from medimg_cnn._types import Images
from medimg_cnn._validation import suggest
from medimg_cnn.errors import ArgumentError

__all__ = ["CHUNK", "checked_images", "in_chunks", "scaled_to_peak", "split_at", "state_of"]

CHUNK = 32
"""Images whose maps are made at once."""


def checked_images(model: Any, images: Images) -> Images:
    """Return the images as float32.

    Raises:
        ArgumentError: they are not of the model's shape, or it is no Keras model.
    """
    if not isinstance(model, keras.Model):
        step = "Pass its .model." if isinstance(getattr(model, "model", None), keras.Model) else ""
        raise ArgumentError(f"model: must be a keras.Model; got {type(model).__name__}. {step}".rstrip())
    values = np.asarray(images, dtype=np.float32)
    expected = tuple(model.input_shape[1:])
    if values.ndim != 4 or values.shape[1:] != expected:
        raise ArgumentError(
            f"images: must have the shape (n, {', '.join(map(str, expected))}); got {values.shape}."
        )
    return values


def split_at(model: Any, name: str | None) -> tuple[Any, Any]:
    """Return the model up to a layer, and from there to its logit.

    Raises:
        ArgumentError: there is no such layer, none with a spatial extent, or none named "logit".
    """
    features = _output(_layer(model, name))
    return keras.Model(model.input, features), keras.Model(features, model.get_layer("logit").output)


def state_of(model: Any) -> tuple[list[Any], list[Any]]:
    """Return the values of the trainable and of the other variables."""
    return (
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
    )


def scaled_to_peak(heat: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Resize maps (n, h, w), 0 or more, to the images' size and divide each by its maximum."""
    full = jax.image.resize(heat, (heat.shape[0], *size), method="linear")
    peak = jnp.max(full, axis=(1, 2), keepdims=True)
    return jnp.where(peak > 0, full / jnp.where(peak > 0, peak, 1.0), 0.0)


def in_chunks(maps: Callable[[jax.Array], jax.Array], images: Images, *, chunk: int = CHUNK) -> Images:
    """Return the maps of all images, a bounded number at a time: memory does not grow with their number."""
    found = np.zeros(images.shape[:3], dtype=np.float32)
    for start in range(0, len(images), chunk):
        part = images[start : start + chunk]
        missing = chunk - len(part) if start else 0  # a last part of another size would be compiled again
        padded = np.pad(part, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else part
        found[start : start + len(part)] = np.asarray(maps(jnp.asarray(padded)))[: len(part)]
    return found


def _layer(model: Any, name: str | None) -> Any:
    if "logit" not in [item.name for item in model.layers]:
        raise ArgumentError(
            'model: must have a layer named "logit"; got none. Use build_cnn, or name your last layer.'
        )
    spatial = {item.name: item for item in model.layers if _is_spatial(_output(item))}
    if not spatial:
        raise ArgumentError(
            "model: must have a layer with a spatial extent of more than one pixel; got none."
        )
    if name is None:
        return list(spatial.values())[-1]
    if name not in spatial:
        raise ArgumentError(
            f"layer: {name!r} is not a layer with a spatial extent. {suggest(name, list(spatial))}"
        )
    return spatial[name]


def _output(layer: Any) -> Any:
    # A model used as a layer says what it gives inside; what it gives here, the base class says.
    return keras.Operation.output.fget(layer)


def _is_spatial(tensor: Any) -> bool:
    shape: tuple[int | None, ...] = tuple(getattr(tensor, "shape", ()))
    return len(shape) == 4 and shape[1:3] != (1, 1)
