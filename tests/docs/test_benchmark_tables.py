"""The tables of docs/benchmarks.md are what their figures give."""

from __future__ import annotations

import runpy
from pathlib import Path

TABLES = runpy.run_path(str(Path(__file__).resolve().parents[1] / "benchmarks" / "tables.py"))


def test_the_tables_are_those_of_the_figures() -> None:
    page = TABLES["PAGE"].read_text(encoding="utf-8")
    assert page.count("<!-- table: ") == page.count("<!-- end of table -->") == len(TABLES["TABLES"])
    assert TABLES["filled"](page) == page, "run python tests/benchmarks/tables.py"
