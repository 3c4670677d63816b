"""CSV that a spreadsheet shows as text: a cell is never taken for a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

__all__ = ["csv_text", "safe_cell"]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?inf|nan")


def safe_cell(value: object) -> str:
    """Return a cell's text, with an apostrophe before what a spreadsheet would run.

    Cells that begin with ``= + - @``, a tab or a carriage return get one; numbers do not.

    Example:
        >>> safe_cell("=cmd|' /C calc'!A0"), safe_cell("-0.5"), safe_cell("-site"), safe_cell(None)
        ("'=cmd|' /C calc'!A0", '-0.5', "'-site", '')
    """
    text = "" if value is None else str(value)
    # Apostrophes before such a text count as well, so that no two texts become one.
    if text.lstrip("'")[:1] in {"=", "+", "-", "@", "\t", "\r"} and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return RFC 4180 text with every cell made safe."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow([safe_cell(name) for name in header])
    writer.writerows([safe_cell(value) for value in row] for row in rows)
    return stream.getvalue()
