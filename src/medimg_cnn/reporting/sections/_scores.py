"""The scores: how the probabilities of each class lie around the threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medimg_cnn.reporting._charts import histogram_counts, score_chart
from medimg_cnn.reporting._document import Block, Column, Figure, Table
from medimg_cnn.reporting._evidence import Evidence

__all__ = ["Scores", "score_figure"]


@dataclass(frozen=True, slots=True)
class Scores:
    """Histograms by class on one scale."""

    key: str = "scores"
    title: str = "Scores by class"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the two histograms."""
        return (score_figure(evidence),)


def score_figure(evidence: Evidence) -> Figure:
    """Return the score histograms as a figure with its words and numbers."""
    inputs = evidence.inputs
    edges, positive, negative = histogram_counts(inputs.probability, inputs.y)
    point = inputs.operating_point
    return Figure(
        "score-histogram",
        "Predicted probabilities by true class",
        "The dotted line is the operating point: cases on it and to "
        "its right are called positive. Errors are relative to it: "
        f"{inputs.classes[1]} to its left is missed, {inputs.classes[0]} from it on is called positive wrongly. Where "
        "the two overlap, no threshold separates them.",
        f"{_middle(evidence, 1)} {_middle(evidence, 0)}",
        score_chart(inputs.probability, inputs.y, point.threshold, inputs.classes, inputs.unit),
        Table(
            "score-histogram-numbers",
            "Cases by predicted probability and class",
            (
                Column("From", numeric=True, digits=2),
                Column("To", numeric=True, digits=2),
                Column(inputs.classes[1], numeric=True),
                Column(inputs.classes[0], numeric=True),
            ),
            tuple(
                (float(low), float(high), int(ones), int(zeros))
                for low, high, ones, zeros in zip(edges[:-1], edges[1:], positive, negative, strict=True)
                if ones or zeros
            ),
            ("Bins hold their lower end; the last also its upper. Empty bins are left out.",),
        ),
    )


def _middle(evidence: Evidence, outcome: int) -> str:
    inputs = evidence.inputs
    scores = inputs.probability[inputs.y == outcome]
    name = inputs.classes[outcome]
    if scores.size == 0:
        return f"There is no case of class {name}."
    low, middle, high = np.quantile(scores, (0.25, 0.5, 0.75))
    return f"The middle half of class {name} lies from {low:.2f} to {high:.2f}, its median at {middle:.2f}."
