"""How fast the layers that stand in for Keras's are, forward and backward.

Run with ``pytest -m benchmark tests/benchmarks/test_layer_speed.py -s`` to see the figures.
"""

from __future__ import annotations

import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medimg_cnn._keras import keras
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
    compiled = {
        name: jax.jit(jax.grad(lambda x, way=way: jnp.square(way(x)).sum())) for name, way in ways.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(16):
        for name, function in compiled.items():
            start = time.perf_counter()
            function(x).block_until_ready()
            if turn:  # the first one compiles
                seconds[name].append(time.perf_counter() - start)
    medians = {name: 1e3 * statistics.median(values) for name, values in seconds.items()}
    ratio = medians["Keras"] / medians["ours"]
    print(
        f"\n{shape}, {size}x{size}: {medians['Keras']:.1f} ms, ours {medians['ours']:.1f} ms, ratio {ratio:.1f}"
    )
    assert ratio > 1.5
