"""Which network a bundle holds: a name from a list and its arguments, from which our own code builds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, get_args

from medimg_cnn._keras import keras
from medimg_cnn.errors import ArgumentError, BundleArchitectureError
from medimg_cnn.models import Architecture, build_cnn

__all__ = ["ArchitectureConfig"]

_KNOWN: tuple[Architecture, ...] = get_args(Architecture)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureConfig:
    """A network of ``build_cnn`` by its name and arguments.

    Attributes:
        name: one of ``medimg_cnn.models.Architecture``.
        image_shape: (height, width, channels) of its input.
        width: channels of the first stage.
        dropout: share of the features dropped in training; of no effect in prediction.

    Example:
        >>> from medimg_cnn import build_cnn
        >>> config = ArchitectureConfig.of(build_cnn((28, 28, 1), width=4))
        >>> config.width, config.parameters == config.build().count_params()
        (4, True)
    """

    name: Architecture
    image_shape: tuple[int, int, int]
    width: int
    dropout: float

    @classmethod
    def of(cls, model: Any) -> ArchitectureConfig:
        """Read the arguments of ``build_cnn`` off a model; copies and loaded models have them as well.

        Raises:
            ArgumentError: ``build_cnn`` did not build it, or it was changed since.
        """
        try:
            height, width, channels = model.input_shape[1:]
            config = cls(
                name=_known(str(model.name)),
                image_shape=(int(height), int(width), int(channels)),
                width=int(model.get_layer("stem_conv").filters),
                dropout=float(model.get_layer("dropout").rate),
            )
            same = _signature(config.build()) == _signature(model)
        except (AttributeError, TypeError, ValueError) as error:
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
        return _count(self.name, self.image_shape, self.width)

    @property
    def least_parameters(self) -> int:
        """A number of weights that the network has at least: those of one 3x3 convolution of its width."""
        return 9 * self.width * self.width

    def build(self) -> Any:
        """Return a ``keras.Model`` with initial weights.

        Raises:
            ArgumentError: an argument is outside of what ``build_cnn`` takes.
        """
        return build_cnn(self.image_shape, architecture=self.name, width=self.width, dropout=self.dropout)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ArchitectureConfig:
        """Build the record from what ``to_dict`` gave.

        Raises:
            BundleArchitectureError: the name is not on the list, or an argument is missing or of another kind.
        """
        try:
            height, width, channels = content["image_shape"]
            numbers = (height, width, channels, content["width"])
            if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in numbers):
                raise ValueError("image_shape and width must be whole numbers above 0")
            return cls(
                name=_known(content["name"]),
                image_shape=(height, width, channels),
                width=content["width"],
                dropout=float(content["dropout"]),
            )
        except BundleArchitectureError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise BundleArchitectureError(
                f"architecture: must say name, image_shape, width and dropout; {error!r}. Get the bundle again."
            ) from error


def _known(name: object) -> Architecture:
    for known in _KNOWN:
        if name == known:
            return known
    raise BundleArchitectureError(
        f"architecture: must be one that this library builds ({', '.join(_KNOWN)}); got {str(name)[:80]!r}. "
        "Upgrade medimg-cnn if a newer version builds it."
    )


def _signature(model: Any) -> list[tuple[str, str, tuple[int, ...], tuple[tuple[str, tuple[int, ...]], ...]]]:
    return [
        (
            layer.name,
            type(layer).__name__,
            tuple(layer.output.shape[1:]),
            tuple((weight.path, tuple(weight.shape)) for weight in layer.weights),
        )
        for layer in model.layers
    ]


@lru_cache(maxsize=64)
def _count(name: Architecture, image_shape: tuple[int, int, int], width: int) -> int:
    # In this scope variables have a shape and no value, so that counting a billion weights takes no memory.
    with keras.StatelessScope(initialize_variables=False):
        model = build_cnn(image_shape, architecture=name, width=width)
        return sum(math.prod(weight.shape) for weight in model.weights)
