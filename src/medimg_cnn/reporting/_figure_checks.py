"""The checks of figures against their intervals: none passes on a figure that these cases cannot settle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from medimg_cnn.reporting._document import Check, Severity
from medimg_cnn.reporting._format import estimate_text, number_text, percent_text, plural

if TYPE_CHECKING:
    from medimg_cnn.reporting._evidence import Evidence

__all__ = [
    "check_better_than_chance",
    "check_calibration",
    "check_direction",
    "check_prevalence",
    "check_separation",
    "check_subgroup_gap",
]

_ODDS_OFF = 2.0
"""Probabilities are seriously off where their odds are, on the whole, off by this factor, or their logits."""
_NOTICEABLE = 1.25
_TOO_GOOD = 0.99


def check_prevalence(evidence: Evidence) -> Check:
    """R005: whether the cases have the prevalence of the intended use."""
    code, title = "R005", "Prevalence like the intended use"
    inputs = evidence.inputs
    intended = inputs.intended_prevalence
    if intended is None:
        return Check(
            code,
            title,
            "not applicable",
            "minor",
            "The prevalence of the intended use was not given.",
            "Pass intended_prevalence= to see the predictive values there.",
        )
    here = evidence.operating.prevalence
    if not here.has_interval:
        reason = here.reason or "no interval"
        return Check(
            code, title, "not applicable", "minor", f"The prevalence here has no interval: {reason}."
        )
    units = plural(inputs.n, inputs.unit)
    if inputs.clustered and inputs.n_patients is not None:
        units += f" of {plural(inputs.n_patients, 'patient')}"
    finding = (
        f"Here {estimate_text(here, digits=1, percent=True)} of {units} have the condition, "
        f"{percent_text(intended)} in the intended use"
    )
    if not here.lower <= intended <= here.upper:
        return Check(
            code,
            title,
            "warn",
            "minor",
            f"{finding}. PPV, NPV, accuracy and F1 will differ there, and so may the calibration.",
            "Read the table of predictive values at the intended prevalence.",
        )
    if not intended / 2 < here.lower <= here.upper < 2 * intended:
        return Check(
            code,
            title,
            "not applicable",
            "minor",
            f"{finding}; the interval is too wide to tell it from half or twice that.",
            "Read the table of predictive values at the intended prevalence.",
        )
    return Check(code, title, "pass", "minor", f"{finding}.")


def check_direction(evidence: Evidence) -> Check:
    """R006: whether cases with the condition score higher."""
    code, title = "R006", "Scores point the right way"
    auroc = evidence.auroc
    if not auroc.has_interval:
        reason = auroc.reason or "no interval"
        return Check(code, title, "not applicable", "major", f"AUROC has no interval: {reason}.")
    if auroc.value < 0.5:
        sure = auroc.upper < 0.5
        return Check(
            code,
            title,
            "fail" if sure else "warn",
            "major",
            f"AUROC is {estimate_text(auroc)}, below 0.5: cases with the condition score lower than those "
            "without it" + ("." if sure else ", though chance may explain it."),
            "See whether the labels, or the class whose probability this is, are swapped. Nothing was turned "
            "round here.",
        )
    if auroc.lower <= 0.5:
        finding = f"AUROC is {estimate_text(auroc)}: the interval holds both directions."
        return Check(code, title, "not applicable", "major", finding, "Judge more cases.")
    return Check(code, title, "pass", "major", f"AUROC is {estimate_text(auroc)}.")


def check_calibration(evidence: Evidence) -> Check:
    """R007: whether serious miscalibration is excluded, found, or neither."""
    code, title = "R007", "Probabilities mean what they say"
    severity: Severity = "minor"
    inputs, summary = evidence.inputs, evidence.calibration
    fewest = min(inputs.independent(1), inputs.independent(0))
    cannot = ""
    if bool(np.isin(inputs.probability, (0.0, 1.0)).all()):
        cannot = "every score is exactly 0 or 1, so these are decisions and not probabilities"
    elif fewest < evidence.few:
        unit = "patients" if inputs.clustered else "cases"
        cannot = f"a class has {fewest} {unit}, fewer than {evidence.few}"
    slope, large = summary.slope, summary.calibration_in_the_large
    if not cannot and not (slope.has_interval and large.has_interval):
        cannot = slope.reason or large.reason or "no interval"
    if cannot:
        return Check(code, title, "not applicable", severity, f"Calibration cannot be judged: {cannot}.")
    note = f" {summary.note[0].upper()}{summary.note[1:]}." if summary.note else ""
    off = []
    if not slope.lower <= 1 <= slope.upper and not 1 / _NOTICEABLE <= slope.value <= _NOTICEABLE:
        kind = (
            "the condition is rarer where they are higher"
            if slope.value < 0
            else f"probabilities are too {'extreme' if slope.value < 1 else 'timid'}"
        )
        off.append(f"the slope is {estimate_text(slope)}, so {kind}")
    if not large.lower <= 0 <= large.upper and abs(large.value) > math.log(_NOTICEABLE):
        kind = "low" if large.value > 0 else "high"
        off.append(f"calibration in the large is {estimate_text(large)}, so they are too {kind} on the whole")
    if off:
        finding = "; ".join(off)
        return Check(
            code,
            title,
            "warn",
            severity,
            f"{finding[0].upper()}{finding[1:]}.{note}",
            "See whether the labels are swapped; no recalibration mends a slope below 0."
            if slope.value < 0
            else "Recalibrate on validation data before the probabilities are read as risks.",
        )
    both = f"slope {estimate_text(slope)}, calibration in the large {estimate_text(large)}"
    limit = math.log(_ODDS_OFF)
    if 1 / _ODDS_OFF < slope.lower <= slope.upper < _ODDS_OFF and -limit < large.lower <= large.upper < limit:
        return Check(
            code,
            title,
            "pass",
            severity,
            f"{both[0].upper()}{both[1:]}: a slope of a half or of two, and odds that are wrong twofold on the "
            f"whole, are excluded.{note}",
        )
    return Check(
        code,
        title,
        "warn",
        severity,
        f"Inconclusive: {both}; the intervals do not exclude a slope of a half or of two, or odds that are wrong "
        f"twofold on the whole.{note}",
        "Judge more cases before the probabilities are read as risks.",
    )


def check_subgroup_gap(evidence: Evidence) -> Check:
    """R008: whether a difference between subgroups is beyond chance."""
    code, title = "R008", "No subgroup gap shown"
    if not evidence.inputs.subgroups:
        return Check(
            code,
            title,
            "not applicable",
            "major",
            "No subgroups were given.",
            "Pass subgroups=, such as site.",
        )
    compared = [
        (column, gap)
        for column, table in evidence.subgroups.items()
        for gap in table.differences
        if not gap.too_small and gap.difference.has_interval
    ]
    if not compared:
        return Check(code, title, "not applicable", "major", "No two subgroups are large enough to compare.")
    found = [
        f"{gap.figure} of {column} {gap.group} less {gap.reference}: {estimate_text(gap.difference)}"
        for column, gap in compared
        if not gap.difference.lower <= 0 <= gap.difference.upper
    ]
    if found:
        return Check(
            code,
            title,
            "warn",
            "major",
            f"{plural(len(found), 'difference')} of {len(compared)} beyond chance: {'; '.join(found[:4])}"
            + ("; and more." if len(found) > 4 else "."),
            "Look at these groups before the model is used in them.",
        )
    largest = max(max(abs(gap.difference.lower), abs(gap.difference.upper)) for _, gap in compared)
    return Check(
        code,
        title,
        "pass",
        "major",
        f"None of {plural(len(compared), 'difference')} is beyond chance; that does not prove that groups are "
        f"served alike: gaps of up to {number_text(largest, 2)} are within the intervals.",
    )


def check_separation(evidence: Evidence) -> Check:
    """R009: whether the classes are told apart better than is believable."""
    code, title = "R009", "Not too good to be true"
    auroc = evidence.auroc
    if not auroc.has_interval:
        reason = auroc.reason or "no interval"
        return Check(code, title, "not applicable", "major", f"AUROC has no interval: {reason}.")
    perfect = auroc.value in (0.0, 1.0)
    if perfect or auroc.lower > _TOO_GOOD or auroc.upper < 1 - _TOO_GOOD:
        why = (
            "one threshold separates the classes without a single error"
            if perfect
            else "hardly any pair of cases is in the wrong order"
        )
        return Check(
            code,
            title,
            "warn",
            "major",
            f"AUROC is {estimate_text(auroc)}: {why}.",
            "Look for leakage: a patient in two parts, duplicates, text or markers in the image, a site that "
            "gives the label away.",
        )
    return Check(
        code,
        title,
        "pass",
        "major",
        f"AUROC is {estimate_text(auroc)}: the classes overlap, as they do in practice.",
    )


def check_better_than_chance(evidence: Evidence) -> Check:
    """R013: whether the interval of the AUROC lies above chance."""
    code, title = "R013", "Better than chance"
    auroc = evidence.auroc
    if not auroc.has_interval:
        reason = auroc.reason or "no interval"
        return Check(code, title, "not applicable", "major", f"AUROC has no interval: {reason}.")
    if auroc.upper < 0.5:
        return Check(
            code,
            title,
            "warn",
            "major",
            f"AUROC is {estimate_text(auroc)}; its interval lies below chance (0.5): the model ranks the classes the "
            "wrong way round.",
            "See whether the labels, or the class whose probability this is, are swapped.",
        )
    if auroc.lower <= 0.5:
        return Check(
            code,
            title,
            "warn",
            "major",
            f"AUROC is {estimate_text(auroc)}; its interval reaches down to chance (0.5), so this data does not "
            "show that the model tells the classes apart.",
            "Judge more cases, or look for what keeps the model from learning.",
        )
    return Check(code, title, "pass", "major", f"AUROC is {estimate_text(auroc)}, above chance (0.5).")
