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

_SIGMOID = "Pass a model whose last layer is a sigmoid."


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
    batch_size: int = 128,
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
        batch_size: how many images ``predict`` is given at a time, at least 1; it changes no view.

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
    if getattr(augmentation, "mixes", True):
        rule, step = "must be an Augmentation that mixes no images of the batch", "Pass for example Flip()."
        raise ArgumentError(explain("augmentation", rule, augmentation, step))
    given: Any = predict
    if not callable(given):
        step = "Pass for example model.predict_on_batch."
        raise ArgumentError(explain("predict", "must be a function of images, or a model", predict, step))
    draws = check_integer("draws", draws, low=1)
    combine = check_choice("combine", combine, ("logit", "probability"))
    batch_size = check_integer("batch_size", batch_size, low=1)
    key = check_key("key", key)
    if getattr(images, "ndim", 0) != 4 or len(images) == 0:
        check_images("images", images)
    parts = []
    for start in range(0, max(len(images), 1), batch_size):
        batch = check_range("images", check_images("images", images[start : start + batch_size]))
        views = [_probabilities(predict(batch), batch.shape[0])]
        for draw in range(draws):
            changed = _view(augmentation, jax.random.fold_in(key, draw), batch)
            views.append(_probabilities(predict(changed), batch.shape[0]))
        parts.append(np.stack(views))
    stacked = np.concatenate(parts, axis=1)
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
    values = np.asarray(answer)
    if values.shape not in {(n,), (n, 1)} or values.dtype.kind not in "fiub":
        rule = f"must return {n} probabilities, of shape ({n},) or ({n}, 1)"
        found = f"{type(answer).__name__} of shape {values.shape}, dtype {values.dtype}"
        raise ArgumentError(explain("predict", rule, found, _SIGMOID))
    values = values.astype(np.float64).reshape(n)
    wrong = values[~((values >= 0) & (values <= 1))]
    if wrong.size:
        found = f"{wrong.size} of {n} others, the first {wrong[0]:g}"
        raise ArgumentError(explain("predict", "must return probabilities from 0 to 1", found, _SIGMOID))
    return values
