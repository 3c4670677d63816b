"""Saving what was drawn, to apply the very same changes again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from medimg_cnn._types import JsonValue
from medimg_cnn._validation import explain
from medimg_cnn.augmentations._base import Augmentation, Params
from medimg_cnn.augmentations._checks import check_shape
from medimg_cnn.errors import ArtifactError

__all__ = ["params_from_dict", "params_to_dict"]

_FORMAT, _VERSION = "medimg_cnn.augmentation_params", 1
_KINDS = {"float32": (float, int), "int32": (int,), "uint32": (int,), "bool": (bool,)}
"""What a value of each dtype is in JSON; NumPy would take True for 1, and 1.7 for 1."""


def params_to_dict(
    params: Params,
    *,
    augmentation: Augmentation | None = None,
    image_shape: tuple[int, int, int] | None = None,
) -> dict[str, JsonValue]:
    """Return what ``params`` drew as JSON values; numbers come back from them exactly.

    Some draws are in pixels, and the arrays do not say of which augmentation they are. Name both, so that
    ``params_from_dict`` can refuse others.

    Args:
        params: arrays of float32, int32, uint32 or bool, by name.
        augmentation: that they were drawn from; None: not noted.
        image_shape: (height, width, channels) that they were drawn for; None: not noted.

    Returns:
        A dictionary with the format's name and version, every array's dtype, shape and values, and what was named.

    Example:
        >>> import jax
        >>> from medimg_cnn.augmentations import Rotation
        >>> rotation, shape = Rotation(degrees=10), (8, 8, 1)
        >>> drawn = rotation.params(jax.random.key(0), 2, shape)
        >>> saved = params_to_dict(drawn, augmentation=rotation, image_shape=shape)
        >>> again = params_from_dict(saved, augmentation=rotation, image_shape=shape)
        >>> bool((again["angle"] == drawn["angle"]).all())
        True
    """
    arrays = {
        name: {"dtype": str(value.dtype), "shape": list(value.shape), "values": np.ravel(value).tolist()}
        for name, value in params.items()
    }
    return {"format": _FORMAT, "version": _VERSION, "arrays": arrays} | _drawn_for(augmentation, image_shape)


def params_from_dict(
    content: Mapping[str, JsonValue],
    *,
    augmentation: Augmentation | None = None,
    image_shape: tuple[int, int, int] | None = None,
) -> dict[str, jax.Array]:
    """Rebuild what ``params_to_dict`` gave.

    Args:
        content: what it gave.
        augmentation: that the draw must be of; None: not looked at.
        image_shape: (height, width, channels) that it must be for; None: not looked at.

    Raises:
        ArtifactError: the content is of another kind or of a newer version, an array is damaged, or the draw is of
            another augmentation or for other images, or does not say of which.
    """
    if not isinstance(content, Mapping):
        raise ArtifactError(explain("content", "must be what params_to_dict gave", content))
    found = (content.get("format"), content.get("version"))
    if found != (_FORMAT, _VERSION) or type(found[1]) is not int:
        raise ArtifactError(explain("content", f"must be {_FORMAT!r}, version {_VERSION}", found))
    arrays = content.get("arrays")
    if not isinstance(arrays, Mapping):
        raise ArtifactError(explain("arrays", "must hold arrays by name", arrays))
    for name, wanted in _drawn_for(augmentation, image_shape).items():
        if content.get(name) != wanted:
            step = "Apply a draw only to images of its shape, by the augmentation that drew it."
            raise ArtifactError(explain(name, f"must be {wanted}", content.get(name), step))
    return {name: _array(f"arrays[{name!r}]", array) for name, array in arrays.items()}


def _drawn_for(
    augmentation: Augmentation | None, image_shape: tuple[int, int, int] | None
) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    if augmentation is not None:
        found["augmentation"] = augmentation.to_dict()
    if image_shape is not None:
        found["image_shape"] = list(check_shape("image_shape", image_shape))
    return found


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
        raise ArtifactError(
            explain(where, "must hold values of its dtype, as many as its shape says", shape, f"{error}.")
        ) from error
