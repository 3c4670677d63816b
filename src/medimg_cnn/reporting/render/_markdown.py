"""GitHub-flavoured Markdown; names from the data are escaped so that they stay names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from medimg_cnn.reporting._document import (
    Block,
    Bullets,
    Checks,
    Document,
    Facts,
    Figure,
    KeyFigures,
    Note,
    Paragraph,
    Pictures,
    Table,
)
from medimg_cnn.reporting.render._cells import badge, cell_text, key_figure_text, picture_text

__all__ = ["render_markdown"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def render_markdown(document: Document) -> str:
    """Return the document as Markdown; each figure gives its text alternative and its numbers."""
    lines = [f"# {_escape(document.title)}", "", _escape(document.subtitle), "", *_facts(document.facts)]
    for section in document.sections:
        lines.extend(["", f"## {_escape(section.title)}", ""])
        for block in section.blocks:
            lines.extend(_block(block))
            lines.append("")
    lines.extend(["---", "", _escape(document.footer)])
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def _block(block: Block) -> Iterable[str]:
    if isinstance(block, Paragraph):
        yield _escape(block.text)
    elif isinstance(block, Note):
        yield f"> {_escape(block.text)}"
    elif isinstance(block, Bullets):
        yield from (f"- {_escape(item)}" for item in block.items)
    elif isinstance(block, Facts):
        yield from _facts(block.items)
    elif isinstance(block, KeyFigures):
        yield from _grid(["Figure", "Value"], [[item.label, key_figure_text(item)] for item in block.items])
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Figure):
        yield f"**{_escape(block.title)}.** {_escape(block.caption)} {_escape(block.alt)}"
        yield ""
        yield from _table(block.table)
    elif isinstance(block, Pictures):
        yield from (f"- {_escape(picture_text(item))}" for item in block.items)
    elif isinstance(block, Checks):
        yield from _grid(
            ["Outcome", "Code", "Check", "Finding", "What to do"],
            [[badge(c), c.code, c.title, c.finding, c.action] for c in block.items],
        )


def _table(table: Table) -> Iterable[str]:
    yield f"**{_escape(table.caption)}**"
    yield ""
    yield from _grid(
        [column.name for column in table.columns],
        [
            [cell_text(value, column) for value, column in zip(row, table.columns, strict=True)]
            for row in table.rows
        ],
        [column.numeric for column in table.columns],
    )
    for note in table.notes:
        yield ""
        yield _escape(note)


def _grid(head: list[str], rows: list[list[str]], numeric: list[bool] | None = None) -> Iterable[str]:
    right = numeric or [False] * len(head)
    yield "| " + " | ".join(_escape(name) for name in head) + " |"
    yield "|" + "|".join("---:" if side else "---" for side in right) + "|"
    for row in rows:
        yield "| " + " | ".join(_escape(text) for text in row) + " |"


def _facts(items: Iterable[tuple[str, str]]) -> Iterable[str]:
    return [f"- {_escape(name)}: {_escape(value)}" for name, value in items]


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
