"""Every file of the collection of odd images does what its index says."""

from __future__ import annotations

import csv
import json
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn.data.readers import DecodedImage, ReadOptions, is_image_file, read_decoded
from medimg_cnn.errors import ImageReadError, MissingDependencyError

SECONDS = 10
MEBIBYTE = 2**20
# The index has what Pillow makes of this file: grey with alpha of 16 bits, which Pillow has as colour.
GREY_ALTHOUGH_PILLOW_SAYS_COLOR = {"pngsuite__basn4a16.png"}
# A missing file of the index would otherwise go unseen.
ROWS = 98


@pytest.fixture(scope="module")
def index(shared: Path) -> dict[str, dict[str, str]]:
    with (shared / "data" / "odd_images" / "index.csv").open(encoding="utf-8", newline="") as table:
        return {row["file"]: row for row in csv.DictReader(table)}


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "odd_images"


def grey(pixels: np.ndarray) -> np.ndarray:
    return pixels.mean(axis=2, keepdims=True)


def attempt(path: Path) -> DecodedImage | ImageReadError | MissingDependencyError:
    """Return the image, or the error; none but the library's own may come."""
    started = time.perf_counter()
    try:
        return read_decoded(path)
    except (ImageReadError, MissingDependencyError) as error:
        return error
    finally:
        assert time.perf_counter() - started < SECONDS


def check(folder: Path, row: dict[str, str]) -> str:
    """Read the file of a row, check all that the row says, and return what happened."""
    outcome = attempt(folder / row["file"])
    if isinstance(outcome, MissingDependencyError):
        assert row["needs"], f"the index names no package: {outcome}"
        assert row["file"] in str(outcome)
        assert "pip install" in str(outcome)
        return "package"
    if isinstance(outcome, ImageReadError):
        assert row["expect"] in ("error", "either"), f"must load: {outcome}"
        assert row["file"] in str(outcome)
        return "error"
    assert row["expect"] in ("load", "either"), f"{row['file']}: must not load"
    pixels = outcome.pixels
    assert pixels.dtype == np.float32
    assert np.isfinite(pixels).all()
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    assert pixels.shape[2] in (1, 3)
    if row["height"]:
        assert pixels.shape[:2] == (int(row["height"]), int(row["width"])), row["file"]
    if row["channels"] and row["file"] not in GREY_ALTHOUGH_PILLOW_SAYS_COLOR:
        assert pixels.shape[2] == int(row["channels"]), row["file"]
    if row["frames"]:
        assert outcome.frames == int(row["frames"]), row["file"]
    if row["same_as"]:
        other = read_decoded(folder / row["same_as"]).pixels
        if other.shape[2] != pixels.shape[2]:
            pixels, other = grey(pixels), grey(other)
        assert np.abs(pixels - other).mean() <= float(row["tol"]), row["file"]
    return "loaded"


def test_every_row_behaves_as_the_index_says(folder: Path, index: dict[str, dict[str, str]]) -> None:
    assert len(index) == ROWS
    done = {file: check(folder, row) for file, row in index.items()}
    # So that a reader that refused everything could not pass.
    assert sum(what == "loaded" for what in done.values()) >= 55
    assert sum(what == "package" for what in done.values()) <= 4


def test_the_lfs_pointer_is_called_one(folder: Path) -> None:
    with pytest.raises(ImageReadError, match=r"syn__gitlfs\.png: .*Git LFS pointer.*git lfs pull"):
        read_decoded(folder / "syn__gitlfs.png")


def test_junk_is_no_image(folder: Path) -> None:
    for file in ("Thumbs.db", "syn__gitlfs.png", "syn__object_array.npy", "index.csv"):
        assert not is_image_file(folder / file)


def test_cmyk_is_not_inverted(folder: Path) -> None:
    pixels = read_decoded(folder / "pil__pil_sample_cmyk.jpg").pixels
    np.testing.assert_allclose(pixels[0, 0], [1, 0, 0], atol=0.12)  # red above, black below
    np.testing.assert_allclose(pixels[-1, -1], [0, 0, 0], atol=0.12)


MEMORY_SCRIPT = """
import json, sys
from pathlib import Path
from medimg_cnn.data.readers import read_decoded
from medimg_cnn.errors import ImageReadError, MissingDependencyError

def peak():
    # Not getrusage: a process inherits the peak of the one that started it.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

def read(path):
    try:
        read_decoded(path)
    except (ImageReadError, MissingDependencyError):
        pass

folder = Path(sys.argv[1])
read(folder / "syn__base8.png")
before = peak()
read(folder / "syn__bomb_60000x60000.png")
bomb = peak() - before
for path in sorted(folder.iterdir()):
    read(path)
print(json.dumps({"bomb": bomb, "peak": peak()}))
"""


def memory_of(folder: Path) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_SCRIPT, str(folder)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    taken: dict[str, int] = json.loads(done.stdout)
    return taken


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_stays_bounded(folder: Path) -> None:
    taken = memory_of(folder)
    assert taken["bomb"] < 200 * MEBIBYTE
    assert taken["peak"] < 1024 * MEBIBYTE


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_stays_bounded_at_the_limit_of_pixels(
    tmp_path: Path, chunk: Callable[[bytes, bytes], bytes]
) -> None:
    # The dearest kind there is: 16-bit colour with alpha, 288 MB of pixels in a file of 1 MB.
    side = 6000
    deflater = zlib.compressobj(1)
    body = b"".join(deflater.compress(bytes(1 + side * 8)) for _ in range(side)) + deflater.flush()
    head = struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    (tmp_path / "syn__base8.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    assert ReadOptions().max_pixels == side * side
    assert MEBIBYTE * 700 < memory_of(tmp_path)["peak"] < 1024 * MEBIBYTE
