"""How fast the layers that stand in for Keras's are, forward and backward.

Run with ``pytest -m benchmark tests/benchmarks/test_layer_speed.py -s`` to see the figures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn.models._convolution import convolution
from medimg_cnn.models._max_pool import max_pool

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]


@pytest.mark.parametrize(
    ("shape", "size", "padding"),
    [
        ((32, 128, 128, 32), 2, "valid"),
        ((32, 32, 32, 32), 2, "valid"),
        ((32, 16, 16, 64), 2, "valid"),
        ((32, 8, 8, 128), 2, "valid"),
        ((32, 64, 64, 64), 3, "same"),
    ],
    ids=str,
)
def test_max_pooling_is_faster_than_keras_s(shape: tuple[int, ...], size: int, padding: str) -> None:
    window = (size, size)
    ways = {
        "Keras": lambda x: keras.ops.max_pool(x, window, (2, 2), padding),
        "ours": lambda x: max_pool(x, window, (2, 2), padding),
    }
    x = jnp.asarray(np.random.default_rng(0).normal(size=shape), "float32")
    gradients = {name: jax.grad(lambda x, way=way: jnp.square(way(x)).sum()) for name, way in ways.items()}
    assert ratio(f"{shape}, {size}x{size}", gradients, x) > 1.5


@pytest.mark.parametrize(("size", "channels"), [(32, 64), (16, 128), (8, 256)])
def test_convolution_is_faster_than_keras_s(size: int, channels: int) -> None:
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.normal(size=(32, size, size, channels)), "float32")
    kernel = jnp.asarray(rng.normal(size=(3, 3, channels, channels)), "float32")
    named: dict[str, Callable[..., Any]] = {
        "Keras": lambda x, k: keras.ops.conv(x, k, padding="same"),
        "ours": convolution,
    }
    name = f"{size}x{size}, {channels} channels"
    assert ratio(f"{name}, forward", named, images, kernel) > 1.2
    for place, of in enumerate(("images", "kernel")):
        # What is returned beside the gradient by the other argument would not be computed.
        gradients = {
            each: lambda x, k, y, way=way, place=place: jax.vjp(way, x, k)[1](y)[place]
            for each, way in named.items()
        }
        assert ratio(f"{name}, gradient of the {of}", gradients, images, kernel, images) > 0.9


def ratio(name: str, ways: dict[str, Callable[..., Any]], *given: Any) -> float:
    """Print how long each takes, and return how many times as fast ours is."""
    compiled = {each: jax.jit(way) for each, way in ways.items()}
    seconds: dict[str, list[float]] = {each: [] for each in ways}
    for turn in range(16):
        for each, function in compiled.items():
            start = time.perf_counter()
            jax.block_until_ready(function(*given))
            if turn:  # the first one compiles
                seconds[each].append(time.perf_counter() - start)
    medians = {each: 1e3 * statistics.median(values) for each, values in seconds.items()}
    found = medians["Keras"] / medians["ours"]
    print(f"\n{name}: {medians['Keras']:.1f} ms, ours {medians['ours']:.1f} ms, ratio {found:.2f}")
    return found
