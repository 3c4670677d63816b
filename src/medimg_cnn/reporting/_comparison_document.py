"""A comparison as neutral blocks: what differs, how surely, and what that does not show."""

from __future__ import annotations

import math
from collections.abc import Mapping

from medimg_cnn._version import __version__
from medimg_cnn.evaluation import (
    Comparison,
    Estimate,
    NonInferiority,
    paired_difference,
)
from medimg_cnn.reporting._cautions import with_cautions
from medimg_cnn.reporting._charts import difference_chart
from medimg_cnn.reporting._comparison_checks import ComparisonFacts, comparison_checks
from medimg_cnn.reporting._comparison_sections import (
    LABELS,
    figures_of,
    limit_bullets,
    margin_blocks,
    method_blocks,
    net_benefit_blocks,
    p_cell,
)
from medimg_cnn.reporting._document import (
    Block,
    Cell,
    Checks,
    Column,
    Document,
    Facts,
    Figure,
    Note,
    Paragraph,
    SectionContent,
    Table,
)
from medimg_cnn.reporting._format import estimate_text, number_text

__all__ = ["comparison_document"]


def comparison_document(
    title: str, found: Comparison, facts: ComparisonFacts, heading: Mapping[str, str]
) -> Document:
    """Return the comparison as a document."""
    sections = [
        SectionContent("summary", "Summary", tuple(_summary(found, facts))),
        SectionContent("checks", "Checks", (Checks(comparison_checks(found, facts)),)),
        SectionContent("differences", "Differences", tuple(_differences(found, facts))),
    ]
    if facts.paired and figures_of(found):
        sections.append(
            SectionContent("disagreement", "Where they disagree", tuple(_disagreement(found, facts)))
        )
    if facts.margin is not None:
        sections.append(
            SectionContent("margins", "Margins", tuple(margin_blocks(found, facts.margin, facts.level)))
        )
    if found.net_benefit:
        sections.append(
            SectionContent("net-benefit", "Net benefit", tuple(net_benefit_blocks(found.net_benefit, facts)))
        )
    sections.append(SectionContent("methods", "Methods", tuple(method_blocks(facts))))
    sections.append(SectionContent("limits", "Limits", (limit_bullets(facts),)))
    return Document(
        title=title,
        subtitle=" against ".join(
            f"{cases.text}, {cases.positives:,} with the condition"
            for cases in (facts.cases[:1] if facts.paired else facts.cases)
        ),
        facts=tuple((str(name), str(value)) for name, value in heading.items()),
        sections=with_cautions(sections),
        footer=f"Made with medimg-cnn {__version__}. Research use only: not a medical device, not for decisions "
        "about the care of patients.",
    )


def _summary(found: Comparison, facts: ComparisonFacts) -> list[Block]:
    a, b = facts.names
    area = found.auroc
    texts = [
        f"The AUROC of {a} is {estimate_text(area.a)}, that of {b} {estimate_text(area.b)}. "
        + _verdict(a, b, area.difference, area.p_value)
    ]
    for figure, cases in ((found.sensitivity, "with"), (found.specificity, "without")):
        if figure is not None and figure.difference.defined:
            gap = figure.difference
            link = "as" if gap.value == 0.0 else "than"
            verb = "finds" if cases == "with" else "rightly clears"
            interval = f" ({_hundred(gap.lower)} to {_hundred(gap.upper)})" if gap.has_interval else ""
            texts.append(
                f"Of 100 images {cases} the condition, {a} {verb} {_hundred(gap.value)}{interval} {link} {b} at "
                "their operating points."
            )
    blocks: list[Block] = [
        Paragraph(_judged(facts)),
        *(Paragraph(text, lead=True) for text in texts),
    ]
    if facts.margin is not None and found.auroc_non_inferiority is not None:
        blocks.append(Paragraph(_margin_sentence(found.auroc_non_inferiority, facts)))
    blocks.append(Note(f"Numbers in brackets are {100 * facts.level:g}% confidence intervals."))
    return blocks


def _judged(facts: ComparisonFacts) -> str:
    a, b = facts.names
    if facts.paired:
        return f"Both models were judged on the same {facts.cases[0].text}; differences are {a} less {b}."
    return (
        f"{a} was judged on {facts.cases[0].text}, {b} on {facts.cases[1].text}, other cases than the first; "
        f"differences are {a} less {b}. They may come from the cases as much as from the models."
    )


def _hundred(value: float) -> str:
    if value == 0.0:
        return "as many"
    return f"{number_text(abs(100 * value), 1)} {'more' if value > 0 else 'fewer'}"


def _verdict(a: str, b: str, gap: Estimate, p_value: float) -> str:
    if not gap.defined:
        return f"Their difference is not defined: {gap.reason}."
    text = f"The difference is {estimate_text(gap)}, {_p(p_value)}"
    if not gap.has_interval:
        return f"{text}: {gap.reason}."
    if gap.lower > 0 or gap.upper < 0:
        return f"{text}: beyond chance, {a if gap.value > 0 else b} does better here."
    return f"{text}: these cases do not show that either does better. That does not prove them alike."


def _p(value: float) -> str:
    if math.isnan(value):
        return "p not defined"
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _margin_sentence(test: NonInferiority, facts: ComparisonFacts) -> str:
    a, b = facts.names
    if test.noninferior is None:
        return f"Whether {a} is non-inferior to {b} in AUROC cannot be told: there is no interval."
    verdict = "is non-inferior" if test.noninferior else "is not shown to be non-inferior"
    return f"With a margin of {test.margin:g}, {a} {verdict} to {b} in AUROC" + (
        ", and superior." if test.superior else "."
    )


def _differences(found: Comparison, facts: ComparisonFacts) -> list[Block]:
    a, b = facts.names
    area = found.auroc
    rows: list[tuple[Cell, ...]] = [
        ("AUROC", area.a, area.b, area.difference, p_cell(area.p_value), area.difference.method)
    ]
    rows += [
        (LABELS[f.name], f.a, f.b, f.difference, p_cell(f.p_value), f.difference.method)
        for f in figures_of(found)
    ]
    table = Table(
        "comparison-figures",
        f"Figures of both models, and {a} less {b}",
        (
            Column("Figure"),
            Column(a, numeric=True),
            Column(b, numeric=True),
            Column("Difference", numeric=True),
            Column("p", numeric=True),
            Column("Method of the difference"),
        ),
        tuple(rows),
    )
    shown = [("AUROC", area.difference), *((LABELS[f.name], f.difference) for f in figures_of(found))]
    shown = [(label, gap) for label, gap in shown if gap.defined]
    blocks: list[Block] = []
    points = [point for point in facts.points if point is not None]
    if points:
        blocks.append(
            Facts(
                tuple(
                    (
                        f"Threshold of {name}",
                        f"{point.threshold:.6g} ({point.rule}, chosen on: {point.chosen_on})",
                    )
                    for name, point in zip(facts.names, points, strict=False)
                )
            )
        )
    if not shown:
        return [*blocks, table]
    margin = "" if facts.margin is None else f"; the line left of 0 is the margin of {facts.margin:g}"
    figure = Figure(
        "differences",
        f"{a} less {b}",
        f"Right of 0 {a} does better, left of it {b}. Bars are {100 * facts.level:g}% intervals{margin}.",
        "; ".join(f"{label} {estimate_text(gap)}" for label, gap in shown) + ".",
        difference_chart(shown, facts.margin),
        Table(
            "difference-numbers",
            f"{a} less {b}",
            (Column("Figure"), Column("Difference", numeric=True), Column("Cases", numeric=True)),
            tuple((label, gap, gap.n) for label, gap in shown),
        ),
    )
    return [*blocks, table, figure]


def _disagreement(found: Comparison, facts: ComparisonFacts) -> list[Block]:
    a, b = facts.names
    figures = [(LABELS[f.name], f) for f in figures_of(found) if f.counts is not None]
    blocks: list[Block] = [
        Table(
            "comparison-counts",
            "Decisions that are right",
            (
                Column("Figure"),
                *(
                    Column(name, numeric=True)
                    for name in ("By both", f"By {a} only", f"By {b} only", "By neither")
                ),
            ),
            tuple(
                (label, f.counts.n11, f.counts.n10, f.counts.n01, f.counts.n00)
                for label, f in figures
                if f.counts is not None
            ),
        )
    ]
    tests = [(label, f.mcnemar) for label, f in figures if f.mcnemar is not None]
    if not tests:
        return [
            *blocks,
            Note(
                "McNemar's test is not applicable: some patients have several images, which it would take for "
                "independent cases. The p values above are by patient."
            ),
        ]
    blocks.append(
        Table(
            "comparison-tests",
            "McNemar's test of equal shares",
            (
                Column("Figure"),
                *(
                    Column(name, numeric=True)
                    for name in (
                        "Discordant",
                        "Mid-p",
                        "Exact p",
                        "Chi-squared",
                        "p",
                        "Corrected",
                        "p (corrected)",
                    )
                ),
            ),
            tuple(
                (
                    label,
                    test.discordant,
                    p_cell(test.p_mid),
                    p_cell(test.p_exact),
                    test.chi2,
                    p_cell(test.p_chi2),
                    test.chi2_corrected,
                    p_cell(test.p_chi2_corrected),
                )
                for label, test in tests
            ),
            (
                (
                    "The p value under Differences is the one that agrees with the interval beside it. The mid-p "
                    "value is for a paper that reports McNemar's test by itself."
                ),
            ),
        )
    )
    blocks.append(
        Table(
            "comparison-intervals",
            "The differences by two methods of interval",
            (Column("Figure"), Column("Tango score", numeric=True), Column("Newcombe", numeric=True)),
            tuple(
                (
                    label,
                    paired_difference(f.counts, level=facts.level, method="tango"),
                    paired_difference(f.counts, level=facts.level, method="newcombe"),
                )
                for label, f in figures
                if f.counts is not None
            ),
        )
    )
    return blocks
