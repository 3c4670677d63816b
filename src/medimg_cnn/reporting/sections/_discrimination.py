"""Discrimination: how well the scores tell the classes apart, whatever the threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medimg_cnn.reporting._charts import precision_recall_chart, roc_chart, spread
from medimg_cnn.reporting._document import Block, Column, Figure, Note, Table
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import estimate_text, number_text, percent_text

__all__ = ["Discrimination", "roc_figure"]


@dataclass(frozen=True, slots=True)
class Discrimination:
    """AUROC, AUPRC and their curves."""

    key: str = "discrimination"
    title: str = "Discrimination"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the two areas, and the curves where both classes are there."""
        prevalence = evidence.inputs.positives / evidence.inputs.n
        blocks: list[Block] = [
            Table(
                "discrimination",
                "Areas under the curves",
                (Column("Figure"), Column("Estimate", numeric=True), Column("Method of the interval")),
                (
                    ("AUROC (0.5 = chance, 1 = perfect)", evidence.auroc, evidence.auroc.method),
                    (
                        f"AUPRC, average precision (no skill: {number_text(prevalence)})",
                        evidence.auprc,
                        evidence.auprc.method,
                    ),
                ),
            ),
        ]
        if evidence.both_classes:
            blocks.extend([roc_figure(evidence), _precision_recall(evidence)])
        else:
            blocks.append(Note("Curves need cases of both classes; this data has one."))
        return tuple(blocks)


def roc_figure(evidence: Evidence) -> Figure:
    """Return the ROC curve as a figure with its words and numbers."""
    curve, operating = evidence.roc, evidence.operating
    rows = tuple(
        (
            float(curve.thresholds[i]),
            float(curve.sensitivity[i]),
            float(curve.specificity[i]),
        )
        for i in spread(curve.thresholds.size, 15)
    )
    return Figure(
        "roc",
        "ROC curve",
        "Each point of the curve is one threshold; the marked point is the operating point "
        f"(threshold {evidence.inputs.operating_point.threshold:.3g}). The dashed line is chance.",
        f"AUROC {estimate_text(evidence.auroc)}. At the operating point, sensitivity is "
        f"{percent_text(operating.sensitivity.value)} and specificity "
        f"{percent_text(operating.specificity.value)}.",
        roc_chart(curve, operating.sensitivity, operating.specificity),
        Table(
            "roc-numbers",
            "ROC curve at up to 15 of its thresholds",
            (
                Column("Positive if score is at least", numeric=True),
                Column("Sensitivity", numeric=True),
                Column("Specificity", numeric=True),
            ),
            rows,
        ),
    )


def _precision_recall(evidence: Evidence) -> Figure:
    curve = evidence.precision_recall
    recall, precision = np.asarray(curve.recall), np.asarray(curve.precision)
    prevalence = evidence.inputs.positives / evidence.inputs.n
    return Figure(
        "precision-recall",
        "Precision-recall curve",
        "Precision depends on prevalence: the dashed line is what a model without "
        "skill reaches on this data.",
        f"Area {estimate_text(evidence.auprc)}; a model without skill has {number_text(prevalence)}.",
        precision_recall_chart(recall, precision, prevalence),
        Table(
            "precision-recall-numbers",
            "Precision-recall curve at up to 15 of its points",
            (Column("Recall (sensitivity)", numeric=True), Column("Precision (PPV)", numeric=True)),
            tuple((float(recall[i]), float(precision[i])) for i in spread(recall.size, 15)),
        ),
    )
