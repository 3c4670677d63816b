"""A model card from a report's evidence; what only the author knows is asked."""

from __future__ import annotations

from collections.abc import Mapping

from medimg_cnn._version import __version__
from medimg_cnn.reporting._checks import needs_attention
from medimg_cnn.reporting._document import (
    Block,
    Bullets,
    Column,
    Document,
    Facts,
    Note,
    Paragraph,
    SectionContent,
    Table,
)
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import plural
from medimg_cnn.reporting.checklists._facts import FACTS
from medimg_cnn.reporting.sections._limits import Limits
from medimg_cnn.reporting.sections._operating import FIGURES

__all__ = ["QUESTIONS", "model_card"]

QUESTIONS: dict[str, str] = {
    "developers": "Who made the model, when, and whom can a user ask?",
    "licence": "Under which licence may it be used?",
    "intended_use": "For whom, on which patients, and for which decision is the model meant?",
    "out_of_scope": "What must it not be used for?",
    "reference_standard": "How was it known who has the condition, and by whom was it judged?",
    "training_source": "Where, when and from whom were the training images taken?",
    "evaluation_source": "Where, when and from whom were these cases taken, and who was left out?",
    "ethics": "Which harms were considered: to whom, how likely, and what is done against them?",
}
"""What is asked where the author has not said it."""


def model_card(evidence: Evidence, name: str, answers: Mapping[str, str]) -> Document:
    """Return the card as a document, with the parts of Mitchell et al. 2019."""
    sections: list[tuple[str, str, list[Block]]] = [
        ("details", "Model details", _details(evidence, answers)),
        (
            "use",
            "Intended use",
            [*_said("Meant for", "intended_use", answers), *_said("Not meant for", "out_of_scope", answers)],
        ),
        ("training-data", "Training data", _training_data(evidence, answers)),
        ("evaluation-data", "Evaluation data", _evaluation_data(evidence, answers)),
        ("metrics", "Metrics", [_metrics(evidence), Paragraph(FACTS["methods"](evidence))]),
        ("subgroups", "Factors and subgroups", _subgroups(evidence)),
        ("findings", "What needs attention", _findings(evidence)),
        ("ethics", "Ethical considerations", _said("", "ethics", answers)),
        ("limits", "Limits", list(Limits().build(evidence))),
    ]
    return Document(
        title=f"Model card: {name}" if name else "Model card",
        subtitle="What the run knows is stated; what only the author knows is asked.",
        facts=(),
        sections=tuple(SectionContent(key, title, tuple(blocks)) for key, title, blocks in sections),
        footer=f"Made with medimg-cnn {__version__}, after Mitchell et al. 2019, doi:10.1145/3287560.3287596. "
        "Research use only.",
    )


def _said(label: str, key: str, answers: Mapping[str, str]) -> list[Block]:
    said = answers.get(key, "").strip()
    if said:
        return [Paragraph(f"{label}: {said}" if label else said)]
    return [Note(f"To answer: {QUESTIONS[key]}")]


def _details(evidence: Evidence, answers: Mapping[str, str]) -> list[Block]:
    items = [
        ("Input", FACTS["preprocessing"](evidence)),
        ("Output", FACTS["output"](evidence)),
        ("Calibration", FACTS["calibration"](evidence)),
        ("Training", FACTS["training"](evidence)),
        ("Software", FACTS["software"](evidence)),
    ]
    return [
        Facts(tuple((name, text) for name, text in items if text)),
        *_said("Developers", "developers", answers),
        *_said("Licence", "licence", answers),
    ]


def _training_data(evidence: Evidence, answers: Mapping[str, str]) -> list[Block]:
    known = FACTS["partitions"](evidence)
    blocks: list[Block] = [Paragraph(known)] if known else []
    return [*blocks, *_said("", "training_source", answers)]


def _evaluation_data(evidence: Evidence, answers: Mapping[str, str]) -> list[Block]:
    texts = [FACTS["evaluated-on"](evidence), FACTS["counts"](evidence), FACTS["prevalence"](evidence)]
    return [
        Paragraph(" ".join(text for text in texts if text)),
        *_said("Reference standard", "reference_standard", answers),
        *_said("", "evaluation_source", answers),
    ]


def _metrics(evidence: Evidence) -> Table:
    rows = [
        ("AUROC", evidence.auroc),
        ("AUPRC (average precision)", evidence.auprc),
        *((label, getattr(evidence.operating, name)) for name, label in FIGURES[:6]),
        ("Brier score", evidence.brier_score),
        ("Calibration slope", evidence.calibration.slope),
    ]
    point = evidence.inputs.operating_point
    return Table(
        "metrics",
        f"Figures with {100 * evidence.inputs.level:g}% intervals, at threshold {point.threshold:.4g}",
        (Column("Figure"), Column("Estimate", numeric=True), Column("Method of the interval")),
        tuple((label, estimate, estimate.method) for label, estimate in rows),
    )


def _subgroups(evidence: Evidence) -> list[Block]:
    if not evidence.inputs.subgroups:
        return [Note("No subgroups were given. To answer: in which groups of patients may it do worse?")]
    check = next(check for check in evidence.checks if check.code == "R008")
    blocks: list[Block] = [Paragraph(check.finding)]
    for index, (column, table) in enumerate(evidence.subgroups.items()):
        blocks.append(
            Table(
                f"subgroup-{index}",
                f"By {column}",
                (
                    Column("Group"),
                    Column("Cases", numeric=True),
                    *(Column(label, numeric=True) for label in ("Sensitivity", "Specificity", "AUROC")),
                ),
                tuple(
                    (row.name, row.n, row.sensitivity, row.specificity, row.auroc) for row in table.estimates
                ),
            )
        )
    return blocks


def _findings(evidence: Evidence) -> list[Block]:
    found = needs_attention(evidence.checks)
    open_checks = sum(check.outcome == "not applicable" for check in evidence.checks)
    tail = f" {plural(open_checks, 'check')} could not be made." if open_checks else ""
    if not found:
        return [Paragraph(f"No check of the report found a problem.{tail}")]
    return [
        Bullets(tuple(f"{check.code} {check.title}: {check.finding}" for check in found)),
        *([Paragraph(tail.strip())] if tail else []),
    ]
