"""Speed of the statistics, against limits that a busy machine still keeps.

CPU time of this process is what is held to the limit; the wall-clock time beside it tells how much the
machine had to share. Run with ``-m benchmark -s`` to see both.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from medimg_cnn import evaluation as ev

pytestmark = pytest.mark.benchmark

RNG = np.random.default_rng(0)
GIB = 2**30


def sample(n: int) -> tuple[np.ndarray, np.ndarray]:
    y = RNG.random(n) < 0.3
    return y, RNG.normal(size=n) + y


def seconds(name: str, call: Callable[[], object], *, repeats: int = 3) -> float:
    """Return the least CPU time of a few calls, and print it with the wall-clock time."""
    best = wall = float("inf")
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        call()
        wall = min(wall, time.perf_counter() - start)
        best = min(best, time.process_time() - cpu)
    sys.stderr.write(f"\n{name}: {best:.2f} s CPU, {wall:.2f} s wall clock")
    return best


def test_delong_of_a_million_scores() -> None:
    y, score = sample(1_000_000)
    assert seconds("DeLong, n = 1,000,000", lambda: ev.auroc(y, score)) < 0.5


@pytest.mark.parametrize("by_patient", [False, True])
@pytest.mark.parametrize("statistic", ["auroc", "auprc"])
def test_2000_resamples_of_100000_images(statistic: str, by_patient: bool) -> None:
    y, score = sample(100_000)
    patients = RNG.integers(0, 40_000, y.size) if by_patient else None

    def call() -> ev.Estimate:
        return ev.bootstrap(y, score, statistic, patients=patients, resamples=2000)  # type: ignore[arg-type]

    name = f"2,000 resamples of the {statistic}, n = 100,000{' by patient' if by_patient else ''}"
    assert seconds(name, call, repeats=1) < 5.0


def test_memory_of_the_bootstrap() -> None:
    y, score = sample(100_000)
    tracemalloc.start()
    try:
        ev.bootstrap(y, score, resamples=100)  # the peak does not grow with the number of resamples
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    sys.stderr.write(f"\npeak of the bootstrap: {peak / 2**20:.0f} MiB")
    assert peak < GIB / 4


def test_all_figures_of_100000_images_by_patient() -> None:
    y, score = sample(100_000)
    p = 1.0 / (1.0 + np.exp(-score))
    patients = RNG.integers(0, 40_000, y.size)

    def everything() -> None:
        ev.operating_characteristics(y, p, 0.5, patients=patients)
        ev.auroc(y, p, patients=patients)
        ev.calibration(y, p, patients=patients)
        ev.reliability_curve(y, p, patients=patients)
        ev.decision_curve(y, p, patients=patients)

    assert seconds("all figures by patient, n = 100,000", everything) < 3.0
