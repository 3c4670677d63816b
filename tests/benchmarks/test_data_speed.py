"""Speed and memory of reading; run with ``pytest -m benchmark -s``. Figures are printed, limits are asserted."""

from __future__ import annotations

import re
import resource
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn.data import load_dataset
from medimg_cnn.data._records import SourceOptions
from medimg_cnn.data.sources import open_source

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

BY_NAME = re.compile(r"p(\d+)_")


def small_png(values: np.ndarray) -> bytes:
    """Return a grey 8-bit PNG; writing 100,000 by Pillow would take longer than what is measured."""
    height, width = values.shape
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 1))
        + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    draw = np.random.default_rng(0)
    for label in ("normal", "tumour"):
        (root / label).mkdir()
    for index in range(100_000):
        label = ("normal", "tumour")[index % 2]
        content = small_png(draw.integers(0, 256, (28, 28), dtype=np.uint8))
        (root / label / f"p{index // 3}_{index}.png").write_bytes(content)
    return root


def peak_gib() -> float:
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def test_listing_100_000_files(many: Path) -> None:
    start = time.perf_counter()
    records = open_source(many, SourceOptions(patients=BY_NAME))
    seconds = time.perf_counter() - start
    sys.stdout.write(f"\nlisting 100,000 files: {seconds:.2f} s, peak RSS {peak_gib():.2f} GiB\n")
    assert len(records.labels) == 100_000
    assert seconds < 20
    assert peak_gib() < 1.5


def test_loading_100_000_small_files(many: Path, tmp_path: Path) -> None:
    for turn in ("first", "second"):
        start = time.perf_counter()
        data = load_dataset(many, patients=BY_NAME, image_size=28, cache=tmp_path, progress=False)
        seconds = time.perf_counter() - start
        sys.stdout.write(
            f"\n{turn} load of 100,000 PNG of 28 px: {seconds:.1f} s, {100_000 / seconds:,.0f} a second\n"
        )
    start = time.perf_counter()
    for index in range(len(data.train)):
        data.train[index]
    seconds = time.perf_counter() - start
    sys.stdout.write(
        f"one epoch from memory: {data.train.n / seconds:,.0f} images a second; peak RSS {peak_gib():.2f} GiB\n"
    )
    assert peak_gib() < 1.5


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_real_sized_files(tmp_path: Path, kind: str) -> None:
    from PIL import Image

    draw = np.random.default_rng(0)
    coarse = draw.integers(0, 256, (200, 64, 64), dtype=np.uint8)
    for index, values in enumerate(coarse):
        path = tmp_path / ("normal", "tumour")[index % 2] / f"{index}.{kind}"
        path.parent.mkdir(exist_ok=True)
        picture = Image.fromarray(values).resize((1024, 1024), Image.Resampling.BICUBIC)
        picture.save(path, quality=90)
    start = time.perf_counter()
    data = load_dataset(tmp_path, patients=lambda name: name, image_size=224, progress=False)
    first = time.perf_counter() - start
    start = time.perf_counter()
    for part in data.parts:
        for index in range(len(part)):
            part[index]
    second = time.perf_counter() - start
    sys.stdout.write(
        f"\n200 {kind} of 1024 px to 224: {200 / first:.0f} a second at first, {200 / second:,.0f} afterwards\n"
    )
    assert second < first / 5
