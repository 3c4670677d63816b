"""The operating point: what the decisions at one threshold are worth."""

from __future__ import annotations

from dataclasses import dataclass

from medimg_cnn.reporting._charts import confusion_chart
from medimg_cnn.reporting._document import Block, Column, Facts, Figure, Note, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import percent_text
from medimg_cnn.reporting._origins import origin_status

__all__ = ["FIGURES", "Operating", "confusion_figure"]

FIGURES: tuple[tuple[str, str], ...] = (
    ("sensitivity", "Sensitivity (recall, true-positive rate)"),
    ("specificity", "Specificity (true-negative rate)"),
    ("ppv", "PPV (precision)"),
    ("npv", "NPV"),
    ("accuracy", "Accuracy"),
    ("balanced_accuracy", "Balanced accuracy"),
    ("f1", "F1 score"),
    ("mcc", "Matthews correlation coefficient"),
    ("kappa", "Cohen's kappa"),
    ("youden_index", "Youden index"),
    ("lr_positive", "Positive likelihood ratio"),
    ("lr_negative", "Negative likelihood ratio"),
    ("diagnostic_odds_ratio", "Diagnostic odds ratio"),
)
"""Attribute of ``OperatingCharacteristics`` and the name that readers know."""


@dataclass(frozen=True, slots=True)
class Operating:
    """Confusion matrix, every figure at the threshold, predictive values elsewhere, other thresholds."""

    key: str = "operating-point"
    title: str = "Operating point"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the threshold with its origin, the matrix and the figures."""
        point = evidence.inputs.operating_point
        blocks: list[Block] = [
            Paragraph(
                f"A case is called positive if and only if its probability is at least {point.threshold:.6g}."
            ),
            Facts(
                (
                    ("Threshold", f"{point.threshold:.6g}"),
                    ("Rule", point.rule),
                    ("Chosen on", point.chosen_on),
                )
            ),
            confusion_figure(evidence),
            _figures(evidence),
        ]
        if evidence.inputs.other_points:
            blocks.append(_points(evidence))
        if evidence.predictive_values:
            blocks.append(_predictive_values(evidence))
        blocks.extend([_thresholds(evidence), Note(_TRADE)])
        return tuple(blocks)


_TRADE = (
    "The table of other thresholds shows the trade-off on this data. A threshold picked from it is chosen on "
    "the data it is judged on, and its figures would be too good."
)


def confusion_figure(evidence: Evidence) -> Figure:
    """Return the confusion matrix as a figure with its words and numbers."""
    counts = evidence.operating.counts
    negative, positive = evidence.inputs.classes
    return Figure(
        "confusion-matrix",
        "Confusion matrix",
        "Rows are the truth, columns the model's decision; shares are of the row.",
        f"True positives {counts.tp:,}, false negatives {counts.fn:,}, false positives {counts.fp:,}, true "
        f"negatives {counts.tn:,}.",
        confusion_chart(counts, evidence.inputs.classes),
        Table(
            "confusion-matrix-numbers",
            "Confusion matrix",
            (
                Column("Truth"),
                Column(f"called {positive}", numeric=True),
                Column(f"called {negative}", numeric=True),
                Column("All", numeric=True),
            ),
            (
                (positive, counts.tp, counts.fn, counts.positives),
                (negative, counts.fp, counts.tn, counts.negatives),
                ("All", counts.tp + counts.fp, counts.fn + counts.tn, counts.n),
            ),
        ),
    )


def _figures(evidence: Evidence) -> Table:
    estimates = [(label, getattr(evidence.operating, name)) for name, label in FIGURES]
    return Table(
        "operating-point-figures",
        f"Figures at the threshold, with {100 * evidence.inputs.level:g}% intervals",
        (
            Column("Figure"),
            Column("Estimate", numeric=True),
            Column("Cases", numeric=True),
            Column("Method of the interval"),
        ),
        tuple((label, estimate, estimate.n, estimate.method) for label, estimate in estimates),
    )


def _points(evidence: Evidence) -> Table:
    part = evidence.inputs.part
    return Table(
        "operating-points",
        "All operating points; the first is the main one",
        (
            Column("Threshold"),
            Column("Rule"),
            Column("Chosen on"),
            Column("Status"),
            *(Column(name, numeric=True) for name in ("Sensitivity", "Specificity", "PPV", "NPV")),
        ),
        tuple(
            (
                f"{point.threshold:.4g}",
                point.rule,
                point.chosen_on,
                origin_status(point, part),
                row.sensitivity,
                row.specificity,
                row.ppv,
                row.npv,
            )
            for point, row in evidence.points
        ),
        (
            (
                '"Locked": chosen before these data were seen. Figures at a point chosen on these data are too '
                "good, at one chosen within the folds of a cross-validation somewhat so; one chosen on training data "
                "may suit new cases badly. No allowance is made for "
                "looking at several points."
            ),
        ),
    )


def _predictive_values(evidence: Evidence) -> Table:
    inputs = evidence.inputs
    rows = []
    for prevalence, ppv, npv in evidence.predictive_values:
        name = percent_text(prevalence)
        if prevalence == inputs.intended_prevalence:
            name += " (intended use)"
        rows.append((name, ppv, npv))
    return Table(
        "predictive-values",
        "Predictive values at stated prevalences",
        (Column("Prevalence"), Column("PPV", numeric=True), Column("NPV", numeric=True)),
        tuple(rows),
        (
            (
                "From sensitivity and specificity by Bayes' rule, taking both to be the same there; "
                f"intervals: {evidence.predictive_values[0][1].method}."
            ),
        ),
    )


def _thresholds(evidence: Evidence) -> Table:
    return Table(
        "other-thresholds",
        "The trade-off at other thresholds (positive if the probability is at least)",
        (
            Column("Threshold"),
            Column("Called positive", numeric=True),
            *(Column(name, numeric=True) for name in ("Sensitivity", "Specificity", "PPV", "NPV")),
        ),
        tuple(
            (
                f"{row.threshold:.4g}" + (" (in use)" if row is evidence.operating else ""),
                row.counts.tp + row.counts.fp,
                row.sensitivity,
                row.specificity,
                row.ppv,
                row.npv,
            )
            for row in evidence.threshold_table
        ),
    )
