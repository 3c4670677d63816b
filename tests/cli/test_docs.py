"""Every command that the documentation shows is run, page by page, from top to bottom."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn.cli import main
from medimg_cnn.data.phantoms import make_phantoms

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(page: Path) -> list[list[str]]:
    blocks = re.findall(r"```(?:console|bash)\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("medimg-cnn ")]


def test_every_command_is_shown():
    shown = {arguments[0] for page in PAGES for arguments in commands(page)}
    assert shown >= {"audit", "train", "predict", "evaluate", "compare", "report", "export", "demo"}


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page, tmp_path, monkeypatch, capsys):
    pytest.importorskip("flatbuffers", reason="pip install medimg-cnn[export]")
    monkeypatch.chdir(tmp_path)
    make_phantoms("phantoms", patients=60, image_size=32, seed=1)
    made = make_phantoms("chest_xray", patients=60, image_size=32, seed=2)
    (made / "lesion").rename(made / "pneumonia")
    (made / "no_lesion").rename(made / "normal")
    table = (made / "labels.csv").read_text("utf-8")
    table = re.sub(r"\bno_lesion\b", "normal", table)
    (made / "labels.csv").write_text(re.sub(r"\blesion\b", "pneumonia", table), "utf-8")
    for arguments in commands(page):
        if arguments[0] == "serve":
            continue  # it does not end; tests/export/test_serve.py runs it
        assert main([*arguments, "--quiet"]) == 0, capsys.readouterr().err
    assert np.all([path.stat().st_size for path in tmp_path.glob("*.html")])
