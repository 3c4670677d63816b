"""The compiled part of training: one jitted function per step, one per batch of predictions.

The loop works on lists of arrays taken out of the Keras model and puts them back at the end, so that
a step is a pure function: weights, optimizer, dropout state and key in; the same out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from medimg_cnn._backend import inference_options
from medimg_cnn._keras import keras
from medimg_cnn.augmentations._checks import check_changed
from medimg_cnn.errors import ArgumentError
from medimg_cnn.training._config import TrainerConfig
from medimg_cnn.training._devices import Devices
from medimg_cnn.training._imbalance import Imbalance
from medimg_cnn.training._scaling import finite, next_scale
from medimg_cnn.training._variants import faster

__all__ = [
    "Batch",
    "LogitFunction",
    "TrainState",
    "TrainStep",
    "logit_model",
    "make_logit_function",
    "make_optimizer",
    "make_train_step",
]

Arrays: TypeAlias = list[jax.Array]
HostArray: TypeAlias = jax.Array | NDArray[Any]
LogitFunction: TypeAlias = Callable[[Arrays, Arrays, HostArray], jax.Array]
TrainStep: TypeAlias = Callable[["TrainState", "Batch"], tuple["TrainState", jax.Array, jax.Array]]


class Batch(NamedTuple):
    """What a step is given: b images and, beyond them, what fills them up to a multiple of the devices' number.

    ``images`` are (b, h, w, c) float32 in 0 to 1, or as ``Split.read_stored`` gives them; ``labels`` and ``weights``
    (b,) float32, a weight of 0 leaves an image out; ``key`` is the data of a random key; ``asked`` (b,) float32 or
    None is the signal, if any, that asked each row's process to stop. ``mixed_weights`` (b,) float32 or None are what
    images weigh where they are mixed into others: not 0 for those left out, whose labels must come along.
    """

    images: Any
    labels: Any
    weights: Any
    key: Any
    asked: Any = None
    mixed_weights: Any = None


class TrainState(NamedTuple):
    """All that changes from step to step.

    ``weights``, ``other`` (running means, dropout seeds) and ``optimizer`` are in the order of the
    model's and the optimizer's variables; ``average`` and ``average_other`` are the moving averages of
    ``weights`` and of the running means, which belong together; ``scaling`` is the loss scale and the steps since it
    changed, or empty.
    """

    weights: Arrays
    other: Arrays
    optimizer: Arrays
    average: Arrays
    average_other: Arrays
    scaling: Arrays
    step: jax.Array


def logit_model(model: Any) -> Any:
    """Return the part of the model up to its logit, sharing the weights.

    Raises:
        ArgumentError: the model was not built on an input, or has no layer named "logit" with one output unit.
    """
    if not isinstance(model, keras.Model):
        raise ArgumentError(
            f"model: must be a keras.Model; got {type(model).__name__}. Pass what build_cnn returned."
        )
    try:
        output, image = model.get_layer("logit").output, model.input
    except ValueError as error:
        raise ArgumentError(
            'model: must have a layer named "logit" (one unit, no activation) before the sigmoid, because the loss '
            'is computed from logits; got none. End your model with keras.layers.Dense(1, name="logit") and '
            'keras.layers.Activation("sigmoid").'
        ) from error
    except AttributeError as error:  # so says Keras of what was never called
        raise ArgumentError(
            "model: must know the shape of its images, as a network that was built on an input does; got "
            f"{type(model).__name__} {model.name!r}, which was not. Begin it with keras.Input(data.image_shape)."
        ) from error
    if output.shape[1:] != (1,):
        raise ArgumentError(f'model: its layer "logit" must give (batch, 1); got {output.shape}.')
    return keras.Model(image, output, name=f"{model.name}_logit")


def in_unit_range(images: jax.Array, channels: int) -> jax.Array:
    """Return images as (b, h, w, channels) float32 in 0 to 1, from these or from integers and one channel."""
    if jnp.issubdtype(images.dtype, jnp.integer):
        images = images.astype(jnp.float32) / np.float32(np.iinfo(images.dtype).max)
    return jnp.broadcast_to(images, (*images.shape[:3], channels))


def make_optimizer(config: TrainerConfig, steps: int, variables: Sequence[Any] = ()) -> Any:
    """Return AdamW with a linear warm-up and a cosine decay over ``steps`` steps.

    Of the ``variables`` that it will train, those with fewer than two axes do not decay: biases, norms, scales.
    """
    warm_up = max(1, min(200, steps // 10))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.learning_rate / 20,
        decay_steps=max(1, steps - warm_up),
        alpha=0.01,
        warmup_target=config.learning_rate,
        warmup_steps=warm_up,
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=config.weight_decay, global_clipnorm=config.clip_norm
    )
    vectors = [variable for variable in variables if len(variable.shape) < 2]
    # The names are for norms over several axes.
    optimizer.exclude_from_weight_decay(var_list=vectors, var_names=["bias", "gamma", "beta"])
    return optimizer


def make_train_step(
    model: Any,
    optimizer: Any,
    augment: Any,
    config: TrainerConfig,
    imbalance: Imbalance,
    *,
    rows: int,
    devices: Devices | None = None,
) -> TrainStep:
    """Compile ``step(state, batch) -> (state, loss, asked)`` for batches of ``rows`` images.

    Where the model takes smaller images than the batch's, they are resized. The loss returned is the mean over
    the images that count of weight times binary cross-entropy, or the focal loss (Lin et al. 2017,
    arXiv:1708.02002), in nats; what is minimised is that mean over all rows. ``asked`` is the largest in the batch.
    """
    devices = devices or Devices(1)
    height, width, channels = model.input_shape[1:]

    def loss_of(
        weights: Arrays,
        other: Arrays,
        x: jax.Array,
        loss_weights: tuple[jax.Array, jax.Array],
        scaling: Arrays,
    ) -> tuple[jax.Array, tuple[jax.Array, Arrays]]:
        logit, other = model.stateless_call(weights, other, x, training=True)
        logit, (weight, weight_of_positive) = logit[:, 0], loss_weights
        if imbalance.offset:
            logit = logit + imbalance.offset
        if imbalance.gamma is not None:
            # softplus(z) is -log(1 - p), so that its exponential is a power of 1 - p.
            against, for_ = jax.nn.softplus(logit), jax.nn.softplus(-logit)
            losses = weight_of_positive * jnp.exp(-imbalance.gamma * against) * for_
            losses += (weight - weight_of_positive) * jnp.exp(-imbalance.gamma * for_) * against
        else:
            # Weight * cross-entropy, where weight * label is mixed along with the images.
            losses = weight * jax.nn.softplus(logit) - weight_of_positive * logit
        # The mean over all rows: divided by its own weights a batch would undo them, and divided by the images that
        # count in it, the last and shorter batch of an epoch would move the weights as far as a whole one.
        loss = jnp.mean(losses)
        return (loss * scaling[0] if scaling else loss), (loss, other)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, jax.Array, jax.Array]:
        # The filling is cut off here, so that what follows is the same on any number of devices.
        images, labels, weight = (jnp.asarray(values)[:rows] for values in batch[:3])
        counted = jnp.sum(weight > 0)
        target = labels * (1.0 - 2.0 * config.label_smoothing) + config.label_smoothing
        weight_of_positive = weight * target
        x = in_unit_range(images, channels)
        if x.shape[1:3] != (height, width):
            x = jax.image.resize(x, (rows, height, width, channels), "linear", antialias=True)
        if augment is not None:
            drawn = augment.params(jax.random.wrap_key_data(batch.key), rows, x.shape[1:])
            x = check_changed(augment, augment.apply(drawn, x), x)
            taught = weight > 0
            if batch.mixed_weights is not None:
                weight = jnp.asarray(batch.mixed_weights)[:rows]
            weight, weight_of_positive = (
                jnp.where(taught, augment.apply_labels(drawn, values), 0.0)
                for values in (weight, weight * target)
            )
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (_, (loss, other)), grads = gradient(
            state.weights, state.other, x, (weight, weight_of_positive), state.scaling
        )
        if state.scaling:
            grads = [value / state.scaling[0] for value in grads]
        weights, slots = optimizer.stateless_apply(state.optimizer, grads, state.weights)
        # The average starts short and grows to its full length, so that the first epochs count.
        decay = jnp.minimum(config.average, (1.0 + state.step) / (10.0 + state.step))
        if config.average == 0.0:
            decay = jnp.zeros_like(decay)
        average = [decay * a + (1.0 - decay) * w for a, w in zip(state.average, weights, strict=True)]
        average_other = [
            decay * a + (1.0 - decay) * o if jnp.issubdtype(o.dtype, jnp.floating) else o
            for a, o in zip(state.average_other, other, strict=True)
        ]
        after = TrainState(
            list(weights), list(other), list(slots), average, average_other, state.scaling, state.step + 1.0
        )
        if state.scaling:
            taken = finite(grads, state.scaling[0])
            after = jax.tree.map(lambda new, old: jnp.where(taken, new, old), after, state)
            after = after._replace(scaling=next_scale(state.scaling, taken))
        asked = jnp.zeros(()) if batch.asked is None else jnp.max(batch.asked)
        return after, loss * (rows / counted), asked

    compiled: TrainStep = devices.compile(step, donate_argnums=0)
    return compiled


def make_logit_function(model: Any, devices: Devices | None = None) -> LogitFunction:
    """Compile ``logits(weights, other, images) -> (b,)`` float32, in inference mode."""

    # When it is first called, so that the first step of training does not wait; anew where layers were frozen since.
    @cache
    def compiled(trained: tuple[bool, ...]) -> LogitFunction:
        del trained  # ``faster`` looks itself
        network = faster(model, training=False)

        def logits(weights: Arrays, other: Arrays, images: HostArray) -> jax.Array:
            x = in_unit_range(jnp.asarray(images), network.input_shape[-1])
            output, _ = network.stateless_call(weights, other, x, training=False)
            logit: jax.Array = output[:, 0]
            return logit

        function: LogitFunction = (jax.jit if devices is None else devices.compile)(
            logits, compiler_options=inference_options()
        )
        return function

    def call(weights: Arrays, other: Arrays, images: HostArray) -> jax.Array:
        return compiled(tuple(variable.trainable for variable in model.variables))(weights, other, images)

    return call
