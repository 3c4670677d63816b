"""Everything that a run needs to go on, on the host: arrays and JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HostArrays", "Snapshot", "on_host", "pack", "unpack"]

HostArrays = list[NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One moment of a run.

    Attributes:
        number: its place in the run: steps done, and one more for each validation done.
        arrays: lists of arrays by name.
        facts: position, losses, history and choices so far, as JSON values.
    """

    number: int
    arrays: Mapping[str, HostArrays]
    facts: Mapping[str, Any]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for arrays in self.arrays.values() for array in arrays)


def on_host(values: Sequence[Any]) -> HostArrays:
    """Return copies: the next step overwrites the buffers of these."""
    return [np.array(value) for value in values]


def pack(arrays: Mapping[str, HostArrays]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return one vector for each name and dtype, which is written six times faster than 300 arrays, and the layout."""
    vectors: dict[str, NDArray[Any]] = {}
    layout: dict[str, Any] = {}
    for name, values in arrays.items():
        layout[name] = [[array.dtype.name, list(array.shape)] for array in values]
        for dtype in sorted({array.dtype.name for array in values}):
            chosen = [array.reshape(-1) for array in values if array.dtype.name == dtype]
            vectors[f"{name}.{dtype}"] = np.concatenate(chosen)
    return vectors, layout


def unpack(vectors: Mapping[str, NDArray[Any]], layout: Mapping[str, Any]) -> dict[str, HostArrays]:
    """Return what ``pack`` was given.

    Raises:
        ValueError: the vectors do not hold what the layout says.
    """
    arrays: dict[str, HostArrays] = {}
    for name, entries in layout.items():
        used: dict[str, int] = {}
        arrays[name] = []
        for dtype, shape in entries:
            start = used.get(dtype, 0)
            end = used[dtype] = start + int(np.prod(shape, dtype=np.int64))
            arrays[name].append(np.asarray(vectors[f"{name}.{dtype}"])[start:end].reshape(shape))
        for dtype, end in used.items():
            if vectors[f"{name}.{dtype}"].size != end:
                raise ValueError(f"{name}.{dtype} has another size than its layout")
    return arrays
