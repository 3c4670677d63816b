"""Subgroups: whether some groups are served worse than others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from medimg_cnn.evaluation import Estimate, SubgroupEstimate
from medimg_cnn.reporting._charts import forest_chart
from medimg_cnn.reporting._document import Block, Column, Figure, Note, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence, SubgroupTable
from medimg_cnn.reporting._format import estimate_text, plural

__all__ = ["Subgroups"]

_FIGURES = (("auroc", "AUROC"), ("sensitivity", "Sensitivity"), ("specificity", "Specificity"))


@dataclass(frozen=True, slots=True)
class Subgroups:
    """Figures by group, and differences from the largest group."""

    key: str = "subgroups"
    title: str = "Subgroups"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return a figure and two tables for each column; nothing where none was given."""
        if not evidence.inputs.subgroups:
            return ()
        blocks: list[Block] = [
            Paragraph(
                "The same threshold is used in every group. Groups with fewer than "
                f"{evidence.few} cases of a class are marked as too small; their intervals are not to be "
                "trusted."
            )
        ]
        for index, (column, table) in enumerate(evidence.subgroups.items(), start=1):
            key = f"subgroup-{index}-{re.sub(r'[^a-z0-9]+', '-', column.lower()).strip('-') or 'column'}"
            blocks.extend(_column(evidence, column, table, key))
        return tuple(blocks)


def _column(evidence: Evidence, column: str, table: SubgroupTable, key: str) -> list[Block]:
    blocks: list[Block] = [_figure(evidence, column, table, key)]
    if table.differences:
        blocks.append(_differences(evidence, column, table, key))
    if table.groups_left_out:
        blocks.append(
            Note(
                f"Only the {len(table.estimates)} largest groups of {column} are shown; "
                f"{plural(table.groups_left_out, 'smaller group')} with "
                f"{plural(table.cases_left_out, 'case')} in all left out."
            )
        )
    return blocks


def _figure(evidence: Evidence, column: str, table: SubgroupTable, key: str) -> Figure:
    unit = f"{evidence.inputs.unit.capitalize()}s"
    overall = {
        "auroc": evidence.auroc,
        "sensitivity": evidence.operating.sensitivity,
        "specificity": evidence.operating.specificity,
    }
    panels = [
        (label, overall[name], [(row.name, row.as_dict()[name]) for row in table.estimates])
        for name, label in _FIGURES
    ]
    return Figure(
        key,
        f"By {column}",
        "AUROC, sensitivity and specificity in each group, with intervals. The dotted line is the figure of "
        "all cases.",
        " ".join(_range(label, rows) for label, _, rows in panels),
        forest_chart(panels),
        Table(
            f"{key}-numbers",
            f"Figures by {column}",
            (
                Column("Group"),
                Column(unit, numeric=True),
                Column("With the condition", numeric=True),
                *(Column(label, numeric=True, digits=2) for _, label in _FIGURES),
            ),
            tuple(
                (_name(row), row.n, row.positives, row.auroc, row.sensitivity, row.specificity)
                for row in table.estimates
            ),
            (
                "Each interval holds by itself. "
                + _methods(
                    (label, [row.as_dict()[name] for row in table.estimates]) for name, label in _FIGURES
                ),
            ),
        ),
    )


def _differences(evidence: Evidence, column: str, table: SubgroupTable, key: str) -> Table:
    reference = table.differences[0].reference
    groups = dict.fromkeys(item.group for item in table.differences)
    small = {row.name for row in table.estimates if row.too_small}
    found = {
        (item.group, str(item.figure)): _of_two_groups(item.difference, too_small=item.too_small)
        for item in table.differences
    }
    marked = reference + (" (too small)" if reference in small else "")
    note = (
        f"All {table.differences[0].comparisons} intervals of this table hold together at "
        f"{100 * evidence.inputs.level:g}% (Bonferroni). "
        + _methods(
            (label, [item.difference for item in table.differences if item.figure == name])
            for name, label in _FIGURES
        )
    )
    return Table(
        f"{key}-differences",
        f"Differences by {column}: each group less {marked}, the largest",
        (Column("Group"), *(Column(label, numeric=True, digits=2) for _, label in _FIGURES)),
        tuple(
            (
                group + (" (too small)" if group in small else ""),
                *(found[group, name] for name, _ in _FIGURES),
            )
            for group in groups
        ),
        (note, *((_TOO_SMALL.format(few=evidence.few),) if small & {reference, *groups} else ())),
    )


_TOO_SMALL = (
    "Too small: fewer than {few} of a class, and no difference from or to such a group is to be trusted."
)


def _of_two_groups(difference: Estimate, *, too_small: bool) -> Estimate:
    """Return it with what is said of one of its groups said of both: the group's own figures name the cause."""
    if not difference.defined:
        return difference
    parts = difference.reason.split("; ") if difference.reason else []
    kept = [part for part in parts if not part.startswith("too few")]
    if len(kept) < len(parts) and not too_small:
        kept.append("too few in one of the two groups for coverage near the level (see the figures by group)")
    return replace(difference, reason="; ".join(kept))


def _methods(columns: Iterable[tuple[str, list[Estimate]]]) -> str:
    """Return how the intervals of each column were made; a column may have been made in more than one way."""
    ways = []
    for label, estimates in columns:
        used = dict.fromkeys(estimate.method for estimate in estimates if estimate.has_interval)
        ways.append(f"{label}: {' or '.join(used) if used else 'none'}")
    return f"Method of the interval: {'; '.join(ways)}."


def _name(row: SubgroupEstimate) -> str:
    return row.name + (" (too small)" if row.too_small else "")


def _range(label: str, rows: list[tuple[str, Estimate]]) -> str:
    known = sorted((estimate.value, name, estimate) for name, estimate in rows if estimate.defined)
    if not known:
        return f"{label} is not defined in any group."
    if len(known) == 1:
        return f"{label} of {known[0][1]} {estimate_text(known[0][2], digits=2)}."
    (_, worst, low), (_, best, high) = known[0], known[-1]
    return f"{label} from {estimate_text(low, digits=2)} in {worst} to {estimate_text(high, digits=2)} in {best}."
