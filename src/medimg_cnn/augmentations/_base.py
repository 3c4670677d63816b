"""What every augmentation is: a frozen description, drawn with a key, applied to a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar

import jax
import jax.numpy as jnp

from medimg_cnn._types import JsonValue
from medimg_cnn._validation import check_fraction, check_integer, check_number, explain, suggest
from medimg_cnn.augmentations._checks import (
    check_changed,
    check_images,
    check_key,
    check_labels,
    check_masks,
    check_range,
    check_result,
    check_shape,
)
from medimg_cnn.augmentations._draws import told
from medimg_cnn.errors import ArgumentError, ArtifactError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Augmentation", "Params", "augment_images", "register"]

Params: TypeAlias = dict[str, jax.Array]
"""What was drawn: arrays by name, each with one row an image."""

A = TypeVar("A", bound="type[Augmentation]")

_FORMAT_VERSION = 1
_registry: dict[str, type[Augmentation]] = {}


def register(cls: A) -> A:
    """Make a subclass of Augmentation known by its class name, so that ``from_dict`` can rebuild it.

    Raises:
        ArgumentError: another class has this name, or it is no subclass.

    Example:
        >>> from dataclasses import dataclass
        >>> import jax
        >>> from medimg_cnn.augmentations import Augmentation, register
        >>> @register
        ... @dataclass(frozen=True, kw_only=True)
        ... class Negative(Augmentation):
        ...     def params(self, key, n, image_shape):
        ...         return {"on": jax.random.bernoulli(key, self.probability, (n,))}
        ...     def apply(self, params, images):
        ...         return jax.numpy.where(params["on"][:, None, None, None], 1 - images, images)
        >>> Augmentation.from_dict(Negative(probability=0.5).to_dict())
        Negative(probability=0.5)
    """
    given: Any = cls
    if not isinstance(given, type) or not issubclass(given, Augmentation):
        step = "A plain function goes into PerImage(function=...)."
        raise ArgumentError(explain("cls", "must be a subclass of Augmentation", cls, step))
    known = _registry.get(cls.__name__)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ArgumentError(
            explain("cls", "must have a name that no other augmentation has", cls, "Rename the class.")
        )
    _registry[cls.__name__] = cls
    return cls


@dataclass(frozen=True, kw_only=True)
class Augmentation(ABC):
    """A random change to a batch of images, written as two pure functions.

    ``params`` draws with a key; ``apply`` changes the images by what was drawn. What was drawn can be
    looked at, saved (``params_to_dict``) and applied again. Both can be traced by ``jax.jit``.
    Calling the object does both, compiled. ``a | b`` is ``a``, then ``b``.

    Images are float32 (n, height, width, channels) from 0 to 1. Where nothing was drawn for an image
    (its probability, or a strength of zero) it comes back unchanged, bit for bit; only values that
    rounding had put just outside of 0 to 1, by up to 0.01, may be cut off there.

    To write one of your own, subclass it as a frozen dataclass with ``params`` and ``apply``, and
    decorate it with ``register``; or pass a plain function to ``PerImage``.

    Attributes:
        probability: the share of images that are changed, 0 to 1.
    """

    probability: float = 1.0

    _strength_fields: ClassVar[Mapping[str, float]] = {"probability": 1.0}
    """The fields that the strength dial multiplies, each with the largest value it may take."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        told(cls)

    def __post_init__(self) -> None:
        self._set("probability", check_fraction("probability", self.probability))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _set_number(
        self, name: str, *, low: float = 0.0, high: float = float("inf"), low_open: bool = False
    ) -> None:
        self._set(name, check_number(name, getattr(self, name), low=low, high=high, low_open=low_open))

    @property
    def mixes(self) -> bool:
        """Whether images of the batch are mixed with each other, so that labels change too."""
        return False

    @abstractmethod
    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw for ``n`` images of shape (height, width, channels).

        Args:
            key: a JAX random key. The same key gives the same draw.
            n: how many images.
            image_shape: (height, width, channels).

        Returns:
            Arrays by name, each with ``n`` rows.
        """

    @abstractmethod
    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Change images, float32 (n, height, width, channels), by what ``params`` drew for them."""

    def apply_masks(self, params: Params, masks: jax.Array) -> jax.Array:
        """Change masks (n, height, width, channels), booleans, integers or floats, as the images were.

        Geometry is sampled by nearest neighbour, so that a binary mask stays binary. What changes
        grey values only leaves masks as they are; so does this method, unless a subclass that moves
        pixels overrides it. The dtype stays, but JAX makes 32 bits of 64 where pixels are moved, unless
        ``jax_enable_x64`` is set.

        Raises:
            ArgumentError: masks have another shape, ``params`` were drawn for another number of images, or
                pixels are moved and 32 bits would not hold the values of masks of 64.
        """
        check_masks(params, masks)
        return masks

    def apply_labels(self, params: Params, labels: jax.Array) -> jax.Array:
        """Return the labels, (n,) or (n, ...), as they are; mixing augmentations mix them."""
        del params
        return labels

    def __call__(self, key: jax.Array, images: jax.Array) -> jax.Array:
        """Draw and apply, compiled once for each shape.

        Args:
            key: a JAX random key, for example ``jax.random.key(0)``.
            images: float32 (n, height, width, channels), 0 to 1.

        Returns:
            Images of the same shape and dtype.

        Raises:
            ArgumentError: the key is not a JAX key, the images have another shape or dtype or are not from
                0 to 1, what the augmentation makes of them has another shape or is not (of values nothing is
                seen under ``jax.jit``), or the chain mixes images, so that the labels change too: use ``batch``.
        """
        if self.mixes:
            raise ArgumentError(
                explain(
                    "augmentation",
                    "must not mix images where labels are not given, since they change too",
                    self,
                    "Call augmentation.batch(key, images, labels).",
                )
            )
        return augment_images(self, key, images)

    def batch(self, key: jax.Array, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Draw once and apply to images and labels together; for chains that mix images.

        Args:
            key: a JAX random key.
            images: float32 (n, height, width, channels), 0 to 1.
            labels: float32 (n,) or (n, 1), 0 to 1.

        Returns:
            (images, labels), of the same shapes.

        Raises:
            ArgumentError: a shape, a dtype or a range breaks its rule, the images' before or after.
        """
        images = check_range("images", check_images("images", images))
        labels = check_labels("labels", labels, images)
        images, labels = _augment_both(self, check_key("key", key), images, labels)
        return check_result(self, images), labels

    def __str__(self) -> str:
        shown = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if self._told(f))
        return f"{type(self).__name__}({', '.join(shown)})"

    def _told(self, field: Field[Any]) -> bool:
        return bool(field.default is MISSING or getattr(self, field.name) != field.default)

    def __or__(self, other: object) -> Augmentation:
        from medimg_cnn.augmentations._compose import Compose

        return Compose(steps=(self, other)) if isinstance(other, Augmentation) else NotImplemented

    def scaled(self, strength: float) -> Self:
        """Return the same augmentation with its ranges multiplied by ``strength``.

        0 gives the identity, 1 the augmentation itself; ranges stop at the largest value allowed. An
        augmentation of your own that names no ``_strength_fields`` changes a share of the images
        multiplied so, at most all.

        Raises:
            ArgumentError: the strength is not a finite number of at least 0.
        """
        strength = check_number("strength", strength, low=0.0)
        changed = {
            name: _scale(getattr(self, name), strength, cap) for name, cap in self._strength_fields.items()
        }
        return replace(self, **changed)

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the class name, a format version and the fields, as JSON values."""
        content: dict[str, JsonValue] = {"augmentation": type(self).__name__, "version": _FORMAT_VERSION}
        for field in fields(self):
            value = getattr(self, field.name)
            content[field.name] = list(value) if isinstance(value, tuple) else value
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, JsonValue]) -> Self:
        """Rebuild what ``to_dict`` gave.

        Raises:
            ArtifactError: the name or a field is not known, a field is missing or breaks its rule, or the
                format is newer than this library's.
        """
        if not isinstance(content, Mapping):
            raise ArtifactError(explain("augmentation", "must be what to_dict gave", content))
        options = dict(content)
        name, version = options.pop("augmentation", None), options.pop("version", None)
        found = _registry.get(name) if isinstance(name, str) else None
        if found is None:
            hint = suggest(name, sorted(_registry)) if isinstance(name, str) else ""
            raise ArtifactError(explain("augmentation", "must name a registered augmentation", name, hint))
        if not issubclass(found, cls):
            raise ArtifactError(explain("augmentation", f"must be a {cls.__name__} here", name))
        if type(version) is not int or not 1 <= version <= _FORMAT_VERSION:
            raise ArtifactError(
                explain("version", f"must be 1 to {_FORMAT_VERSION}", version, "Upgrade medimg-cnn.")
            )
        known = [field.name for field in fields(found)]
        for option in options:
            if option not in known:
                raise ArtifactError(
                    explain(str(name), "must have known fields only", option, suggest(option, known))
                )
        missing = [field for field in known if field not in options]
        if missing:
            raise ArtifactError(
                explain(
                    str(name),
                    "must have every field that to_dict gave",
                    options,
                    f"{missing[0]!r} is missing.",
                )
            )
        try:
            return found.from_fields(options)
        except RecursionError as error:
            step = "What to_dict gave holds the steps of a chain side by side."
            raise ArtifactError(
                explain(str(name), "must not be nested hundreds of levels deep", "steps within steps", step)
            ) from error
        except (ArgumentError, TypeError) as error:
            raise ArtifactError(
                explain(str(name), "must have the fields that to_dict gave", options, f"{error}")
            ) from error

    @classmethod
    def from_fields(cls, options: dict[str, JsonValue]) -> Self:
        """Build from fields as JSON values; to be overridden where a field is more than a JSON value."""
        arguments: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in options.items()
        }
        return cls(**arguments)

    def as_layer(self, seed: int = 0, *, name: str | None = None) -> Any:
        """Return a ``keras.layers.Layer`` that augments while training and passes images on otherwise.

        For ``keras.Model.fit``: ``keras.Sequential([keras.Input(shape), augment.as_layer(), model])``. The layer
        saves and loads with the model. It changes images only: a chain that mixes labels is refused. Prefer
        ``Trainer(augment=...)``, which also mixes labels and resumes exactly.

        ``load_run`` and ``Trainer.resume`` know the layer. Before ``keras.saving.load_model`` in a new
        process write ``from medimg_cnn.augmentations import AugmentationLayer``, so that Keras does too.

        Args:
            seed: 0 to 2**31 - 1. Other augmentations draw other numbers from the same seed; two layers of
                the same augmentation draw the same, so give each its own.
            name: of the layer.

        Raises:
            ArgumentError: the chain mixes images, or the seed is out of its range.
        """
        from medimg_cnn.augmentations._layer import AugmentationLayer

        return AugmentationLayer(self, seed=seed, name=name)

    def preview(self, data: Any, *, images: int = 4, draws: int = 5, seed: int = 0) -> Figure:
        """Draw originals beside augmented copies of them; see ``medimg_cnn.augmentations.preview``."""
        from medimg_cnn.augmentations._preview import preview

        return preview(self, data, images=images, draws=draws, seed=seed)

    def _rows(self, n: int, image_shape: tuple[int, int, int]) -> tuple[int, int, int, int]:
        """Check ``n`` and the shape; return both as plain integers."""
        return (check_integer("n", n, low=0), *check_shape("image_shape", image_shape))

    def _draws(self, key: jax.Array, n: int, count: int) -> tuple[jax.Array, jax.Array]:
        """Draw ``count`` evenly distributed numbers an image, and which images are changed.

        One call of the generator for everything: each costs compile time in the training step.

        Returns:
            float32 (count, n), 0 inclusive to 1 exclusive; bool (n,).
        """
        bits = jax.random.bits(key, (count + 1, n), jnp.uint32)
        even = (bits >> 8).astype(jnp.float32) * (2.0**-24)
        return even[:count], even[count] < self.probability

    def _draw(
        self, key: jax.Array, n: int, width: float, *, neutral: float = 0.0, low: float | None = None
    ) -> jax.Array:
        """Draw evenly from [-width, width] (or [low, width]); ``neutral`` where an image is left out."""
        (even,), chosen = self._draws(key, n, 1)
        floor = -width if low is None else low
        return jnp.where(chosen, floor + (width - floor) * even, neutral)


def augment_images(augmentation: Augmentation, key: jax.Array, images: jax.Array) -> jax.Array:
    """Draw and apply to images alone, even where the labels would change; compiled once for each shape."""
    images = check_range("images", check_images("images", images))
    return check_result(augmentation, _augment(augmentation, check_key("key", key), images))


@partial(jax.jit, static_argnums=0)
def _augment(augmentation: Augmentation, key: jax.Array, images: jax.Array) -> jax.Array:
    n, height, width, channels = images.shape
    return _changed(augmentation, augmentation.params(key, n, (height, width, channels)), images)


@partial(jax.jit, static_argnums=0)
def _augment_both(
    augmentation: Augmentation, key: jax.Array, images: jax.Array, labels: jax.Array
) -> tuple[jax.Array, jax.Array]:
    n, height, width, channels = images.shape
    params = augmentation.params(key, n, (height, width, channels))
    return _changed(augmentation, params, images), augmentation.apply_labels(params, labels)


def _changed(augmentation: Augmentation, params: Params, images: jax.Array) -> jax.Array:
    return check_changed(augmentation, augmentation.apply(params, images), images)


def _scale(value: Any, strength: float, cap: float) -> Any:
    if isinstance(value, tuple):
        return tuple(min(item * strength, cap) for item in value)
    return min(value * strength, cap)
