"""What both sides of time_to_quality.py share: a clock from the start of a process, halted while it is judged."""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

__all__ = ["Clock", "auroc"]


def auroc(score: np.ndarray, label: np.ndarray) -> float:
    """Return the share of pairs in the right order, ties counted half."""
    positive, negative = score[label == 1], np.sort(score[label == 0])
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    return float(below.mean() / 2 / negative.size)


class Clock:
    """Seconds since the process that started this one says it did; judging on the test part does not count."""

    def __init__(self) -> None:
        self._start = float(os.environ["QUALITY_START"])
        self._points: list[tuple[float, float]] = []

    def point(self, test_auroc: float, since: float) -> None:
        """Note the test AUROC of an epoch, judged from ``since`` until now."""
        self._points.append((since - self._start, test_auroc))
        self._start += time.time() - since

    def end(self, test_auroc: float) -> None:
        """Print the curve and the last figure as JSON."""
        found = {"points": self._points, "seconds": time.time() - self._start, "auroc": test_auroc}
        sys.__stdout__.write(json.dumps(found) + "\n")
