"""Geometry: exact where it can be, equal to SciPy's interpolation where it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from medimg_cnn import augmentations as A  # noqa: N812 - short, and used on every line
from medimg_cnn.augmentations.spatial._spatial import runs_of_one_resample
from medimg_cnn.errors import ArgumentError

HEIGHT, WIDTH = 12, 9


def picture(seed: int = 0, n: int = 2, channels: int = 1) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).random((n, HEIGHT, WIDTH, channels)), jnp.float32)


def smooth(height: int = 40, width: int = 30) -> jax.Array:
    y, x = np.mgrid[:height, :width]
    waves = 0.5 + 0.25 * np.sin(x / 5.0) * np.cos(y / 6.0) + 0.2 * np.cos((x + y) / 9.0)
    return jnp.asarray(waves[None, ..., None], jnp.float32)


shift = jax.jit(A.Shift(fraction=1).apply)
shift_masks = jax.jit(A.Shift(fraction=1).apply_masks)


@given(down=st.integers(-HEIGHT, HEIGHT), right=st.integers(-WIDTH, WIDTH), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_a_shift_by_whole_pixels_moves_them_exactly(down: int, right: int, seed: int) -> None:
    images = picture(seed)
    params = {"down": jnp.full(2, float(down)), "right": jnp.full(2, float(right))}
    expected = np.zeros_like(images)
    rows = slice(max(down, 0), HEIGHT + min(down, 0)), slice(max(-down, 0), HEIGHT - max(down, 0))
    columns = slice(max(right, 0), WIDTH + min(right, 0)), slice(max(-right, 0), WIDTH - max(right, 0))
    expected[:, rows[0], columns[0]] = np.asarray(images)[:, rows[1], columns[1]]
    assert np.array_equal(shift(params, images), expected)
    assert np.array_equal(shift_masks(params, images), expected)


def test_outside_a_mask_is_nothing_whatever_fills_the_image() -> None:
    step = A.Shift(fraction=1, fill=0.5)
    params = {"down": jnp.full(2, 3.0), "right": jnp.zeros(2)}
    masks = jnp.ones((2, HEIGHT, WIDTH, 1), jnp.float32)
    assert (step.apply(params, masks)[:, :3] == 0.5).all()
    moved = step.apply_masks(params, masks)
    assert (moved[:, :3] == 0).all()
    assert (moved[:, 3:] == 1).all()


@given(horizontal=st.booleans(), vertical=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=10)
def test_a_flip_reverses_and_twice_is_the_identity(horizontal: bool, vertical: bool, seed: int) -> None:
    images, flip = picture(seed, channels=3), A.Flip(horizontal=True, vertical=True)
    params = {"horizontal": jnp.full(2, horizontal), "vertical": jnp.full(2, vertical)}
    once = flip.apply(params, images)
    axes = tuple(axis for axis, on in ((1, vertical), (2, horizontal)) if on)
    assert np.array_equal(once, np.flip(images, axes))
    assert np.array_equal(flip.apply(params, once), images)


def test_a_flip_within_a_resample_is_as_exact_as_one_alone() -> None:
    images = picture(3)
    flip, still = A.Flip(), A.Rotation(degrees=10)
    params = {"horizontal": jnp.array([True, False]), "vertical": jnp.array([False, True])}
    chain = flip | still
    sampled = chain.apply(
        {**{f"0.{name}": value for name, value in params.items()}, "1.angle": jnp.zeros(2)}, images
    )
    assert np.array_equal(sampled, flip.apply(params, images))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns_are_exact_and_anticlockwise(turns: int) -> None:
    square = picture()[:, :WIDTH]
    result = A.QuarterTurn().apply({"turns": jnp.full(2, turns)}, square)
    assert np.array_equal(result, np.rot90(square, turns, axes=(1, 2)))
    turned = A.Rotation(degrees=180).apply({"angle": jnp.full(2, 90.0 * turns)}, square)
    np.testing.assert_allclose(turned, result, atol=1e-4)


def test_quarter_turns_of_images_that_are_not_square_are_halves() -> None:
    drawn = A.QuarterTurn().params(jax.random.key(0), 200, (HEIGHT, WIDTH, 1))["turns"]
    assert set(np.unique(drawn).tolist()) == {0, 2}
    drawn = A.QuarterTurn().params(jax.random.key(0), 200, (WIDTH, WIDTH, 1))["turns"]
    assert set(np.unique(drawn).tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("border", "mode"), [("constant", "constant"), ("edge", "nearest"), ("reflect", "mirror")]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_rotation_equals_scipy_on_an_image_that_is_not_square(border: str, mode: str, channels: int) -> None:
    images, angle = picture(1, channels=channels), 33.0
    result = A.Rotation(degrees=45, border=border, fill=0.25).apply({"angle": jnp.full(2, angle)}, images)
    y, x = np.mgrid[:HEIGHT, :WIDTH] - np.array([(HEIGHT - 1) / 2, (WIDTH - 1) / 2])[:, None, None]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    places = [sin * x + cos * y + (HEIGHT - 1) / 2, cos * x - sin * y + (WIDTH - 1) / 2]
    # SciPy's "constant" does not blend into the fill; a frame of it makes the two the same.
    plain = np.asarray(images, np.float64)
    if border == "constant":
        plain = np.pad(plain, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=0.25)
        places = [place + 1 for place in places]
    for image, channel in np.ndindex(2, channels):
        expected = map_coordinates(plain[image, ..., channel], places, order=1, mode=mode, cval=0.25)
        np.testing.assert_allclose(result[image, ..., channel], expected, atol=2e-5)


@pytest.mark.parametrize(
    "chain",
    [
        A.Rotation(degrees=12) | A.Zoom(amount=0.2, stretch=0.1),
        A.Shift(fraction=0.1) | A.Shear(degrees=8, vertical=True) | A.Flip(probability=1),
        A.Elastic(displacement=0.02, smoothness=0.3) | A.Rotation(degrees=12),
        A.Rotation(degrees=12) | A.Elastic(displacement=0.02, smoothness=0.3) | A.Zoom(amount=0.2),
    ],
    ids=str,
)
@given(seed=st.integers(0, 2**31 - 1))
@settings(max_examples=max(1, settings.default.max_examples // 10))
def test_one_resample_equals_one_after_the_other_within_the_interpolation_error(
    chain: A.Compose, seed: int
) -> None:
    assert len(runs_of_one_resample(chain.steps)) == 1
    images = smooth()
    together, apart, inside = in_both_ways(chain, chain.params(jax.random.key(seed), 1, (40, 30, 1)), images)
    kept = np.asarray(inside) > 0.999
    assert kept.mean() > 0.4
    # Interpolating linearly errs by at most (step / 8) * second derivative, about 0.01 a resample here.
    assert np.abs(np.asarray(together) - np.asarray(apart))[kept].max() < 0.02
    assert not np.array_equal(together, images)


@partial(jax.jit, static_argnums=0)
def in_both_ways(
    chain: A.Compose, params: A.Params, images: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return images sampled once, those sampled by each step, and where these hold nothing from outside."""
    apart, inside = images, jnp.ones_like(images)
    for position, step in enumerate(chain.steps):
        drawn = chain.params_of(params, position)
        apart, inside = step.apply(drawn, apart), step.apply(drawn, inside)
    return chain.apply(params, images), apart, inside


def test_runs_that_are_sampled_at_once() -> None:
    turn, bend, edge = A.Rotation(degrees=5), A.Elastic(displacement=0.01), A.Zoom(amount=0.1, border="edge")
    flip, noise = A.Flip(), A.Noise(sigma=0.1)
    assert runs_of_one_resample((turn, flip, bend, turn)) == [[0, 1, 2, 3]]
    assert runs_of_one_resample((turn, noise, turn)) == [[0], [1], [2]]
    assert runs_of_one_resample((turn, edge)) == [[0], [1]]  # another border
    assert runs_of_one_resample((flip, edge, flip, turn)) == [[0, 1, 2], [3]]
    assert runs_of_one_resample((bend, turn, bend)) == [[0, 1], [2]]  # a second bend
    assert runs_of_one_resample(()) == []


@dataclass(frozen=True, kw_only=True)
class Roll(A.SpatialAugmentation):
    """A spatial step as a user would write one: columns that leave at one side come in at the other."""

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> A.Params:
        return {"by": jax.random.randint(key, (n,), 1, image_shape[1])}

    def apply(self, params: A.Params, images: jax.Array) -> jax.Array:
        return jax.vmap(lambda image, by: jnp.roll(image, by, axis=1))(images, params["by"])

    def apply_masks(self, params: A.Params, masks: jax.Array) -> jax.Array:
        return self.apply(params, masks)


@dataclass(frozen=True, kw_only=True)
class HalvedFlip(A.Flip):
    """A step of the library with an ``apply`` of the user's own."""

    def apply(self, params: A.Params, images: jax.Array) -> jax.Array:
        return super().apply(params, images) / 2


@pytest.mark.parametrize(
    "chain",
    [
        Roll() | A.Brightness(amount=0.2),
        A.Compose(steps=(Roll(),)),
        A.Rotation(degrees=20) | Roll() | A.Rotation(degrees=20),
        Roll(border="edge") | A.Zoom(amount=0.2, border="edge") | Roll(border="edge"),
        A.Rotation(degrees=20) | HalvedFlip(probability=1),
    ],
    ids=str,
)
def test_a_chain_with_a_spatial_step_of_ones_own_equals_its_steps_one_after_the_other(
    chain: A.Compose,
) -> None:
    images = picture(5)
    masks = images > 0.5
    params = chain.params(jax.random.key(1), 2, (HEIGHT, WIDTH, 1))
    expected, expected_masks = images, masks
    for position, step in enumerate(chain.steps):
        drawn = chain.params_of(params, position)
        expected, expected_masks = step.apply(drawn, expected), step.apply_masks(drawn, expected_masks)
    assert np.array_equal(chain.apply(params, images), expected)
    assert np.array_equal(chain.apply_masks(params, masks), expected_masks)
    assert not np.array_equal(expected, images)


def test_a_spatial_step_of_ones_own_says_itself_what_it_does() -> None:
    class Rolled(Roll):
        apply_masks = A.SpatialAugmentation.apply_masks

    class Nothing(A.SpatialAugmentation):
        params = Roll.params

    masks = picture() > 0.5
    for step in (Rolled(), Rolled() | A.Flip()):
        params = step.params(jax.random.key(0), 2, (HEIGHT, WIDTH, 1))
        with pytest.raises(ArgumentError, match=r"must have an apply_masks of its own.* AffineAugmentation"):
            step.apply_masks(params, masks)
    with pytest.raises(TypeError, match=r"abstract method '?apply"):
        Nothing()  # type: ignore[abstract]


@dataclass(frozen=True, kw_only=True)
class Sideways(A.AffineAugmentation):
    """A map that depends on the image's size, and is the identity where that is 1."""

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> A.Params:
        return {"share": jnp.full(n, 0.25)}

    def affine_map(self, params: A.Params, image_shape: tuple[int, int, int]) -> A.AffineMap:
        share = params["share"]
        return A.AffineMap.identity(share.shape[0])._replace(x0=share * (1 - image_shape[1]))


@dataclass(frozen=True, kw_only=True)
class Settled(Sideways):
    """A map for which nothing is drawn."""

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> A.Params:
        return {}

    def affine_map(self, params: A.Params, image_shape: tuple[int, int, int]) -> A.AffineMap:
        return super().affine_map({"share": jnp.full(1, 0.25)}, image_shape)


@pytest.mark.parametrize("step", [Sideways(), Settled()], ids=str)
def test_a_map_of_ones_own_may_depend_on_the_size_and_draw_nothing(step: A.AffineAugmentation) -> None:
    images = picture(6)
    expected = np.pad(images, ((0, 0), (0, 0), (2, 0), (0, 0)))[:, :, :WIDTH]  # a quarter of 8 steps
    chain = A.Flip(probability=0) | step | A.Brightness(amount=0)
    for augmentation in (step, chain):
        params = augmentation.params(jax.random.key(0), 2, (HEIGHT, WIDTH, 1))
        assert np.array_equal(augmentation.apply(params, images), expected)
        assert np.array_equal(augmentation.apply_masks(params, images > 0.5), expected > 0.5)
    column = images[:, :, :1]  # one pixel wide, where the map is the identity
    assert np.array_equal(step(jax.random.key(0), column), column)


def test_a_flip_with_a_map_of_ones_own_moves_by_that_map() -> None:
    class Still(A.Flip):
        def affine_map(self, params: A.Params, image_shape: tuple[int, int, int]) -> A.AffineMap:
            return A.AffineMap.identity(1)

    images = picture(7)
    assert np.array_equal(Still(probability=1)(jax.random.key(0), images), images)


def test_what_leaves_the_frame_and_comes_back_is_kept_by_one_resample() -> None:
    there, back = A.Shift(fraction=1), A.Shift(fraction=1)
    params = {"0.down": jnp.full(2, 5.0), "0.right": jnp.zeros(2)}
    params |= {"1.down": jnp.full(2, -5.0), "1.right": jnp.zeros(2)}
    images = picture(4)
    assert np.array_equal((there | back).apply(params, images), images)


def test_a_circle_stays_a_circle_where_the_image_is_not_square() -> None:
    y, x = np.mgrid[:41, :25]
    disc = ((y - 20) ** 2 + (x - 12) ** 2 <= 64).astype(np.float32)[None, ..., None]
    turned = A.Rotation(degrees=90).apply({"angle": jnp.array([37.0])}, jnp.asarray(disc))
    assert abs(float(turned.sum()) - disc.sum()) < 2
    assert (
        np.abs(np.asarray(turned) - disc)[0, ..., 0][np.abs(np.hypot(y - 20, x - 12) - 8) > 1.5].max() < 1e-5
    )


def test_zoom_enlarges_and_shrinks_as_often_and_keeps_within_its_range() -> None:
    drawn = A.Zoom(amount=0.5).params(jax.random.key(0), 4000, (8, 8, 1))["vertical"]
    assert float(drawn.min()) >= 1 / 1.5
    assert float(drawn.max()) <= 1.5
    assert abs(float((drawn > 1).mean()) - 0.5) < 0.03
    bright = jnp.zeros((1, 9, 9, 1)).at[0, 3:6, 3:6].set(1.0)
    grown = A.Zoom(amount=1).apply({"vertical": jnp.array([2.0]), "horizontal": jnp.array([2.0])}, bright)
    assert float(grown.sum()) > 3 * float(bright.sum())


@pytest.mark.parametrize(("height", "width"), [(24, 24), (32, 16)])
def test_the_elastic_field_has_the_deviation_and_smoothness_that_were_asked_for(
    height: int, width: int
) -> None:
    elastic = A.Elastic(displacement=0.05, smoothness=0.25, count=64)
    params = elastic.params(jax.random.key(0), 400, (height, width, 1))
    params["amplitude"] = jnp.full(400, 0.05)
    field = np.stack(elastic.displacements(params, (height, width, 1), A.AffineMap.identity(400)))
    side = min(height, width)
    assert abs(field.std() / (0.05 * side) - 1) < 0.03
    # The correlation of a Gaussian field at a lag of one smoothness is exp(-1/2).
    lag = round(0.25 * side)
    at_lag = (field[..., lag:] * field[..., :-lag]).mean() / field.var()
    assert abs(at_lag - np.exp(-0.5 * (lag / (0.25 * side)) ** 2)) < 0.06
    assert abs(np.corrcoef(field[0].ravel(), field[1].ravel())[0, 1]) < 0.05


def test_an_elastic_field_that_would_fold_the_image_is_refused_and_never_reached_by_strength() -> None:
    with pytest.raises(ArgumentError, match="fold the image over itself"):
        A.Elastic(displacement=0.1, smoothness=0.1)
    assert A.Elastic(displacement=0.02, smoothness=0.1).scaled(3).displacement == pytest.approx(0.025)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: A.Rotation(degrees=200),
        lambda: A.Rotation(degrees=float("nan")),
        lambda: A.Rotation(degrees=True),
        lambda: A.Shift(fraction=(0.1, 0.2, 0.3)),
        lambda: A.Shift(fraction=-0.1),
        lambda: A.Zoom(amount=-1),
        lambda: A.Shear(degrees=60),
        lambda: A.Flip(horizontal=False),
        lambda: A.Rotation(degrees=5, border="wrap"),
        lambda: A.Rotation(degrees=5, fill=2),
        lambda: A.Rotation(degrees=5, probability=1.5),
        lambda: A.Elastic(displacement=0.01, count=2),
    ],
)
def test_options_are_checked_when_built(wrong: object) -> None:
    with pytest.raises(ArgumentError, match="got"):
        wrong()  # type: ignore[operator]
