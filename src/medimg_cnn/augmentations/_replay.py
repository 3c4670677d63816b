"""Saving what was drawn, to apply the very same changes again."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from medimg_cnn._types import JsonValue
from medimg_cnn._validation import explain
from medimg_cnn.augmentations._base import Params
from medimg_cnn.errors import ArtifactError

__all__ = ["params_from_dict", "params_to_dict"]

_FORMAT, _VERSION = "medimg_cnn.augmentation_params", 1
_DTYPES = ("float32", "int32", "uint32", "bool")


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
    if content.get("format") != _FORMAT or content.get("version") != _VERSION:
        found = (content.get("format"), content.get("version"))
        raise ArtifactError(explain("content", f"must be {_FORMAT!r}, version {_VERSION}", found))
    params: dict[str, jax.Array] = {}
    for name, array in content["arrays"].items():
        if array["dtype"] not in _DTYPES:
            raise ArtifactError(
                explain(f"arrays[{name!r}]", f"must have a dtype of {_DTYPES}", array["dtype"])
            )
        try:
            values = np.asarray(array["values"], dtype=array["dtype"]).reshape(array["shape"])
        except (TypeError, ValueError, OverflowError) as error:
            raise ArtifactError(
                explain(f"arrays[{name!r}]", f"must hold values of shape {array['shape']}", str(error))
            ) from error
        params[name] = jnp.asarray(values)
    return params
