"""What a guideline is: numbered items, each with what the run can say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medimg_cnn.errors import ArgumentError

__all__ = ["Entry", "Guideline", "Item", "Status", "item"]

Status = Literal["filled", "in part", "to answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item, in our own words; the guideline's own wording is in its publication.

    Attributes:
        number: as in the guideline, for example "12a".
        part: the part of a paper it belongs to.
        topic: what it is about.
        fact: which fact of the run speaks to it, or "" where none can.
        question: what only the author knows, or "" where the fact is all there is to say.

    Raises:
        ArgumentError: there is neither a fact nor a question.
    """

    number: str
    part: str
    topic: str
    fact: str = ""
    question: str = ""

    def __post_init__(self) -> None:
        if not (self.fact or self.question):
            raise ArgumentError(f"question: item {self.number} needs a fact or a question.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guideline:
    """A guideline's name, source and items in order."""

    name: str
    title: str
    source: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An item with what this run says of it.

    Attributes:
        item: the guideline's item.
        status: "filled", "in part" (something is said and something asked) or "to answer".
        said: what the run says, or "".
    """

    item: Item
    status: Status
    said: str


def item(number: str, part: str, topic: str, *, fact: str = "", ask: str = "") -> Item:
    """Return an item; shorter to write in a long list."""
    return Item(number=number, part=part, topic=topic, fact=fact, question=ask)
