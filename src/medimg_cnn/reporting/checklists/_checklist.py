"""A guideline's items with what one report says of them, as a document of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from medimg_cnn._validation import check_choice
from medimg_cnn._version import __version__
from medimg_cnn.reporting._document import Block, Column, Document, Paragraph, SectionContent, Table
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._written import Written
from medimg_cnn.reporting.checklists._claim import CLAIM_2024
from medimg_cnn.reporting.checklists._facts import FACTS
from medimg_cnn.reporting.checklists._items import Entry, Guideline, Item
from medimg_cnn.reporting.checklists._stard import STARD_2015, STARD_AI
from medimg_cnn.reporting.checklists._tripod import TRIPOD_AI

__all__ = ["GUIDELINES", "Checklist", "GuidelineName", "make_checklist"]

GuidelineName: TypeAlias = Literal["stard-2015", "stard-ai", "claim-2024", "tripod-ai"]
GUIDELINES: dict[str, Guideline] = {
    guideline.name: guideline for guideline in (STARD_2015, STARD_AI, CLAIM_2024, TRIPOD_AI)
}
_FORMAT = "medimg_cnn.checklist"
_VERSION = 1
_STATUS = {"filled": "Filled in", "in part": "Filled in part", "to answer": "To answer"}


@dataclass(frozen=True, eq=False)
class Checklist(Written):
    """A draft of a reporting checklist for one study.

    Attributes:
        guideline: its name, source and items.
        entries: every item with what the run says of it, in the guideline's order.
        document: the same as neutral blocks.
    """

    guideline: Guideline
    entries: tuple[Entry, ...]
    document: Document

    @property
    def questions(self) -> tuple[Entry, ...]:
        """The items that the author has still to answer, wholly or in part."""
        return tuple(entry for entry in self.entries if entry.status != "filled")

    def to_dict(self) -> dict[str, Any]:
        """Return every item with its status as JSON values."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "library": {"name": "medimg-cnn", "version": __version__},
            "guideline": {"name": self.guideline.name, "source": self.guideline.source},
            "items": [
                {
                    "number": entry.item.number,
                    "part": entry.item.part,
                    "topic": entry.item.topic,
                    "status": entry.status,
                    "said": entry.said,
                    "question": entry.item.question,
                }
                for entry in self.entries
            ],
        }


def make_checklist(evidence: Evidence, name: GuidelineName) -> Checklist:
    """Return the draft of a checklist from a report's evidence; see ``ClinicalReport.checklist``.

    Raises:
        ArgumentError: no such guideline.
    """
    guideline = GUIDELINES[check_choice("name", name, get_args(GuidelineName))]
    entries = tuple(_entry(evidence, item) for item in guideline.items)
    return Checklist(guideline, entries, _document(guideline, entries))


def _entry(evidence: Evidence, item: Item) -> Entry:
    said = FACTS[item.fact](evidence) if item.fact else ""
    if not said:
        return Entry(item=item, status="to answer", said="")
    return Entry(item=item, status="in part" if item.question else "filled", said=said)


def _document(guideline: Guideline, entries: tuple[Entry, ...]) -> Document:
    count = {status: sum(entry.status == status for entry in entries) for status in _STATUS}
    about = Paragraph(
        f"{len(entries)} items: {count['filled']} filled in from the run, {count['in part']} in part, "
        f"{count['to answer']} for the author to answer. Topics are in our own words; compare with the "
        f"guideline itself before submission: {guideline.source}."
    )
    sections = [SectionContent("about", "About this draft", (about,))]
    for index, part in enumerate(dict.fromkeys(entry.item.part for entry in entries), start=1):
        table = _table(f"part-{index}", part, (entry for entry in entries if entry.item.part == part))
        blocks: tuple[Block, ...] = (table,)
        sections.append(SectionContent(f"part-{index}-section", part, blocks))
    return Document(
        title=f"{guideline.title} checklist, a draft",
        subtitle="What the run knows is filled in; what only the author knows is asked.",
        facts=(),
        sections=tuple(sections),
        footer=f"Made with medimg-cnn {__version__}. A draft: it does not show that a study was reported well.",
    )


def _table(key: str, part: str, entries: Iterable[Entry]) -> Table:
    return Table(
        key,
        f"Items on {part[0].lower()}{part[1:]}",
        (Column("Item"), Column("Topic"), Column("Status"), Column("What the run says, or asks")),
        tuple(
            (entry.item.number, entry.item.topic, _STATUS[entry.status], _words(entry)) for entry in entries
        ),
    )


def _words(entry: Entry) -> str:
    if not entry.said:
        return entry.item.question or "The run does not know; please say."
    return f"{entry.said} To answer: {entry.item.question}" if entry.item.question else entry.said
