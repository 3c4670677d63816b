"""ONNX: pixels in, decision out. The network goes through jax2onnx; preparation is put before it as ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import FloatVector
from medimg_cnn._validation import import_optional
from medimg_cnn.export._bundle import Bundle
from medimg_cnn.export._engine import network

__all__ = ["onnx_bytes", "onnx_runner"]

_WHY = "Writing ONNX"
_OPSET = 18
"""Of 2022: what runtimes of today read."""


def onnx_bytes(bundle: Bundle, line: tuple[float, float]) -> tuple[bytes, str]:
    """Return the model as bytes, and what it takes in words."""
    onnx = import_optional("onnx", extra="export", why=_WHY)
    jax2onnx = import_optional("jax2onnx", extra="export", why=_WHY)
    from onnx import compose

    height, width, channels = bundle.image_shape
    network_part = jax2onnx.to_onnx(
        network(bundle.engine, line, bundle.operating_point.threshold),
        inputs=[("batch", height, width, channels)],
        model_name="medimg_cnn",
        opset=_OPSET,
        input_names=["image"],
        output_names=["logit", "probability", "decision"],
    )
    preparation, words = _preparation(bundle, network_part.ir_version, network_part.opset_import)
    model = compose.merge_models(preparation, network_part, io_map=[("prepared", "image")])
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


def _preparation(bundle: Bundle, ir_version: int, opsets: Any) -> tuple[Any, str]:
    """Return the model from uint8 pixels to the network's input: resampled, rounded to 8 bits, 0 to 1."""
    from onnx import TensorProto, helper, numpy_helper

    height, width, channels = bundle.image_shape
    stretch = bundle.preprocessing.fit == "stretch"
    nodes = [
        helper.make_node("Cast", ["pixels"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["values", "full"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
    ]
    last = "planes"
    if stretch:
        nodes += [*_resample(last, 3, "across"), *_resample("across", 2, "down")]
        last = "down"
    nodes += [
        helper.make_node("Clip", [last, "nothing", "one"], ["clipped"]),
        helper.make_node("Mul", ["clipped", "full"], ["stretched"]),
        helper.make_node("Round", ["stretched"], ["rounded"]),
        helper.make_node("Div", ["rounded", "full"], ["again"]),
        helper.make_node("Transpose", ["again"], ["prepared"], perm=[0, 2, 3, 1]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "full": np.array(255.0, np.float32),
        "nothing": np.array(0.0, np.float32),
        "one": np.array(1.0, np.float32),
    }
    if stretch:
        constants |= {
            "zero64": np.array(0.0),
            "half64": np.array(0.5),
            "one64": np.array(1.0),
            "sources": np.array([1], np.int64),
        }
        for name, side in (("across", width), ("down", height)):
            constants |= {
                f"{name}_targets": (np.arange(side) + 0.5)[:, None],
                f"{name}_side": np.array(float(side)),
            }
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


def _resample(planes: str, axis: int, out: str) -> list[Any]:
    """Return the nodes that resample one axis as ``Preprocessing`` does: a triangle as wide as the reduction.

    ONNX's own Resize is near to it, but not near enough: after rounding to 8 bits a pixel in a few thousand is another.
    So the weights are computed here, in float64, and applied as a product of matrices.
    """
    from onnx import TensorProto, helper

    def node(kind: str, inputs: list[str], name: str, **attributes: Any) -> Any:
        return helper.make_node(kind, inputs, [f"{out}_{name}"], **attributes)

    def own(*names: str) -> list[str]:
        return [
            name if name in {"zero64", "half64", "one64", "sources"} else f"{out}_{name}" for name in names
        ]

    nodes = [
        helper.make_node("Shape", [planes], [f"{out}_length"], start=axis, end=axis + 1),
        node("Squeeze", own("length"), "count"),
        node("Cast", own("count"), "count64", to=TensorProto.DOUBLE),
        node("Div", own("count64", "side"), "scale"),
        node("Max", own("scale", "one64"), "reach"),
        node("Mul", own("targets", "scale"), "centres"),
        node("Range", own("zero64", "count64", "one64"), "places"),
        node("Sub", own("places", "centres"), "offsets"),
        node("Add", own("offsets", "half64"), "distances"),
        node("Div", own("distances", "reach"), "steps"),
        node("Abs", own("steps"), "far"),
        node("Sub", own("one64", "far"), "near"),
        node("Max", own("near", "zero64"), "triangle"),
        node("ReduceSum", own("triangle", "sources"), "sum", keepdims=1),
        node("Div", own("triangle", "sum"), "weights"),
        helper.make_node("Cast", [planes], [f"{out}_values"], to=TensorProto.DOUBLE),
    ]
    if axis == 3:
        nodes += [
            node("Transpose", own("weights"), "turned", perm=[1, 0]),
            node("MatMul", own("values", "turned"), "product"),
        ]
    else:
        nodes += [node("MatMul", own("weights", "values"), "product")]
    return [*nodes, helper.make_node("Cast", [f"{out}_product"], [out], to=TensorProto.FLOAT)]
