from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medimg_cnn.data import read_decoded
from medimg_cnn.data._prepare import PixelOptions, Prepared, prepare
from medimg_cnn.data.sources._files import Folder
from medimg_cnn.errors import ImageReadError


class Counting:
    """A pixel source that counts how many images were decoded."""

    def __init__(self, root: Path) -> None:
        self._pixels = Folder(root).pixels(sorted(path.name for path in root.glob("*.png")))
        self.native_size = None
        self.decoded: list[int] = []
        self.fail_after: int | None = None

    def __len__(self) -> int:
        return len(self._pixels)

    def digest(self, index: int) -> str:
        return self._pixels.digest(index)

    def decode(self, index: int, *args: object) -> object:
        if self.fail_after is not None and len(self.decoded) >= self.fail_after:
            raise KeyboardInterrupt
        self.decoded.append(index)
        return self._pixels.decode(index, *args)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for index in range(60):
        Image.fromarray(draw.integers(0, 256, (16, 16), dtype=np.uint8)).save(folder / f"{index:03d}.png")
    return folder


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medimg_cnn.data._prepare._SHARD_BYTES", 8 * 16 * 16 * 2)


def run(source: Counting, **options: object) -> Prepared:
    return prepare(source, PixelOptions(image_size=(16, 16), progress=False, **options))


def assert_right(prepared: Prepared, root: Path) -> None:
    paths = sorted(root.glob("*.png"))
    for row, path in enumerate(paths):
        if row in prepared.failures:
            continue
        expected = read_decoded(path).pixels
        assert (prepared.store.read(np.array([row]))[0] == expected).all(), path


def test_every_image_is_decoded_once_and_right(root: Path, small_shards: None) -> None:
    source = Counting(root)
    prepared = run(source)
    assert sorted(source.decoded) == list(range(60))
    assert_right(prepared, root)
    assert prepared.facts[0].format == "PNG"
    assert (prepared.facts[0].height, prepared.facts[0].width) == (16, 16)


def test_nothing_is_written_unless_asked_or_needed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDIMG_CNN_CACHE", str(tmp_path / "cache"))
    run(Counting(root))
    assert not (tmp_path / "cache").exists()
    prepared = run(Counting(root), memory_budget=0)
    assert list((tmp_path / "cache").rglob("*.npy"))
    assert_right(prepared, root)


@pytest.mark.parametrize("budget", [0, 20_000, 2**30])
def test_the_second_time_nothing_is_decoded(
    root: Path, tmp_path: Path, small_shards: None, budget: int
) -> None:
    cache = str(tmp_path / "cache")
    run(Counting(root), cache=cache, memory_budget=budget)
    again = Counting(root)
    prepared = run(again, cache=cache, memory_budget=budget)
    assert again.decoded == []
    assert_right(prepared, root)


def test_a_changed_image_is_never_stale_and_costs_one_shard(
    root: Path, tmp_path: Path, small_shards: None
) -> None:
    cache = str(tmp_path / "cache")
    run(Counting(root), cache=cache)
    path = root / "007.png"
    before = path.stat()
    Image.fromarray(np.full((16, 16), 9, dtype=np.uint8)).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # even where the time does not tell
    again = Counting(root)
    prepared = run(again, cache=cache)
    assert 0 < len(again.decoded) < 40
    assert_right(prepared, root)


@pytest.mark.parametrize("change", [{"channels": 3}, {"fit": "pad"}])
def test_other_options_do_not_take_stored_pixels_of_others(
    root: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    cache = str(tmp_path / "cache")
    run(Counting(root), cache=cache, channels=1)
    again = Counting(root)
    run(again, cache=cache, **({"channels": 1} | change))
    assert len(again.decoded) == 60


def test_an_interrupted_preparation_goes_on(root: Path, tmp_path: Path, small_shards: None) -> None:
    cache = str(tmp_path / "cache")
    first = Counting(root)
    first.fail_after = 45
    with pytest.raises(KeyboardInterrupt):
        run(first, cache=cache, workers=1)
    again = Counting(root)
    prepared = run(again, cache=cache)
    assert 15 <= len(again.decoded) < 60
    assert_right(prepared, root)


@pytest.mark.parametrize("budget", [0, 2**30])
@pytest.mark.parametrize("at", [0, -1])
def test_damaged_files_are_made_anew_and_it_is_said(
    root: Path, tmp_path: Path, small_shards: None, budget: int, at: int
) -> None:
    cache = str(tmp_path / "cache")
    assert run(Counting(root), cache=cache).said == ()
    path = min((tmp_path / "cache").rglob("*.npy"))
    content = bytearray(path.read_bytes())
    content[at] ^= 1  # of the same size: the header, or a pixel
    path.write_bytes(content)
    again = Counting(root)
    prepared = run(again, cache=cache, memory_budget=budget)
    assert 0 < len(again.decoded) < 40
    assert_right(prepared, root)
    (said,) = prepared.said
    assert path.name in said
    assert "1, for example" in said
    third = Counting(root)
    assert run(third, cache=cache).said == ()
    assert third.decoded == []


def test_unreadable_images_are_told_and_tried_again(root: Path, tmp_path: Path) -> None:
    (root / "007.png").write_bytes(b"\x89PNG broken")
    (root / "008.png").write_bytes(b"\x89PNG broken")  # equal content: decoded once, told for both
    cache = str(tmp_path / "cache")
    prepared = run(Counting(root), cache=cache)
    assert sorted(prepared.failures) == [7, 8]
    assert "007.png" in prepared.failures[7]
    assert prepared.facts[7] is None
    again = Counting(root)
    assert sorted(run(again, cache=cache).failures) == [7, 8]
    assert 7 in again.decoded


def test_a_file_that_goes_while_it_is_read_is_unreadable(root: Path) -> None:
    source = Counting(root)
    (root / "003.png").unlink()
    prepared = run(source)
    assert list(prepared.failures) == [3]


def test_a_decoder_that_is_not_ours_to_blame_is_not_hidden(root: Path) -> None:
    source = Counting(root)
    source.decode = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        run(source)


def test_mixed_depths_and_colours_in_one_shard_stay_exact(tmp_path: Path) -> None:
    root = tmp_path / "mixed"
    root.mkdir()
    draw = np.random.default_rng(0)
    for index in range(12):
        kind, high = (np.uint16, 65_536) if index % 3 == 0 else (np.uint8, 256)
        shape = (16, 16, 3) if index % 3 == 1 else (16, 16)
        Image.fromarray(draw.integers(0, high, shape, dtype=kind)).save(root / f"{index:03d}.png")
    prepared = run(Counting(root))
    assert prepared.preprocessing.channels == 3
    for row, path in enumerate(sorted(root.glob("*.png"))):
        expected = np.broadcast_to(read_decoded(path).pixels, (16, 16, 3))
        assert np.abs(prepared.store.read(np.array([row]))[0] - expected).max() < 1e-6


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_size_of_a_jpeg_is_told_though_it_was_decoded_smaller(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (128, 1)))
    picture.save(tmp_path / "000.jpg", quality=95, exif=exif)
    prepared = prepare(
        Folder(tmp_path).pixels(["000.jpg"]), PixelOptions(image_size=(16, 16), progress=False)
    )
    facts = prepared.facts[0]
    assert (facts.height, facts.width) == ((128, 256) if orientation == 1 else (256, 128))


def test_progress_lines_on_a_plain_stream(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(Counting(root), PixelOptions(image_size=(16, 16), progress=True))
    assert "Decoding images: 60 of 60" in capsys.readouterr().err
    prepare(Counting(root), PixelOptions(image_size=(16, 16)))
    assert capsys.readouterr().err == ""


PROGRAM = """
import sys
from medimg_cnn.data import _prepare
from medimg_cnn.data.sources._files import Folder
from pathlib import Path
_prepare._SHARD_BYTES = 8 * 16 * 16 * 2
root = Path(sys.argv[1])
pixels = Folder(root).pixels(sorted(path.name for path in root.glob("*.png")))
print("ready", flush=True)
sys.stdin.readline()
while True:
    _prepare.prepare(pixels, _prepare.PixelOptions(image_size=(16, 16), cache=sys.argv[2], progress=False))
    print("done", flush=True)
    if len(sys.argv) < 4:
        break
    import shutil
    shutil.rmtree(sys.argv[2])
"""


def start(root: Path, cache: Path, *more: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root), str(cache), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_processes_prepare_at_once(root: Path, tmp_path: Path, small_shards: None) -> None:
    cache = tmp_path / "cache"
    processes = [start(root, cache) for _ in range(2)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=60)[0].endswith("done\n")
        assert process.returncode == 0
    again = Counting(root)
    prepared = run(again, cache=str(cache))
    assert again.decoded == []
    assert_right(prepared, root)
    assert not list(cache.rglob("*.part"))


@pytest.mark.slow
def test_killed_twenty_times_while_writing_never_a_wrong_image(
    root: Path, tmp_path: Path, small_shards: None
) -> None:
    interrupted = 0
    for attempt in range(20):
        cache = tmp_path / f"cache{attempt}"
        process = start(root, cache)
        process.stdin.write("go\n")
        process.stdin.flush()
        while not list(cache.rglob("*.npy")) and process.poll() is None:
            time.sleep(0.0005)
        time.sleep(0.003 * (attempt % 10))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        again = Counting(root)
        prepared = run(again, cache=str(cache))
        assert_right(prepared, root)
        interrupted += 0 < len(again.decoded) < 60
    assert interrupted >= 5  # the kills did fall into the writing


def test_an_image_error_names_the_file(root: Path) -> None:
    with pytest.raises(ImageReadError, match=r"gone\.png"):
        Folder(root).open("gone.png")
