"""The tables as LaTeX with booktabs, one ``table`` environment each, ready to be put into a paper."""

from __future__ import annotations

from medimg_cnn.reporting._document import Document, Figure, Table
from medimg_cnn.reporting.render._cells import cell_text

__all__ = ["render_latex"]

_LONG = 40
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\N{MINUS SIGN}": r"$-$",
    "\N{INFINITY}": r"$\infty$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
}


def render_latex(document: Document) -> str:
    """Return every table of the document, those under figures included."""
    tables: list[Table] = []
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                tables.append(block)
            elif isinstance(block, Figure):
                tables.append(block.table)
    head = "% Needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}\n"
    return head + "\n".join(_table(table) for table in tables)


def _table(table: Table) -> str:
    texts = [[cell_text(v, c) for v, c in zip(row, table.columns, strict=True)] for row in table.rows]
    columns = _columns(table, texts)
    lines = [
        r"\begin{table}[htbp]",
        rf"\caption{{{_escape(table.caption)}}}",
        rf"\label{{tab:{table.key}}}",
        r"\centering",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(_escape(column.name) for column in table.columns) + r" \\",
        r"\midrule",
    ]
    lines.extend(" & ".join(_escape(text) for text in row) + r" \\" for row in texts)
    lines.extend([r"\bottomrule", r"\end{tabular}"])
    if table.notes:
        lines.append(rf"\par\smallskip\footnotesize {_escape(' '.join(table.notes))}")
    lines.append(r"\end{table}")
    return "\n".join(lines) + "\n"


def _columns(table: Table, texts: list[list[str]]) -> str:
    """Long texts get a column that wraps; the page's width is shared among these."""
    widest = [max((len(row[i]) for row in texts), default=0) for i in range(len(table.columns))]
    long = [i for i, column in enumerate(table.columns) if not column.numeric and widest[i] > _LONG]
    share = f"p{{{0.75 / max(len(long), 1):.2f}\\linewidth}}"
    return "".join(
        share if i in long else ("r" if column.numeric else "l") for i, column in enumerate(table.columns)
    )


def _escape(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
