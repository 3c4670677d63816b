"""What a step does to the weights, seen on the weights themselves: decay, learning rate, clipping, averages, mixing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn.artifacts import EpochRecord
from medimg_cnn.augmentations import CutMix, MixUp
from medimg_cnn.models._blocks import channel_scale_layer
from medimg_cnn.training import TrainerConfig
from medimg_cnn.training._imbalance import Imbalance
from medimg_cnn.training._loop import Loop
from medimg_cnn.training._step import Batch, logit_model, make_optimizer, make_train_step

Make = Callable[..., Any]
SHAPE = (12, 12, 1)


def model(scale: float = 1.0) -> Any:
    """A small network; the gradient of all but the last bias is multiplied by ``scale``, which may be 0."""
    image = keras.layers.Input(SHAPE)
    x = keras.layers.Conv2D(4, 3, strides=2, kernel_initializer=keras.initializers.HeNormal(seed=1))(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.Rescaling(scale)(keras.layers.GlobalAveragePooling2D()(x))
    x = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed=2), name="logit")(x)
    return keras.Model(image, keras.layers.Activation("sigmoid")(x))


class Recorder:
    """Watches a loop and keeps a copy of its state before the first step and after each."""

    asked = 0

    def __init__(self, loop: Loop) -> None:
        self.states = [self._copy(loop)]

    def check(self) -> None:
        pass

    def told(self, number: int) -> None:
        pass

    def step(self, loop: Loop) -> None:
        self.states.append(self._copy(loop))

    def epoch(self, loop: Loop, record: EpochRecord, *, kept: bool) -> None:
        pass

    @staticmethod
    def _copy(loop: Loop) -> dict[str, Any]:
        state = jax.tree.map(np.array, loop._state)._asdict()
        paths = [variable.path for variable in loop._optimizer.variables]
        return state | {"slots": dict(zip(paths, state["optimizer"], strict=True))}


def trained(network: Any, train: Any, **options: Any) -> tuple[Loop, list[dict[str, Any]]]:
    """Run a whole training and return the loop and its states."""
    loop = Loop(logit_model(network), None, TrainerConfig(**options), train, None)
    recorder = Recorder(loop)
    loop.run(recorder)
    return loop, recorder.states


def kernels(network: Any) -> list[bool]:
    """Of each variable, whether it is a kernel: here those that are no vectors."""
    return [len(variable.shape) > 1 for variable in network.trainable_variables]


def test_the_learning_rate_warms_up_and_falls_along_a_cosine(make_source: Make) -> None:
    """Where nothing else moves the kernels, each step's decay shows the rate that was applied."""
    peak, decay, warm_up, steps = 1e-3, 100.0, 10, 100
    options: dict[str, Any] = {"epochs": 20, "batch_size": 8, "learning_rate": peak}
    network = model(scale=0.0)
    loop, states = trained(network, make_source(40), weight_decay=decay, **options)
    assert len(states) == steps + 1
    index = kernels(network).index(True)
    before, after = (np.stack([s["weights"][index] for s in part]) for part in (states[:-1], states[1:]))
    ratio = np.median((after / before).reshape(steps, -1), axis=1)
    rates = (1.0 - ratio) / decay
    step = np.arange(steps)
    rising = peak / 20 + (peak - peak / 20) * step / warm_up
    fraction = (step - warm_up) / (steps - warm_up)
    falling = peak * (0.01 + 0.99 * (1.0 + np.cos(np.pi * fraction)) / 2)
    np.testing.assert_allclose(rates, np.where(step < warm_up, rising, falling), atol=2e-5 * peak)
    assert rates.argmax() == warm_up
    assert rates[-1] < 0.011 * peak, "a hundredth of the peak"
    for variable, start, end in zip(
        network.trainable_variables, states[0]["weights"], states[-1]["weights"], strict=True
    ):
        if variable.name in {"bias", "gamma", "beta"} and "logit" not in variable.path:
            np.testing.assert_array_equal(end, start)
    # The history says the rate of each epoch's last step.
    said = [record.learning_rate for record in loop.records]
    np.testing.assert_allclose(said, rates[4::5], atol=2e-5 * peak)


def test_the_warm_up_takes_200_steps_at_most() -> None:
    schedule = make_optimizer(TrainerConfig(learning_rate=0.01), 5000)._learning_rate
    rates = np.array([float(schedule(step)) for step in (0, 100, 200, 201, 2600, 5000)])
    np.testing.assert_allclose(rates[[0, 1, 2, 4, 5]], [5e-4, 5.25e-3, 1e-2, 5.05e-3, 1e-4], rtol=1e-5)
    assert rates[3] < rates[2]


def test_decay_is_apart_from_the_gradient_and_of_kernels_only(make_source: Make) -> None:
    """Of a kernel it takes rate times decay, on top of Adam's step, and nothing of Adam's means is decay."""
    options: dict[str, Any] = {"epochs": 4, "batch_size": 20, "learning_rate": 0.01}
    network = model()
    _, plain = trained(network, make_source(40), weight_decay=0.0, **options)
    _, decayed = trained(network, make_source(40), weight_decay=5.0, **options)
    rate = 0.01 / 20  # of the first step
    for index, is_kernel in enumerate(kernels(network)):
        start, without, with_ = (state["weights"][index] for state in (plain[0], plain[1], decayed[1]))
        assert np.any(without != start), "Adam moved it"
        np.testing.assert_allclose(with_ - without, -5.0 * rate * start * is_kernel, atol=1e-7)
    for mine, other in zip(decayed[1]["optimizer"], plain[1]["optimizer"], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-8)


VECTORS: dict[str, Callable[[], Any]] = {
    "batch": keras.layers.BatchNormalization,
    "layer": keras.layers.LayerNormalization,
    "layer, over the image": lambda: keras.layers.LayerNormalization(axis=(1, 2, 3)),
    "group": lambda: keras.layers.GroupNormalization(2),
    "root mean square": keras.layers.RMSNormalization,
    "the scale of a ConvNeXt's branch": lambda: channel_scale_layer((6, 6, 4), 1.0, name="scaled"),
}


def undecayed(network: Any) -> list[bool]:
    """Of each variable, whether a step without a gradient leaves it as it is."""
    variables = network.trainable_variables
    optimizer = make_optimizer(TrainerConfig(weight_decay=1.0), 10, variables)
    optimizer.build(variables)
    for variable in variables:
        variable.assign(np.ones(variable.shape))
    optimizer.apply([np.zeros(variable.shape, np.float32) for variable in variables], variables)
    return [bool(np.all(np.asarray(variable.value) == 1.0)) for variable in variables]


@pytest.mark.parametrize("layer", VECTORS.values(), ids=VECTORS)
def test_no_norm_or_scale_is_decayed(layer: Callable[[], Any]) -> None:
    image = keras.layers.Input((6, 6, 4))
    network = keras.Model(image, layer()(image))
    assert network.trainable_variables
    assert all(undecayed(network))


def test_the_gradient_is_cut_to_its_norm(make_source: Make) -> None:
    """After the first step Adam's first mean is a tenth of the gradient that it was given."""

    def gradient(clip: float) -> Any:
        options: dict[str, Any] = {"epochs": 1, "batch_size": 40, "clip_norm": clip}
        slots = trained(model(scale=1e4), make_source(40), **options)[1][1]["slots"]
        means = [10.0 * value.ravel() for path, value in slots.items() if path.endswith("_momentum")]
        assert len(means) == 6
        return np.concatenate(means).astype(np.float64)

    whole, cut = gradient(1e9), gradient(0.5)
    norm = np.linalg.norm(whole)
    assert norm > 1e3, "much longer than what is let through"
    assert np.linalg.norm(cut) == pytest.approx(0.5, rel=1e-4)
    np.testing.assert_allclose(cut, whole * (0.5 / norm), atol=1e-6)
    np.testing.assert_allclose(gradient(2.0 * norm), whole, rtol=1e-5)


@pytest.mark.parametrize("average", [0.0, 0.6, 0.99])
def test_the_averaged_weights_follow_their_recurrence(make_source: Make, average: float) -> None:
    network = model()
    loop, states = trained(
        network, make_source(40), epochs=3, batch_size=8, learning_rate=0.01, average=average
    )
    assert len(states) == 16
    for step, (before, after) in enumerate(itertools.pairwise(states)):
        decay = min(average, (1 + step) / (10 + step)) if average else 0.0
        for mean, now in (("average", "weights"), ("average_other", "other")):
            for old, value, new in zip(before[mean], after[now], after[mean], strict=True):
                np.testing.assert_allclose(new, decay * old + (1 - decay) * value, rtol=1e-5, atol=1e-7)
    assert loop.kept is not None
    for kept, last in zip(loop.kept.weights, states[-1]["average"], strict=True):
        np.testing.assert_array_equal(kept, last)


def brightness(slope: float) -> Any:
    """A model whose logit is ``slope`` times the mean brightness."""
    image = keras.layers.Input(SHAPE)
    kernel = keras.initializers.Constant(slope)
    x = keras.layers.Dense(1, kernel_initializer=kernel, name="logit")(
        keras.layers.GlobalAveragePooling2D()(image)
    )
    return keras.Model(image, keras.layers.Activation("sigmoid")(x))


@pytest.mark.parametrize(
    ("mix", "weights"),
    [(CutMix(alpha=1.0), (1.0, 3.0)), (MixUp(alpha=1.0), (1.0, 3.0))],
    ids=["CutMix", "MixUp"],
)
def test_a_step_mixes_labels_and_weights_as_it_mixes_images(
    mix: Any, weights: tuple[float, float], make_source: Make
) -> None:
    """Of black negatives and white positives, the share of white is the share of the positive label."""
    n, slope = 16, 3.0
    config = TrainerConfig(class_weight=weights)
    source = make_source(n)
    source.labels = (np.arange(n) % 2).astype(np.int8)
    labels = source.labels.astype(np.float32)
    source.images = images = np.broadcast_to(labels[:, None, None, None], (n, *SHAPE)).astype(np.float32)
    plan = Imbalance.plan(config, source.labels)
    of_negative, of_positive = plan.weights
    network = logit_model(brightness(slope))
    optimizer = make_optimizer(config, 10)
    optimizer.build(network.trainable_variables)
    key = jax.random.key(5)
    drawn = mix.params(key, n, SHAPE)
    white = np.asarray(mix.apply(drawn, images), np.float64).mean(axis=(1, 2, 3))
    assert np.mean((white > 0.01) & (white < 0.99)) > 0.2, "many are mixed"
    z = slope * white  # the last kernel is not zero, so that the last bias stays where it is
    expected = np.mean(
        of_positive * white * np.logaddexp(0.0, -z) + of_negative * (1.0 - white) * np.logaddexp(0.0, z)
    )
    step = make_train_step(network, optimizer, mix, config, plan, rows=n)
    batch = Batch(
        images,
        labels,
        np.where(labels == 1, of_positive, of_negative).astype(np.float32),
        jax.random.key_data(key),
    )
    loop = Loop(network, None, config, source, None)
    after, loss, _ = step(loop._state, batch)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    # What is minimised is that loss: Adam's first mean is a tenth of its gradient, uncut below a norm of 1.
    residual = of_positive * white * (_sigmoid(z) - 1.0) + of_negative * (1.0 - white) * _sigmoid(z)
    slots = {
        variable.path: value for variable, value in zip(optimizer.variables, after.optimizer, strict=True)
    }
    found = next(value for path, value in slots.items() if path.endswith("kernel_momentum"))
    assert 10.0 * float(np.asarray(found).item()) == pytest.approx(np.mean(residual * white), rel=1e-4)


def _sigmoid(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-z))
