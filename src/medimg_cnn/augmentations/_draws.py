"""Words for what was not drawn, or was drawn for another augmentation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import jax
import numpy as np

from medimg_cnn._validation import explain
from medimg_cnn.augmentations._checks import check_key
from medimg_cnn.errors import ArgumentError

__all__ = ["told"]


def told(cls: type) -> None:
    """Have the class's own ``params`` check its key, and what takes params say whose draws it was given."""
    for name, wrapped in {
        "params": _with_key,
        "apply": _with_draws,
        "apply_masks": _with_draws,
        "apply_labels": _with_draws,
    }.items():
        if callable(method := vars(cls).get(name)):
            setattr(cls, name, wrapped(method))


def _with_key(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def draw(self: Any, key: Any, *rest: Any, **named: Any) -> Any:
        return method(self, check_key("key", key), *rest, **named)

    return draw


def _with_draws(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def apply(self: Any, *given: Any, **named: Any) -> Any:
        try:
            return method(self, *given, **named)
        except (KeyError, StopIteration, AttributeError, TypeError) as error:
            # Looked at only now: to know the names costs a trace of ``params``.
            params, batch = list(inspect.signature(method).bind(self, *given, **named).arguments.values())[
                1:3
            ]
            _check_names(self, params, np.shape(batch), error)
            raise

    return apply


def _check_names(augmentation: Any, params: Any, shape: tuple[int, ...], error: Exception) -> None:
    image_shape = shape[1:] if len(shape) == 4 else (8, 8, 3)
    wanted = list(jax.eval_shape(lambda: augmentation.params(jax.random.key(0), 1, image_shape)))
    found = list(params) if isinstance(params, Mapping) else None
    if found is None or not set(wanted) <= set(found):
        rule = f"must hold {', '.join(map(repr, wanted))}, as drawn by {type(augmentation).__name__}"
        step = "Draw with params(key, n, image_shape) of the same augmentation."
        raise ArgumentError(
            explain("params", rule, type(params).__name__ if found is None else found, step)
        ) from error
