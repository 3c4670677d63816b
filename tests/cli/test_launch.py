"""What the launcher says of processes that fail, with real processes."""

from __future__ import annotations

import sys

import pytest

from medimg_cnn.cli._launch import _Group

KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
NOTICED = "raise SystemExit(1)"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("victim", [0, 1])
def test_the_killed_process_is_named_where_all_have_ended_before_the_first_look(
    victim: int, capsys: pytest.CaptureFixture[str]
) -> None:
    group = _Group()
    for number in range(2):
        group.start([sys.executable, "-c", KILLED if number == victim else NOTICED], {})
    for child in group._children:
        child.wait()
    assert group.wait(first=0) == 137
    assert f"process {victim} ended with status 137" in capsys.readouterr().err
