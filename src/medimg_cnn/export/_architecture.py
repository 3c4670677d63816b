"""Which network a bundle holds: a name from a list and its arguments, from which our own code builds it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any, get_args

from medimg_cnn._keras import keras
from medimg_cnn._variables import blank, leaves, named_weights
from medimg_cnn.errors import ArgumentError, BundleArchitectureError
from medimg_cnn.models import Architecture, Normalisation, keras_networks
from medimg_cnn.models._build import Plan

__all__ = ["ArchitectureConfig"]

_START = "@sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureConfig:
    """A network of ``build_cnn`` by its name and arguments.

    Attributes:
        name: one of ``medimg_cnn.models.Architecture``, or "keras:" and one of ``medimg_cnn.models.keras_networks()``.
        image_shape: (height, width, channels) of its input.
        width: channels of the first stage; None for "keras:".
        dropout: share of the features dropped in training; of no effect in prediction.
        drop_path: rate of stochastic depth; of no effect in prediction.
        normalisation: its kind; None: the architecture's own.
        start: sha256 of the file of weights that training began with, where there was one.

    Example:
        >>> from medimg_cnn import build_cnn
        >>> config = ArchitectureConfig.of(build_cnn((28, 28, 1), width=4))
        >>> config.width, config.parameters == config.build().count_params()
        (4, True)
    """

    name: str
    image_shape: tuple[int, int, int]
    width: int | None
    dropout: float
    drop_path: float = 0.0
    normalisation: Normalisation | None = None
    start: str | None = None

    @classmethod
    def of(cls, model: Any) -> ArchitectureConfig:
        """Read the arguments of ``build_cnn`` off a model; copies and loaded models have them as well.

        Raises:
            ArgumentError: ``build_cnn`` did not build it, or it was changed since.
        """
        try:
            height, width, channels = model.input_shape[1:]
            name, _, start = str(model.name).partition(_START)
            own = not _known(name).startswith("keras:")
            config = cls(
                name=name,
                image_shape=(int(height), int(width), int(channels)),
                width=int(model.get_layer("stem_conv").filters) if own else None,
                dropout=float(model.get_layer("dropout").rate),
                drop_path=_drop_path(model),
                normalisation=_normalisation(model) if own else None,
                start=start or None,
            )
            same = _signature(config.layout()) == _signature(model)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArgumentError(
                "run: its model must be one that build_cnn builds, because a bundle holds no code; this one is not "
                f"({error}). Save it with model.save(path) instead."
            ) from error
        if not same:
            raise ArgumentError(
                "run: its model must be as build_cnn builds it; layers of this one were changed. "
                "Save it with model.save(path) instead."
            )
        return config

    @property
    def parameters(self) -> int:
        """Number of weights; to know it none is allocated.

        Raises:
            ArgumentError: an argument is outside of what ``build_cnn`` takes.
        """
        return _count(self)

    @property
    def least_parameters(self) -> int:
        """A number of weights that the network has at least: those of one 3x3 convolution of its width."""
        return 0 if self.width is None else 9 * self.width * self.width

    def build(self) -> Any:
        """Return a ``keras.Model`` with initial weights.

        Raises:
            ArgumentError: an argument is outside of what ``build_cnn`` takes.
        """
        return self._plan().build(start=self.start)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values; those that older versions do not know only where they say something."""
        content = asdict(self)
        usual = {"drop_path": 0.0, "normalisation": None, "start": None}
        return {name: value for name, value in content.items() if name not in usual or value != usual[name]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ArchitectureConfig:
        """Build the record from what ``to_dict`` gave.

        Raises:
            BundleArchitectureError: the name is not on the list, or an argument is missing or of another kind.
        """
        try:
            height, width, channels = content["image_shape"]
            name, first, normalisation = (
                _known(content["name"]),
                content["width"],
                content.get("normalisation"),
            )
            numbers = [height, width, channels, *([] if first is None else [first])]
            if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in numbers):
                raise ValueError("image_shape and width must be whole numbers above 0")
            if (first is None) != name.startswith("keras:"):
                raise ValueError("width must be a whole number, and null for networks of keras.applications")
            if normalisation is not None and normalisation not in get_args(Normalisation):
                raise ValueError(f"normalisation must be one of {get_args(Normalisation)}")
            return cls(
                name=name,
                image_shape=(height, width, channels),
                width=first,
                dropout=float(content["dropout"]),
                drop_path=float(content.get("drop_path", 0.0)),
                normalisation=normalisation,
                start=_hash(content.get("start")),
            )
        except BundleArchitectureError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise BundleArchitectureError(
                f"architecture: must say name, image_shape, width and dropout; {error!r}. Get the bundle again."
            ) from error

    def _plan(self) -> Plan:
        return Plan(
            image_shape=self.image_shape,
            architecture=self.name,
            width=self.width,
            dropout=self.dropout,
            drop_path=self.drop_path,
            normalisation=self.normalisation,
        )

    def layout(self) -> Any:
        """Return the model without values, which takes no memory and little time.

        Raises:
            ArgumentError: an argument is outside of what ``build_cnn`` takes.
        """
        return blank(partial(self._plan().layout, start=self.start))


def _known(name: object) -> str:
    for known in (*get_args(Architecture), *(f"keras:{network}" for network in keras_networks())):
        if name == known:
            return str(known)
    raise BundleArchitectureError(
        f"architecture: must be one that this library builds ({', '.join(get_args(Architecture))}, or a network of "
        f"keras.applications); got {str(name)[:80]!r}. Upgrade medimg-cnn if a newer version builds it."
    )


def _hash(value: object) -> str | None:
    if value is None or (isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value)):
        return value
    raise ValueError("start must be a sha256 in hexadecimal")


def _normalisation(model: Any) -> Normalisation | None:
    """Return the kind of the layer after the stem; None where it is the architecture's own."""
    layer = model.get_layer("stem_norm")
    found: Normalisation = "batch"
    if isinstance(layer, keras.layers.GroupNormalization):
        found = "group"
    elif isinstance(layer, keras.layers.LayerNormalization):
        found = "layer"
    name = str(model.name).partition(_START)[0]
    own = Plan(image_shape=model.input_shape[1:], architecture=name).normalisation
    return None if found == own else found


def _drop_path(model: Any) -> float:
    return max(
        (float(layer.rate) for layer in model.layers if layer.name.endswith("_drop_path")), default=0.0
    )


def _signature(model: Any) -> list[tuple[Any, ...]]:
    """Return what tells two networks apart: their layers in order, with kind, shape, groups and weights."""
    return [
        (
            layer.name,
            type(layer).__name__,
            tuple(layer.output.shape[1:]),
            getattr(layer, "groups", None),  # of normalisation and convolutions; no weight shows them
            tuple((name, tuple(weight.shape)) for name, weight in named_weights(layer)),
        )
        for layer in leaves(model)
    ]


@lru_cache(maxsize=64)
def _count(config: ArchitectureConfig) -> int:
    return sum(math.prod(weight.shape) for weight in config.layout().weights)
