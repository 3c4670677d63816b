"""Laws that hold for every augmentation.

Most are seen at one shape that is not square, so that each augmentation is compiled once; other sizes and channels on a
few drawn from all. ``MEDIMG_CNN_EXAMPLES`` raises the number of draws.
"""

from __future__ import annotations

import json
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medimg_cnn import augmentations as A  # noqa: N812 - short, and used on every line
from medimg_cnn.augmentations._base import _registry

N, HEIGHT, WIDTH = 4, 10, 7

GREY: list[A.Augmentation] = [
    A.Rotation(degrees=30, border="edge"),
    A.Rotation(degrees=30, border="reflect"),
    A.Shift(fraction=0.4),
    A.Shift(fraction=(0.2, 0.4), border="reflect"),
    A.Zoom(amount=0.5, stretch=0.2, border="edge"),
    A.Shear(degrees=20, vertical=True),
    A.Flip(horizontal=True, vertical=True),
    A.QuarterTurn(),
    A.Elastic(displacement=0.03),
    A.Brightness(amount=0.3),
    A.Contrast(amount=0.5),
    A.Gamma(amount=0.5),
    A.WindowJitter(centre=0.2, width=0.5),
    A.Noise(sigma=0.2),
    A.Speckle(sigma=0.3),
    A.Blur(sigma=1.0),
    A.Cutout(size=0.5, holes=2),
    A.CLAHE(tiles=3),
    A.BiasField(amount=0.5),
    A.preset("ultrasound") | A.Gamma(amount=0.25) | A.Speckle(sigma=0.1) | A.Elastic(displacement=0.02),
]
COLOUR: list[A.Augmentation] = [
    A.StainJitter(scale=0.3, offset=0.1),
    A.ColourJitter(gain=0.3, saturation=0.5),
    A.Rotation(degrees=30, probability=0.5),
    A.CLAHE(tiles=3, probability=0.5),
    A.Blur(sigma=1.0, probability=0.5) | A.Noise(sigma=0.1),
]
MIXING: list[A.Augmentation] = [A.MixUp(alpha=0.5), A.CutMix()]

CASES = [(a, 1) for a in GREY + MIXING] + [(a, 3) for a in COLOUR]
UNMIXED = [case for case in CASES if not case[0].mixes]
each = pytest.mark.parametrize(("augmentation", "channels"), CASES, ids=lambda v: str(v)[:60])
each_unmixed = pytest.mark.parametrize(("augmentation", "channels"), UNMIXED, ids=lambda v: str(v)[:60])
seeds = st.integers(0, 2**31 - 1)
few = settings(max_examples=max(1, settings.default.max_examples // 10))
# Of those that can be: a chain of all that could confuse its images.
LONG = A.preset("ultrasound") | A.Elastic(displacement=0.02) | A.CLAHE(tiles=3) | A.Blur(sigma=1)
anything = st.one_of(
    st.tuples(st.sampled_from([*GREY, LONG]), st.sampled_from([1, 3])),
    st.tuples(st.sampled_from(COLOUR), st.just(3)),
    st.tuples(st.sampled_from(MIXING), st.sampled_from([1, 3])),
)
sizes = st.sampled_from([(HEIGHT, WIDTH), (6, 6), (1, 9), (8, 1), (3, 17), (2, 2)])


def picture(seed: int, channels: int, n: int = N, size: tuple[int, int] = (HEIGHT, WIDTH)) -> jax.Array:
    """Random images that hold exact zeros and ones."""
    values = np.random.default_rng(seed).uniform(-0.2, 1.2, (n, *size, channels))
    return jnp.asarray(np.clip(values, 0, 1), jnp.float32)


@cache
def compiled(augmentation: A.Augmentation) -> object:
    return jax.jit(augmentation.apply)


@cache
def compiled_masks(augmentation: A.Augmentation) -> object:
    return jax.jit(augmentation.apply_masks)


def drawn(augmentation: A.Augmentation, seed: int, images: jax.Array) -> A.Params:
    return augmentation.params(jax.random.key(seed), images.shape[0], tuple(images.shape[1:]))


@each
@given(seed=seeds)
@few
def test_shape_dtype_range_and_repeatability(augmentation: A.Augmentation, channels: int, seed: int) -> None:
    images = picture(seed, channels)
    params = drawn(augmentation, seed, images)
    result = np.asarray(compiled(augmentation)(params, images))
    assert result.shape == images.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1
    again = drawn(augmentation, seed, images)
    assert all(np.array_equal(again[name], value) for name, value in params.items())
    assert all(value.shape[0] == N for value in params.values())
    assert np.array_equal(compiled(augmentation)(again, images), result)


@each
@given(seed=seeds)
@few
def test_zero_strength_is_the_identity_bit_for_bit(
    augmentation: A.Augmentation, channels: int, seed: int
) -> None:
    # What is applied depends on the draw alone, so the compiled step of the augmentation itself serves.
    images, still = picture(seed, channels), augmentation.scaled(0)
    assert np.array_equal(compiled(augmentation)(drawn(still, seed, images), images), images)


@each
def test_zero_strength_cuts_off_at_most_what_rounding_had_put_outside(
    augmentation: A.Augmentation, channels: int
) -> None:
    images, still = picture(1, channels) * 1.01 - 0.005, augmentation.scaled(0)
    result = np.asarray(compiled(augmentation)(drawn(still, 1, images), images))
    cut = np.clip(images, 0, 1)
    assert np.all((result == images) | (result == cut))


@each
def test_images_that_were_not_drawn_are_the_identity_bit_for_bit(
    augmentation: A.Augmentation, channels: int
) -> None:
    """The neutral values of ``params`` are neutral in ``apply`` even where other images are changed."""
    images, still = picture(1, channels), augmentation.scaled(0)
    on, off = drawn(augmentation, 3, images), drawn(still, 3, images)
    first = {name: jnp.concatenate([on[name][:2], off[name][2:]]) for name in on}
    result = compiled(augmentation)(first, images)
    assert np.array_equal(result[2:], images[2:])


@each_unmixed
@given(seed=seeds, row=st.integers(0, N - 1))
@few
def test_an_image_does_not_depend_on_its_neighbours(
    augmentation: A.Augmentation, channels: int, seed: int, row: int
) -> None:
    images = picture(seed, channels)
    params = drawn(augmentation, seed, images)
    together = compiled(augmentation)(params, images)
    copies = {name: np.repeat(value[row : row + 1], N, axis=0) for name, value in params.items()}
    alone = compiled(augmentation)(copies, np.repeat(images[row : row + 1], N, axis=0))
    np.testing.assert_allclose(alone[0], together[row], atol=2e-6)


@given(what=anything, seed=seeds, size=sizes)
@settings(max_examples=max(1, settings.default.max_examples // 16))  # each is compiled twice
def test_at_any_size_the_range_is_kept_and_one_by_one_equals_batched(
    what: tuple[A.Augmentation, int], seed: int, size: tuple[int, int]
) -> None:
    augmentation, channels = what
    images = picture(seed, channels, n=2, size=size)
    params = drawn(augmentation, seed, images)
    together = np.asarray(compiled(augmentation)(params, images))
    assert together.shape == images.shape
    assert np.isfinite(together).all()
    assert together.min() >= 0
    assert together.max() <= 1
    for row in () if augmentation.mixes else (0, 1):
        one = {name: value[row : row + 1] for name, value in params.items()}
        alone = compiled(augmentation)(one, images[row : row + 1])
        # Where grey values fall on a step of the histogram, a rounding in the last bit can move a count.
        np.testing.assert_allclose(alone[0], together[row], atol=1e-3)


@each
def test_it_changes_something_and_another_key_changes_it_otherwise(
    augmentation: A.Augmentation, channels: int
) -> None:
    images = picture(2, channels)
    results = [compiled(augmentation)(drawn(augmentation, seed, images), images) for seed in (1, 2, 3)]
    assert any(not np.array_equal(result, images) for result in results)
    assert any(not np.array_equal(results[0], other) for other in results[1:])


@each
@given(seed=seeds)
@few
def test_json_round_trip_of_the_augmentation_and_of_what_was_drawn(
    augmentation: A.Augmentation, channels: int, seed: int
) -> None:
    again = A.Augmentation.from_dict(json.loads(json.dumps(augmentation.to_dict())))
    assert again == augmentation
    assert hash(again) == hash(augmentation)
    images = picture(4, channels)
    params = drawn(augmentation, seed, images)
    loaded = A.params_from_dict(json.loads(json.dumps(A.params_to_dict(params), allow_nan=False)))
    assert loaded.keys() == params.keys()
    for name, value in params.items():
        assert loaded[name].dtype == value.dtype
        assert np.array_equal(loaded[name], value)


@each
def test_types_are_the_same_where_jax_counts_in_64_bits(augmentation: A.Augmentation, channels: int) -> None:
    images = picture(4, channels)
    usual = {name: value.dtype for name, value in drawn(augmentation, 11, images).items()}
    with jax.enable_x64(True):
        params = drawn(augmentation, 11, images)
        result = jax.eval_shape(augmentation.apply, params, images)
    assert {name: value.dtype for name, value in params.items()} == usual
    assert (result.shape, result.dtype) == (images.shape, np.float32)


@each
def test_one_pixel_images(augmentation: A.Augmentation, channels: int) -> None:
    images = picture(6, channels, size=(1, 1))
    result = np.asarray(compiled(augmentation)(drawn(augmentation, 13, images), images))
    assert result.shape == images.shape
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


@each_unmixed
@given(seed=seeds)
@few
def test_masks_stay_binary_and_keep_their_dtype_and_labels_stay(
    augmentation: A.Augmentation, channels: int, seed: int
) -> None:
    params, masks = drawn(augmentation, seed, picture(8, channels)), np.asarray(picture(seed, 1) > 0.5)
    result = np.asarray(compiled_masks(augmentation)(params, masks.astype(np.uint8)))
    assert result.dtype == np.uint8
    assert result.shape == masks.shape
    assert set(np.unique(result).tolist()) <= {0, 1}
    assert jax.eval_shape(augmentation.apply_masks, params, masks).dtype == bool
    labels = jnp.array([0.0, 1.0, 1.0, 0.0])
    assert np.array_equal(augmentation.apply_labels(params, labels), labels)


def test_calling_equals_drawing_and_applying_within_a_compiled_step() -> None:
    chain, images, key = A.Rotation(degrees=10) | A.Brightness(amount=0.1), picture(0, 1), jax.random.key(3)

    @jax.jit
    def step(key: jax.Array, images: jax.Array) -> jax.Array:
        return chain.apply(chain.params(key, N, (HEIGHT, WIDTH, 1)), images)

    np.testing.assert_allclose(step(key, images), chain(key, images), atol=1e-6)


def test_every_registered_augmentation_of_the_library_is_under_these_laws() -> None:
    covered = {type(part).__name__ for a, _ in CASES for part in getattr(a, "steps", (a,))} | {"Compose"}
    ours = {name for name, cls in _registry.items() if getattr(A, name, None) is cls}
    assert ours - {"PerImage"} == covered  # a function of the user's own: tests/augmentations/test_base.py
