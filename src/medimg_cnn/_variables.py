"""Models whose variables get their values without Keras's initialisers: none, the same ones sooner, or another's.

XLA compiles an initialiser anew for each shape, half a second each. See docs/decisions/0059-initial-weights.md.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from medimg_cnn._keras import keras

global_state = keras.src.backend.common.global_state

__all__ = [
    "blank",
    "drawn",
    "duplicate",
    "leaves",
    "leaves_are_all",
    "load_model",
    "named_weights",
    "reason",
    "settle",
    "unfilled",
    "values_of",
    "weights_by_name",
]

_WAITING = "uninitialized_variables"
_TRUNCATED_DEVIATION = 0.87962566103423978
"""Standard deviation of a standard normal cut at two."""
_DRAWN_AT_ONCE = 2**20
"""Values of one compiled program; JAX's first n values are the same for any n."""


def blank(build: Callable[[], Any]) -> Any:
    """Return the model that ``build`` builds; its variables have shapes and no values, and take no memory."""
    # What was made in such a scope Keras would initialise after all, when the next scope ends.
    waiting = list(global_state.get_global_attribute(_WAITING, []))
    try:
        with keras.StatelessScope(initialize_variables=False):
            return build()
    finally:
        global_state.set_global_attribute(_WAITING, waiting)


def unfilled(build: Callable[[], Any]) -> Any:
    """Return the model that ``build`` builds, blank where its layers allow it; some make variables when called."""
    try:
        return blank(build)
    except ValueError:
        return build()


def drawn(build: Callable[[], Any]) -> Any:
    """Return the model that ``build`` builds, with the weights that Keras would draw, bit for bit."""
    model = blank(build)
    initialisers = dict(_initialisers(model))
    for variable in model.variables:
        initialiser = initialisers.get(id(variable), getattr(variable, "_initializer", None))
        value = values_of(initialiser, tuple(variable.shape))
        variable.assign(variable.value if value is None else value)
    return model


def duplicate(model: Any) -> Any:
    """Return a copy of a model with the values of its variables.

    Raises:
        TypeError, ValueError, NotImplementedError: Keras cannot copy it.
    """
    copy = unfilled(lambda: keras.models.clone_model(model))
    for variable, own in zip(copy.variables, model.variables, strict=True):
        variable.assign(own.value)
    settle(copy)
    return copy


def leaves_are_all(model: Any) -> bool:
    """Whether the networks within a model are nothing but their layers: Keras makes no copies of others layer by layer.

    A class of one's own may call its layers in another way, which Keras would leave out without a word.
    """
    plain = (keras.Sequential, keras.src.models.functional.Functional)
    return all(
        type(layer) in plain and leaves_are_all(layer)
        for layer in model.layers
        if isinstance(layer, keras.Model)
    )


def settle(model: Any) -> None:
    """Let layers compute again what they keep beside their variables, as ``keras.layers.Normalization`` does."""
    for layer in leaves(model):
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def load_model(path: Path) -> Any:
    """Return the model of a ``.keras`` file, uncompiled; code in the file is refused.

    Raises:
        Exception: whatever Keras raises about a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    config["compile_config"] = None
    model = unfilled(lambda: keras.saving.deserialize_keras_object(config, safe_mode=True))
    model.load_weights(path)
    return model


def reason(error: Exception) -> str:
    """Return why Keras could not rebuild a model, without the configurations that it prints."""
    found = str(error).rpartition("Exception encountered: ")[2].partition(" Full object config")[0]
    return f"{type(error).__name__}: {found if len(found) < 500 else found[:500] + '...'}"


def values_of(initialiser: Any, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """Return the float32 values that a Keras initialiser of a number or a seed gives; None for one of another kind."""
    number = _number(initialiser)
    if number is not None:
        return np.full(shape, number, np.float32)
    seed = getattr(initialiser, "seed", None)
    if not isinstance(seed, int):
        return None
    if not jax.config.jax_threefry_partitionable:  # type: ignore[attr-defined] # JAX makes it at import
        return None  # then what is drawn depends on how many are
    if isinstance(initialiser, keras.initializers.VarianceScaling):
        if initialiser.input_axes is not None or initialiser.output_axes is not None:
            return None
        variance = initialiser.scale / max(1.0, _fan(shape, initialiser.mode))
        if initialiser.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return _first(shape, keras.random.uniform, minval=-limit, maxval=limit, seed=seed)
        if initialiser.distribution == "truncated_normal":
            deviation = math.sqrt(variance) / _TRUNCATED_DEVIATION
            return _first(shape, keras.random.truncated_normal, stddev=deviation, seed=seed)
        return _first(shape, keras.random.normal, stddev=math.sqrt(variance), seed=seed)
    if isinstance(initialiser, keras.initializers.TruncatedNormal):
        mean, deviation = initialiser.mean, initialiser.stddev
        return _first(shape, keras.random.truncated_normal, mean=mean, stddev=deviation, seed=seed)
    return None


def leaves(model: Any) -> Iterator[Any]:
    """Yield the layers, those of models inside in the place of these."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from leaves(layer)
        else:
            yield layer


def weights_by_name(model: Any) -> dict[str, Any]:
    """Return "layer/weight" -> weight; Keras's ``path`` names a Sequential around it, a copy's does not."""
    return {name: weight for layer in leaves(model) for name, weight in named_weights(layer)}


def named_weights(layer: Any) -> list[tuple[str, Any]]:
    """Return ("layer/weight", weight) for each weight of a layer."""
    start = f"{layer.name}/"
    return [(start + weight.path.rpartition(start)[2], weight) for weight in layer.weights]


def _initialisers(model: Any) -> Iterator[tuple[int, Any]]:
    for layer in leaves(model):
        for variable in layer.trainable_weights:
            kind = variable.name.removesuffix("kernel").removesuffix("_")  # "", "depthwise" or "pointwise"
            names = [f"{kind}_initializer"] if kind else ["kernel_initializer", "depthwise_initializer"]
            found = [getattr(layer, name) for name in names if getattr(layer, name, None) is not None]
            if found:
                yield id(variable), found[0]


def _first(shape: tuple[int, ...], draw: Callable[..., Any], **options: Any) -> NDArray[np.float32]:
    """Return the first of many values, so that all shapes share one compiled program."""
    size = math.prod(shape)
    many = max(_DRAWN_AT_ONCE, 1 << (size - 1).bit_length())
    return np.asarray(draw((many,), dtype="float32", **options))[:size].reshape(shape)


def _number(initialiser: Any) -> float | None:
    """Return what a constant initialiser fills with; None for one of another kind."""
    kinds = {keras.initializers.Zeros: 0.0, keras.initializers.Ones: 1.0}
    if type(initialiser) is keras.initializers.Constant and isinstance(initialiser.value, (int, float)):
        return float(initialiser.value)
    return kinds.get(type(initialiser))


def _fan(shape: tuple[int, ...], mode: str) -> float:
    """Return the fan of a kernel (..., in, out), as Keras counts it."""
    if len(shape) < 2:
        return float(math.prod(shape))
    field = math.prod(shape[:-2])
    fan_in, fan_out = float(field * shape[-2]), float(field * shape[-1])
    return {"fan_in": fan_in, "fan_out": fan_out}.get(mode, (fan_in + fan_out) / 2.0)
