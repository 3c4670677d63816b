"""One run on several devices and in several processes: the same as on one, and no process is left waiting."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from medimg_cnn.cli import main
from medimg_cnn.data.phantoms import make_phantoms
from medimg_cnn.errors import ArgumentError
from medimg_cnn.training import Trainer
from medimg_cnn.training._devices import Devices

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("crowd.py")
LIMIT = 60.0
"""Seconds in which every process must end when one of them is lost."""


class Crowd:
    """Starts crowd.py, alone or through the command that the how-to names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }

    def alone(self, name: str, *, devices: int, **order: Any) -> dict[str, np.ndarray]:
        flags = f"{self._environment.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
        done = subprocess.run(
            [sys.executable, str(SCRIPT), self._order(name, order)],
            env=self._environment | {"XLA_FLAGS": flags.strip()},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        assert f"process 0 of 1: {devices} cpu" in done.stdout
        return self.result(name)

    def begin(self, name: str, **order: Any) -> subprocess.Popen[str]:
        """Start two processes."""
        command = [sys.executable, "-m", "medimg_cnn", "launch", "--processes", "2", str(SCRIPT)]
        return subprocess.Popen(
            [*command, self._order(name, order)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def pair(self, name: str, **order: Any) -> dict[str, np.ndarray]:
        said, status = end(self.begin(name, **order), 600)
        assert status == 0, said
        assert "process 1 of 2: 2 cpu in 2 processes" in said
        return self.result(name)

    def result(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.folder / f"{name}.npz") as found:
            return dict(found)

    def reads(self, name: str, process: int) -> list[list[int]]:
        """The rows of each batch of 4, which are those of training."""
        path = self.folder / f"{name}.{process}.reads"
        lines = path.read_text().splitlines() if path.exists() else []
        return [rows for line in lines if len(rows := [int(row) for row in line.split()]) == 4]

    def wait_for_reads(self, name: str, process: int, count: int, running: subprocess.Popen[str]) -> int:
        """Wait until a process has read so many batches; return its id."""
        until = time.monotonic() + 300
        while len(self.reads(name, process)) < count:
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        return int((self.folder / f"{name}.{process}.pid").read_text())

    def _order(self, name: str, order: dict[str, Any]) -> str:
        return json.dumps({"folder": str(self.folder / name), **order})


def end(running: subprocess.Popen[str], seconds: float) -> tuple[str, int]:
    """Return what was said, and the exit status."""
    try:
        said, _ = running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        running.kill()
        raise
    return said, running.returncode


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    return Crowd(tmp_path_factory.mktemp("crowd"))


@pytest.fixture(scope="module")
def one(crowd: Crowd) -> dict[str, np.ndarray]:
    """A run of three epochs on one device."""
    return crowd.alone("one", devices=1)


@pytest.fixture(scope="module")
def two(crowd: Crowd) -> dict[str, np.ndarray]:
    """The same run in two processes."""
    return crowd.pair("two")


def assert_alike(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], words: str) -> None:
    assert found["loss"].shape == (3,)
    for name in ("loss", "validation", "logit"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-3, err_msg=name)
    most = max(np.abs(found[name] - expected[name]).max() for name in ("loss", "validation"))
    print(f"\n{words}: losses of 3 epochs differ by at most {most:.1e} from one device's")


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        assert found[name].tobytes() == values.tobytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 3, 4])
def test_several_devices_give_what_one_gives(crowd: Crowd, one: dict[str, np.ndarray], devices: int) -> None:
    # Batches of 8, the last of 4; on 3 devices they are filled up to 9.
    assert_alike(crowd.alone(f"devices{devices}", devices=devices), one, f"{devices} devices")


@pytest.mark.slow
def test_two_processes_give_what_one_gives_and_each_reads_its_part_only(
    crowd: Crowd, one: dict[str, np.ndarray], two: dict[str, np.ndarray]
) -> None:
    assert_alike(two, one, "2 processes")
    parts = [crowd.reads("two", process) for process in (0, 1)]
    # Eight steps an epoch, the last one filled up with images of its start.
    assert [len(part) for part in parts] == [24, 24]
    epoch = [row for steps in zip(parts[0][:8], parts[1][:8], strict=True) for step in steps for row in step]
    assert sorted(epoch[:60]) == list(range(60))


@pytest.mark.slow
def test_shards_that_cannot_be_equal_do_not_hang(crowd: Crowd) -> None:
    found = crowd.pair("odd", images=33, batch=7, epochs=2)
    assert np.isfinite(found["loss"]).all()


@pytest.mark.slow
def test_processes_that_see_other_images_are_refused_in_words(crowd: Crowd) -> None:
    started = time.monotonic()
    said, status = end(crowd.begin("other", more=5), 300)
    assert status == 1
    assert "process 1 differs from process 0 in its training images" in said
    assert not crowd.reads("other", 0)
    print(f"\nother images: refused after {time.monotonic() - started:.0f} s, with the start")


@pytest.mark.slow
def test_what_one_process_cannot_do_ends_the_other(crowd: Crowd) -> None:
    said, status = end(crowd.begin("broken", broken=1), 300)
    assert status == 1
    assert "broken on purpose" in said
    assert "what is left" not in said


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_kill_9_of_one_process_ends_the_other_and_the_run_goes_on(
    crowd: Crowd, two: dict[str, np.ndarray], victim: int
) -> None:
    name = f"killed{victim}"
    running = crowd.begin(name, keep=True, steps=4, pause=0.05)
    process = crowd.wait_for_reads(name, victim, 13, running)
    os.kill(process, signal.SIGKILL)
    started = time.monotonic()
    said, status = end(running, LIMIT)
    seconds = time.monotonic() - started
    assert status != 0
    assert f"process {victim} ended with status 137; the others end too" in said
    # The survivor's own error, or that of the engine below it, whichever comes first.
    assert "lost another process of this run" in said or "another task died" in said
    assert_same(crowd.pair(name, keep=True), two)
    print(f"\nprocess {victim} killed: all ended after {seconds:.1f} s; resumed, bit for bit")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "number", "status"),
    [
        ("launcher", signal.SIGTERM, 143),
        ("second process", signal.SIGTERM, 143),
        ("launcher", signal.SIGINT, 130),
    ],
)
def test_a_signal_saves_and_ends_all_of_them(
    crowd: Crowd, two: dict[str, np.ndarray], to: str, number: signal.Signals, status: int
) -> None:
    name = f"{number.name} {to}".replace(" ", "_")
    running = crowd.begin(name, keep=True, pause=0.05)
    process = crowd.wait_for_reads(name, 1, 12, running)
    os.kill(running.pid if to == "launcher" else process, number)
    started = time.monotonic()
    said, found = end(running, LIMIT)
    assert found == status, said
    assert said.count("ended by SIGTERM") == (number == signal.SIGTERM)
    print(f"\n{number.name} to the {to}: all ended after {time.monotonic() - started:.1f} s")
    events = [json.loads(line) for line in (crowd.folder / name / "events.jsonl").read_text().splitlines()]
    assert events[-1]["event"] == "stopped"
    assert events[-1]["signal"] == number.name
    assert_same(crowd.pair(name, keep=True), two)


@pytest.mark.slow
def test_the_command_of_the_how_to_starts_them(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "how-to" / "train-on-several-devices.md").read_text("utf-8")
    script = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    (command,) = re.findall(r"^medimg-cnn (launch --processes .*)$", text, re.MULTILINE)
    (tmp_path / "train.py").write_text(script, "utf-8")
    make_phantoms(tmp_path / "phantoms", patients=60, image_size=32, seed=1)
    arguments = [sys.executable, "-m", "medimg_cnn", *shlex.split(command)]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "several" / "report.html").is_file()
    record = json.loads((tmp_path / "runs" / "several" / "run.json").read_text("utf-8"))
    assert record["environment"]["devices"] == "2 cpu in 2 processes"


def test_a_batch_is_filled_up_and_divided() -> None:
    devices = Devices()
    for processes, each in ((1, 1), (1, 3), (2, 1), (3, 2)):
        devices.processes, devices.count = processes, processes * each
        for rows in (np.arange(1), np.arange(7), np.arange(12) * 2):
            parts = []
            for process in range(processes):
                devices.process = process
                parts.append(devices.own(rows))
            assert len({part.size for part in parts}) == 1
            whole = np.concatenate(parts)
            np.testing.assert_array_equal(whole[: rows.size], rows)
            assert whole.size % devices.count == 0
            assert whole.size - rows.size < devices.count
            assert np.isin(whole, rows).all()


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (0, "devices: must be a whole number of at least 1"),
        ("gpu", "devices: must be 'all' or how many"),
        (
            64,
            r"devices: must be at most the \d+ device\(s\) of kind '\w+' here, or 'all'; got 64"
            + (r"\. A CPU is one" if jax.default_backend() == "cpu" else ""),
        ),
    ],
)
def test_devices_that_are_not_there_are_refused(make_source: Any, devices: Any, words: str) -> None:
    from medimg_cnn.models import build_cnn

    train = make_source(20)
    with pytest.raises(ArgumentError, match=words):
        Trainer(build_cnn((12, 12, 1), width=4), devices=devices, progress=False).fit(train, train)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "script: must be a Python file"),
        (["-m"], "script: must be a Python file"),
        (["--processes", "0", "x.py"], "processes: must be a whole number of at least 1"),
        (["--hosts", "2", "x.py"], "coordinator: must be given where there are several hosts"),
        (["--hosts", "2", "--host", "2", "--coordinator", "a:1", "x.py"], "host: must be"),
    ],
)
def test_launch_says_what_it_needs(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["launch", *arguments]) == 2
    assert words in capsys.readouterr().err
