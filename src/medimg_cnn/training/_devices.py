"""The devices of a run: a batch is divided among them, the weights lie on each, and XLA adds the gradients up.

One device, several of one process, or those of several processes that ``jax.distributed`` has joined: the compiled step
is the same, over arrays that are divided; see docs/decisions/0067-devices.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from medimg_cnn._types import IntVector
from medimg_cnn._validation import check_integer, explain
from medimg_cnn.errors import ArgumentError

__all__ = ["DeviceChoice", "Devices", "check_devices", "copied"]

DeviceChoice: TypeAlias = int | Literal["all"]


class Devices:
    """The devices that a run's batches are divided among.

    Args:
        wanted: of each process, how many, at least 1; or "all".

    Attributes:
        count: in all processes together.
        processes: that train together.
        process: the place of this one, from 0.

    Raises:
        ArgumentError: there are not so many, or the processes have different numbers of them.
    """

    def __init__(self, wanted: DeviceChoice = "all") -> None:
        check_devices(wanted)
        by_process: dict[int, list[jax.Device]] = {}
        for device in jax.devices():
            by_process.setdefault(device.process_index, []).append(device)
        self.processes, self.process = len(by_process), jax.process_index()
        own = len(by_process[self.process])
        if wanted != "all" and wanted > own:
            hint = (
                "A CPU is one device, which uses all its cores; XLA_FLAGS=--xla_force_host_platform_device_count=N "
                "makes more of it, for tests."
            )
            kind = jax.local_devices()[0].platform
            rule = f"must be at most the {own} device(s) of kind {kind!r} here, or 'all'"
            raise ArgumentError(explain("devices", rule, wanted, hint if kind == "cpu" else ""))
        found = sorted({len(devices) for devices in by_process.values()})
        if wanted == "all" and len(found) > 1:
            raise ArgumentError(
                f"devices: every process must have as many; they have {found[0]} to {found[-1]}. "
                f"Pass devices={found[0]}."
            )
        each = own if wanted == "all" else wanted
        chosen = [device for process in sorted(by_process) for device in by_process[process][:each]]
        self.count = len(chosen)
        self._kind = chosen[0].device_kind
        mesh = Mesh(np.array(chosen), ("rows",))
        self._divided, self._everywhere = (
            NamedSharding(mesh, PartitionSpec(*axes))  # type: ignore[no-untyped-call] # JAX leaves it untyped
            for axes in (("rows",), ())
        )

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and shows progress."""
        return self.process == 0

    @property
    def together(self) -> bool:
        """Whether there are several processes."""
        return self.processes > 1

    def __str__(self) -> str:
        return f"{self.count} {self._kind}" + (f" in {self.processes} processes" if self.together else "")

    def filled(self, rows: int) -> int:
        """Return the least multiple of the devices' number that is not less than ``rows``."""
        return -(-rows // self.count) * self.count

    def own(self, rows: IntVector) -> IntVector:
        """Fill a batch up to a multiple of the devices' number, by its first rows, and return this process's part."""
        total = self.filled(rows.size)
        share = total // self.processes
        return np.resize(rows, total)[self.process * share : (self.process + 1) * share]

    def divide(self, part: NDArray[Any]) -> Any:
        """Return the batch of which ``part`` is this process's rows, divided among the devices."""
        if self.count == 1:
            return part
        shape = (part.shape[0] * self.processes, *part.shape[1:])
        return _global(self._divided, part, shape)

    def copy(self, values: Sequence[Any]) -> list[jax.Array]:
        """Return copies of arrays, the same in every process, on each device."""
        if self.count == 1:
            return [copied(value) for value in values]
        return [_global(self._everywhere, np.array(value), np.shape(value)) for value in values]

    def compile(self, function: Callable[..., Any], **options: Any) -> Any:
        """Return the jitted function; what it returns lies whole on each device."""
        if self.count > 1:
            options["out_shardings"] = self._everywhere
        return jax.jit(function, **options)


def copied(value: Any) -> jax.Array:
    """Return a copy on the device that may be donated; without a program for each shape, as ``jax.numpy.copy`` has."""
    here: jax.Array = value if isinstance(value, jax.Array) else jax.device_put(value)  # in NumPy's memory
    # JAX asks for the place where other processes have a part of the array.
    place = None if here.is_fully_addressable else here.sharding
    mine: jax.Array = jax.device_put(here, place, may_alias=False)
    return mine


def _global(sharding: NamedSharding, part: NDArray[Any], shape: tuple[int, ...]) -> jax.Array:
    found: jax.Array = jax.make_array_from_process_local_data(sharding, part, shape)  # type: ignore[no-untyped-call] # JAX
    return found


def check_devices(value: object) -> DeviceChoice:
    """Return ``value`` where it is "all" or an integer of at least 1.

    Raises:
        ArgumentError: it is neither.
    """
    if value == "all":
        return "all"
    if isinstance(value, str):
        raise ArgumentError(explain("devices", "must be 'all' or how many, at least 1", value))
    return check_integer("devices", value, low=1)
