"""The summary: what a reader who stops here should know, in plain language."""

from __future__ import annotations

from dataclasses import dataclass

from medimg_cnn.evaluation import Estimate
from medimg_cnn.reporting._checks import needs_attention
from medimg_cnn.reporting._document import Block, Check, KeyFigure, KeyFigures, Note, Paragraph
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import hundred_interval, of_hundred, percent_text, plural

__all__ = ["Summary", "key_figures", "sentences"]


@dataclass(frozen=True, slots=True)
class Summary:
    """Sentences first, then the main figures."""

    key: str = "summary"
    title: str = "Summary"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the sentences, the main figures and what the checks want said at once."""
        first, *rest = sentences(evidence)
        level = f"{100 * evidence.inputs.level:g}%"
        reading = f"Numbers in brackets are {level} confidence intervals."
        if evidence.inputs.clustered:
            reading += " They allow for several images coming from one patient."
        return (
            Paragraph(first),
            *(Paragraph(text, lead=True) for text in rest),
            KeyFigures(key_figures(evidence)),
            Paragraph(_attention(needs_attention(evidence.checks))),
            Note(reading),
        )


def sentences(evidence: Evidence) -> tuple[str, ...]:
    """Return the report in a few sentences: what was judged, what is found, what is cleared."""
    inputs = evidence.inputs
    units = inputs.unit + "s"
    having = f"with {inputs.condition}" if inputs.condition else "with the condition"
    without = f"without {inputs.condition}" if inputs.condition else "without it"
    operating = evidence.operating
    known = inputs.n_patients
    of_patients = f" of {plural(known, 'patient')}" if inputs.clustered and known is not None else ""
    found = [
        (
            f"The model was judged on {plural(inputs.n, inputs.unit)}{of_patients}, "
            f"{inputs.positives:,} ({percent_text(inputs.positives / inputs.n)}) of them {having}."
        )
    ]
    found.append(
        _of_hundred(
            operating.sensitivity,
            f"Of 100 {units} {having}, the model finds {{}}.",
            f"There were no {units} {having}, so this data cannot tell how many the model finds.",
        )
        + " "
        + _of_hundred(
            operating.specificity,
            f"Of 100 {units} {without}, it rightly clears {{}}.",
            f"There were no {units} {without}, so this data cannot tell how many it rightly clears.",
        )
    )
    if operating.ppv.defined:
        found.append(
            f"Of 100 positive calls, {_count(operating.ppv)} are right. That holds where, as here, "
            f"{_share(inputs.positives / inputs.n)} of {units} are {having}; where fewer are, fewer "
            "calls are right."
        )
    return tuple(found)


def key_figures(evidence: Evidence) -> tuple[KeyFigure, ...]:
    """Return the main figures, the ones shown large."""
    operating = evidence.operating
    unit = evidence.inputs.unit
    return (
        KeyFigure(
            "auroc",
            "AUROC",
            evidence.auroc,
            meaning=f"How often a random {unit} with the condition scores above a random one without it.",
        ),
        KeyFigure(
            "sensitivity",
            "Sensitivity (recall)",
            operating.sensitivity,
            "percent",
            "Share of those with the condition that the model finds.",
        ),
        KeyFigure(
            "specificity",
            "Specificity",
            operating.specificity,
            "percent",
            "Share of those without the condition that it clears.",
        ),
        KeyFigure(
            "ppv",
            "PPV (precision)",
            operating.ppv,
            "percent",
            "Share of positive calls that are right, at this data's prevalence.",
        ),
        KeyFigure(
            "npv",
            "NPV",
            operating.npv,
            "percent",
            "Share of negative calls that are right, at this data's prevalence.",
        ),
        KeyFigure(
            "accuracy",
            "Accuracy",
            operating.accuracy,
            "percent",
            "Share of all calls that are right; depends on prevalence.",
        ),
    )


def _of_hundred(estimate: Estimate, sentence: str, otherwise: str) -> str:
    return sentence.format(_count(estimate)) if estimate.defined else otherwise


def _count(estimate: Estimate) -> str:
    return of_hundred(estimate.value) + hundred_interval(estimate)


def _share(value: float) -> str:
    return percent_text(value, 0 if 0.095 <= value <= 0.905 or value in {0.0, 1.0} else 1)


def _attention(checks: tuple[Check, ...]) -> str:
    if not checks:
        return "No check of this report found a problem."
    listed = "; ".join(f"{check.title.lower()} ({check.code})" for check in checks)
    count = len(checks)
    return f"{plural(count, 'check')} {'needs' if count == 1 else 'need'} attention: {listed}. See Checks."
