"""Abstention: what the model is worth on the cases it is sure of, the others left to a person."""

from __future__ import annotations

from dataclasses import dataclass

from medimg_cnn.evaluation import RiskCoverageCurve
from medimg_cnn.reporting._charts import abstention_chart
from medimg_cnn.reporting._document import Block, Column, Figure, Note, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import estimate_text, number_text, percent_text

__all__ = ["Abstention"]


@dataclass(frozen=True, slots=True)
class Abstention:
    """Error rate against the share of cases decided."""

    key: str = "abstention"
    title: str = "Abstention"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the curve with its numbers."""
        curve = evidence.risk_coverage
        if curve is None:
            threshold = evidence.inputs.operating_point.threshold
            return (
                Note(
                    f"Not applicable: confidence is not defined at the threshold {threshold:.4g}; it must lie "
                    "between 0 and 1."
                ),
            )
        return (
            Paragraph(
                "If the cases nearest to the threshold are left to a person, the model decides fewer cases. The "
                "curve shows how often it is then wrong. If its confidence means anything, the curve falls to "
                "the left."
            ),
            _figure(evidence, curve),
            Note(
                "Confidence is the distance of the probability from the threshold, on the logit scale. The share "
                "to leave aside must be chosen on other data than these; no cost is put on the person's errors."
            ),
        )


def _figure(evidence: Evidence, curve: RiskCoverageCurve) -> Figure:
    first, *others = evidence.abstention
    last = others[-1] if others else first
    clustered = evidence.inputs.clustered
    alt = f"Deciding every case, {estimate_text(first.risk, digits=1, percent=True)} of decisions are wrong"
    if others:
        alt += (
            f"; deciding the surest {percent_text(last.coverage, 0)}, "
            f"{estimate_text(last.risk, digits=1, percent=True)}"
        )
    return Figure(
        "abstention",
        "Error rate against the share of cases decided",
        "From the surest cases, left, to all, right. "
        + (
            "No band is drawn: images of one patient are not independent; the table's intervals allow for that."
            if clustered
            else "The band is an interval at each point by itself."
        ),
        f"{alt}. Mean over all shares (AURC): {number_text(curve.area)}.",
        abstention_chart(curve, band=not clustered),
        Table(
            "abstention-numbers",
            "Figures of the cases decided",
            (
                Column("Share decided"),
                Column("Cases", numeric=True),
                *(Column(name, numeric=True) for name in ("Error rate", "Sensitivity", "Specificity")),
            ),
            tuple(
                (percent_text(row.coverage), row.kept, row.risk, row.sensitivity, row.specificity)
                for row in evidence.abstention
            ),
        ),
    )
