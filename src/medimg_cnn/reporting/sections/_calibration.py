"""Calibration: whether a probability of 0.3 means three in ten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medimg_cnn.reporting._charts import reliability_chart
from medimg_cnn.reporting._document import Block, Column, Figure, Note, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import estimate_text, number_text, plural
from medimg_cnn.reporting._uncertainty import chance_ece

__all__ = ["LABELS", "Calibration", "reliability_figure"]

LABELS: dict[str, tuple[str, str]] = {
    "log_loss": ("Log loss (binary cross-entropy), nats", "lower is better"),
    "brier_score": ("Brier score", "lower is better"),
    "calibration_slope": ("Calibration slope", "1; below 1: too extreme"),
    "calibration_intercept": ("Calibration intercept (joint with the slope)", "0"),
    "calibration_in_the_large": ("Calibration in the large (slope held at 1)", "0; above 0: too low"),
    "observed_expected": ("Observed to expected (O:E)", "1; above 1: too low"),
    "expected_calibration_error": ("Expected calibration error (ECE)", "0"),
}
"""Stable name -> what readers call it, and what a perfect model has."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Scores of the probabilities, recalibration coefficients, reliability diagram."""

    key: str = "calibration"
    title: str = "Calibration"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the figures and the diagram."""
        estimates = evidence.calibration_estimates
        blocks: list[Block] = [
            Paragraph(
                "Calibration asks whether a predicted probability means what it says: of the cases given "
                "0.3, three in ten should have the condition."
            ),
            reliability_figure(evidence),
            Table(
                "calibration-figures",
                "Calibration",
                (
                    Column("Figure"),
                    Column("Estimate", numeric=True),
                    Column("Perfect"),
                    Column("Method of the interval"),
                ),
                tuple(
                    (LABELS[name][0], estimate, LABELS[name][1], estimate.method)
                    for name, estimate in estimates.items()
                ),
            ),
        ]
        if evidence.calibration.ece.defined:
            blocks.append(
                Note(
                    f"The ECE uses {evidence.calibration.bins} bins of equal width, the diagram groups of about equal "
                    "size (quantiles), so its points are not those bins. Chance alone keeps it above 0: a perfectly "
                    "calibrated model with these probabilities would have one of about "
                    f"{number_text(chance_ece(evidence.inputs, evidence.calibration.bins))}"
                    f"{_more_by_patient(evidence)}."
                )
            )
        if evidence.calibration.note:
            note = evidence.calibration.note
            blocks.append(
                Note(
                    f"For slope and intercepts: {note}. Brier score and ECE use the probabilities as they are."
                )
            )
        if bool(np.isin(evidence.inputs.probability, (0.0, 1.0)).all()):
            blocks.append(
                Note(
                    "Every score is exactly 0 or 1: these are decisions, not probabilities, so nothing here can be "
                    "read as calibration."
                )
            )
        if not evidence.both_classes:
            blocks.append(Note("With one class only, slope and intercepts cannot be told."))
        return tuple(blocks)


def _more_by_patient(evidence: Evidence) -> str:
    return ", more as images of one patient are alike" if evidence.inputs.clustered else ""


def reliability_figure(evidence: Evidence) -> Figure:
    """Return the reliability diagram as a figure with its words and numbers."""
    inputs, curve = evidence.inputs, evidence.reliability
    filled = np.flatnonzero(np.asarray(curve.count) > 0)
    slope = evidence.calibration_estimates["calibration_slope"]
    return Figure(
        "reliability",
        "Reliability diagram",
        "Each point is a group of cases with similar predicted probabilities; the closer "
        "to the dashed line, the better. Below: how the probabilities are distributed.",
        f"{plural(int(filled.size), 'group')} of cases. Calibration slope {estimate_text(slope)}, where 1 is "
        "perfect.",
        reliability_chart(curve, inputs.probability, inputs.y, inputs.unit),
        Table(
            "reliability-numbers",
            "Predicted and observed by group",
            (
                Column("Mean predicted", numeric=True),
                Column("Observed", numeric=True),
                Column("Lower", numeric=True),
                Column("Upper", numeric=True),
                Column("Cases", numeric=True),
            ),
            tuple(
                (
                    float(curve.mean_predicted[i]),
                    float(curve.observed[i]),
                    float(curve.lower[i]),
                    float(curve.upper[i]),
                    int(curve.count[i]),
                )
                for i in filled
            ),
        ),
    )
