"""Every Python snippet of the README, of CONTRIBUTING and of docs/ runs, page by page, from top to bottom."""

from __future__ import annotations

from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in path.parts),
]
SYBIL = Sybil(parsers=[PythonCodeBlockParser()], path=str(ROOT))
LONG = (".fit(", "Predictor(", "models.describe(", "explain.")  # trains, or compiles several networks


def snippets(page: Path) -> list:
    return list(SYBIL.parse(page).examples())


def cases() -> list:
    return [
        pytest.param(
            page,
            id=page.relative_to(ROOT).as_posix(),
            marks=[pytest.mark.slow] if any(word in page.read_text("utf-8") for word in LONG) else [],
        )
        for page in PAGES
        if snippets(page)
    ]


@pytest.mark.parametrize("page", cases())
def test_snippets_run(page, workplace, monkeypatch):
    import matplotlib.pyplot as plt

    if page.name == "README.md" or page.parent.name == "how-to":  # the newcomer's folder is empty
        (workplace / "empty").mkdir()
        monkeypatch.chdir(workplace / "empty")
    document = SYBIL.parse(page)
    document.namespace["__name__"] = "snippets"
    for example in document.examples():
        example.evaluate()
    plt.close("all")


def test_every_fenced_python_block_is_seen():
    for page in PAGES:
        fences = sum(line.strip() == "```python" for line in page.read_text("utf-8").splitlines())
        assert len(snippets(page)) == fences, page
