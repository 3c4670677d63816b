"""Freed memory stays while training lasts and goes back afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import re, sys
from pathlib import Path
import numpy as np
from medimg_cnn.training._memory import kept_memory

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def faults():
    return int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[7])

def use():
    before = faults()
    for _ in range(20):
        np.ones(2**23, np.float64)  # 64 MiB, freed at once
    return faults() - before

before = resident()
use()
usual = use()
with kept_memory():
    use()
    kept, held = use(), resident()
print(usual, kept, held - before, resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told what to keep")
def test_pages_are_kept_while_training_and_given_back_after_it() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    usual, kept, held, after = map(float, done.stdout.split())
    assert kept < usual / 20
    assert held > 60
    assert after < 20
