"""Every command that the documentation shows is run, page by page, from top to bottom."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(page: Path) -> list[list[str]]:
    """Return the commands of a page, each as its words; those of ``sh`` blocks need another machine or a server."""
    blocks = re.findall(r"```(?:console|bash)\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith(("medimg-cnn ", "python -c "))]


def shown(page: Path) -> set[str]:
    return {words[1] for words in commands(page) if words[0] == "medimg-cnn"}


def test_every_command_is_shown():
    everywhere = set().union(*map(shown, PAGES))
    assert everywhere >= {
        "audit",
        "train",
        "predict",
        "evaluate",
        "compare",
        "report",
        "export",
        "demo",
        "serve",
    }


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if shown(page)], ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page, tmp_path, monkeypatch, capsys):
    """From top to bottom, in an empty folder, so that a page makes what its commands need."""
    pytest.importorskip("flatbuffers", reason="pip install medimg-cnn[export]")
    monkeypatch.chdir(tmp_path)
    for words in commands(page):
        if words[0] == "python":
            subprocess.run([sys.executable, *words[1:]], check=True)
        elif words[1] == "serve":
            opened_and_interrupted(words[1:])
        else:
            assert main([*words[1:], "--quiet"]) == 0, capsys.readouterr().err
    assert np.all([path.stat().st_size for path in tmp_path.glob("*.html")])


def opened_and_interrupted(arguments: list[str]) -> None:
    """Serve at a free port, open the page, and end the command as a user does."""
    command = [sys.executable, "-m", "medimg_cnn", *arguments, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        address = process.stderr.readline().split()[0]
        with urllib.request.urlopen(address) as page:
            assert b"Research use only" in page.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
