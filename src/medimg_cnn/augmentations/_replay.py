"""Saving what was drawn, to apply the very same changes again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from medimg_cnn._types import JsonValue
from medimg_cnn._validation import explain
from medimg_cnn.augmentations._base import Params
from medimg_cnn.errors import ArtifactError

__all__ = ["params_from_dict", "params_to_dict"]

_FORMAT, _VERSION = "medimg_cnn.augmentation_params", 1
_KINDS = {"float32": (float, int), "int32": (int,), "uint32": (int,), "bool": (bool,)}
"""What a value of each dtype is in JSON; NumPy would take True for 1, and 1.7 for 1."""


def params_to_dict(params: Params) -> dict[str, JsonValue]:
    """Return what ``params`` drew as JSON values; numbers come back from them exactly.

    Args:
        params: arrays of float32, int32, uint32 or bool, by name.

    Returns:
        A dictionary with the format's name and version and every array's dtype, shape and values.

    Example:
        >>> import jax
        >>> from medimg_cnn.augmentations import Rotation
        >>> drawn = Rotation(degrees=10).params(jax.random.key(0), 2, (8, 8, 1))
        >>> again = params_from_dict(params_to_dict(drawn))
        >>> bool((again["angle"] == drawn["angle"]).all())
        True
    """
    arrays = {
        name: {"dtype": str(value.dtype), "shape": list(value.shape), "values": np.ravel(value).tolist()}
        for name, value in params.items()
    }
    return {"format": _FORMAT, "version": _VERSION, "arrays": arrays}


def params_from_dict(content: Mapping[str, JsonValue]) -> dict[str, jax.Array]:
    """Rebuild what ``params_to_dict`` gave.

    Raises:
        ArtifactError: the content is of another kind or of a newer version, or an array is damaged.
    """
    if not isinstance(content, Mapping):
        raise ArtifactError(explain("content", "must be what params_to_dict gave", content))
    found = (content.get("format"), content.get("version"))
    if found != (_FORMAT, _VERSION) or type(found[1]) is not int:
        raise ArtifactError(explain("content", f"must be {_FORMAT!r}, version {_VERSION}", found))
    arrays = content.get("arrays")
    if not isinstance(arrays, Mapping):
        raise ArtifactError(explain("arrays", "must hold arrays by name", arrays))
    return {name: _array(f"arrays[{name!r}]", array) for name, array in arrays.items()}


def _array(where: str, saved: Any) -> jax.Array:
    if not isinstance(saved, Mapping) or not {"dtype", "shape", "values"} <= saved.keys():
        raise ArtifactError(explain(where, "must have dtype, shape and values", saved))
    dtype, shape, values = saved["dtype"], saved["shape"], saved["values"]
    if not isinstance(dtype, str) or dtype not in _KINDS:
        raise ArtifactError(explain(where, f"must have a dtype of {tuple(_KINDS)}", dtype))
    if not isinstance(shape, list) or any(type(side) is not int or side < 0 for side in shape):
        raise ArtifactError(explain(where, "must have a shape of whole numbers", shape))
    if not isinstance(values, list) or any(type(value) not in _KINDS[dtype] for value in values):
        raise ArtifactError(explain(where, f"must hold values of {dtype}", values))
    try:
        return jnp.asarray(np.asarray(values, dtype=dtype).reshape(shape))
    except (ValueError, OverflowError) as error:
        raise ArtifactError(explain(where, f"must hold values of shape {shape}", str(error))) from error
