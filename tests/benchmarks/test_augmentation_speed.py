"""How fast a chain of augmentations runs, beside the same chain of Keras layers, both compiled.

Run with ``pytest -m benchmark tests/benchmarks/test_augmentation_speed.py -s`` to see the figures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import jax
import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn import augmentations as A  # noqa: N812 - short, and used on every line
from medimg_cnn._keras import keras
from medimg_cnn.training import TrainerConfig
from medimg_cnn.training._loop import Loop
from medimg_cnn.training._memory import kept_memory
from medimg_cnn.training._step import Batch, logit_model

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

BATCH, ROUNDS = 32, 7
OURS = (
    A.Flip()
    | A.Rotation(degrees=10)
    | A.Shift(fraction=0.1)
    | A.Zoom(amount=0.1)
    | A.Brightness(amount=0.1)
    | A.Contrast(amount=0.2)
    | A.Noise(sigma=0.03)
)


def keras_chain(shape: tuple[int, int, int]) -> Callable[[jax.Array], jax.Array]:
    """The nearest thing in Keras layers: the same steps and ranges, compiled as one."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(10 / 360, fill_mode="constant"),
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
            layers.RandomZoom(0.1, fill_mode="constant"),
            layers.RandomBrightness(0.1, value_range=(0, 1)),
            layers.RandomContrast(0.2, value_range=(0, 1)),
            layers.GaussianNoise(0.03),
        ]
    )
    trainable = [variable.value for variable in model.trainable_variables]
    state = [variable.value for variable in model.non_trainable_variables]

    @jax.jit
    def run(images: jax.Array) -> jax.Array:
        return model.stateless_call(trainable, state, images, training=True)[0]

    return run


def interleaved(*functions: Callable[[], jax.Array], rounds: int = ROUNDS) -> list[list[float]]:
    """Seconds of each function over the rounds, by turns, so that a busy machine is busy for all."""
    for function in functions:
        jax.block_until_ready(function())
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for own, function in zip(seconds, functions, strict=True):
            start = time.perf_counter()
            jax.block_until_ready(function())
            own.append(time.perf_counter() - start)
    return seconds


@pytest.mark.parametrize("shape", [(128, 128, 1), (224, 224, 3)], ids=str)
def test_the_chain_is_ten_times_as_fast_as_compiled_keras_layers(shape: tuple[int, int, int]) -> None:
    images = jax.numpy.asarray(np.random.default_rng(0).random((BATCH, *shape)), "float32")
    key, theirs = jax.random.key(0), keras_chain(shape)
    ours, keras_seconds = interleaved(lambda: OURS(key, images), lambda: theirs(images))
    ratios = [slow / fast for fast, slow in zip(ours, keras_seconds, strict=True)]
    print(
        f"{shape}: {BATCH / statistics.median(ours):.0f} images/s, "
        f"Keras layers {BATCH / statistics.median(keras_seconds):.0f} images/s, "
        f"ratio {statistics.median(ratios):.1f} (from {min(ratios):.1f} to {max(ratios):.1f})"
    )
    assert statistics.median(ratios) >= 10


def test_one_resample_costs_less_than_half_of_three() -> None:
    images = jax.numpy.asarray(np.random.default_rng(0).random((BATCH, 128, 128, 1)), "float32")
    together = A.Rotation(degrees=10) | A.Shift(fraction=0.1) | A.Zoom(amount=0.1)
    params = together.params(jax.random.key(0), BATCH, (128, 128, 1))

    @jax.jit
    def apart(images: jax.Array) -> jax.Array:
        for position, step in enumerate(together.steps):
            images = step.apply(together.params_of(params, position), images)
        return images

    once = jax.jit(lambda images: together.apply(params, images))
    fast, slow = interleaved(lambda: once(images), lambda: apart(images))
    ratio = statistics.median(b / a for a, b in zip(fast, slow, strict=True))
    print(f"three resamples take {ratio:.1f} times as long as one")
    assert ratio > 2


# Where the network folds 8 x 8 pixels at once it costs little more than at 128, the augmentation nine times as much.
@pytest.mark.parametrize(("shape", "most"), [((128, 128, 1), 0.06), ((224, 224, 3), 0.35)], ids=str)
def test_its_share_of_a_training_step(shape: tuple[int, int, int], most: float) -> None:
    images = np.random.default_rng(0).integers(0, 256, (BATCH, *shape), dtype=np.uint8)
    data = mc.load_dataset(
        (images, np.arange(BATCH) % 2),
        positive=1,
        patients=np.arange(BATCH).astype(str),
        fractions=(1.0, 0.0, 0.0),
        audit="off",
    )

    def step_of(augment: A.Augmentation | None) -> Callable[[], jax.Array]:
        model = logit_model(mc.build_cnn(shape, seed=0))
        loop = Loop(model, augment, TrainerConfig(epochs=1), data.train, None)
        key = np.asarray(jax.random.key_data(jax.random.key(0)))
        rows = np.arange(BATCH)
        batch = Batch(
            data.train.read(rows), data.train.labels.astype(np.float32), np.ones(BATCH, np.float32), key
        )

        def step() -> jax.Array:
            loop._state, loss, _ = loop._step(loop._state, batch)
            return loss

        return step

    with kept_memory():  # as in the Trainer
        without, augmented = interleaved(step_of(None), step_of(A.preset("chest_xray")), rounds=25)
    plain, whole = statistics.median(without), statistics.median(augmented)
    print(
        f"{shape}: a step of medcnn-s on {BATCH} images takes {1e3 * plain:.0f} ms, with the chest preset "
        f"{1e3 * whole:.0f} ms: {1 - plain / whole:.1%} are augmentation"
    )
    assert 1 - plain / whole < most
