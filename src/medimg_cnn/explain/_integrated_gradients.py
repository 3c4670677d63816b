"""Integrated gradients on the JAX backend: each pixel's share of the logit."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from medimg_cnn._keras import keras
from medimg_cnn._types import Images
from medimg_cnn._validation import check_fraction, check_integer
from medimg_cnn.errors import ArgumentError
from medimg_cnn.explain._parts import checked_images, in_chunks, state_of

__all__ = ["integrated_gradients"]

_CHUNK = 8
"""Fewer at once than for class-activation maps: the gradient goes through the whole network."""


def integrated_gradients(model: Any, images: Images, *, baseline: float = 0.0, steps: int = 64) -> Images:
    """Return how much each pixel adds to the logit, against an image of one grey value.

    The gradient of the logit is averaged along the straight line from the baseline to the image and multiplied by
    their difference (Sundararajan et al. 2017, arXiv:1703.01365), at ``steps`` midpoints. The values of an image add up
    to its logit less that of the baseline, but for the error of so many steps. Fine, and noisy; what is as dark as the
    baseline can have no share.

    Args:
        model: what ``build_cnn`` returned, or any ``keras.Model`` with a layer named "logit".
        images: (n, height, width, channels) float32 in 0-1.
        baseline: grey value of the image that stands for nothing, 0 (black) to 1.
        steps: points of the line, at least 1.

    Returns:
        (n, height, width) float32 in units of the logit, channels added up; above 0 where a pixel raises it.

    Raises:
        ArgumentError: the model has no logit, the images are not of its shape, or an option breaks its rule.

    Example:
        >>> import numpy as np
        >>> import medimg_cnn as mc
        >>> model = mc.build_cnn((16, 16, 1), width=4)
        >>> float(mc.explain.integrated_gradients(model, np.ones((1, 16, 16, 1), np.float32), steps=2).sum())
        0.0
    """
    values = checked_images(model, images)
    low = np.float32(check_fraction("baseline", baseline))
    points = jnp.asarray((np.arange(check_integer("steps", steps, low=1)) + 0.5) / steps, dtype=jnp.float32)
    if "logit" not in [item.name for item in model.layers]:
        raise ArgumentError(
            'model: must have a layer named "logit"; got none. Use build_cnn, or name your last layer.'
        )
    whole = keras.Model(model.input, model.get_layer("logit").output)
    state = state_of(whole)

    def logit(batch: jax.Array) -> jax.Array:
        output, _ = whole.stateless_call(*state, batch, training=False)
        return jnp.sum(output)

    @jax.jit
    def shares(batch: jax.Array) -> jax.Array:
        difference = batch - low

        def add(total: jax.Array, point: jax.Array) -> tuple[jax.Array, None]:
            return total + jax.grad(logit)(low + point * difference), None

        total, _ = jax.lax.scan(add, jnp.zeros_like(batch), points)
        return jnp.sum(difference * total / len(points), axis=-1)

    return in_chunks(shares, values, chunk=_CHUNK)
