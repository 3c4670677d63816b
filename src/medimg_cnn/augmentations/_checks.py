"""Checks of what goes into an augmentation. Shapes and dtypes only: they cost nothing under ``jax.jit``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from medimg_cnn._validation import check_integer, explain
from medimg_cnn.errors import ArgumentError

__all__ = [
    "check_changed",
    "check_drawn",
    "check_images",
    "check_key",
    "check_labels",
    "check_masks",
    "check_moved_masks",
    "check_range",
    "check_result",
    "check_rows",
    "check_shape",
]

_ROUNDING = 0.01


def check_key(argument: str, key: Any) -> jax.Array:
    """Return a JAX random key, typed or raw, as it is."""
    if hasattr(key, "dtype") and (
        (jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ())
        or (key.dtype == jnp.uint32 and key.shape == (2,))
    ):
        return jnp.asarray(key) if isinstance(key, np.ndarray) else key
    raise ArgumentError(
        explain(argument, "must be one JAX random key", key, "Pass for example jax.random.key(0).")
    )


def check_images(argument: str, images: Any) -> jax.Array:
    """Return images as a JAX array if they are float32 (n, height, width, channels)."""
    shape, dtype = getattr(images, "shape", None), getattr(images, "dtype", None)
    if shape is None or len(shape) != 4 or 0 in shape[1:]:
        raise ArgumentError(
            explain(
                argument,
                "must be an array of shape (n, height, width, channels)",
                type(images).__name__ if shape is None else f"shape {tuple(shape)}",
                _step_to_images(argument, images, shape),
            )
        )
    if shape[1] in (1, 3) and shape[3] not in (1, 3) and shape[2] > 4:
        raise ArgumentError(
            explain(
                argument,
                "must have the channels last: (n, height, width, channels)",
                f"shape {tuple(shape)}",
                "Move the axis: numpy.moveaxis(images, 1, -1).",
            )
        )
    if dtype != np.float32:
        raise ArgumentError(
            explain(
                argument,
                "must be float32, from 0 to 1",
                f"dtype {dtype}",
                'Divide integers by their largest value, then convert: (images / 255).astype("float32").',
            )
        )
    return images if isinstance(images, jax.Array) else jnp.asarray(images)


def _step_to_images(argument: str, images: Any, shape: tuple[int, ...] | None) -> str:
    if shape is not None:
        if len(shape) == 2:
            return f"Add the missing axes of one grey image: {argument}[None, ..., None]."
        if len(shape) == 3 and shape[-1] in (1, 3):
            return f"Add the missing axis of one image: {argument}[None]."
        return f"Add the missing axis of grey images: {argument}[..., None]." if len(shape) == 3 else ""
    # A Split and a Dataset are known by what they have: this package does not import the one that defines them.
    if hasattr(images, "read") and hasattr(images, "n"):
        return "Read the part's images: data.test.read(range(data.test.n))."
    if hasattr(images, "train") and hasattr(images, "test"):
        return "Name a part of the dataset: data.train" + (
            "." if argument == "data" else ", and read its images: data.train.read(range(data.train.n))."
        )
    return "Pass an array of NumPy or JAX."


def check_rows(params: Any, n: int) -> None:
    """Refuse what was drawn for another number of images: JAX would repeat one row, or one image."""
    if not isinstance(params, Mapping):
        step = "Draw them with params(key, n, image_shape)."
        raise ArgumentError(explain("params", "must hold what was drawn, by name", params, step))
    for name, value in params.items():
        if np.shape(value)[:1] != (n,):
            raise ArgumentError(
                explain(
                    "params",
                    f"must have one row for each of the {n} images",
                    f"{name!r} of shape {np.shape(value)}",
                    "Draw for as many images, or take their rows of every array.",
                )
            )


def check_drawn(params: Any, images: Any) -> jax.Array:
    """Return images as a JAX array if they are ``check_images``'s and ``params`` were drawn for as many."""
    array = check_images("images", images)
    check_rows(params, array.shape[0])
    return array


def check_masks(params: Any, masks: Any) -> Any:
    """Return masks as they are if they are (n, height, width, channels) and ``params`` were drawn for as many."""
    shape = getattr(masks, "shape", None)
    if shape is None or len(shape) != 4:
        raise ArgumentError(
            explain(
                "masks",
                "must be an array of shape (n, height, width, channels)",
                type(masks).__name__ if shape is None else f"shape {tuple(shape)}",
                "Add the missing axis, for example masks[..., None].",
            )
        )
    check_rows(params, shape[0])
    return masks


def check_moved_masks(masks: Any) -> jax.Array:
    """Return masks as a JAX array if it holds their values: JAX counts in 32 bits unless told otherwise."""
    if isinstance(masks, jax.Array):
        return masks
    given = np.asarray(masks)
    try:
        with np.errstate(over="ignore"):  # seen below
            array = jnp.asarray(given)
    except TypeError as error:
        raise ArgumentError(
            explain(
                "masks",
                "must hold booleans, integers or floats to be moved",
                f"dtype {given.dtype}",
                'Number the classes: masks.astype("uint8").',
            )
        ) from error
    if array.dtype != given.dtype and not np.array_equal(array, given, equal_nan=True):
        step = (
            "Round them before: masks.astype('float32')."
            if given.dtype.kind == "f"
            else "Number the classes anew, from 0 on."
        )
        raise ArgumentError(
            explain(
                "masks",
                f"must hold values that {array.dtype}, in which JAX moves them, holds too",
                f"dtype {given.dtype}, {given.min():g} to {given.max():g}",
                f'{step} Or call jax.config.update("jax_enable_x64", True) first.',
            )
        )
    return array


def check_range(argument: str, images: jax.Array) -> jax.Array:
    """Return images if all are finite and none lies far out of 0 to 1; within ``jax.jit`` none is known."""
    found = _out_of_range(images)
    if not found:
        return images
    if "NaN" in found:
        step = "Replace NaN and infinity before, for example by numpy.nan_to_num."
    elif found.startswith("-"):
        step = "Map the images' own range there: (images - low) / (high - low)."
    else:
        step = "Divide by the largest value that the images' type can hold, for example images / 255."
    raise ArgumentError(explain(argument, "must be finite and from 0 to 1", found, step))


def check_changed(augmentation: Any, changed: Any, images: jax.Array, *, source: str = "") -> jax.Array:
    """Return what the augmentation made of images if it has their shape and is floating."""
    source = source or f"{type(augmentation).__name__}.apply"
    shape, dtype = getattr(changed, "shape", None), getattr(changed, "dtype", np.object_)
    if shape != images.shape:
        found = type(changed).__name__ if shape is None else f"shape {tuple(shape)}"
        raise ArgumentError(explain(source, f"must return images of the same shape {images.shape}", found))
    if not jnp.issubdtype(dtype, jnp.floating):
        step = "Images are from 0 to 1, not 0 to 255: leave out the conversion, or divide."
        raise ArgumentError(explain(source, "must return floating numbers", f"dtype {dtype}", step))
    result: jax.Array = changed
    return result


def check_result(augmentation: Any, images: jax.Array) -> jax.Array:
    """Return what the augmentation gave if it is finite and from 0 to 1; within ``jax.jit`` that is not known."""
    found = _out_of_range(images)
    if found:
        source, rule = (
            f"{type(augmentation).__name__}.apply",
            "must return images that are finite and from 0 to 1",
        )
        step = "A function or class of your own must keep the range: jax.numpy.clip(image, 0, 1); and not divide by 0."
        raise ArgumentError(explain(source, rule, found, step))
    return images


def _out_of_range(images: jax.Array) -> str:
    """Say what is not finite or lies far out of 0 to 1; nothing where all is well or not known."""
    if isinstance(images, jax.core.Tracer) or images.size == 0:
        return ""
    values = np.asarray(images)  # JAX's own min and max may pass over NaN
    least, largest = float(values.min()), float(values.max())
    if least >= -_ROUNDING and largest <= 1.0 + _ROUNDING:
        return ""
    wrong = ~np.isfinite(values)
    if wrong.any():
        return f"{int(wrong.sum())} of {wrong.size} values NaN or infinite"
    return f"{least:g} to {largest:g}"


def check_labels(argument: str, labels: Any, images: jax.Array) -> jax.Array:
    """Return labels as a JAX array if they are floating, from 0 to 1, and have one row an image."""
    array: Any = labels if isinstance(labels, jax.Array) else np.asarray(labels)
    n = images.shape[0]
    if array.ndim < 1 or array.shape[0] != n:
        step = "Pass the labels of these images." if array.ndim else ""
        raise ArgumentError(
            explain(argument, f"must have one row for each of the {n} images", f"shape {array.shape}", step)
        )
    if not jnp.issubdtype(array.dtype, jnp.floating):
        numbers = np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_
        step = 'Convert with labels.astype("float32"): mixed labels lie between 0 and 1.' if numbers else ""
        step = step or "Make 1 of the positive class and 0 of the other, and none missing."
        raise ArgumentError(
            explain(argument, "must be floating numbers from 0 to 1", f"dtype {array.dtype}", step)
        )
    if not isinstance(array, jax.core.Tracer):
        values = np.asarray(array)
        wrong = values[~((values >= -1e-6) & (values <= 1 + 1e-6))]
        if wrong.size:
            raise ArgumentError(explain(argument, "must be floating numbers from 0 to 1", float(wrong[0])))
    return jnp.asarray(array)


def check_shape(argument: str, shape: Any) -> tuple[int, int, int]:
    """Return (height, width, channels) as plain integers of at least 1."""
    if not isinstance(shape, (tuple, list)) or len(shape) != 3:
        raise ArgumentError(explain(argument, "must be (height, width, channels)", shape))
    height, width, channels = (check_integer(f"{argument}[{i}]", item, low=1) for i, item in enumerate(shape))
    return height, width, channels
