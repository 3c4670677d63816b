"""The tables as LaTeX with booktabs, one ``table`` environment each, ready to be put into a paper."""

from __future__ import annotations

from medimg_cnn.reporting._document import Document, Figure, Table
from medimg_cnn.reporting.render._cells import cell_text

__all__ = ["render_latex"]

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
    columns = "".join("r" if column.numeric else "l" for column in table.columns)
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
    for row in table.rows:
        cells = [_escape(cell_text(value, column)) for value, column in zip(row, table.columns, strict=True)]
        lines.append(" & ".join(cells) + r" \\")
    lines.extend([r"\bottomrule", r"\end{tabular}"])
    if table.notes:
        lines.append(rf"\par\smallskip\footnotesize {_escape(' '.join(table.notes))}")
    lines.append(r"\end{table}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
