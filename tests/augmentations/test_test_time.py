"""Test-time augmentation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medimg_cnn import augmentations as A  # noqa: N812 - short, and used on every line
from medimg_cnn.errors import ArgumentError

IMAGES = jnp.asarray(np.random.default_rng(0).random((5, 8, 8, 1)), jnp.float32)
KEY = jax.random.key(0)


def left_half(images: jax.Array) -> jax.Array:
    return images[:, :, :4].mean(axis=(1, 2, 3))[:, None]


def test_views_are_the_image_and_its_augmentations_combined() -> None:
    result = A.predict_with_augmentation(left_half, A.Flip(), IMAGES, key=KEY, draws=6, combine="probability")
    assert result.views.shape == (7, 5)
    plain, mirrored = np.asarray(left_half(IMAGES))[:, 0], np.asarray(left_half(IMAGES[:, :, ::-1]))[:, 0]
    assert np.allclose(result.views[0], plain)
    near = np.isclose(result.views, plain) | np.isclose(result.views, mirrored)
    assert near.all()
    np.testing.assert_allclose(result.probability, result.views.mean(axis=0))
    np.testing.assert_allclose(result.spread, result.views.std(axis=0))
    logits = np.log(result.views / (1 - result.views)).mean(axis=0)
    by_logit = A.predict_with_augmentation(left_half, A.Flip(), IMAGES, key=KEY, draws=6)
    np.testing.assert_allclose(by_logit.probability, 1 / (1 + np.exp(-logits)), atol=1e-6)


def test_an_answer_does_not_depend_on_the_image_s_place_in_the_batch() -> None:
    chain = A.Rotation(degrees=40) | A.Noise(sigma=0.2)
    order = np.array([3, 0, 4, 2, 1])
    together = A.predict_with_augmentation(left_half, chain, IMAGES, key=KEY, draws=2)
    shuffled = A.predict_with_augmentation(left_half, chain, IMAGES[order], key=KEY, draws=2)
    np.testing.assert_allclose(shuffled.views, together.views[:, order], atol=1e-6)
    assert together.spread.min() > 0


def test_a_model_that_ignores_the_view_gives_its_own_answer_with_no_spread() -> None:
    result = A.predict_with_augmentation(lambda x: jnp.full(len(x), 0.3), A.Flip(), IMAGES, key=KEY, draws=2)
    np.testing.assert_allclose(result.probability, 0.3, atol=1e-6)
    np.testing.assert_allclose(result.spread, 0, atol=1e-7)


def test_certain_answers_stay_finite() -> None:
    result = A.predict_with_augmentation(lambda x: jnp.ones(len(x)), A.Flip(), IMAGES, key=KEY, draws=1)
    assert np.all(result.probability > 0.999999)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (lambda x: x, r"shape \(5, 8, 8, 1\)"),
        (lambda x: jnp.full(len(x), 2.0), "5 of 5 others, the first 2'"),
        (lambda x: jnp.full(len(x), jnp.nan), "5 of 5 others, the first nan'"),
        (lambda x: jnp.full(3, jnp.nan), r"shape \(3,\)"),
        (lambda x: None, "NoneType"),
        (lambda x: "net", "str"),
    ],
)
def test_a_predict_that_gives_no_probabilities_is_refused(answer: Any, found: str) -> None:
    with pytest.raises(ArgumentError, match=f"predict: must return .*{found}.*sigmoid"):
        A.predict_with_augmentation(answer, A.Flip(), IMAGES, key=KEY)


def test_a_few_images_at_a_time_get_the_same_views() -> None:
    chain, asked = A.Noise(sigma=0.2), []

    def predict(images: jax.Array) -> jax.Array:
        asked.append(len(images))
        return left_half(images)

    whole, few = (
        A.predict_with_augmentation(predict, chain, IMAGES, key=KEY, draws=2, batch_size=size)
        for size in (5, 2)
    )
    np.testing.assert_allclose(few.views, whole.views, atol=1e-6)
    assert asked == [5] * 3 + [2] * 6 + [1] * 3


def test_options_are_checked() -> None:
    with pytest.raises(ArgumentError, match="mix"):
        A.predict_with_augmentation(left_half, A.MixUp(), IMAGES, key=KEY)
    with pytest.raises(ArgumentError, match="draws"):
        A.predict_with_augmentation(left_half, A.Flip(), IMAGES, key=KEY, draws=0)
    with pytest.raises(ArgumentError, match="batch_size"):
        A.predict_with_augmentation(left_half, A.Flip(), IMAGES, key=KEY, batch_size=0)
    with pytest.raises(ArgumentError, match="augmentation: must be an Augmentation"):
        A.predict_with_augmentation(left_half, "flip", IMAGES, key=KEY)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="predict: must be a function"):
        A.predict_with_augmentation("net", A.Flip(), IMAGES, key=KEY)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="images: must be an array"):
        A.predict_with_augmentation(left_half, A.Flip(), "a.png", key=KEY)
    with pytest.raises(ArgumentError, match="combine"):
        A.predict_with_augmentation(left_half, A.Flip(), IMAGES, key=KEY, combine="mean")  # type: ignore[arg-type]
