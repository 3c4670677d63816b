"""Blocks as JSON values, at full precision; the schema beside this package says what they are."""

from __future__ import annotations

import math
import re
from dataclasses import asdict
from typing import Any

from medimg_cnn.evaluation import Estimate
from medimg_cnn.reporting._document import (
    Block,
    Bullets,
    Cell,
    Checks,
    Facts,
    Figure,
    KeyFigures,
    Note,
    Paragraph,
    Pictures,
    Table,
)

__all__ = ["block_to_dict", "kind_of"]

_KINDS = {
    kind: re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    for kind in (Paragraph, Note, Bullets, Facts, KeyFigures, Table, Figure, Pictures, Checks)
}


def kind_of(block: Block) -> str:
    """Return a block's stable name, for example "key_figures"."""
    return _KINDS[type(block)]


def block_to_dict(block: Block) -> dict[str, Any]:
    """Return a block as JSON values; charts give their numbers, pictures their words."""
    return {"kind": kind_of(block), **_content(block)}


def _content(block: Block) -> dict[str, Any]:
    if isinstance(block, (Paragraph, Note)):
        return {"text": block.text}
    if isinstance(block, Bullets):
        return {"items": list(block.items)}
    if isinstance(block, Facts):
        return {"items": [{"name": name, "value": value} for name, value in block.items]}
    if isinstance(block, KeyFigures):
        return {
            "items": [
                {
                    "key": item.key,
                    "label": item.label,
                    "estimate": item.estimate.to_dict(),
                    "meaning": item.meaning,
                }
                for item in block.items
            ]
        }
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        return {
            "key": block.key,
            "title": block.title,
            "caption": block.caption,
            "alt": block.alt,
            "table": _table(block.table),
        }
    if isinstance(block, Pictures):
        return {
            "items": [
                {"alt": item.alt, "caption": item.caption}
                | ({} if item.map_png is None else {"map_alt": item.map_alt})
                for item in block.items
            ]
        }
    return {"items": [asdict(check) for check in block.items]}


def _table(table: Table) -> dict[str, Any]:
    return {
        "key": table.key,
        "caption": table.caption,
        "columns": [column.name for column in table.columns],
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
        "notes": list(table.notes),
    }


def _cell(value: Cell) -> Any:
    if isinstance(value, Estimate):
        return value.to_dict()
    return None if isinstance(value, float) and math.isnan(value) else value
