"""Grad-CAM on the JAX backend, for any ``keras.Model`` with a "logit" layer."""

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

__all__ = ["grad_cam"]

CHUNK = 32
"""Images whose maps are made at once."""


def grad_cam(model: Any, images: Images, *, layer: str | None = None) -> Images:
    """Return where each image raises the logit of the positive class.

    The map is the positive part of the feature maps' sum, each weighted by the mean gradient of the logit
    with respect to it (Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74), resized to the image by linear
    interpolation and divided by its maximum. It is as fine as the feature map (about 8 x 8), shows
    association and not cause, and says nothing of the features that lower the logit.

    Args:
        model: what ``build_cnn`` returned, or any ``keras.Model`` with a layer named "logit".
        images: (n, height, width, channels) float32 in 0-1; handled 32 at a time, so n may be large.
        layer: whose output is explained; by default the last one with a spatial extent.

    Returns:
        (n, height, width) float32 in 0-1; all zero where nothing in the image raises the logit.

    Raises:
        ArgumentError: the model has no such layer, or the images are not of its shape.

    Example:
        >>> import numpy as np
        >>> import medimg_cnn as mc
        >>> model = mc.build_cnn((16, 16, 1), width=4)
        >>> mc.explain.grad_cam(model, np.zeros((2, 16, 16, 1), np.float32)).shape
        (2, 16, 16)
    """
    values = np.asarray(images, dtype=np.float32)
    expected = tuple(model.input_shape[1:])
    if values.ndim != 4 or values.shape[1:] != expected:
        raise ArgumentError(
            f"images: must have the shape (n, {', '.join(map(str, expected))}); got {values.shape}."
        )
    chosen = _layer(model, layer)
    trunk = keras.Model(model.input, chosen.output)
    head = keras.Model(chosen.output, model.get_layer("logit").output)
    trunk_state, head_state = _state(trunk), _state(head)

    def logit(features: jax.Array) -> jax.Array:
        output, _ = head.stateless_call(*head_state, features, training=False)
        return jnp.sum(output)  # images do not mix in inference, so one sum gives every image's own gradient

    @jax.jit
    def maps(batch: jax.Array) -> jax.Array:
        features, _ = trunk.stateless_call(*trunk_state, batch, training=False)
        weights = jnp.mean(jax.grad(logit)(features), axis=(1, 2), keepdims=True)
        positive = jax.nn.relu(jnp.sum(weights * features, axis=-1))
        full = jax.image.resize(positive, (batch.shape[0], *expected[:2]), method="linear")
        peak = jnp.max(full, axis=(1, 2), keepdims=True)
        return jnp.where(peak > 0, full / jnp.where(peak > 0, peak, 1.0), 0.0)

    return _in_chunks(maps, values)


def _in_chunks(maps: Callable[[jax.Array], jax.Array], images: Images) -> Images:
    """Return the maps of all images, a bounded number at a time: memory does not grow with their number."""
    found = np.zeros(images.shape[:3], dtype=np.float32)
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        missing = CHUNK - len(part) if start else 0  # a last part of another size would be compiled again
        padded = np.pad(part, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else part
        found[start : start + len(part)] = np.asarray(maps(jnp.asarray(padded)))[: len(part)]
    return found


def _layer(model: Any, name: str | None) -> Any:
    spatial = {
        item.name: item
        for item in model.layers
        if len(getattr(item.output, "shape", ())) == 4 and item.output.shape[1] * item.output.shape[2] > 1
    }
    if "logit" not in [item.name for item in model.layers]:
        raise ArgumentError(
            'model: must have a layer named "logit"; got none. Use build_cnn, or name your last layer.'
        )
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


def _state(model: Any) -> tuple[list[Any], list[Any]]:
    return (
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
    )
