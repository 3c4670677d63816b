"""The report as data: blocks that say what there is to read, and nothing of how it looks.

Sections make these, renderers read them, and neither knows the other. Cells hold ``Estimate`` objects and
plain numbers, not formatted text, so that JSON keeps full precision while HTML rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation import Estimate
from medimg_cnn.reporting.charts import Chart

__all__ = [
    "Block",
    "Bullets",
    "Cell",
    "Check",
    "Checks",
    "Column",
    "Document",
    "Facts",
    "Figure",
    "KeyFigure",
    "KeyFigures",
    "Note",
    "Outcome",
    "Paragraph",
    "Picture",
    "Pictures",
    "SectionContent",
    "Severity",
    "Table",
]

Outcome = Literal["pass", "warn", "fail", "not applicable"]
Severity = Literal["info", "minor", "major"]
Scale = Literal["plain", "percent"]
Cell: TypeAlias = str | int | float | Estimate | None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; ``lead`` marks the few sentences that a hurried reader should not miss."""

    text: str
    lead: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A remark that qualifies what stands around it."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """Short statements of equal rank."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, for what is not a measurement: versions, settings, choices."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One of the few numbers that the report is read for.

    Attributes:
        key: a stable name for JSON, for example "sensitivity".
        label: what it is called, for example "Sensitivity".
        estimate: its value with interval.
        scale: "percent" shows 0.93 as 93%, "plain" as 0.93.
        meaning: one short line in plain language.
    """

    key: str
    label: str
    estimate: Estimate
    scale: Scale = "plain"
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """The main figures, shown first and large."""

    items: tuple[KeyFigure, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A table column; numeric ones are aligned right and ``digits`` is how many decimals are shown."""

    name: str
    numeric: bool = False
    digits: int = 3


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; the first column names the row.

    Raises:
        ArgumentError: a row has another number of cells than there are columns.
    """

    key: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ArgumentError(
                    f"rows: each row of table {self.key!r} must have {len(self.columns)} cells; "
                    f"got {len(row)} in {row!r}."
                )


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, what it shows in words, and its numbers.

    Attributes:
        key: unique in the document.
        title: what it is, in a few words.
        caption: how to read it.
        alt: what it shows, in words and with numbers; read out in place of the picture, and shown to all.
        chart: what is drawn.
        table: the numbers that are drawn.
    """

    key: str
    title: str
    caption: str
    alt: str
    chart: Chart
    table: Table


@dataclass(frozen=True, slots=True)
class Picture:
    """An image with its text alternative and a caption.

    Attributes:
        png: the image as PNG bytes.
        alt: what it is, in words.
        caption: shown under it.
        map_png: the same image under a class-activation map, shown beside it; None without one.
        map_alt: what the map shows, in words.
    """

    png: bytes
    alt: str
    caption: str
    map_png: bytes | None = None
    map_alt: str = ""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Images side by side."""

    items: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found.

    Attributes:
        code: stable for ever, for example "R001"; a retired code is not used again.
        title: what was looked at.
        outcome: "pass", "warn", "fail", or "not applicable" where the check could not run.
        severity: how much a warning or failure weighs: "info", "minor" or "major".
        finding: what was found, with the numbers.
        action: what to do; empty where there is nothing to do.
    """

    code: str
    title: str
    outcome: Outcome
    severity: Severity
    finding: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Checks:
    """The findings of the report's checks."""

    items: tuple[Check, ...]


Block: TypeAlias = Paragraph | Note | Bullets | Facts | KeyFigures | Table | Figure | Pictures | Checks


@dataclass(frozen=True, slots=True)
class SectionContent:
    """One section as it will be read: its anchor, its title and its blocks."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report, ready for any renderer.

    Attributes:
        title: the report's heading.
        subtitle: one line under it.
        facts: what stands under the heading: date, author, part of the data.
        sections: in reading order.
        footer: what stands at the very end, on every format.
    """

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[SectionContent, ...]
    footer: str

    def blocks(self, kind: type) -> Sequence[Block]:
        """Return every block of one kind, in reading order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, kind)]
