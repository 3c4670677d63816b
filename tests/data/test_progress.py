from __future__ import annotations

import io
import sys

import pytest

from medimg_cnn.data._progress import progress_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, show: bool | None, total: int = 3) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_of("Decoding images", total, show=show) as advance:
        for _ in range(total):
            advance()
    return stream.getvalue()


@pytest.mark.parametrize(
    ("stream", "show", "expected"),
    [
        (io.StringIO, None, ""),
        (io.StringIO, False, ""),
        (io.StringIO, True, "Decoding images: 3 of 3\n"),
        (Terminal, False, ""),
    ],
)
def test_where_it_shows(
    stream: type[io.StringIO], show: bool | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(stream(), monkeypatch, show) == expected


@pytest.mark.parametrize("show", [None, True])
def test_a_bar_on_a_terminal(show: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "Decoding images" in run(Terminal(), monkeypatch, show)


def test_nothing_to_do_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(io.StringIO(), monkeypatch, True, total=0) == ""


@pytest.mark.parametrize("show", [None, True])
def test_without_standard_error(monkeypatch: pytest.MonkeyPatch, show: bool | None) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with progress_of("Decoding images", 1, show=show) as advance:
        advance()
