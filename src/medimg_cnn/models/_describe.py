"""How large a network is and what one image costs: weights and multiply-adds, layer by layer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax

from medimg_cnn._keras import keras
from medimg_cnn._validation import explain
from medimg_cnn._variables import leaves
from medimg_cnn.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LayerDescription", "ModelDescription", "describe"]

_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)
_WITHOUT_PRODUCTS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Normalization,
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.AveragePooling2D,
    keras.layers.Concatenate,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.Identity,
    keras.layers.InputLayer,
    keras.layers.MaxPooling2D,
    keras.layers.Multiply,
    keras.layers.Permute,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.Reshape,
    keras.layers.UpSampling2D,
    keras.layers.Cropping2D,
    keras.layers.ZeroPadding2D,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDescription:
    """One layer.

    Attributes:
        name: of the layer.
        kind: its class.
        output_shape: without the batch; () where it gives several tensors.
        parameters: numbers in its weights, trained or not.
        multiply_adds: for one image, over all its calls; 0 for what has no sum of products, None where they cannot
            be counted.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    parameters: int
    multiply_adds: int | None


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
        """Multiply-adds (MACs) for the prediction of one image; a training step is about three times as many.

        Without those of the layers in ``uncounted``.
        """
        return sum(layer.multiply_adds or 0 for layer in self.layers)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Names of the layers whose multiply-adds could not be counted; of ``build_cnn``'s networks there are none."""
        return tuple(layer.name for layer in self.layers if layer.multiply_adds is None)

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
        without = f" without {', '.join(self.uncounted)}" if self.uncounted else ""
        return (
            f"{self.name} for {shape}: {self.parameters:,} parameters ({self.trainable:,} trained, "
            f"{self.megabytes:.1f} MB), {self.multiply_adds / 1e9:.3g} billion multiply-adds an image{without}, "
            f"{len(self.layers)} layers"
        )


def describe(model: Any) -> ModelDescription:
    """Count the weights of a network and the multiply-adds that one image takes.

    Counted are convolutions and products of matrices (dense layers, attention), as in the literature's "FLOPs";
    normalisation, activations, pooling and additions are not. Edges count as the inside does. A layer that is called
    several times counts each time, as the first.

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
    calls = _calls(model)
    layers = tuple(
        LayerDescription(
            name=layer.name,
            kind=type(layer).__name__,
            output_shape=_shape(layer),
            parameters=_numbers(layer.weights),
            multiply_adds=None if (once := _multiply_adds(layer)) is None else once * calls[id(layer)],
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


def _calls(model: Any, times: int = 1) -> Counter[int]:
    """Return how often each layer is called for one image, by its id; those of models inside as well."""
    found: Counter[int] = Counter()
    graph = getattr(model, "_functional", None) or model  # a Sequential holds one
    nodes = getattr(graph, "_nodes_by_depth", {})  # Keras has no public way to them
    made = Counter(id(node.operation) for group in nodes.values() for node in group)
    for layer in model.layers:
        count = times * max(1, made[id(layer)])
        if hasattr(layer, "layers"):
            found += _calls(layer, count)
        else:
            found[id(layer)] += count
    return found


def _multiply_adds(layer: Any) -> int | None:
    """Return those of one call for one image; None where the layer cannot be traced alone."""
    if isinstance(layer, _WITHOUT_PRODUCTS):
        return 0
    if not hasattr(layer, "output"):  # called by a model that is a class, of which Keras keeps no graph
        return None
    if type(layer) is keras.layers.Dense:
        return int(math.prod(layer.kernel.shape) * math.prod(_shape(layer)[:-1]))
    if type(layer) not in _CONVOLUTIONS or layer.data_format != "channels_last":
        return _traced(layer)
    names = ("kernel", "depthwise_kernel", "pointwise_kernel")
    kernels = [kernel for name in names if (kernel := getattr(layer, name, None)) is not None]
    *positions, _ = _shape(layer)
    return int(math.prod(positions) * sum(math.prod(kernel.shape) for kernel in kernels))


def _traced(layer: Any) -> int | None:
    """Count in the program that JAX makes of the layer for one image."""
    inputs = [layer.input] if hasattr(layer.input, "shape") else list(layer.input)
    struct: Any = jax.ShapeDtypeStruct  # JAX does not type it
    images = [struct((1, *tensor.shape[1:]), tensor.dtype) for tensor in inputs]
    values = [struct(tuple(v.shape), v.dtype) for v in layer.variables]
    for as_list in (False, True):  # a layer of several inputs takes them one by one, or as one list

        def call(values: Any, images: Any, as_list: bool = as_list) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(layer.variables, values, strict=True))):
                return layer(images) if as_list else layer(*images)

        try:
            return _products(jax.make_jaxpr(call)(values, images).jaxpr)
        except Exception:  # noqa: BLE001, S112 - a user's layer may raise anything; it is then said not to be counted
            continue
    return None


def _products(program: Any) -> int:
    """Return the products in a program of JAX.

    Raises:
        ValueError: there are some in a loop of unknown length.
    """
    total = 0
    for equation in program.eqns:
        kind = equation.primitive.name
        inner = [_products(one) for one in _inside(equation)]
        if kind == "while" and any(inner):
            raise ValueError("a loop of unknown length")
        times = equation.params["length"] if kind == "scan" else 1
        total += times * (max(inner, default=0) if kind == "cond" else sum(inner)) + _of_equation(equation)
    return total


def _inside(equation: Any) -> Iterator[Any]:
    """Yield the programs that an equation calls."""
    for value in equation.params.values():
        for one in value if isinstance(value, (tuple, list)) else (value,):
            program = getattr(one, "jaxpr", one)
            if hasattr(program, "eqns"):
                yield program


def _of_equation(equation: Any) -> int:
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        if not contracted:  # a product of elements, as in the learned scale of ConvNeXt's branches
            return 0
        shape = equation.invars[0].aval.shape
        return int(math.prod(equation.outvars[0].aval.shape) * math.prod(shape[axis] for axis in contracted))
    if equation.primitive.name == "conv_general_dilated":
        out_axis, *_ = equation.params["dimension_numbers"].rhs_spec
        kernel = equation.invars[1].aval.shape
        places = math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) // kernel[out_axis]
        # Between the pixels of a transposed convolution lie zeros, which nobody counts.
        return int(places // math.prod(equation.params["lhs_dilation"]))
    return 0


def _shape(layer: Any) -> tuple[Any, ...]:
    shape = getattr(getattr(layer, "output", None), "shape", ())
    return tuple(shape[1:])


def _numbers(variables: list[Any]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)
