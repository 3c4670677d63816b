"""What the processes of compare_training.py share: they work when told to, one at a time, and say how fast it went."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Turns", "arrays", "case", "epochs"]


def case() -> dict[str, Any]:
    """Return the case this process was started for: shape, batch, steps of an epoch and the network's configuration."""
    found: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    return found


def arrays(found: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return one epoch's images, uint8 (n, height, width, channels), and labels."""
    count = found["batch"] * found["steps"]
    images = np.random.default_rng(0).integers(0, 256, (count, *found["shape"]), dtype=np.uint8)
    return images, np.arange(count) % 2


class Turns:
    """Waits for commands on the standard input.

    Args:
        predict: gives the probabilities of (n, height, width, channels) float32 images, ready to be read.
        shape: of an image.
    """

    def __init__(self, predict: Callable[[np.ndarray], Any], shape: list[int]) -> None:
        self._predict, self._shape = predict, tuple(shape)

    def wait(self) -> None:
        """Answer commands until the next is to train an epoch."""
        for line in sys.stdin:
            name, *argument = line.split()
            if name == "train":
                return
            if name == "quit":
                break
            self.say(self._predict_rate(int(argument[0])))
        raise SystemExit(0)

    def say(self, images_per_second: float) -> None:
        """Answer."""
        sys.__stdout__.write(f"{images_per_second!r}\n")
        sys.__stdout__.flush()

    def _predict_rate(self, batch: int) -> float:
        images = np.random.default_rng(1).random((batch, *self._shape), dtype=np.float32)
        self._predict(images)
        seconds, end = [], time.perf_counter() + 1.0
        while len(seconds) < 3 or time.perf_counter() < end:
            start = time.perf_counter()
            self._predict(images)
            seconds.append(time.perf_counter() - start)
        return batch / statistics.median(seconds)


def epochs(keras: Any, turns: Turns, images: int) -> Any:
    """Return a Keras callback that waits before each epoch and says how fast it went."""
    start = 0.0

    def begin(epoch: int, logs: Any = None) -> None:
        nonlocal start
        turns.wait()
        start = time.perf_counter()

    def end(epoch: int, logs: Any = None) -> None:
        turns.say(images / (time.perf_counter() - start))

    return keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)
