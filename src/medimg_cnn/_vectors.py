"""Columns of numbers and labels, checked once and in one wording; NumPy alone."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medimg_cnn._types import BoolVector, FloatVector
from medimg_cnn._validation import explain, suggest
from medimg_cnn.errors import ArgumentError

__all__ = ["Missing", "as_labels", "as_vector", "raw_vector", "same_length"]

Missing: TypeAlias = Literal["raise", "drop"]
"""What to do with a case without a score."""


def as_labels(name: str, y: ArrayLike, *, positive: object = None) -> BoolVector:
    """Return outcomes as booleans, True for the positive class.

    Raises:
        ArgumentError: a value is missing; without ``positive``, a value is neither 0, 1 nor a boolean;
            with it, there are more than two classes or none of the two is ``positive``.
    """
    array = raw_vector(name, y)
    if array.dtype.kind == "O":
        array = _unboxed(name, array)
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ArgumentError(f"{name}: must have no missing outcome; got {int(np.isnan(array).sum())}.")
    text = array.dtype.kind in "US"
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    if positive is None:
        if text:
            raise ArgumentError(
                explain(
                    name,
                    "texts do not say which class is positive",
                    np.unique(array)[:5].tolist(),
                    "Pass positive=, the name of the class that has the condition.",
                )
            )
        if array.dtype.kind not in "biuf" or not ((array == 0) | (array == 1)).all():
            raise ArgumentError(
                explain(
                    name,
                    "every outcome must be 0 or 1, or a boolean",
                    np.unique(array)[:5].tolist(),
                    "Pass positive= to say which value has the condition.",
                )
            )
        return np.asarray(array == 1, dtype=np.bool_)
    found = np.unique(array).tolist()
    if isinstance(positive, str) != text or len(found) > 2:
        raise ArgumentError(
            explain(name, f"must have two classes, one of them {positive!r} (positive)", found[:5])
        )
    if len(found) == 2 and positive not in found:
        hint = suggest(str(positive), [str(item) for item in found])
        raise ArgumentError(explain("positive", "must be one of the two classes", positive, hint))
    return np.asarray(array == positive, dtype=np.bool_)


def as_vector(name: str, values: ArrayLike) -> FloatVector:
    """Return numbers as (n,) float64; a column (n, 1) is taken as a vector.

    Raises:
        ArgumentError: a value is not a real number, more dimensions, or no value.
    """
    array = raw_vector(name, values)
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ArgumentError(explain(name, "must be numbers", array[:3].tolist())) from error
    if array.dtype.kind not in "biuf":
        raise ArgumentError(explain(name, "must be real numbers", f"dtype {array.dtype}"))
    return array.astype(np.float64)


def raw_vector(name: str, values: object) -> NDArray[Any]:
    """Return values of any kind as (n,); a column (n, 1) is taken as a vector.

    Raises:
        ArgumentError: more dimensions, or no value.
    """
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        step = f"Pass the column of the positive class, {name}[:, 1]." if array.ndim == 2 else ""
        raise ArgumentError(explain(name, "must be a vector", f"shape {array.shape}", step))
    if array.size == 0:
        raise ArgumentError(f"{name}: must hold at least one value; got none.")
    return array


def same_length(**vectors: NDArray[Any]) -> None:
    """Raise ArgumentError unless all vectors have one length."""
    sizes = {name: int(vector.size) for name, vector in vectors.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise ArgumentError(f"{', '.join(sizes)}: must have the same length; {listed}.")


def _unboxed(name: str, array: NDArray[Any]) -> NDArray[Any]:
    items = array.tolist()
    if all(isinstance(item, str) for item in items):
        return array.astype(np.str_)
    if all(isinstance(item, (bool, int, float, np.bool_, np.number)) for item in items):
        return array.astype(np.float64)
    raise ArgumentError(
        explain(name, "must be all texts or all numbers, none of them missing", sorted(map(repr, items))[:5])
    )
