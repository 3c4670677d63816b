"""The paired comparison as neutral blocks: what differs, how surely, and what that does not show."""

from __future__ import annotations

import math
from collections.abc import Mapping

from medimg_cnn._version import __version__
from medimg_cnn.evaluation import (
    Comparison,
    Estimate,
    NonInferiority,
    PairedFigure,
    paired_difference,
)
from medimg_cnn.reporting._cautions import with_cautions
from medimg_cnn.reporting._charts import difference_chart
from medimg_cnn.reporting._comparison_checks import ComparisonFacts, comparison_checks
from medimg_cnn.reporting._document import (
    Block,
    Bullets,
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

_LABELS = {"sensitivity": "Sensitivity", "specificity": "Specificity", "accuracy": "Accuracy"}


def comparison_document(
    title: str, found: Comparison, facts: ComparisonFacts, heading: Mapping[str, str]
) -> Document:
    """Return the comparison as a document."""
    sections = [
        SectionContent("summary", "Summary", tuple(_summary(found, facts))),
        SectionContent("checks", "Checks", (Checks(comparison_checks(found, facts)),)),
        SectionContent("differences", "Differences", tuple(_differences(found, facts))),
    ]
    if _figures(found):
        sections.append(
            SectionContent("disagreement", "Where they disagree", tuple(_disagreement(found, facts)))
        )
    if facts.margin is not None:
        sections.append(SectionContent("margins", "Margins", tuple(_margins(found, facts.margin))))
    sections.append(SectionContent("methods", "Methods", tuple(_methods(facts))))
    sections.append(SectionContent("limits", "Limits", (_LIMITS,)))
    return Document(
        title=title,
        subtitle=facts.cases + f", {facts.positives:,} with the condition",
        facts=tuple((str(name), str(value)) for name, value in heading.items()),
        sections=with_cautions(sections),
        footer=f"Made with medimg-cnn {__version__}. Research use only: not a medical device, not for decisions "
        "about the care of patients.",
    )


_LIMITS = Bullets(
    (
        (
            "No difference beyond chance is not proof that two models are alike; for that a margin must be set "
            "before the data are seen."
        ),
        (
            "A model that was chosen because it did best on these cases will look better here than it is; compare "
            "models on data that chose neither."
        ),
        (
            "P values and intervals are for each figure by itself; with several figures, or several models, some "
            "will differ by chance."
        ),
        (
            "Net reclassification is left out on purpose: it can favour a model that only adds noise (Hilden and "
            "Gerds 2014, doi:10.1002/sim.5804)."
        ),
        "Each model was trained once; another training of the same recipe would give other figures.",
    )
)


def _figures(found: Comparison) -> list[PairedFigure]:
    figures = (found.sensitivity, found.specificity, found.accuracy)
    return [figure for figure in figures if figure is not None]


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
        Paragraph(f"Both models were judged on the same {facts.cases}; differences are {a} less {b}."),
        *(Paragraph(text, lead=True) for text in texts),
    ]
    if facts.margin is not None and found.auroc_non_inferiority is not None:
        blocks.append(Paragraph(_margin_sentence(found.auroc_non_inferiority, facts)))
    blocks.append(Note(f"Numbers in brackets are {100 * facts.level:g}% confidence intervals."))
    return blocks


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
        ("AUROC", area.a, area.b, area.difference, _p_cell(area.p_value), area.difference.method)
    ]
    rows += [
        (_LABELS[f.name], f.a, f.b, f.difference, _p_cell(f.p_value), f.difference.method)
        for f in _figures(found)
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
    shown = [("AUROC", area.difference), *((_LABELS[f.name], f.difference) for f in _figures(found))]
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


def _p_cell(value: float) -> Cell:
    return "not defined" if math.isnan(value) else "<0.001" if value < 0.001 else value


def _disagreement(found: Comparison, facts: ComparisonFacts) -> list[Block]:
    a, b = facts.names
    figures = [(_LABELS[f.name], f) for f in _figures(found) if f.counts is not None]
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
                    _p_cell(test.p_mid),
                    _p_cell(test.p_exact),
                    test.chi2,
                    _p_cell(test.p_chi2),
                    test.chi2_corrected,
                    _p_cell(test.p_chi2_corrected),
                )
                for label, test in tests
            ),
            ("The mid-p value is the one to report.",),
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


def _margins(found: Comparison, margin: float) -> list[Block]:
    tests = [("AUROC", found.auroc_non_inferiority)]
    tests += [(_LABELS[f.name], f.non_inferiority) for f in _figures(found)]
    return [
        Table(
            "comparison-margins",
            f"What the intervals say of a margin of {margin:g}",
            (
                Column("Figure"),
                Column("Difference", numeric=True),
                Column("Non-inferior"),
                Column("Superior"),
                Column("Equivalent"),
                Column("One-sided p", numeric=True),
            ),
            tuple(
                (
                    label,
                    test.difference,
                    _answer(test.noninferior),
                    _answer(test.superior),
                    _answer(test.equivalent),
                    _p_cell(test.p_one_sided),
                )
                for label, test in tests
                if test is not None
            ),
            (
                (
                    "Non-inferior: the whole interval lies above minus the margin; superior: above 0; equivalent: "
                    "within the margin on both sides. The p value is of a loss as large as the margin."
                ),
            ),
        ),
        Note(
            "A margin counts only if it was set, with its reason, before these data were seen. This report cannot "
            "know whether it was."
        ),
    ]


def _answer(value: bool | None) -> str:
    return "cannot be told" if value is None else "shown" if value else "not shown"


def _methods(facts: ComparisonFacts) -> list[Block]:
    area = (
        (
            "AUROC",
            "Obuchowski's covariance for several images of a patient",
            "Obuchowski 1997, doi:10.2307/2533958",
        )
        if facts.clustered
        else ("AUROC", "DeLong's covariance of paired areas", "DeLong et al. 1988, doi:10.2307/2531595")
    )
    rows = [area]
    if facts.points[0] is not None and facts.clustered:
        rows.append(
            (
                "Sensitivity, specificity, accuracy",
                "Mean of the paired differences, ratio estimator by patient with Student's t",
                "Rao and Scott 1992, doi:10.2307/2532311",
            )
        )
    elif facts.points[0] is not None:
        rows += [
            (
                "Difference of paired shares",
                "Tango's score interval",
                "Tango 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B",
            ),
            (
                "Difference of paired shares",
                "Newcombe's hybrid of Wilson limits",
                "Newcombe 1998, doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C",
            ),
            (
                "Test of equal shares",
                "McNemar, mid-p",
                "McNemar 1947, doi:10.1007/BF02295996; Fagerland et al. 2013, doi:10.1186/1471-2288-13-91",
            ),
        ]
    return [
        Table(
            "sources",
            "Methods and their sources",
            (Column("Figure"), Column("Method"), Column("Source")),
            tuple(rows),
        )
    ]
