"""How large a network is and what one image costs: weights and multiply-adds, layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medimg_cnn._keras import keras
from medimg_cnn._validation import explain
from medimg_cnn._variables import leaves
from medimg_cnn.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LayerDescription", "ModelDescription", "describe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDescription:
    """One layer.

    Attributes:
        name: of the layer.
        kind: its class.
        output_shape: without the batch; () where it gives several tensors.
        parameters: numbers in its weights, trained or not.
        multiply_adds: for one image; 0 for what is neither a convolution nor a dense layer.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """Size and cost of a network, as ``describe`` counts them.

    Attributes:
        name: of the model, with the sha256 of the weights it began with, if there was a file.
        image_shape: (height, width, channels).
        parameters: numbers in the weights.
        trainable: those of them that training changes.
        layers: each of them, in order.
    """

    name: str
    image_shape: tuple[int, ...]
    parameters: int
    trainable: int
    layers: tuple[LayerDescription, ...]

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds (MACs) for the prediction of one image; a training step is about three times as many."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def flops(self) -> int:
        """Floating-point operations for one image: two for each multiply-add."""
        return 2 * self.multiply_adds

    @property
    def megabytes(self) -> float:
        """Size of the weights as float32, in units of 10**6 bytes."""
        return 4 * self.parameters / 1e6

    def to_frame(self) -> pd.DataFrame:
        """Return one row a layer."""
        import pandas as pd

        columns = ["name", "kind", "output_shape", "parameters", "multiply_adds"]
        return pd.DataFrame([[getattr(layer, c) for c in columns] for layer in self.layers], columns=columns)

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.image_shape))
        return (
            f"{self.name} for {shape}: {self.parameters:,} parameters ({self.trainable:,} trained, "
            f"{self.megabytes:.1f} MB), {self.multiply_adds / 1e9:.3g} billion multiply-adds an image, "
            f"{len(self.layers)} layers"
        )


def describe(model: Any) -> ModelDescription:
    """Count the weights of a network and the multiply-adds that one image takes.

    Counted are convolutions and dense layers, as in the literature's "FLOPs"; normalisation, activations, pooling and
    additions are not. Edges count as the inside does.

    Args:
        model: what ``build_cnn`` returned, or any ``keras.Model`` of one input with a known shape.

    Raises:
        ArgumentError: it is no such model.

    Example:
        >>> import medimg_cnn as mc
        >>> print(mc.models.describe(mc.build_cnn((28, 28, 1))))
        medcnn-s for 28 x 28 x 1: 1,229,217 parameters (1,226,337 trained, 4.9 MB), 0.0518 billion ...
    """
    shape = tuple(model.input_shape[1:]) if isinstance(model, keras.Model) and model.built else ()
    if not shape or not all(isinstance(size, int) for size in shape):
        raise ArgumentError(
            explain(
                "model",
                "must be a keras.Model of one input of known size",
                model,
                "Pass what build_cnn returned.",
            )
        )
    layers = tuple(
        LayerDescription(
            name=layer.name,
            kind=type(layer).__name__,
            output_shape=_shape(layer),
            parameters=_numbers(layer.weights),
            multiply_adds=_multiply_adds(layer),
        )
        for layer in leaves(model)
    )
    return ModelDescription(
        name=model.name,
        image_shape=shape,
        parameters=_numbers(model.weights),
        trainable=_numbers(model.trainable_weights),
        layers=layers,
    )


def _multiply_adds(layer: Any) -> int:
    if isinstance(layer, keras.layers.Dense):
        return int(math.prod(layer.kernel.shape) * math.prod(_shape(layer)[:-1]))
    kernels = [getattr(layer, name, None) for name in ("kernel", "depthwise_kernel", "pointwise_kernel")]
    found = [kernel for kernel in kernels if kernel is not None and len(kernel.shape) == 4]
    if not found:
        return 0
    *positions, _ = _shape(layer)
    return int(math.prod(positions) * sum(math.prod(kernel.shape) for kernel in found))


def _shape(layer: Any) -> tuple[Any, ...]:
    shape = getattr(layer.output, "shape", ())
    return tuple(shape[1:])


def _numbers(variables: list[Any]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)
