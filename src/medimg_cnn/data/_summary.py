"""A dataset in a few lines: as text, in a terminal with rich, and in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["DatasetSummary", "PartSummary"]

_HEADER = ("part", "images", "share", "patients", "positive", "prevalence")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSummary:
    """One part in numbers; ``patients`` is None where they are not known."""

    part: str
    images: int
    share: float
    patients: int | None
    positives: int

    @property
    def prevalence(self) -> float:
        """Share of positives, 0 to 1."""
        return self.positives / self.images

    def cells(self) -> tuple[str, ...]:
        """Return the row as texts, in the order of the header."""
        patients = "not known" if self.patients is None else f"{self.patients:,}"
        return (
            self.part,
            f"{self.images:,}",
            f"{self.share:.1%}",
            patients,
            f"{self.positives:,}",
            f"{self.prevalence:.1%}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """What a reader should know first of a dataset. ``print`` it, or leave it last in a notebook cell.

    Attributes:
        origin: the source.
        classes: (negative, positive) names.
        image_shape: (height, width, channels).
        parts: one for each part.
        notes: one sentence each.
        fingerprint: the dataset's content hash.
    """

    origin: str
    classes: tuple[str, str]
    image_shape: tuple[int, int, int]
    parts: tuple[PartSummary, ...]
    notes: tuple[str, ...]
    fingerprint: str

    def __str__(self) -> str:
        rows = [_HEADER, *(part.cells() for part in self.parts)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
        lines = [self._title(), ""]
        for row in rows:
            cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join([row[0].ljust(widths[0]), *cells]))
        return "\n".join([*lines, "", *self._lines()])

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(self._title()), title_justify="left")
        for number, name in enumerate(_HEADER):
            table.add_column(name, justify="right" if number else "left")
        for part in self.parts:
            table.add_row(*part.cells())
        return Group(table, *(Text(line) for line in self._lines()))

    def _repr_html_(self) -> str:
        header = "".join(f"<th>{name}</th>" for name in _HEADER)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in part.cells()) + "</tr>"
            for part in self.parts
        )
        notes = "".join(f"<li>{escape(line)}</li>" for line in self._lines())
        return (
            f"<div><p><strong>{escape(self._title())}</strong></p>"
            f"<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table><ul>{notes}</ul></div>"
        )

    def _title(self) -> str:
        images = sum(part.images for part in self.parts)
        return f"{self.origin}: {images:,} images"

    def _lines(self) -> list[str]:
        height, width, channels = self.image_shape
        kind = "grey" if channels == 1 else "colour"
        return [
            f"Positive is {self.classes[1]!r}, negative is {self.classes[0]!r}.",
            f"Images are {height} x {width}, {kind} ({channels} channel{'' if channels == 1 else 's'}), 0 to 1.",
            f"Fingerprint {self.fingerprint[:16]}.",
            *self.notes,
        ]
