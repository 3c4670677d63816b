"""Margins, net benefit, methods and limits of a comparison."""

from __future__ import annotations

import math

from medimg_cnn.evaluation import Comparison, NetBenefitFigure, PairedFigure
from medimg_cnn.reporting._charts import net_benefit_chart
from medimg_cnn.reporting._comparison_checks import ComparisonFacts
from medimg_cnn.reporting._document import Block, Bullets, Cell, Column, Figure, Note, Paragraph, Table

__all__ = [
    "LABELS",
    "figures_of",
    "limit_bullets",
    "margin_blocks",
    "method_blocks",
    "net_benefit_blocks",
    "p_cell",
]

LABELS = {"sensitivity": "Sensitivity", "specificity": "Specificity", "accuracy": "Accuracy"}


def figures_of(found: Comparison) -> list[PairedFigure]:
    """Return the figures at the operating points, where there are some."""
    figures = (found.sensitivity, found.specificity, found.accuracy)
    return [figure for figure in figures if figure is not None]


def p_cell(value: float, reason: str = "") -> Cell:
    """Return a p value as a cell; where there is none, why."""
    if math.isnan(value):
        return f"not defined: {reason}" if reason else "not defined"
    return "<0.001" if value < 0.001 else value


def margin_blocks(found: Comparison, margin: float, level: float) -> list[Block]:
    """Return what the intervals say of the margin."""
    tests = [("AUROC", found.auroc_non_inferiority)]
    tests += [(LABELS[f.name], f.non_inferiority) for f in figures_of(found)]
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
                    p_cell(test.p_one_sided, test.reason),
                )
                for label, test in tests
                if test is not None
            ),
            (
                (
                    "Non-inferior: the whole interval lies above minus the margin; superior: above 0; equivalent: "
                    "within the margin on both sides. The one-sided p value is of a loss as large as the margin, and "
                    f"belongs to that interval: non-inferior where it is below {(1.0 - level) / 2.0:.3g}."
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


def net_benefit_blocks(rows: tuple[NetBenefitFigure, ...], facts: ComparisonFacts) -> list[Block]:
    """Return the paired difference of net benefit over threshold probabilities."""
    a, b = facts.names
    sure = [row for row in rows if row.difference.has_interval]
    better = {
        a: [f"{row.threshold:.2f}" for row in sure if row.difference.lower > 0],
        b: [f"{row.threshold:.2f}" for row in sure if row.difference.upper < 0],
    }
    told = "; ".join(f"{name} at {', '.join(points)}" for name, points in better.items() if points)
    return [
        Paragraph(
            "Net benefit counts true positives, less false positives weighed by the harm they do; the threshold "
            "probability says that weight. Both models are read at the same one, so both must be calibrated for "
            "it to be fair."
        ),
        Figure(
            "net-benefit",
            f"Net benefit of {a} less {b}",
            f"Above 0 {a} is of more use. The band is a paired {100 * facts.level:g}% interval at each threshold "
            "probability by itself (pointwise).",
            f"The interval excludes 0, in favour of {told}. Of {len(rows)} threshold probabilities one in twenty may "
            "do so by chance alone."
            if told
            else "At no threshold probability does the interval exclude 0.",
            net_benefit_chart(rows),
            Table(
                "net-benefit-numbers",
                "Net benefit by threshold probability",
                (
                    Column("Threshold probability"),
                    *(Column(name, numeric=True) for name in (a, b, "Difference")),
                ),
                tuple((f"{row.threshold:.2f}", row.a, row.b, row.difference) for row in rows),
            ),
        ),
    ]


def limit_bullets(facts: ComparisonFacts) -> Bullets:
    """Return what a comparison does not show."""
    different = (
        "The models were judged on different cases. A difference may come from the cases, their prevalence or "
        "their severity as much as from the models; only the same cases can tell these apart."
    )
    return Bullets((*(() if facts.paired else (different,)), *_LIMITS))


_LIMITS = (
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


def method_blocks(facts: ComparisonFacts) -> list[Block]:
    """Return the methods that were used, with their sources."""
    rows = _paired_methods(facts) if facts.paired else _unpaired_methods(facts)
    return [
        Table(
            "sources",
            "Methods and their sources",
            (Column("Figure"), Column("Method"), Column("Source")),
            tuple(rows),
        )
    ]


_DELONG = ("AUROC", "DeLong's covariance of paired areas", "DeLong et al. 1988, doi:10.2307/2531595")
_OBUCHOWSKI = (
    "AUROC",
    "Obuchowski's covariance for several images of a patient, Student's t",
    "Obuchowski 1997, doi:10.2307/2533958",
)
_TANGO = (
    "Tango's score interval",
    "Tango 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B",
)
_NEWCOMBE = (
    "Newcombe's hybrid of Wilson limits",
    "Newcombe 1998, doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C",
)


def _paired_methods(facts: ComparisonFacts) -> list[tuple[str, str, str]]:
    rows = [_OBUCHOWSKI if facts.clustered else _DELONG]
    if facts.points[0] is not None and facts.clustered:
        rows.append(
            (
                "Sensitivity, specificity, accuracy",
                "Mean of the paired differences, ratio estimator by patient with Student's t",
                "Rao and Scott 1992, doi:10.2307/2532311",
            )
        )
    elif facts.points[0] is not None:
        used, other = (_TANGO, _NEWCOMBE) if facts.method == "tango" else (_NEWCOMBE, _TANGO)
        p_value = (
            "The score test that Tango's interval inverts, which is McNemar's without correction"
            if facts.method == "tango"
            else "1 less the highest level at which Newcombe's interval excludes 0"
        )
        rows += [
            ("Difference of paired shares", *used),
            ("Difference of paired shares, shown beside it", *other),
            ("p of a difference", p_value, "McNemar 1947, doi:10.1007/BF02295996"),
            (
                "McNemar's test by itself",
                "Mid-p, exact, and chi-squared with and without correction",
                "McNemar 1947, doi:10.1007/BF02295996; Fagerland et al. 2013, doi:10.1186/1471-2288-13-91",
            ),
        ]
    rows.append(
        (
            "Net benefit",
            "Mean of the paired differences of what each image gains, Student's t; of one model, limits of shares",
            "Vickers and Elkin 2006, doi:10.1177/0272989X06295361; Zou and Donner 2008, doi:10.1002/sim.3095",
        )
    )
    return rows


def _unpaired_methods(facts: ComparisonFacts) -> list[tuple[str, str, str]]:
    source = "Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I"
    how = "by patient" if facts.clustered else "Wilson's"
    rows = [("AUROC", "Limits of both areas combined (variance recovered from each side)", source)]
    if facts.points[0] is not None:
        rows.append(("Sensitivity, specificity, accuracy", f"Limits of both shares, {how}, combined", source))
    rows.append(("p of a difference", "1 less the highest level at which the interval excludes 0", source))
    return rows
