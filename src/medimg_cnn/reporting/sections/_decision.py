"""The decision curve: whether acting on the model beats acting on everyone or on no one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medimg_cnn.reporting._charts import decision_chart, spread
from medimg_cnn.reporting._document import Block, Column, Figure, Note, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence

__all__ = ["Decision", "decision_figure"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Net benefit over threshold probabilities."""

    key: str = "decision-curve"
    title: str = "Decision curve"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the curve, where both classes are there."""
        if not evidence.both_classes:
            return (Note("A decision curve needs cases of both classes; this data has one."),)
        return (
            Paragraph(
                "Net benefit counts true positives, less false positives weighed by the harm they do. The "
                "threshold probability says that weight: someone who would act at 10% accepts nine false "
                "positives for one true one."
            ),
            decision_figure(evidence),
            Note(
                "It holds at this data's prevalence, and reads the probabilities as they are: a model that "
                "is not calibrated loses by it."
            ),
        )


def decision_figure(evidence: Evidence) -> Figure:
    """Return the decision curve as a figure with its words and numbers."""
    curve = evidence.decision
    thresholds = np.asarray(curve.thresholds)
    # Above acting on none by its own interval, above acting on all by the paired one; False where either is NaN.
    best = (np.asarray(curve.lower) > 0) & (np.asarray(curve.over_all_lower) > 0)
    threshold = evidence.inputs.operating_point.threshold
    where = _ranges(thresholds, best)
    return Figure(
        "decision-curve",
        "Decision curve",
        "The model is worth using where it does better than acting on all and than acting on none. The "
        f"band is a {100 * curve.level:g}% interval at each threshold probability by itself (pointwise), not of the "
        "curve as a whole.",
        "The model does better than acting on all and than acting on none, beyond chance, at threshold "
        f"probabilities {where}; elsewhere it is unclear which is best, or the model is not."
        if where
        else "Unclear: at no threshold probability does the model do better than both acting on all and acting on "
        "none, beyond chance.",
        decision_chart(curve, threshold),
        Table(
            "decision-curve-numbers",
            "Net benefit at up to 15 threshold probabilities",
            (
                Column("Threshold probability", numeric=True, digits=2),
                Column("Model", numeric=True, digits=4),
                Column("Lower", numeric=True, digits=4),
                Column("Upper", numeric=True, digits=4),
                Column("Act on all", numeric=True, digits=4),
                Column("Above all, lower", numeric=True, digits=4),
                Column("Above all, upper", numeric=True, digits=4),
            ),
            tuple(
                (
                    float(thresholds[i]),
                    float(curve.net_benefit[i]),
                    float(curve.lower[i]),
                    float(curve.upper[i]),
                    float(curve.treat_all[i]),
                    float(curve.over_all_lower[i]),
                    float(curve.over_all_upper[i]),
                )
                for i in spread(thresholds.size, 15)
            ),
            (
                (
                    "Lower and upper are of the model. Above all: the model less acting on all, from the cases it "
                    "leaves alone; not defined where there are none. Acting on none is 0. Each interval holds by "
                    "itself."
                ),
            ),
        ),
    )


def _ranges(thresholds: np.ndarray, best: np.ndarray) -> str:
    """Return the runs of True as "0.05 to 0.40 and 0.50 to 0.62"."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], best, [False]]).astype(np.int8)))
    runs = [
        f"{thresholds[start]:.2f}" + (f" to {thresholds[stop - 1]:.2f}" if stop - 1 > start else "")
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    ]
    return " and ".join(runs[:3]) + (" and elsewhere" if len(runs) > 3 else "")
