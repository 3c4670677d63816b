"""Pillow's resampling of float images as ONNX nodes, equal to it in the last bit.

Pixels are rounded to 8 bits after they were resampled, so a value at an exact half goes up or down by the last bit of
what was computed. To agree, the graph does what Pillow does in the order in which Pillow does it: weights and sums in
float64, one source pixel after the other, the result of each pass in float32, and that axis first that Pillow takes
first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["resampling"]

_SHARED = {
    "zero": np.array(0, np.int64),
    "one": np.array(1, np.int64),
    "two": np.array(2, np.int64),
    "yes": np.array(True),
    "zero64": np.array(0.0),
    "half64": np.array(0.5),
    "one64": np.array(1.0),
}
_AXES = {"across": 3, "down": 2}


def resampling(
    planes: str, out: str, size: tuple[int, int], *, tall_first: bool
) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Return the nodes from ``planes`` (n, channels, height, width) of any size to ``out``, and their constants.

    Args:
        planes: name of a float32 tensor.
        out: name of the result.
        size: (height, width).
        tall_first: whether an image that loses more than twice as many rows as columns is resampled downwards first, as
            Pillow does from version 13 on; else always across first.
    """
    from onnx import TensorProto, helper

    sides = {"down": size[0], "across": size[1]}
    constants = dict(_SHARED)
    for axis, side in sides.items():
        constants[f"{axis}_targets"] = np.arange(side) + 0.5
        constants[f"{axis}_side"] = np.array(side, np.int64)
        constants[f"{axis}_side64"] = np.array(float(side))
    nodes: list[Any] = []
    for axis in sides:
        nodes += _weights(planes, axis)
    if not tall_first:
        passes = [*_pass(planes, "passed", "across", "only"), *_pass("passed", out, "down", "only")]
        return [*nodes, *passes], constants
    nodes += [helper.make_node("Sub", [f"{axis}_count", f"{axis}_side"], [f"{axis}_lost"]) for axis in sides]
    nodes += [
        helper.make_node("Mul", ["across_lost", "two"], ["across_lost_twice"]),
        helper.make_node("Max", ["across_lost_twice", "zero"], ["bearable"]),
        helper.make_node("Greater", ["down_lost", "bearable"], ["is_tall"]),
    ]
    branches = {}
    for name, first, second in (("then_branch", "down", "across"), ("else_branch", "across", "down")):
        result = f"{name}_{out}"
        passes = [
            *_pass(planes, f"{name}_passed", first, name),
            *_pass(f"{name}_passed", result, second, name),
        ]
        branches[name] = helper.make_graph(
            passes, name, [], [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)]
        )
    return [*nodes, helper.make_node("If", ["is_tall"], [out], **branches)], constants


def _weights(planes: str, axis: str) -> list[Any]:
    """Return the nodes of ``axis_starts`` (side,), first source pixel of each target pixel, and ``axis_weights``.

    The weights are (taps, side) float64: a triangle as wide as the reduction, over its sum.
    """
    from onnx import TensorProto, helper

    def node(kind: str, inputs: str, name: str, **attributes: Any) -> Any:
        names = [one if one in _SHARED else f"{axis}_{one}" for one in inputs.split()]
        return helper.make_node(kind, names, [f"{axis}_{name}"], **attributes)

    place = _AXES[axis]
    return [
        helper.make_node("Shape", [planes], [f"{axis}_length"], start=place, end=place + 1),
        node("Squeeze", "length", "count"),
        node("Sub", "count one", "last"),
        node("Cast", "count", "count64", to=TensorProto.DOUBLE),
        node("Div", "count64 side64", "scale"),
        node("Max", "scale one64", "reach"),
        # 1, as the reach is 1 or more. Of a constant 1 onnxruntime would make one division of the two operations below.
        node("Min", "reach one64", "unit"),
        node("Div", "unit reach", "steepness"),
        node("Mul", "targets scale", "centres"),
        node("Sub", "centres reach", "low"),
        node("Add", "low half64", "low_half"),
        node("Cast", "low_half", "low_whole", to=TensorProto.INT64),
        node("Max", "low_whole zero", "starts"),
        node("Add", "centres reach", "high"),
        node("Add", "high half64", "high_half"),
        node("Cast", "high_half", "high_whole", to=TensorProto.INT64),
        node("Min", "high_whole count", "ends"),
        node("Ceil", "reach", "reach_ceil"),
        node("Cast", "reach_ceil", "reach_whole", to=TensorProto.INT64),
        node("Mul", "reach_whole two", "reach_twice"),
        node("Add", "reach_twice one", "taps"),
        node("Range", "zero taps one", "tap"),
        node("Unsqueeze", "tap one", "tap_column"),
        node("Add", "tap_column starts", "places"),
        node("Cast", "places", "places64", to=TensorProto.DOUBLE),
        node("Sub", "places64 centres", "offsets"),
        node("Add", "offsets half64", "distances"),
        node("Mul", "distances steepness", "steps"),
        node("Abs", "steps", "far"),
        node("Sub", "one64 far", "near"),
        node("Max", "near zero64", "triangle"),
        node("Less", "places ends", "inside"),
        node("Where", "inside triangle zero64", "parts"),
        # The running sum adds one after the other, which a sum of all at once does not promise.
        node("CumSum", "parts zero", "running"),
        node("Sub", "taps one", "last_tap"),
        node("Gather", "running last_tap", "sum", axis=0),
        node("Div", "parts sum", "weights"),
    ]


def _pass(planes: str, out: str, axis: str, prefix: str) -> list[Any]:
    """Return the nodes that resample one axis: a loop over the taps, since Pillow adds one product after the other."""
    from onnx import TensorProto, helper

    def mine(name: str) -> str:
        return f"{prefix}_{axis}_{name}"

    place = _AXES[axis]
    shift = [] if place == 3 else [helper.make_node("Unsqueeze", [mine("share"), "one"], [mine("column")])]
    body = helper.make_graph(
        [
            helper.make_node("Add", [f"{axis}_starts", mine("tap")], [mine("beyond")]),
            helper.make_node("Min", [mine("beyond"), f"{axis}_last"], [mine("place")]),
            helper.make_node("Gather", [planes, mine("place")], [mine("taken")], axis=place),
            helper.make_node("Cast", [mine("taken")], [mine("taken64")], to=TensorProto.DOUBLE),
            helper.make_node("Gather", [f"{axis}_weights", mine("tap")], [mine("share")], axis=0),
            *shift,
            helper.make_node(
                "Mul", [mine("taken64"), mine("column" if shift else "share")], [mine("product")]
            ),
            helper.make_node("Add", [mine("sum"), mine("product")], [mine("sum_after")]),
            helper.make_node("Identity", [mine("go")], [mine("go_on")]),
        ],
        mine("tap_by_tap"),
        [
            helper.make_tensor_value_info(mine("tap"), TensorProto.INT64, []),
            helper.make_tensor_value_info(mine("go"), TensorProto.BOOL, []),
            helper.make_tensor_value_info(mine("sum"), TensorProto.DOUBLE, None),
        ],
        [
            helper.make_tensor_value_info(mine("go_on"), TensorProto.BOOL, []),
            helper.make_tensor_value_info(mine("sum_after"), TensorProto.DOUBLE, None),
        ],
    )
    return [
        helper.make_node("Gather", [planes, f"{axis}_starts"], [mine("first")], axis=place),
        helper.make_node("Cast", [mine("first")], [mine("first64")], to=TensorProto.DOUBLE),
        helper.make_node("Mul", [mine("first64"), "zero64"], [mine("nothing")]),
        helper.make_node("Loop", [f"{axis}_taps", "yes", mine("nothing")], [mine("summed")], body=body),
        helper.make_node("Cast", [mine("summed")], [out], to=TensorProto.FLOAT),
    ]
