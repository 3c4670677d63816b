"""What a run shows: on a real terminal (a pseudo-terminal's two ends), and in a log."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn.artifacts import EpochRecord
from medimg_cnn.training import Trainer
from medimg_cnn.training._progress import TrainingProgress

Make = Callable[..., Any]
STEPS = 10**8
"""In an epoch that is only shown: so many that what is left is minutes."""


class Terminal:
    """Keeps what is written to one end of a pseudo-terminal."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        self.stream = os.fdopen(slave, "w")
        self._found: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._master, 4096)
            except OSError:  # Linux: the other end is closed
                return
            if not part:
                return
            self._found.append(part)

    def close(self) -> str:
        """Return all that was written, as the terminal got it."""
        self.stream.close()
        self._reader.join(10)
        os.close(self._master)
        return b"".join(self._found).decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Terminal]]:
    """Puts a terminal of 120 columns in the place of stderr."""
    pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "JUPYTER_COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("COLUMNS", "120")

    def begin() -> Terminal:
        made = Terminal()
        monkeypatch.setattr(sys, "stderr", made.stream)
        return made

    yield begin
    monkeypatch.undo()


def plain(written: str) -> list[str]:
    """Return what a terminal showed at one time or another, without colours and movements of the cursor."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]


class Slow:
    """A source whose batches for training take a moment to read."""

    def __init__(self, source: Any, seconds: float) -> None:
        self._source, self._seconds = source, seconds
        for name in ("part", "n", "classes", "labels", "image_shape", "sample_ids", "patient_ids"):
            setattr(self, name, getattr(source, name))
        self.subgroups, self.fingerprint = source.subgroups, source.fingerprint

    def read(self, rows: np.ndarray) -> np.ndarray:
        time.sleep(self._seconds)
        return self._source.read(rows)


def model() -> Any:
    image = keras.layers.Input((12, 12, 1))
    x = keras.layers.Dense(1, kernel_initializer="zeros", name="logit")(
        keras.layers.GlobalMaxPooling2D()(image)
    )
    return keras.Model(image, keras.layers.Activation("sigmoid")(x))


def sources(make_source: Make, seconds: float) -> tuple[Any, Any]:
    return Slow(make_source(40), seconds), make_source(30, part="validation", seed=1)


def seconds_left(line: str) -> float:
    found = re.search(r"(\d+):(\d\d):(\d\d) left", line)
    assert found, line
    hours, minutes, seconds = map(int, found.groups())
    return 3600 * hours + 60 * minutes + seconds


def test_a_terminal_shows_a_live_line_under_a_line_for_each_epoch(
    terminal: Callable[[], Terminal], make_source: Make
) -> None:
    screen = terminal()
    options: dict[str, Any] = {"epochs": 2, "batch_size": 4, "progress": True}
    Trainer(model(), **options).fit(*sources(make_source, 0.08))
    written = screen.close()
    assert "\x1b[?25l" in written, "the cursor is hidden while the line is live"
    assert written.rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in written.rsplit("\x1b[?25l", 1)[1]
    lines = plain(written)
    assert any("compiling" in line for line in lines)
    first = r"epoch 1/2 step [1-9]\d*/10 .*loss \d\.\d{4} \d+ img/s 0:00:\d\d left"
    second = r"epoch 2/2 step [1-9]\d*/10 .*loss \d\.\d{4} AUROC [01]\.\d{4} \d+ img/s 0:00:\d\d left"
    for pattern in (first, second):
        shown = [line for line in lines if re.search(pattern, line)]
        assert len(set(shown)) >= 2, lines
    # 4 images take 0.08 s and a little: 50 a second at most.
    speeds = [int(number) for line in lines for number in re.findall(r"step .* (\d+) img/s", line)]
    assert 0 < max(speeds) <= 51
    ended = [
        line for line in lines if re.match(r"epoch \d/2  loss \d\.\d{4}  val loss \d\.\d{4}  AUROC", line)
    ]
    assert [line[:9] for line in ended] == ["epoch 1/2", "epoch 2/2"]


def test_a_narrow_terminal_keeps_the_figures_in_one_line(
    terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    screen = terminal()
    with TrainingProgress(epochs=3, steps=5, batch_size=4, show=True) as progress:
        for step in (1, 2, 3):
            time.sleep(0.02)
            progress.step(1, step, 0.5)
    lines = plain(screen.close())
    assert any(
        re.match(r"epoch 1/3 step 3/5 .*loss 0\.5000 \d+ img/s 0:00:0\d left$", line) for line in lines
    )
    assert all(len(line) <= 70 for line in lines)


def test_a_log_has_plain_lines_and_those_within_an_epoch_are_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = TrainingProgress(epochs=2, steps=STEPS, batch_size=4, show=True, plain_every=0.1)
    with progress:
        moments = []
        for step in range(1, 60):
            time.sleep(0.01)
            if progress.due:
                moments.append(time.monotonic())
                progress.step(1, step * STEPS // 100, 0.25)
        progress.epoch(record(1, auroc=0.75), kept=True)
        time.sleep(0.11)
        assert progress.due
        progress.step(2, STEPS // 2, 0.125)
    assert len(moments) >= 2
    assert min(np.diff(moments)) >= 0.1
    written = capsys.readouterr().err
    assert "\x1b" not in written
    lines = written.splitlines()
    assert len(lines) == len(moments) + 2
    within = r"epoch 1/2 step \d+/100000000  loss 0\.2500 \d+ img/s \d+:\d\d:\d\d left"
    assert all(re.fullmatch(within, line) for line in lines[1 : len(moments)]), lines
    assert lines[-2].startswith("epoch 1/2  loss 0.3000  val loss 0.4000  AUROC 0.7500")
    assert lines[-2].endswith("left *")
    assert re.match(r"epoch 2/2 step 50000000/100000000  loss 0\.1250 AUROC 0\.7500 ", lines[-1])


@pytest.mark.slow
def test_a_log_has_a_line_a_minute_within_a_long_epoch(
    make_source: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    Trainer(model(), epochs=1, batch_size=4, progress=True).fit(*sources(make_source, 7.0))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert re.match(r"epoch 1/1 step [89]/10  loss \d\.\d{4}", lines[0])
    assert lines[1].startswith("epoch 1/1  loss ")


def record(epoch: int, *, auroc: float) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        loss=0.3,
        validation_loss=0.4,
        validation_auroc=auroc,
        learning_rate=1e-3,
        images_per_second=100.0,
        seconds=1.0,
    )


def test_what_is_left_counts_steps_on_whole_images_as_four_on_half_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two epochs of four are on images of half the size; later the steps on whole images are timed themselves."""

    def left(progress: TrainingProgress, epoch: int, step: int) -> float:
        progress.step(epoch, step, 0.5)
        return seconds_left(capsys.readouterr().err)

    with TrainingProgress(epochs=4, steps=STEPS, batch_size=4, half_epochs=2, show=True) as progress:
        progress.step(1, 1, 0.5)
        begun = time.monotonic()
        time.sleep(0.05)
        found = left(progress, 1, STEPS // 100)
        half = (time.monotonic() - begun) / (STEPS // 100)
        # 2 epochs of half images, and 2 of whole ones at 4 times their time.
        assert found == pytest.approx(half * STEPS * (1.99 + 4 * 2), rel=0.2)
        # The first step on whole images is not yet timed.
        assert left(progress, 3, 1) == pytest.approx(found * 8 / 9.99, rel=0.2)
        begun = time.monotonic()
        time.sleep(0.1)
        found = left(progress, 3, STEPS // 100)
        whole = (time.monotonic() - begun) / (STEPS // 100)
        assert found == pytest.approx(whole * STEPS * 1.99, rel=0.2)
