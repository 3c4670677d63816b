"""The index pages are plain Markdown, readable on a code host, and link every page of their folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
INDEXES = sorted(path for path in DOCS.rglob("index.md") if "_build" not in path.parts)


def ids(path: Path) -> str:
    return path.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("index", INDEXES, ids=ids)
def test_an_index_page_is_plain_markdown(index: Path) -> None:
    text = index.read_text("utf-8")
    assert not re.search(r"^\s*(`{3,}|:{3,})\{|\{[\w:]+\}`", text, flags=re.MULTILINE)


@pytest.mark.parametrize("index", INDEXES, ids=ids)
def test_an_index_page_links_what_is_there(index: Path) -> None:
    links = re.findall(r"\]\(([\w/-]+\.md)\)", index.read_text("utf-8"))
    assert all((index.parent / link).is_file() for link in links)
    folder = {path.name for path in index.parent.glob("*.md")} - {"index.md"}
    below = {f"{path.parent.name}/index.md" for path in index.parent.glob("*/index.md")}
    assert (folder | below) <= set(links), "add the missing pages to the list"
