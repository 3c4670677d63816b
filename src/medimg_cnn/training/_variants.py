"""The same network with faster layers, at another precision or another image size; the weights are the same arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from medimg_cnn._keras import keras
from medimg_cnn._variables import leaves, leaves_are_all, unfilled
from medimg_cnn.errors import ArgumentError
from medimg_cnn.models._convolution import FastConv2D
from medimg_cnn.models._max_pool import FastMaxPooling2D
from medimg_cnn.training._config import Precision

__all__ = ["altered", "check_copies", "check_start", "faster", "half_size", "variant"]

_SMALLEST = 8
_KNOWN = ("keras.", "medimg_cnn.")
"""Packages whose layers are wholly described by their configuration and weights."""


def faster(model: Any, *, training: bool) -> Any:
    """Return a network that gives the same but for rounding, sooner, on the same weights in order.

    On a CPU, where they are faster, our own convolution and our own gradient of max pooling stand in for Keras's. Where
    nothing is to be replaced, or a layer may not be built again as it is, the model itself is returned. So it is with a
    layer of the user's own when predicting, since it may keep what ``get_config`` does not say; training refuses those.
    """
    if jax.default_backend() != "cpu" or not leaves_are_all(model):
        return model
    if not training and not all(type(layer).__module__.startswith(_KNOWN) for layer in _layers(model)):
        return model

    def kind(layer: Any) -> Any:
        if training and FastMaxPooling2D.fits(layer):
            return FastMaxPooling2D
        return FastConv2D if FastConv2D.fits(layer, training=training) else type(layer)

    if all(kind(layer) is type(layer) for layer in _layers(model)):
        return model

    def copied(layer: Any) -> Any:
        return kind(layer).from_config(layer.get_config())

    try:
        found = unfilled(lambda: keras.models.clone_model(model, clone_function=copied, recursive=True))
        if _signature(found) != _signature(model) or altered(found, model) is not None:
            return model
        _settle(found, model)
    except Exception:  # noqa: BLE001 - a user's layer may raise anything; the model as it is will do
        return model
    return found


def altered(copy: Any, model: Any) -> str | None:
    """Return the first setting of a layer of the user's own that its copy has otherwise, or None.

    Keras copies a layer by its ``get_config``; what was set later and is not in it would be lost. Numbers, words,
    arrays and lists of them are compared.
    """
    common = vars(keras.layers.Layer()).keys()
    for own, layer in zip(leaves(copy), leaves(model), strict=True):
        for mine, its in zip(own._flatten_layers(), layer._flatten_layers(), strict=False):  # noqa: SLF001 - itself and those inside
            if type(its).__module__.startswith("keras."):
                continue
            for name, value in vars(its).items():
                if name not in common and _plain(value) and not _equal(vars(mine).get(name), value):
                    return f"{layer.name}.{name}"
    return None


def _plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    return value is None or isinstance(value, (bool, int, float, str, np.ndarray, jax.Array))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(other, (np.ndarray, jax.Array)):
        return isinstance(one, (np.ndarray, jax.Array)) and np.array_equal(one, other)
    if isinstance(other, (list, tuple)):
        return isinstance(one, (list, tuple)) and len(one) == len(other) and all(map(_equal, one, other))
    return repr(one) == repr(other)  # so that NaN is NaN


def _settle(found: Any, model: Any) -> None:
    """Give layers with a state beside their weights (``keras.layers.Normalization``) that of the model's."""
    for own, layer in zip(leaves(found), leaves(model), strict=True):
        if hasattr(layer, "finalize_state"):
            for variable, value in zip(own.variables, layer.variables, strict=True):
                variable.assign(value.value)
            own.finalize_state()


def _layers(model: Any) -> list[Any]:
    return [
        inner
        for layer in model.layers
        for inner in (_layers(layer) if isinstance(layer, keras.Model) else [layer])
    ]


def _signature(model: Any) -> list[Any]:
    return [(variable.shape, variable.dtype) for variable in model.variables]


def half_size(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return the shape (height, width, channels) of images of half the size, rounded up."""
    height, width, channels = shape
    return -(-height // 2), -(-width // 2), channels


def variant(model: Any, *, precision: Precision = "float32", half: bool = False) -> Any:
    """Return a network that computes with ``model``'s weights, in their order, at another precision or half the size.

    float32 is the precision that the model was built with. In the others, its float32 layers compute in 16 bits from
    float32 weights; the layer "logit" stays as it is, and Keras's norms compute in float32 inside.

    Raises:
        ArgumentError: the weights depend on the size of the images, or a layer cannot be built again.
    """
    if precision == "float32" and not half:
        return model
    argument = "progressive" if half else "precision"
    if not leaves_are_all(model):
        raise ArgumentError(
            f"{argument}: the networks within the model must be of Keras's own classes, since a call of your own "
            f"is not copied with the layers. Make such a class a keras.layers.Layer, or pass {_off(argument)}."
        )
    shape = half_size(model.input_shape[1:]) if half else tuple(model.input_shape[1:])
    if min(shape[:2]) < _SMALLEST:
        raise ArgumentError(
            f"progressive: half-size images must have {_SMALLEST} pixels a side or more; these have {shape[0]} x "
            f"{shape[1]}. Load larger images, or pass progressive=0."
        )

    def copied(layer: Any) -> Any:
        config = layer.get_config()
        if precision != "float32" and layer.name != "logit" and _policy(layer) == "float32":
            config["dtype"] = f"mixed_{precision}"
        return type(layer).from_config(config)

    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if half and isinstance(layer, keras.layers.Reshape):
            before = model.get_layer(layer.name)
            target = _target(before.input.shape[1:], args[0].shape[1:], before.output.shape[1:])
            layer = keras.layers.Reshape(target, name=layer.name, dtype=layer.dtype_policy)
        if half and layer.name == "pad_to_patches":  # of models/_blocks.py
            patch = model.get_layer("patches").target_shape[1]
            missing = (-size % patch for size in args[0].shape[1:3])
            layer = keras.layers.ZeroPadding2D([(m // 2, m - m // 2) for m in missing], name=layer.name)
        return layer(*args, **kwargs)

    try:
        found = unfilled(
            lambda: keras.models.clone_model(
                model,
                input_tensors=keras.Input(shape),
                clone_function=copied,
                call_function=called,
                recursive=True,
            )
        )
    except Exception as error:
        raise ArgumentError(
            f"{argument}: the model must be made of layers that can be built again; building it failed "
            f"({type(error).__name__}: {str(error)[:200]}). Pass {_off(argument)}."
        ) from error
    if _signature(found) != _signature(model):
        raise ArgumentError(
            f"{argument}: the model's weights must not depend on the size of the images; those of {model.name!r} do (a "
            f"dense layer over all pixels, as in the architecture 'cnn'). Take another architecture, for example "
            f"'medcnn-s', or pass {_off(argument)}."
        )
    _settle(found, model)
    return found


def _off(argument: str) -> str:
    return "progressive=0" if argument == "progressive" else "precision='float32'"


def _policy(layer: Any) -> str:
    return str(getattr(layer.dtype_policy, "name", ""))


def _target(old: Sequence[int], new: Sequence[int], target: Sequence[int]) -> list[int]:
    """Return where a reshape of (old -> target) is to lead for ``new``.

    Each axis of ``old`` becomes some neighbouring axes of ``target``, or some become one; the first of a group takes
    the change, so that patches keep their size.

    Raises:
        ValueError: the new size cannot be divided so.
    """
    found: list[int] = []
    sources, targets = list(old), list(target)
    news = list(new)
    while sources:
        if not targets:  # axes of length 1 are left, as of grey images
            found[-1] *= math.prod(news)
            break
        before, after, group = sources.pop(0), news.pop(0), [targets.pop(0)]
        while before != math.prod(group):
            if before < math.prod(group):
                before, after = before * sources.pop(0), after * news.pop(0)
            else:
                group.append(targets.pop(0))
        if after % math.prod(group[1:]):
            raise ValueError(f"{after} pixels cannot be divided into patches of {math.prod(group[1:])}")
        found += [after // math.prod(group[1:]), *group[1:]]
    return found + targets


def check_copies(model: Any) -> None:
    """See before the training that the kept weights can be put into a copy of the model after it.

    Raises:
        ArgumentError: they cannot; the message names what stands in the way.
    """
    try:
        copy = unfilled(lambda: keras.models.clone_model(model))
        lost = altered(copy, model)
    except Exception as error:
        raise ArgumentError(
            f"model: Keras must be able to copy it (each layer of your own needs get_config); copying failed "
            f"({type(error).__name__}: {str(error)[:200]})."
        ) from error
    if lost is not None:
        raise ArgumentError(
            f"model: Keras must be able to copy it as it is; {lost!r} was set after the layer was made and is not in "
            "its get_config. Put it there."
        )


def check_start(model: Any) -> None:
    """See that no weight is infinite or NaN before the first step.

    Raises:
        ArgumentError: one is; the message names it.
    """
    for variable in model.variables:
        value = np.asarray(variable.value)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ArgumentError(
                f"model: its weights must be finite before the first step; {np.sum(~np.isfinite(value))} of the "
                f"{value.size} values of {variable.path!r} are infinite or NaN. Build it anew, or load other weights."
            )
