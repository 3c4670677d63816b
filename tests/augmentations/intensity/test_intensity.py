"""Grey values and colours against values worked out otherwise."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import legendre
from scipy.ndimage import gaussian_filter

from medimg_cnn import augmentations as A  # noqa: N812 - short, and used on every line
from medimg_cnn.augmentations.intensity._bias_field import _legendre
from medimg_cnn.augmentations.intensity._colour import _STAINS
from medimg_cnn.augmentations.intensity._random_field import normal_field
from medimg_cnn.errors import ArgumentError


def picture(seed: int = 0, channels: int = 1) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).random((2, 16, 12, channels)), jnp.float32)


def test_noise_is_close_to_normal_and_independent() -> None:
    field = np.asarray(normal_field(jnp.array([1, 2, 123_456_789], jnp.uint32), (256, 256, 1)))
    assert abs(field.mean()) < 0.01
    assert abs(field.std() - 1) < 0.01
    assert abs((field**3).mean()) < 0.03
    assert abs((field**4).mean() - 2.94) < 0.06
    for share, normal in ((1, 0.3173), (2, 0.0455), (3, 0.0027)):
        assert abs((np.abs(field) > share).mean() - normal) < 0.15 * normal + 0.001
    for shifted in (field[:, 1:] * field[:, :-1], field[:, :, 1:] * field[:, :, :-1]):
        assert abs(shifted.mean()) < 0.01  # neighbours
    assert abs((field[0] * field[1]).mean()) < 0.015  # seeds that follow each other
    assert abs(np.fft.rfft2(field[0, ..., 0])[1:, 1:]).max() < 256 * 5.0  # no pattern: no strong frequency


def test_noise_does_not_depend_on_the_other_images_and_channels_differ() -> None:
    one, two = (
        normal_field(jnp.array([7], jnp.uint32), (8, 8, 3)),
        normal_field(jnp.array([3, 7], jnp.uint32), (8, 8, 3)),
    )
    assert np.array_equal(one[0], two[1])
    assert not np.array_equal(one[..., 0], one[..., 1])


@pytest.mark.parametrize("channels", [1, 3])
def test_blur_equals_scipy(channels: int) -> None:
    images = picture(channels=channels)
    result = A.Blur(sigma=1.5).apply({"sigma": jnp.array([1.5, 0.7])}, images)
    for row, sigma in enumerate((1.5, 0.7)):
        expected = gaussian_filter(
            np.asarray(images[row], np.float64), (sigma, sigma, 0), mode="nearest", radius=(5, 5, 0)
        )
        np.testing.assert_allclose(result[row], expected, atol=1e-5)


def test_gamma_window_and_contrast_by_their_formulas() -> None:
    images = picture(1)
    plain = np.asarray(images, np.float64)
    two = jnp.array([1.7, 0.6])
    np.testing.assert_allclose(
        A.Gamma(amount=1).apply({"exponent": two}, images),
        plain ** np.array([1.7, 0.6])[:, None, None, None],
        atol=1e-5,
    )
    window = {"centre": jnp.array([0.1, -0.1]), "width": jnp.array([1.2, 0.8])}
    centre, width = (np.asarray(window[k], np.float64)[:, None, None, None] for k in ("centre", "width"))
    np.testing.assert_allclose(
        A.WindowJitter(centre=0.1, width=0.3).apply(window, images),
        np.clip((plain - 0.5 - centre) / width + 0.5, 0, 1),
        atol=1e-5,
    )
    mean = plain.mean((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(
        A.Contrast(amount=1).apply({"factor": two}, images),
        np.clip(mean + np.asarray(two, np.float64)[:, None, None, None] * (plain - mean), 0, 1),
        atol=1e-5,
    )


def test_the_bias_field_is_a_smooth_product_without_a_constant_term() -> None:
    np.testing.assert_allclose(_legendre(9, 5), legendre.legvander(np.linspace(-1, 1, 9), 5), atol=1e-5)
    drawn = A.BiasField(amount=0.3, order=2).params(jax.random.key(0), 5, (8, 8, 1))["coefficients"]
    assert drawn.shape == (5, 3, 3)
    assert not np.any(drawn[:, 0, 0])
    assert not np.any(drawn[:, 2, 1])
    assert np.all(drawn[:, 1, 1] != 0)
    grey = jnp.full((1, 32, 32, 1), 0.3)
    result = A.BiasField(amount=0.3, order=2).apply({"coefficients": drawn[:1]}, grey)
    rows = legendre.legval2d(*np.meshgrid(*[np.linspace(-1, 1, 32)] * 2, indexing="ij"), np.asarray(drawn[0]))
    field = np.exp(rows)
    np.testing.assert_allclose(result[0, ..., 0], 0.3 * field / field.mean(), atol=1e-5)
    np.testing.assert_allclose(result.mean(), 0.3, atol=1e-5)


def test_stains_by_the_formula_of_ruifrok_and_johnston() -> None:
    images = jnp.clip(picture(2, channels=3), 0.1, 0.7)
    scale = np.array([[0.1, -0.2, 0.05], [0.0, 0.1, 0.0]])
    result = A.StainJitter(scale=0.2).apply(
        {"scale": jnp.asarray(scale, jnp.float32), "offset": jnp.zeros((2, 3))}, images
    )
    density = -np.log(np.asarray(images, np.float64))
    stains = density @ np.linalg.inv(_STAINS)
    expected = np.exp(-(stains * (1 + scale[:, None, None, :])) @ _STAINS)
    np.testing.assert_allclose(result, np.clip(expected, 0, 1), atol=1e-4)


def test_white_background_stays_white_under_stain_scaling() -> None:
    white = jnp.ones((3, 4, 4, 3))
    assert np.array_equal(A.StainJitter(scale=0.5)(jax.random.key(0), white), white)


@pytest.mark.parametrize("augmentation", [A.StainJitter(scale=0.1), A.ColourJitter()])
def test_colour_needs_three_channels(augmentation: A.Augmentation) -> None:
    with pytest.raises(ArgumentError, match="three channels"):
        augmentation(jax.random.key(0), picture())


def clahe_reference(image: np.ndarray, clip: float, tiles: int) -> np.ndarray:
    """CLAHE in plain loops, for an image whose sides the tiles divide."""
    height, width = image.shape
    tall, wide = height // tiles, width // tiles
    curves = np.empty((tiles, tiles, 256))
    for i, j in np.ndindex(tiles, tiles):
        tile = image[i * tall : (i + 1) * tall, j * wide : (j + 1) * wide]
        counts = np.bincount(np.round(tile * 255).astype(int).ravel(), minlength=256).astype(float)
        kept = np.minimum(counts, clip * tile.size / 256)
        curves[i, j] = np.cumsum(kept + (tile.size - kept.sum()) / 256) / tile.size
    result = np.empty_like(image)
    for y, x in np.ndindex(height, width):
        v, u = (y + 0.5) / tall - 0.5, (x + 0.5) / wide - 0.5
        value = 0.0
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            row, column = int(np.floor(v)) + i, int(np.floor(u)) + j
            weight = (1 - abs(v - row)) * (1 - abs(u - column))
            curve = curves[np.clip(row, 0, tiles - 1), np.clip(column, 0, tiles - 1)]
            value += weight * np.interp(image[y, x] * 255, np.arange(256), curve)
        result[y, x] = value
    return result


def test_clahe_equals_a_plain_loop() -> None:
    images = picture(3) * 0.4 + 0.3
    result = A.CLAHE(clip=2, tiles=4).apply({"amount": jnp.array([1.0, 0.5])}, images)
    plain = np.asarray(images, np.float64)[..., 0]
    expected = [clahe_reference(image, 2, 4) for image in plain]
    np.testing.assert_allclose(result[0, ..., 0], expected[0], atol=2e-4)
    np.testing.assert_allclose(result[1, ..., 0], (expected[1] + plain[1]) / 2, atol=2e-4)


def test_cutout_hides_rectangles_no_larger_than_asked_and_nothing_else() -> None:
    cut = A.Cutout(size=0.25, fill=0.5)
    images = jnp.ones((4000, 16, 12, 1))
    result = np.asarray(cut(jax.random.key(0), images))[..., 0]
    hidden = result == 0.5
    assert np.all(hidden | (result == 1))
    assert hidden.any(axis=2).sum(axis=1).max() == 4
    assert hidden.any(axis=1).sum(axis=1).max() == 3
    assert hidden.any(axis=0).all()  # every place can be hit


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: A.Brightness(amount=1.5),
        lambda: A.Contrast(amount=-0.1),
        lambda: A.Gamma(amount=float("inf")),
        lambda: A.WindowJitter(centre=0.6),
        lambda: A.Noise(sigma=2),
        lambda: A.Blur(sigma=20),
        lambda: A.Cutout(size=0.2, holes=0),
        lambda: A.CLAHE(clip=0.5),
        lambda: A.BiasField(amount=0.1, order=6),
        lambda: A.StainJitter(scale=2),
        lambda: A.ColourJitter(gain=-1),
    ],
)
def test_options_are_checked_when_built(wrong: object) -> None:
    with pytest.raises(ArgumentError, match="got"):
        wrong()  # type: ignore[operator]
