"""Labels are mixed as the images are."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from medimg_cnn import augmentations as A  # noqa: N812 - short, and used on every line
from medimg_cnn.errors import ArgumentError

N = 6
# Image i is grey of value i / 10 throughout, so that its mean says what it is made of.
IMAGES = jnp.broadcast_to((jnp.arange(N) / 10.0)[:, None, None, None], (N, 8, 5, 1))


@pytest.mark.parametrize(
    "mix",
    [A.MixUp(alpha=1), A.CutMix(), A.MixUp(alpha=0.5, probability=0.5), A.MixUp() | A.CutMix()],
    ids=str,
)
@given(seed=st.integers(0, 2**31 - 1))
@settings(max_examples=8)
def test_labels_mix_with_images(mix: A.Augmentation, seed: int) -> None:
    images, labels = mix.batch(jax.random.key(seed), IMAGES, jnp.arange(N) / 10.0)
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), labels, atol=1e-6)
    columns = mix.batch(jax.random.key(seed), IMAGES, (jnp.arange(N) / 10.0)[:, None])[1]
    np.testing.assert_allclose(columns[:, 0], labels, atol=1e-6)


@given(seed=st.integers(0, 2**31 - 1))
@settings(max_examples=20)
def test_a_partner_is_another_image_and_an_image_keeps_at_least_half(seed: int) -> None:
    drawn = A.MixUp(alpha=1).params(jax.random.key(seed), N, (8, 5, 1))
    assert np.all(drawn["partner"] != np.arange(N))
    assert sorted(drawn["partner"].tolist()) == list(range(N))
    assert np.all((drawn["weight"] >= 0.5) & (drawn["weight"] <= 1))


@given(seed=st.integers(0, 2**31 - 1), height=st.integers(1, 10_000), width=st.integers(1, 10_000))
@example(seed=0, height=1, width=1)
@example(seed=0, height=1, width=2)
@example(seed=0, height=28, width=28)
def test_cutmix_pastes_at_most_half_of_an_image_and_the_label_follows_the_area(
    seed: int, height: int, width: int
) -> None:
    drawn = A.CutMix().params(jax.random.key(seed), 64, (height, width, 1))
    top, left, bottom, right = (
        np.asarray(drawn[side], np.int64) for side in ("top", "left", "bottom", "right")
    )
    assert np.all((top >= 0) & (top <= bottom) & (bottom <= height))
    assert np.all((left >= 0) & (left <= right) & (right <= width))
    pasted = (bottom - top) * (right - left)
    assert np.all(2 * pasted <= height * width)
    assert np.all(drawn["weight"] >= 0.5)
    np.testing.assert_allclose(drawn["weight"], 1 - pasted / (height * width), atol=1e-6)


def test_an_image_of_one_pixel_is_not_pasted_over_and_keeps_its_label() -> None:
    mixed, soft = A.CutMix().batch(jax.random.key(0), IMAGES[:, :1, :1], jnp.arange(N) / 10.0)
    assert np.array_equal(mixed, IMAGES[:, :1, :1])
    assert np.array_equal(soft, jnp.arange(N) / 10.0)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_weights_follow_the_beta_distribution(alpha: float) -> None:
    weight = np.asarray(A.MixUp(alpha=alpha).params(jax.random.key(0), 5000, (1, 1, 1))["weight"], np.float64)
    folded = 2 * stats.beta(alpha, alpha).cdf(weight) - 1  # of max(w, 1 - w)
    # Where alpha is small much of the mass lies closer to 1 than float32 can say.
    assert (
        stats.kstest(folded[weight < 0.999], stats.uniform(0, folded[weight < 0.999].max()).cdf).pvalue > 0.01
    )


def test_a_batch_of_one_is_mixed_with_itself_and_so_unchanged() -> None:
    for mix in (A.MixUp(alpha=1), A.CutMix()):
        images, labels = mix.batch(jax.random.key(0), IMAGES[3:4], jnp.array([1.0]))
        np.testing.assert_allclose(images, IMAGES[3:4], atol=1e-7)
        assert labels.tolist() == [1.0]


def test_cutmix_pastes_one_rectangle_of_the_partner_and_its_mask() -> None:
    mix = A.CutMix()
    drawn = mix.params(jax.random.key(4), N, (8, 5, 1))
    images, masks = mix.apply(drawn, IMAGES), mix.apply_masks(drawn, IMAGES > 0.25)
    assert np.array_equal(masks, np.asarray(images) > 0.25)
    for row in range(N):
        pasted = np.abs(np.asarray(images[row, ..., 0]) - row / 10) > 1e-3
        assert pasted.sum() == pasted.any(axis=1).sum() * pasted.any(axis=0).sum()


def test_mixup_refuses_masks_and_a_layer_and_alpha_of_zero() -> None:
    mix = A.MixUp()
    with pytest.raises(ArgumentError, match="mask"):
        mix.apply_masks(mix.params(jax.random.key(0), N, (8, 5, 1)), IMAGES > 0.2)
    with pytest.raises(ArgumentError, match="mixes no images"):
        (A.Noise(sigma=0.1) | mix).as_layer()
    with pytest.raises(ArgumentError, match="alpha"):
        A.MixUp(alpha=0)


@pytest.mark.parametrize("mix", [A.MixUp(), A.Flip() | A.CutMix()], ids=str)
def test_images_are_not_mixed_without_their_labels(mix: A.Augmentation) -> None:
    with pytest.raises(ArgumentError, match=r"Call augmentation\.batch\(key, images, labels\)"):
        mix(jax.random.key(0), IMAGES)
    assert len(mix.preview(IMAGES, images=2, draws=1).axes) == 4


def test_labels_must_be_floating_and_fit_the_images() -> None:
    for labels in (jnp.zeros(N, jnp.int32), jnp.zeros(N - 1), jnp.zeros(())):
        with pytest.raises(ArgumentError, match="labels"):
            A.MixUp().batch(jax.random.key(0), IMAGES, labels)
