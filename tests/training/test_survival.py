"""Runs that are killed, terminated, or whose disk is full or read-only: with real processes and file systems.

``MEDIMG_CNN_KILLS=100 pytest -m slow tests/training/test_survival.py -s`` kills 100 times and prints the figures.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medimg_cnn.errors import ArgumentError
from medimg_cnn.training import Trainer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
]
INTERVAL, CHAIN = 3, 10
SERVER = Path(__file__).with_name("survivor.py")


class Survivor:
    """Begins runs in other processes; see survivor.py."""

    def __init__(self, folder: Path) -> None:
        environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        self.errors = folder / "errors.txt"
        with self.errors.open("w") as errors:
            self._server = subprocess.Popen(
                [sys.executable, str(SERVER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )

    def begin(self, folder: Path, *, steps: int | None = INTERVAL, pause: float = 0.01) -> int:
        """Begin or go on with a run; return the process's id."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps({"folder": str(folder), "steps": steps, "pause": pause}) + "\n")
        self._server.stdin.flush()
        return int(self._answer())

    def status(self) -> int:
        """Wait for the end of the process and return its status; of a signal the negative."""
        return int(self._answer())

    def run(self, folder: Path, **options: Any) -> int:
        self.begin(folder, **options)
        return self.status()

    def _answer(self) -> str:
        assert self._server.stdout is not None
        answer = self._server.stdout.readline()
        assert answer, self.errors.read_text()
        return answer

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(60)
        assert self._server.stdout is not None
        self._server.stdout.close()


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survivor]:
    server = Survivor(tmp_path_factory.mktemp("survivor"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def reference(survivor: Survivor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("reference") / "run"
    assert survivor.run(folder, pause=0.0) == 0, survivor.errors.read_text()
    return folder.with_suffix(".npz")


def same(folder: Path, reference: Path) -> bool:
    with np.load(folder.with_suffix(".npz")) as found, np.load(reference) as expected:
        return found.files == expected.files and all(
            found[name].tobytes() == expected[name].tobytes() for name in expected.files
        )


def done(folder: Path) -> int:
    """How many batches were read for training, in all processes together."""
    count = folder.with_suffix(".steps")
    return count.stat().st_size if count.exists() else 0


def newest(folder: Path) -> int:
    numbers = [
        int(path.parent.name)
        for path in folder.glob("checkpoints/*/manifest.json")
        if path.parent.name.isdecimal()
    ]
    return max(numbers, default=0)


def steps(number: int) -> int:
    """Of a checkpoint's number, which counts each validation too: one for nine steps."""
    return number - number // 10


def unfinished(folder: Path) -> set[tuple[str, int]]:
    """The checkpoints that are being written, or were when the process ended: by name, and time of the last change."""
    found = set()
    for path in folder.glob("checkpoints/*"):
        if path.name.isdecimal() and (path / "manifest.json").exists():
            continue
        with suppress(FileNotFoundError):  # finished meanwhile
            if path.is_dir():
                found.add((path.name, path.stat().st_ctime_ns))
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.002)


def moved(folder: Path, before: int) -> bool:
    return done(folder) > before or folder.with_suffix(".npz").exists()


def saving(folder: Path, stale: set[tuple[str, int]]) -> bool:
    return bool(unfinished(folder) - stale) or folder.with_suffix(".npz").exists()


def test_kill_9_at_random_moments_changes_no_weight(
    survivor: Survivor, reference: Path, tmp_path: Path
) -> None:
    kills = int(os.environ.get("MEDIMG_CNN_KILLS", "20"))
    rng = random.Random(5)
    killed = chains = while_saving = 0
    lost: list[int] = []
    started = time.monotonic()
    while killed < kills:
        folder = tmp_path / str(chains)
        for _ in range(min(CHAIN, kills - killed)):
            position, before, stale = newest(folder), done(folder), unfinished(folder)
            process = survivor.begin(folder)
            # After some steps of this process and a moment more: in a step, a validation, a save or at the end.
            wait_for(partial(moved, folder, before + rng.randrange(1, 16)))
            if killed % 2:
                wait_for(partial(saving, folder, stale))
                time.sleep(rng.uniform(0.0, 0.01))
            else:
                time.sleep(rng.uniform(0.0, 0.1))
            with suppress(ProcessLookupError):  # it may have come to its end
                os.kill(process, signal.SIGKILL)
            status = survivor.status()
            if status == 0:
                break
            assert status == -signal.SIGKILL, survivor.errors.read_text()
            killed += 1
            while_saving += bool(unfinished(folder) - stale)
            if (folder / "checkpoints").exists() and not (folder / "result.json").exists():
                lost.append((done(folder) - before) - (steps(newest(folder)) - steps(position)))
        assert survivor.run(folder) == 0, survivor.errors.read_text()
        assert same(folder, reference), f"chain {chains}"
        chains += 1
    assert max(lost) <= INTERVAL
    assert while_saving >= kills // 10, "every other kill waits for a save to begin"
    print(
        f"\n{killed} kills ({while_saving} while a checkpoint was written) in {chains} runs: every run ended with the "
        f"weights of the uninterrupted one; steps lost: median {int(np.median(lost))}, at most {max(lost)}, "
        f"interval {INTERVAL}; {time.monotonic() - started:.0f} s"
    )


def test_sigterm_is_obeyed_within_five_seconds(survivor: Survivor, reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = survivor.begin(folder, steps=None, pause=0.05)
    wait_for(lambda: done(folder) > 12)
    started = time.monotonic()
    os.kill(process, signal.SIGTERM)
    assert survivor.status() == 143
    seconds = time.monotonic() - started
    assert seconds < 5
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert events[-1]["event"] == "stopped"
    assert survivor.run(folder) == 0
    assert same(folder, reference)
    print(f"\nSIGTERM: saved and ended after {seconds:.2f} s")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(
            "this user may not mount a file system; test_resume has the same with a limit on file sizes"
        )
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(path: Path, leave: int = 0) -> None:
    """Write to a file until so many bytes are free."""
    with path.open("wb", buffering=0) as stream, suppress(OSError):
        while (free := shutil.disk_usage(path).free - leave) > 0:
            if not stream.write(bytes(min(free, 1 << 18))):
                break


def test_a_disk_that_fills_up_while_saving(survivor: Survivor, reference: Path, small_disk: Path) -> None:
    folder, filler, last = small_disk / "run", small_disk / "filler", small_disk / "last"
    said = len(survivor.errors.read_text())
    process = survivor.begin(folder, pause=0.05)
    wait_for(lambda: newest(folder) > 4)
    fill(filler, leave=1 << 20)
    for _ in range(10):
        wait_for(lambda: bool(unfinished(folder)))
        fill(last)
        if unfinished(folder):
            break
        last.unlink()  # that checkpoint was finished before the disk was full
    else:
        pytest.fail("no checkpoint was being written when the disk was full")
    before = done(folder)
    # The run says so, and goes on: beyond the steps after which it waits for a checkpoint that is being written.
    words = (
        r"checkpoint could not be written \(.*\)\. Training goes on; checkpoint (\d+) is the last good one"
    )
    wait_for(lambda: re.search(words, survivor.errors.read_text()[said:]) is not None)
    wait_for(lambda: done(folder) > before + 3 * INTERVAL)
    assert not folder.with_suffix(".npz").exists(), "it has not come to its end"
    os.kill(process, signal.SIGKILL)
    assert survivor.status() == -signal.SIGKILL
    kept = newest(folder)
    found = re.findall(words, survivor.errors.read_text()[said:])
    assert found == [str(kept)] * len(found), "the old checkpoint is there"
    # Going on is refused in words while the disk is full, and works when it is not.
    steps = folder.with_suffix(".steps").stat().st_size
    assert survivor.run(folder) == 1
    assert "must have room for what the run still writes" in survivor.errors.read_text()
    assert folder.with_suffix(".steps").stat().st_size == steps, "no step was trained"
    assert newest(folder) == kept
    filler.unlink()
    last.unlink()
    assert survivor.run(folder) == 0, survivor.errors.read_text()
    with np.load(folder.with_suffix(".npz")) as found, np.load(reference) as expected:
        assert all(found[name].tobytes() == expected[name].tobytes() for name in expected.files)


def test_a_full_or_read_only_disk_is_found_before_the_first_step(
    survivor: Survivor, small_disk: Path, make_source: Callable[..., Any]
) -> None:
    from medimg_cnn.models import build_cnn

    train, validation = make_source(40), make_source(20, part="validation", seed=1)
    reads: list[int] = []
    read = train.read
    finished = Trainer(
        build_cnn((12, 12, 1), width=4), directory=small_disk / "finished", epochs=1, progress=False
    ).fit(train, validation)
    train.read = lambda rows: (reads.append(len(rows)), read(rows))[1]
    trainer = Trainer(build_cnn((12, 12, 1), width=32), directory=small_disk / "big", progress=False)
    with pytest.raises(ArgumentError, match=r"must have room for what the run still writes, .* MB are free"):
        trainer.fit(train, validation)
    assert not reads
    folder = small_disk / "small"
    process = survivor.begin(folder, pause=0.05)
    wait_for(lambda: newest(folder) > 4)
    os.kill(process, signal.SIGKILL)
    survivor.status()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    try:
        for directory in (folder, small_disk / "new"):
            trainer = Trainer(
                build_cnn((12, 12, 1), width=4), directory=directory, overwrite=True, progress=False
            )
            with pytest.raises(ArgumentError, match="cannot be written to"):
                trainer.fit(train, validation)
        train.read = read
        read_only = Trainer.resume(small_disk / "finished", progress=False).fit(train, validation)
        assert read_only.result.model_sha256 == finished.result.model_sha256, "a finished run is loaded"
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert not reads
    assert survivor.run(folder) == 0
