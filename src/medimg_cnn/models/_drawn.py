"""Initial weights drawn by NumPy; for what Keras draws, XLA compiles once a shape, a minute for a large network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from medimg_cnn._keras import keras

global_state = keras.src.backend.common.global_state

__all__ = ["blank", "drawn", "leaves", "values_of"]

_WAITING = "uninitialized_variables"
_TRUNCATED_DEVIATION = 0.87962566103423978
"""Standard deviation of a standard normal cut at two."""


def blank(build: Callable[[], Any]) -> Any:
    """Return the model that ``build`` builds; its variables have shapes and no values, and take no memory."""
    # What was made in such a scope Keras would initialise after all, when the next scope ends.
    waiting = list(global_state.get_global_attribute(_WAITING, []))
    try:
        with keras.StatelessScope(initialize_variables=False):
            return build()
    finally:
        global_state.set_global_attribute(_WAITING, waiting)


def drawn(build: Callable[[], Any]) -> Any:
    """Return the model that ``build`` builds, each weight drawn as its initialiser and that one's seed say."""
    model = blank(build)
    initialisers = dict(_initialisers(model))
    for variable in model.variables:
        initialiser = initialisers.get(id(variable))
        value = None if initialiser is None else values_of(initialiser, tuple(variable.shape))
        variable.assign(variable.value if value is None else value)
    return model


def values_of(initialiser: Any, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """Draw from the distribution of a Keras initialiser of whole-number seed; None where it is of another kind."""
    seed = getattr(initialiser, "seed", None)
    if not isinstance(seed, int):
        return None
    rng = np.random.default_rng(seed)
    if isinstance(initialiser, keras.initializers.VarianceScaling):
        variance = initialiser.scale / max(1.0, _fan(shape, initialiser.mode))
        if initialiser.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return rng.uniform(-limit, limit, shape).astype(np.float32)
        if initialiser.distribution == "truncated_normal":
            return _truncated(rng, math.sqrt(variance) / _TRUNCATED_DEVIATION, shape)
        return (math.sqrt(variance) * rng.standard_normal(shape)).astype(np.float32)
    if isinstance(initialiser, keras.initializers.TruncatedNormal) and initialiser.mean == 0.0:
        return _truncated(rng, initialiser.stddev, shape)
    return None


def leaves(model: Any) -> Iterator[Any]:
    """Yield the layers, those of models inside in the place of these."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from leaves(layer)
        else:
            yield layer


def _initialisers(model: Any) -> Iterator[tuple[int, Any]]:
    for layer in leaves(model):
        for variable in layer.trainable_weights:
            kind = variable.name.removesuffix("kernel").removesuffix("_")  # "", "depthwise" or "pointwise"
            names = [f"{kind}_initializer"] if kind else ["kernel_initializer", "depthwise_initializer"]
            found = [getattr(layer, name) for name in names if getattr(layer, name, None) is not None]
            if found:
                yield id(variable), found[0]


def _truncated(rng: np.random.Generator, deviation: float, shape: tuple[int, ...]) -> NDArray[np.float32]:
    low, high = ndtr(-2.0), ndtr(2.0)
    return np.asarray(deviation * ndtri(rng.uniform(low, high, shape)), dtype=np.float32)


def _fan(shape: tuple[int, ...], mode: str) -> float:
    """Return the fan of a kernel (..., in, out), as Keras counts it."""
    if len(shape) < 2:
        return float(math.prod(shape))
    field = math.prod(shape[:-2])
    fan_in, fan_out = float(field * shape[-2]), float(field * shape[-1])
    return {"fan_in": fan_in, "fan_out": fan_out}.get(mode, (fan_in + fan_out) / 2.0)
