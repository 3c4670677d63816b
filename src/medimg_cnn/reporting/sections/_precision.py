"""Precision: how sure this study makes the figures, and what a surer one would take."""

from __future__ import annotations

from dataclasses import dataclass

from medimg_cnn import evaluation
from medimg_cnn.evaluation import Estimate
from medimg_cnn.reporting._document import Block, Cell, Column, Note, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence

__all__ = ["Precision"]

_LABELS = {"sensitivity": "Sensitivity", "specificity": "Specificity", "auroc": "AUROC"}


@dataclass(frozen=True, slots=True)
class Precision:
    """Half-widths reached, and the cases that narrower intervals need."""

    key: str = "precision"
    title: str = "Precision and sample size"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return what was reached and what further studies need."""
        blocks: list[Block] = [
            Paragraph(
                "How far the figures may be off by chance alone, and how many cases a further study would need to "
                "know them better, if it found the same values at the same prevalence."
            ),
            _reached(evidence),
            _needed(evidence),
        ]
        effect = _design_effect(evidence)
        if effect:
            blocks.append(Note(effect))
        return tuple(blocks)


def _reached(evidence: Evidence) -> Table:
    inputs = evidence.inputs
    rows: list[tuple[Cell, ...]] = []
    for name, estimate in _figures(evidence).items():
        half = estimate.width / 2 if estimate.has_interval else f"not defined: {estimate.reason}"
        rows.append((_LABELS[name], estimate, half))
    return Table(
        "precision-reached",
        f"Precision reached with {inputs.positives:,} cases with and {inputs.negatives:,} without the condition",
        (
            Column("Figure"),
            Column(f"Estimate, {100 * inputs.level:g}% interval", numeric=True),
            Column("Half-width", numeric=True),
        ),
        tuple(rows),
    )


def _needed(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for plan in evidence.plans:
        start = (_LABELS[plan.figure], f"\N{PLUS-MINUS SIGN}{plan.half_width:.2f}")
        if plan.size is None:
            rows.append((*start, f"not applicable: {plan.reason}", "", ""))
        else:
            rows.append((*start, plan.size.positives, plan.size.negatives, plan.size.total))
    return Table(
        "precision-needed",
        "Independent cases needed for an interval of a wanted half-width",
        (
            Column("Figure"),
            Column("Half-width", numeric=True),
            Column("With the condition", numeric=True),
            Column("Without it", numeric=True),
            Column("All", numeric=True),
        ),
        tuple(rows),
        (
            (
                "At the values and the prevalence found here, which are uncertain themselves; about half of such "
                "studies come out somewhat wider. Plan with a value that you would still accept. Fewer than "
                f"{evidence.few} of a class are too few whatever the width."
            ),
        ),
    )


def _design_effect(evidence: Evidence) -> str:
    """What several images of a patient cost here: squared ratio of the widths by patient and by image."""
    if not evidence.inputs.clustered:
        return ""
    counts = evidence.operating.counts
    level = evidence.inputs.level
    plain = {
        "sensitivity": evaluation.sensitivity(counts, level=level),
        "specificity": evaluation.specificity(counts, level=level),
    }
    parts = [
        f"{(_figures(evidence)[name].width / naive.width) ** 2:.2f} for the {name}"
        for name, naive in plain.items()
        if _figures(evidence)[name].has_interval and naive.has_interval
    ]
    if not parts:
        return ""
    return (
        "Several images of a patient count for less than as many patients. Measured by the squared width of the "
        f"intervals, the design effect here is {' and '.join(parts)}: with as many images per patient, multiply "
        "the numbers above by it."
    )


def _figures(evidence: Evidence) -> dict[str, Estimate]:
    return {
        "sensitivity": evidence.operating.sensitivity,
        "specificity": evidence.operating.specificity,
        "auroc": evidence.auroc,
    }
