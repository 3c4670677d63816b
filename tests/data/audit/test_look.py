from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medimg_cnn.data._audit._look import _averages, _gauss, looks_of, similarity_of

PAIR = np.array([[0, 1]])


def alike(first: np.ndarray, second: np.ndarray) -> float:
    return float(similarity_of(looks_of(np.stack([first, second]).astype(np.float32)), PAIR)[0])


@pytest.mark.parametrize("size", [(32, 32), (28, 28), (128, 96), (20, 40)])
@pytest.mark.parametrize(("gain", "shift"), [(1.0, 0.0), (0.5, 0.3), (0.95, 0.05)])
def test_gain_and_shift_of_brightness_change_nothing(
    size: tuple[int, int], gain: float, shift: float
) -> None:
    image = np.random.default_rng(0).random(size)
    assert alike(image, gain * image + shift) > 0.999


@pytest.mark.parametrize("change", [np.fliplr, np.flipud, np.rot90, lambda image: 1 - image])
def test_a_flipped_turned_or_inverted_image_is_another_one(change, scenes) -> None:  # type: ignore[no-untyped-def]
    for image in scenes(5, size=64, blur=3) / 255:
        assert alike(image, change(image)) < 0.6


@given(hnp.arrays(np.float32, (3, 20, 24), elements=st.floats(0, 1, width=32)))
def test_any_image_has_a_finite_look_of_length_one_or_none(images: np.ndarray) -> None:
    looks = looks_of(images)
    unit = looks.unit(np.arange(3))
    assert np.isfinite(unit).all()
    lengths = np.linalg.norm(unit[looks.norms > 0], axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.37, 1.0])
def test_an_image_without_detail_has_none(value: float) -> None:
    ramp = np.tile(np.linspace(0.3, 0.30001, 32), (32, 1))
    looks = looks_of(np.stack([np.full((32, 32), value), ramp]).astype(np.float32))
    assert looks.norms.tolist() == [0, 0]


@pytest.mark.parametrize(("target", "source"), [(32, 128), (32, 100), (28, 28), (32, 33)])
def test_averages_weigh_every_pixel_alike(target: int, source: int) -> None:
    weights = _averages(target, source)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(weights.sum(axis=0), target / source, atol=1e-6)


@pytest.mark.parametrize("size", [16, 32])
@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_blur_is_that_of_scipy(size: int, sigma: float) -> None:
    from scipy import ndimage

    values = np.random.default_rng(0).random(size)
    np.testing.assert_allclose(
        _gauss(size, sigma) @ values, ndimage.gaussian_filter1d(values, sigma, mode="reflect"), atol=1e-6
    )
