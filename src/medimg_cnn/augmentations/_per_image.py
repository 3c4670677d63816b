"""A function of the user's own as a step of a chain."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import jax
import jax.numpy as jnp

from medimg_cnn._types import JsonValue
from medimg_cnn._validation import check_flag, explain
from medimg_cnn.augmentations._arrays import per_image
from medimg_cnn.augmentations._base import Augmentation, Params, register
from medimg_cnn.augmentations._checks import check_changed, check_drawn
from medimg_cnn.errors import ArgumentError, ArtifactError

__all__ = ["PerImage"]

_TRACED = "must be traced by JAX, as NumPy, SciPy and a plain if cannot be"
_NEXT = "Use jax.numpy, and jax.numpy.where in place of if: function(key, image) -> image."


@register
@dataclass(frozen=True, kw_only=True)
class PerImage(Augmentation):
    """Use a function of one image as an augmentation.

    The function is mapped over the batch by ``jax.vmap``: use ``jax.numpy``, not NumPy or SciPy, and
    ``jax.numpy.where`` in place of ``if``. It must keep the shape, and the range 0 to 1, which is looked at
    when the augmentation is called or previewed (of a chain, what comes out at its end), but cannot be
    within ``jax.jit``, so not while training. Params: ``key`` (n, 2), uint32, and ``on`` (n,), bool. A
    function is named in ``to_dict`` but not rebuilt by ``from_dict``: for that, write a subclass of Augmentation and
    ``register`` it.

    Attributes:
        function: takes (key, image), image float32 (height, width, channels), 0 to 1, and returns the
            image changed.
        moves_pixels: whether the function moves pixels, so that masks would have to move too, which it
            cannot do: ``apply_masks`` refuses. Pass False where it changes grey values only; masks then
            stay as they are.
        probability: the share of images that are changed, 0 to 1.

    Raises:
        ArgumentError: the function cannot be called with (key, image), or ``moves_pixels`` is not True or False.

    Example:
        >>> import jax
        >>> def dim(key, image):
        ...     return image * jax.random.uniform(key, minval=0.5, maxval=1.0)
        >>> PerImage(function=dim)(jax.random.key(0), jax.numpy.ones((2, 4, 4, 1))).shape
        (2, 4, 4, 1)
    """

    function: Callable[[jax.Array, jax.Array], jax.Array]
    moves_pixels: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.function):
            raise ArgumentError(explain("function", "must be a function of (key, image)", self.function))
        try:
            inspect.signature(self.function).bind(None, None)
        except ValueError:  # of some written in C nothing is known
            pass
        except TypeError as error:
            raise ArgumentError(
                explain("function", "must be a function of (key, image)", f"{error}", _NEXT)
            ) from error
        self._set("moves_pixels", check_flag("moves_pixels", self.moves_pixels))

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw a ``key`` for each image, and whether it is ``on``."""
        n, *_ = self._rows(n, image_shape)
        key, keys = jax.random.split(key)
        _, chosen = self._draws(key, n, 0)
        return {"key": jax.random.bits(keys, (n, 2), jnp.uint32), "on": chosen}

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Call the function for each image.

        Raises:
            ArgumentError: the function changes the shape, gives integers or no image, or cannot be traced by JAX.
        """
        images = check_drawn(params, images)

        def changed(bits: jax.Array, image: jax.Array) -> Any:
            key = jax.random.wrap_key_data(bits, impl="threefry2x32")
            try:
                result = self.function(key, image)
            except (TypeError, AttributeError, IndexError) as error:  # so JAX's own of what cannot be traced
                reason = str(error).partition("\n")[0]
                raise ArgumentError(explain("function", _TRACED, reason, _NEXT)) from error
            if not hasattr(result, "shape"):
                raise ArgumentError(explain("function", "must return the image changed", result, _NEXT))
            return check_changed(self, result, image, source="function")

        result = jax.vmap(changed)(params["key"], images)
        return jnp.where(per_image(params["on"]), result.astype(images.dtype), images)

    def apply_masks(self, params: Params, masks: jax.Array) -> jax.Array:
        """Return masks as they are, where the function changes grey values only.

        Raises:
            ArgumentError: the function may move pixels.
        """
        if self.moves_pixels:
            raise ArgumentError(
                explain(
                    "moves_pixels",
                    "must be False for masks, which a function of the image cannot move along",
                    self.moves_pixels,
                    "Pass moves_pixels=False if the function changes grey values only; for geometry write a "
                    "subclass of Augmentation with apply_masks.",
                )
            )
        return super().apply_masks(params, masks)

    def to_dict(self) -> dict[str, JsonValue]:
        """Return a description: the function is named, which is enough for a record but not to rebuild it."""
        content = super().to_dict()
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        content["function"] = f"{getattr(self.function, '__module__', '?')}.{name}"
        return content

    @classmethod
    def from_fields(cls, options: dict[str, JsonValue]) -> NoReturn:
        """Refuse: code is not loaded from a file by its name.

        Raises:
            ArtifactError: always.
        """
        raise ArtifactError(
            explain(
                "function",
                "cannot be rebuilt from a file",
                options.get("function"),
                "Build PerImage(function=...) in code, or write a subclass of Augmentation and register it.",
            )
        )
