"""StableHLO through ``jax.export``, with a batch of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import FloatVector
from medimg_cnn._validation import import_optional
from medimg_cnn.export._bundle import Bundle
from medimg_cnn.export._engine import network

__all__ = ["stablehlo_bytes", "stablehlo_runner"]

_PLATFORMS = ("cpu", "cuda", "tpu")


def stablehlo_bytes(bundle: Bundle, line: tuple[float, float]) -> tuple[bytes, str]:
    """Return the serialised program, and what it takes in words."""
    import_optional("flatbuffers", extra="export", why="Writing StableHLO")
    import jax
    from jax import export

    shape = bundle.image_shape
    (batch,) = export.symbolic_shape("batch")
    function = jax.jit(network(bundle.engine, line, bundle.operating_point.threshold))
    made = export.export(function, platforms=_PLATFORMS)(_input((batch, *shape)))
    words = f"image: float32 (batch, {', '.join(map(str, shape))}), 0 to 1, prepared as the bundle's preprocessing says"
    return bytes(made.serialize()), words


def stablehlo_runner(content: bytes) -> Callable[[NDArray[Any]], tuple[FloatVector, NDArray[np.bool_]]]:
    """Return a function that runs the program from its bytes."""
    from jax import export

    program: Any = export.deserialize(bytearray(content))

    def run(images: NDArray[Any]) -> tuple[FloatVector, NDArray[np.bool_]]:
        _, probability, decision = program.call(images)
        return np.asarray(probability, dtype=np.float64)[:, 0], np.asarray(decision)[:, 0]

    return run


def _input(shape: tuple[Any, ...]) -> Any:
    import jax

    struct: Any = jax.ShapeDtypeStruct  # JAX does not type it
    return struct(shape, np.float32)
