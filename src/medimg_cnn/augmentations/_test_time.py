"""Test-time augmentation: the mean of a model's answers to several views of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from medimg_cnn._types import FloatVector
from medimg_cnn._validation import check_choice, check_integer, explain
from medimg_cnn.augmentations._base import Augmentation
from medimg_cnn.augmentations._checks import check_images, check_key, check_range
from medimg_cnn.errors import ArgumentError

__all__ = ["TestTimePrediction", "predict_with_augmentation"]


@dataclass(frozen=True, kw_only=True)
class TestTimePrediction:
    """What a model said of several views of each image.

    Attributes:
        probability: (n,), the combined answer.
        spread: (n,), the standard deviation of the views' probabilities. It says how much the answer
            hangs on the view; it is not a confidence interval.
        views: (views, n), the probability of each view; the first is the image as it is.
    """

    __test__ = False  # pytest collects names that begin with Test

    probability: FloatVector
    spread: FloatVector
    views: np.ndarray[tuple[int, int], np.dtype[np.float64]]


def predict_with_augmentation(
    predict: Callable[[jax.Array], Any],
    augmentation: Augmentation,
    images: Any,
    *,
    key: jax.Array,
    draws: int = 8,
    combine: Literal["logit", "probability"] = "logit",
) -> TestTimePrediction:
    """Predict for each image as it is and for augmented copies, and combine the answers.

    All images get the same views, drawn with the key, so that an answer hangs neither on the image's place
    nor on the other images.

    The combined probability is another score than the model's own: choose the operating point and the
    calibration on validation images predicted in the same way.

    Args:
        predict: takes images (n, height, width, channels), returns probabilities (n,) or (n, 1); for
            example a Keras model, or ``model.predict_on_batch``.
        augmentation: the changes under which the answer should stay; keep them small. It must not mix
            images.
        images: float32 (n, height, width, channels), 0 to 1.
        key: a JAX random key.
        draws: how many augmented copies beside the original, at least 1.
        combine: "logit" averages log-odds (the geometric mean of the odds), "probability" probabilities.

    Returns:
        The combined probability, the views' spread, and the views.

    Raises:
        ArgumentError: an option breaks its rule, the augmentation mixes images, or ``predict`` returns
            something other than one probability an image.

    Example:
        >>> import jax
        >>> from medimg_cnn.augmentations import Flip, predict_with_augmentation
        >>> images = jax.random.uniform(jax.random.key(0), (3, 8, 8, 1))
        >>> result = predict_with_augmentation(
        ...     lambda x: x.mean(axis=(1, 2, 3)), Flip(), images, key=jax.random.key(1), draws=2
        ... )
        >>> result.views.shape
        (3, 3)
    """
    if augmentation.mixes:
        raise ArgumentError(explain("augmentation", "must not mix images of the batch", augmentation))
    draws = check_integer("draws", draws, low=1)
    combine = check_choice("combine", combine, ("logit", "probability"))
    batch, key = check_range("images", check_images("images", images)), check_key("key", key)
    views = [_probabilities(predict(batch), batch.shape[0])]
    for draw in range(draws):
        changed = _view(augmentation, jax.random.fold_in(key, draw), batch)
        views.append(_probabilities(predict(changed), batch.shape[0]))
    stacked = np.stack(views)
    if combine == "probability":
        combined = stacked.mean(axis=0)
    else:
        # Float32 probabilities reach 0 and 1; their log-odds are held at about +-16.
        held = np.clip(stacked, 1e-7, 1 - 1e-7)
        combined = 1 / (1 + np.exp(-np.log(held / (1 - held)).mean(axis=0)))
    return TestTimePrediction(probability=combined, spread=stacked.std(axis=0), views=stacked)


@partial(jax.jit, static_argnums=0)
def _view(augmentation: Augmentation, key: jax.Array, images: jax.Array) -> jax.Array:
    n, height, width, channels = images.shape
    drawn = augmentation.params(key, 1, (height, width, channels))
    return augmentation.apply({name: jnp.repeat(row, n, axis=0) for name, row in drawn.items()}, images)


def _probabilities(answer: Any, n: int) -> FloatVector:
    values = np.asarray(answer, np.float64)
    if values.shape not in {(n,), (n, 1)} or not np.all((values >= 0) & (values <= 1)):
        raise ArgumentError(
            explain(
                "predict",
                f"must return {n} probabilities from 0 to 1, of shape ({n},) or ({n}, 1)",
                f"shape {values.shape}",
                "Pass a model whose last layer is a sigmoid.",
            )
        )
    return values.reshape(n)
