"""ONNX: pixels in, decision out. The network goes through jax2onnx; preparation is put before it as ONNX nodes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from medimg_cnn._keras import keras
from medimg_cnn._types import FloatVector
from medimg_cnn._validation import import_optional
from medimg_cnn._variables import leaves, leaves_are_all, unfilled
from medimg_cnn.data import Preprocessing
from medimg_cnn.errors import ArgumentError
from medimg_cnn.export._bundle import Bundle
from medimg_cnn.export._engine import network
from medimg_cnn.export._onnx_resample import resampling

__all__ = ["onnx_bytes", "onnx_runner", "preparation"]

_WHY = "Writing ONNX"
_OPSET = 18
"""Of 2022: what runtimes of today read."""


def onnx_bytes(bundle: Bundle, line: tuple[float, float]) -> tuple[bytes, str]:
    """Return the model as bytes, and what it takes in words."""
    onnx = import_optional("onnx", extra="export", why=_WHY)
    jax2onnx = import_optional("jax2onnx", extra="export", why=_WHY)
    from onnx import compose

    height, width, channels = bundle.image_shape
    layers = _without_overlapping_pools(bundle.engine.logit_model)
    with _without_skipped_plugins(), _refusal_in_words(bundle):
        network_part = jax2onnx.to_onnx(
            network(bundle.engine, line, bundle.operating_point.threshold, layers=layers),
            inputs=[("batch", height, width, channels)],
            model_name="medimg_cnn",
            opset=_OPSET,
            input_names=["image"],
            output_names=["logit", "probability", "decision"],
        )
    before, words = preparation(
        bundle.preprocessing, ir_version=network_part.ir_version, opsets=network_part.opset_import
    )
    model = compose.merge_models(before, network_part, io_map=[("prepared", "image")])
    model.producer_name = "medimg-cnn"
    for name, value in {
        "classes": "|".join(bundle.classes),
        "threshold": repr(bundle.operating_point.threshold),
        "bundle_sha256": bundle.sha256,
        "use": "research use only",
    }.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value
    onnx.checker.check_model(model)
    return model.SerializeToString(), words


def onnx_runner(content: bytes) -> Callable[[NDArray[Any]], tuple[FloatVector, NDArray[np.bool_]]]:
    """Return a function that runs the model by onnxruntime."""
    runtime = import_optional("onnxruntime", extra="export", why=_WHY)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(pixels: NDArray[Any]) -> tuple[FloatVector, NDArray[np.bool_]]:
        probability, decision = session.run(["probability", "decision"], {"pixels": pixels})
        return probability[:, 0].astype(np.float64), decision[:, 0].astype(np.bool_)

    return run


class _SlicedMaxPooling(keras.layers.MaxPooling2D):  # type: ignore[misc] # Keras ships no types
    """The largest of shifted slices: jax2onnx writes overlapping windows in a way that onnxruntime cannot run."""

    def call(self, images: Any) -> Any:
        """Return the maxima."""
        edges = jax.lax.padtype_to_pads(images.shape[1:3], self.pool_size, self.strides, self.padding.upper())
        padded = jnp.pad(images, ((0, 0), *edges, (0, 0)), constant_values=float(np.finfo(np.float32).min))
        found = None
        for row in range(self.pool_size[0]):
            for column in range(self.pool_size[1]):
                ends = [
                    start + (-(-(side - size + 1) // step) - 1) * step + 1
                    for start, side, size, step in zip(
                        (row, column), padded.shape[1:3], self.pool_size, self.strides, strict=True
                    )
                ]
                part = padded[:, row : ends[0] : self.strides[0], column : ends[1] : self.strides[1]]
                found = part if found is None else jnp.maximum(found, part)
        return found


def _without_overlapping_pools(model: Any) -> Any:
    def copied(layer: Any) -> Any:
        overlapping = type(layer) is keras.layers.MaxPooling2D and layer.pool_size != layer.strides
        return (_SlicedMaxPooling if overlapping else type(layer)).from_config(layer.get_config())

    overlaps = any(
        type(layer) is keras.layers.MaxPooling2D and layer.pool_size != layer.strides
        for layer in leaves(model)
    )
    if not overlaps or not leaves_are_all(model):
        return None
    return unfilled(lambda: keras.models.clone_model(model, clone_function=copied, recursive=True))


@contextmanager
def _refusal_in_words(bundle: Bundle) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise ArgumentError(
            f"path: jax2onnx cannot write {bundle.architecture.name!r} as ONNX ({type(error).__name__}: "
            f"{str(error)[:200]}). Write a .stablehlo instead."
        ) from error


@contextmanager
def _without_skipped_plugins() -> Iterator[None]:
    """Keep jax2onnx from printing a traceback for each plugin that does not know this JAX; none of them is used."""

    def other(record: logging.LogRecord) -> bool:
        said = record.getMessage()
        return not (said.startswith("Skipping ") and "import of jax2onnx.plugins." in said)

    logger = logging.getLogger("jax2onnx.plugins.plugin_system")
    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)


def preparation(preprocessing: Preprocessing, *, ir_version: int, opsets: Any) -> tuple[Any, str]:
    """Return the model from uint8 pixels to the network's input: resampled, rounded to 8 bits, 0 to 1."""
    from onnx import TensorProto, helper, numpy_helper

    height, width, channels = preprocessing.image_shape
    stretch = preprocessing.fit == "stretch"
    nodes = [
        helper.make_node("Cast", ["pixels"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["values", "full"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
    ]
    last = "planes"
    constants: dict[str, NDArray[Any]] = {
        "full": np.array(255.0, np.float32),
        "nothing": np.array(0.0, np.float32),
        "whole": np.array(1.0, np.float32),
    }
    if stretch:
        last = "resampled"
        more, needed = resampling("planes", last, (height, width), tall_first=_tall_first())
        nodes += more
        constants |= needed
    nodes += [
        helper.make_node("Clip", [last, "nothing", "whole"], ["clipped"]),
        helper.make_node("Mul", ["clipped", "full"], ["stretched"]),
        helper.make_node("Round", ["stretched"], ["rounded"]),
        helper.make_node("Div", ["rounded", "full"], ["again"]),
        helper.make_node("Transpose", ["again"], ["prepared"], perm=[0, 2, 3, 1]),
    ]
    rows, columns = ("height", "width") if stretch else (height, width)
    graph = helper.make_graph(
        nodes,
        "preparation",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", rows, columns, channels])],
        [helper.make_tensor_value_info("prepared", TensorProto.FLOAT, ["batch", height, width, channels])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
    size = "of any size" if stretch else f"of {height} x {width} pixels"
    return model, f"pixels: uint8 (batch, height, width, {channels}) {size}, 0 black to 255 white"


def _tall_first() -> bool:
    """Whether the Pillow that prepares images here resamples tall ones downwards first."""
    import PIL

    return int(PIL.__version__.partition(".")[0]) >= 13
