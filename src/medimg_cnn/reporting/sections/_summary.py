"""The summary: what a reader who stops here should know, in plain language."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medimg_cnn.evaluation import Estimate
from medimg_cnn.reporting._checks import needs_attention
from medimg_cnn.reporting._document import Block, Check, KeyFigure, KeyFigures, Note, Paragraph
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import hundred_interval, number_text, of_hundred, percent_text, plural

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
            Paragraph(_attention(evidence.checks)),
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
    return (*found, *_calls(evidence, having))


def _calls(evidence: Evidence, having: str) -> tuple[str, ...]:
    """What a call is worth: at the intended prevalence first, then at that of these cases."""
    inputs, operating = evidence.inputs, evidence.operating
    units = inputs.unit + "s"
    if not evidence.both_classes:
        return (
            (
                "All cases are of one class, so this data cannot tell how many of the model's calls are right "
                "(PPV, NPV, accuracy)."
            ),
        )
    here = _share(inputs.positives / inputs.n)
    intended = _intended(evidence)
    if intended is not None and intended[1].defined and intended[2].defined:
        prevalence, ppv, npv = intended
        first = (
            f"Where {_share(prevalence)} of {units} are {having}, as in the intended use, {_count(ppv)} of 100 "
            f"positive calls and {_count(npv)} of 100 negative calls are right, if sensitivity and specificity "
            "are the same there."
        )
        if not operating.ppv.defined:
            return (first,)
        return (f"{first} Here, where {here} are, {_count(operating.ppv)} of 100 positive calls are right.",)
    if not operating.ppv.defined:
        return ()
    ratio = operating.lr_positive
    rarer = "; where fewer are, fewer calls are right" if ratio.defined and 1 < ratio.value < math.inf else ""
    return (
        (
            f"Of 100 positive calls, {_count(operating.ppv)} are right. That holds where, as here, {here} of "
            f"{units} are {having}{rarer}."
        ),
    )


def _intended(evidence: Evidence) -> tuple[float, Estimate, Estimate] | None:
    wanted = evidence.inputs.intended_prevalence
    return next((row for row in evidence.predictive_values if row[0] == wanted), None)


def key_figures(evidence: Evidence) -> tuple[KeyFigure, ...]:
    """Return the main figures, the ones shown large; the predictive values of the intended use come first."""
    inputs, operating = evidence.inputs, evidence.operating
    unit = inputs.unit
    prevalence = inputs.positives / inputs.n
    skill = {
        "ppv": f" Calling every {unit} positive: {percent_text(prevalence)}.",
        "npv": f" Calling every {unit} negative: {percent_text(1 - prevalence)}.",
        "accuracy": f" Always calling the commoner class: {percent_text(max(prevalence, 1 - prevalence))}.",
    }
    return (
        KeyFigure(
            "auroc",
            "AUROC",
            evidence.auroc,
            meaning=f"How often a random {unit} with the condition scores above a random one without it; "
            "chance: 0.5.",
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
        *_intended_figures(evidence, prevalence),
        KeyFigure(
            "ppv",
            "PPV (precision)",
            operating.ppv,
            "percent",
            f"Share of positive calls that are right, at this data's prevalence.{skill['ppv']}",
        ),
        KeyFigure(
            "npv",
            "NPV",
            operating.npv,
            "percent",
            f"Share of negative calls that are right, at this data's prevalence.{skill['npv']}",
        ),
        KeyFigure(
            "accuracy",
            "Accuracy",
            operating.accuracy,
            "percent",
            f"Share of all calls that are right; depends on prevalence.{skill['accuracy']}",
        ),
    )


def _intended_figures(evidence: Evidence, here: float) -> tuple[KeyFigure, ...]:
    row = _intended(evidence)
    if row is None:
        return ()
    prevalence, ppv, npv = row
    where = f"at a prevalence of {percent_text(prevalence)}"
    return (
        KeyFigure(
            "ppv_intended",
            f"PPV {where}",
            ppv,
            "percent",
            "Share of positive calls that would be right in the intended use. Calling every case positive: "
            f"{percent_text(prevalence)}.",
        ),
        KeyFigure(
            "npv_intended",
            f"NPV {where}",
            npv,
            "percent",
            "Share of negative calls that would be right in the intended use. Calling every case negative: "
            f"{percent_text(1 - prevalence)}.",
        ),
        KeyFigure(
            "auprc",
            "AUPRC, average precision",
            evidence.auprc,
            meaning=f"Precision averaged over recall, at this data's prevalence; no skill: {number_text(here)}.",
        ),
    )


def _of_hundred(estimate: Estimate, sentence: str, otherwise: str) -> str:
    return sentence.format(_count(estimate)) if estimate.defined else otherwise


def _count(estimate: Estimate) -> str:
    return of_hundred(estimate.value) + hundred_interval(estimate)


def _share(value: float) -> str:
    return percent_text(value, 0 if 0.095 <= value <= 0.905 or value in {0.0, 1.0} else 1)


def _attention(checks: tuple[Check, ...]) -> str:
    found = needs_attention(checks)
    unmade = sum(check.outcome == "not applicable" for check in checks)
    tail = f" {unmade} of {plural(len(checks), 'check')} could not be made." if unmade else ""
    if not found:
        return f"No check of this report found a problem.{tail}"
    listed = "; ".join(f"{check.title.lower()} ({check.code})" for check in found)
    count = len(found)
    return (
        f"{plural(count, 'check')} {'needs' if count == 1 else 'need'} attention: {listed}.{tail} See Checks."
    )
