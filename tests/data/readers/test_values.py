"""From a file's numbers to 0 to 1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medimg_cnn.data.readers._values import map_linear, scale_values
from medimg_cnn.errors import ImageReadError

numbers = st.sampled_from([np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=3, max_side=6))
)


@given(numbers)
def test_the_range_of_the_type_fills_0_to_1(values: np.ndarray) -> None:
    limits = np.iinfo(values.dtype)
    pixels = scale_values(values, (limits.min, limits.max), None)
    assert pixels.dtype == np.float32
    assert pixels.shape == values.shape
    expected = (values.astype(np.float64) - limits.min) / (float(limits.max) - limits.min)
    np.testing.assert_allclose(pixels, expected, atol=1e-6)


@given(numbers, st.floats(-1e5, 1e5), st.floats(1e-3, 1e6))
def test_any_range_clips(values: np.ndarray, low: float, width: float) -> None:
    pixels = scale_values(values, None, (low, low + width))
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    assert (pixels[values <= low] == 0).all()


@given(hnp.arrays(np.uint16, (4, 5)))
def test_range_of_the_image(values: np.ndarray) -> None:
    pixels = scale_values(values, (0, 65535), "image")
    if values.min() == values.max():
        assert (pixels == 0).all()
    else:
        assert (pixels.min(), pixels.max()) == (0, 1)


def test_many_rows_are_mapped_like_few() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (700, 801, 3)).astype(np.uint16)
    np.testing.assert_array_equal(map_linear(values, 100, 60000)[650:], map_linear(values[650:], 100, 60000))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_finite_is_required(bad: float) -> None:
    with pytest.raises(ImageReadError, match="finite; got 1 of 4"):
        scale_values(np.array([[0, 0.5], [bad, 1]]), None, None)


def test_float_values_are_kept_or_refused() -> None:
    inside = np.array([[0, 0.3, 1]], dtype=np.float32)
    np.testing.assert_array_equal(scale_values(inside, None, None), inside)
    for outside in (-0.01, 1.01):
        with pytest.raises(ImageReadError, match="0 to 1"):
            scale_values(np.array([[outside]]), None, None)
