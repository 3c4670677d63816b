"""Cautions: what an Estimate says about its own interval, put where a reader of the table sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from medimg_cnn.evaluation import Estimate
from medimg_cnn.reporting._document import Block, Cell, Figure, SectionContent, Table
from medimg_cnn.reporting._format import number_text

__all__ = ["with_cautions"]

_MOST_NAMES = 4


def with_cautions(sections: Iterable[SectionContent]) -> tuple[SectionContent, ...]:
    """Return the sections with the cautions of every table's figures as notes under it."""
    return tuple(
        replace(section, blocks=tuple(_block(block) for block in section.blocks)) for section in sections
    )


def _block(block: Block) -> Block:
    if isinstance(block, Figure):
        return replace(block, table=_table(block.table))
    return _table(block) if isinstance(block, Table) else block


def _table(table: Table) -> Table:
    found: dict[str, list[str]] = {}
    for row in table.rows:
        estimates = [i for i, cell in enumerate(row) if isinstance(cell, Estimate)]
        for i in estimates:
            estimate = row[i]
            if not isinstance(estimate, Estimate) or not estimate.defined:
                continue  # the cell itself says why there is no figure
            name = _name(row[0])
            label = name if len(estimates) == 1 else f"{table.columns[i].name} ({name})"
            for caution in filter(None, estimate.reason.split("; ")):
                found.setdefault(caution, []).append(label)
    notes = tuple(f"{_joined(labels)}: {caution}." for caution, labels in found.items())
    return replace(table, notes=(*table.notes, *notes)) if notes else table


def _name(cell: Cell) -> str:
    return number_text(cell) if isinstance(cell, (int, float)) else str(cell)


def _joined(labels: list[str]) -> str:
    more = len(labels) - _MOST_NAMES
    return "; ".join(labels[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
