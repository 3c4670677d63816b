"""Max pooling with a fast gradient: Keras's values and gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn.models._max_pool import FastMaxPooling2D, max_pool

CASES = [
    # shape, window, strides, padding
    ((2, 8, 8, 3), (2, 2), (2, 2), "valid"),
    ((2, 7, 9, 2), (2, 2), (2, 2), "valid"),
    ((2, 7, 9, 2), (2, 2), (2, 2), "same"),
    ((1, 8, 6, 2), (3, 3), (2, 2), "same"),
    ((1, 9, 7, 2), (3, 3), (2, 2), "valid"),
    ((2, 6, 5, 1), (3, 2), (1, 2), "same"),
    ((1, 1, 1, 1), (2, 2), (2, 2), "same"),
]


@pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_those_of_keras_in_float64(case, ties):
    shape, size, strides, padding = case
    rng = np.random.default_rng(0)
    # With four different values in all, most windows hold their maximum more than once.
    x = rng.integers(0, 4, shape).astype("float64") if ties else rng.normal(size=shape)
    with jax.enable_x64(True):
        images = jnp.asarray(x)
        assert images.dtype == jnp.float64

        def plain(values):
            return keras.ops.max_pool(values, size, strides, padding)

        def fast(values):
            return max_pool(values, size, strides, padding)

        (want, back), (got, ours) = jax.vjp(plain, images), jax.vjp(fast, images)
        np.testing.assert_array_equal(got, want)
        gradient = jnp.asarray(rng.normal(size=want.shape))
        np.testing.assert_allclose(ours(gradient)[0], back(gradient)[0], rtol=1e-14, atol=1e-14)


def test_it_stands_in_for_keras_s_own_layer_only():
    class Other(keras.layers.MaxPooling2D):
        pass

    assert FastMaxPooling2D.fits(keras.layers.MaxPooling2D(2))
    assert not FastMaxPooling2D.fits(keras.layers.MaxPooling2D(2, data_format="channels_first"))
    assert not FastMaxPooling2D.fits(Other(2))
    assert not FastMaxPooling2D.fits(keras.layers.AveragePooling2D(2))


@pytest.mark.parametrize(
    ("size", "strides", "fits"),
    [
        (2, 2, True),
        (3, 1, True),
        (4, 4, True),
        (4, 1, False),
        (5, 5, False),
        ((1, 14), 14, True),
        (14, 14, False),
    ],
)
def test_large_windows_are_left_to_keras(size: int | tuple[int, int], strides: int, fits: bool) -> None:
    assert FastMaxPooling2D.fits(keras.layers.MaxPooling2D(size, strides)) == fits
