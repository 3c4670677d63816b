"""Plain text for a terminal or a log, at most 88 characters wide where words allow."""

from __future__ import annotations

import textwrap
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

__all__ = ["render_text"]

_WIDTH = 88


def render_text(document: Document) -> str:
    """Return the document as text; figures give their text alternative, their numbers stay in JSON."""
    lines = [document.title, "=" * min(len(document.title), _WIDTH), *_wrap(document.subtitle)]
    lines.extend(_pairs(document.facts))
    for section in document.sections:
        lines.extend(["", section.title, "-" * len(section.title)])
        for block in section.blocks:
            lines.extend(_block(block))
    lines.extend(["", *_wrap(document.footer)])
    return "\n".join(_clean(line).rstrip() for line in lines) + "\n"


def _block(block: Block) -> Iterable[str]:
    if isinstance(block, (Paragraph, Note)):
        yield from _wrap(block.text)
    elif isinstance(block, Bullets):
        for item in block.items:
            yield from _wrap(item, first="- ", rest="  ")
    elif isinstance(block, Facts):
        yield from _pairs(block.items)
    elif isinstance(block, KeyFigures):
        yield from _pairs([(item.label, key_figure_text(item)) for item in block.items])
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Figure):
        yield from _wrap(f"[Figure] {block.title}. {block.alt}")
    elif isinstance(block, Pictures):
        for picture in block.items:
            yield from _wrap(f"[Image] {picture_text(picture)}", rest="    ")
    elif isinstance(block, Checks):
        for check in block.items:
            head = f"[{badge(check)}] {check.code} {check.title}: {check.finding} {check.action}"
            yield from _wrap(head, rest="    ")
    yield ""


def _table(table: Table) -> Iterable[str]:
    yield from _wrap(table.caption)
    cells = [[column.name for column in table.columns]]
    cells += [
        [cell_text(value, column) for value, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
    for index, row in enumerate(cells):
        parts = [
            text.rjust(width) if column.numeric else text.ljust(width)
            for text, width, column in zip(row, widths, table.columns, strict=True)
        ]
        yield "  " + "  ".join(parts)
        if index == 0:
            yield "  " + "  ".join("-" * width for width in widths)
    for note in table.notes:
        yield from _wrap(note, first="  ", rest="  ")


def _pairs(items: Iterable[tuple[str, str]]) -> Iterable[str]:
    pairs = list(items)
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        yield from _wrap(value, first=f"  {name.ljust(width)}  ", rest=" " * (width + 4))


def _wrap(text: str, *, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False
    ) or [first.rstrip()]


def _clean(line: str) -> str:
    """Control characters in a class or file name could move a terminal's cursor."""
    return "".join(letter for letter in line if letter.isprintable())
