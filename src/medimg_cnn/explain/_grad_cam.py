"""Grad-CAM and Grad-CAM++ on the JAX backend, for any ``keras.Model`` with a "logit" layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from medimg_cnn._types import Images
from medimg_cnn.explain._parts import checked_images, in_chunks, scaled_to_peak, split_at, state_of

__all__ = ["class_activation_maps", "grad_cam", "grad_cam_plus_plus"]


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
    values = checked_images(model, images)
    return in_chunks(class_activation_maps(model, layer, _mean_gradient), values)


def grad_cam_plus_plus(model: Any, images: Images, *, layer: str | None = None) -> Images:
    """Return where each image raises the logit, also where it does so in several places.

    As ``grad_cam``, but each feature map is weighted by the positive gradients summed over its pixels, each divided by
    how many pixels share it (Chattopadhay et al. 2018, doi:10.1109/WACV.2018.00097, equations 10 and 19, for the
    exponential of the logit). Grad-CAM's mean favours large signs; this finds small ones and several as well.

    Args:
        model: as in ``grad_cam``.
        images: as in ``grad_cam``.
        layer: as in ``grad_cam``.

    Returns:
        (n, height, width) float32 in 0-1; all zero where nothing in the image raises the logit.

    Raises:
        ArgumentError: the model has no such layer, or the images are not of its shape.

    Example:
        >>> import numpy as np
        >>> import medimg_cnn as mc
        >>> model = mc.build_cnn((16, 16, 1), width=4)
        >>> mc.explain.grad_cam_plus_plus(model, np.zeros((2, 16, 16, 1), np.float32)).shape
        (2, 16, 16)
    """
    values = checked_images(model, images)
    return in_chunks(class_activation_maps(model, layer, _shared_gradient), values)


def class_activation_maps(
    model: Any, layer: str | None, weigh: Callable[[jax.Array, jax.Array], jax.Array] | None = None
) -> Callable[[jax.Array], jax.Array]:
    """Compile a function from images to maps; ``weigh`` gives a weight per feature map, Grad-CAM's by default."""
    trunk, head = split_at(model, layer)
    trunk_state, head_state = state_of(trunk), state_of(head)
    height, width = model.input_shape[1:3]
    chosen = weigh or _mean_gradient

    def logit(features: jax.Array) -> jax.Array:
        output, _ = head.stateless_call(*head_state, features, training=False)
        return jnp.sum(output)  # images do not mix in inference, so one sum gives every image's own gradient

    @jax.jit
    def maps(batch: jax.Array) -> jax.Array:
        features, _ = trunk.stateless_call(*trunk_state, batch, training=False)
        weights = chosen(features, jax.grad(logit)(features))
        return scaled_to_peak(jax.nn.relu(jnp.sum(weights * features, axis=-1)), (height, width))

    compiled: Callable[[jax.Array], jax.Array] = maps
    return compiled


def _mean_gradient(features: jax.Array, gradient: jax.Array) -> jax.Array:
    del features
    return jnp.mean(gradient, axis=(1, 2), keepdims=True)


def _shared_gradient(features: jax.Array, gradient: jax.Array) -> jax.Array:
    squared, cubed = gradient**2, gradient**3
    total = jnp.sum(features, axis=(1, 2), keepdims=True)
    below = 2.0 * squared + total * cubed
    share = jnp.where(below != 0.0, squared / jnp.where(below != 0.0, below, 1.0), 0.0)
    return jnp.sum(share * jax.nn.relu(gradient), axis=(1, 2), keepdims=True)
