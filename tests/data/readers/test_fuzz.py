"""Thousands of damaged files: no exception but the library's own, no crash, no hang, no flood of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("fuzz.py")


def run(seed: int, first: int, count: int, *, more: str = "", timeout: float) -> dict[str, float]:
    """Read mutated files in a process of their own, which a decoder may take down with it."""
    done = subprocess.run(
        [sys.executable, str(WORKER), str(seed), str(first), str(count), *([more] if more else [])],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    lines = done.stdout.splitlines()
    last = lines[-1] if lines else "none"
    assert done.returncode == 0, (
        f"exit {done.returncode} at file {last}; to see it: python {WORKER} {seed} {last} 1 {more}\n"
        f"{done.stderr[-3000:]}"
    )
    result: dict[str, float] = json.loads(last)
    assert result["read"] + result["refused"] == count
    assert result["slowest"] < 10
    assert result["peak_kib"] < 1024 * 1024
    return result


@pytest.mark.skipif(sys.platform == "win32", reason="the worker ends itself by an alarm signal")
def test_some_damaged_files() -> None:
    result = run(1, 0, 400, timeout=300)
    # All but the float volume, whose range must be given.
    assert result["seeds_read"] >= result["seeds"] - 1
    assert result["read"] > 40


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the worker ends itself by an alarm signal")
def test_ten_thousand_damaged_files(shared: Path) -> None:
    result = run(0, 0, 10_000, more=str(shared / "data" / "odd_images"), timeout=3600)
    assert result["read"] > 1_000
