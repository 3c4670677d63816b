"""Checks with stable codes: what could make the figures mislead, and what to do about it.

A check that cannot be made is "not applicable"; it never passes. Codes are never used again for another
question.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from medimg_cnn.reporting._document import Check, Severity
from medimg_cnn.reporting._format import estimate_text, number_text, percent_text, plural
from medimg_cnn.reporting._origins import origin_status

if TYPE_CHECKING:
    from medimg_cnn.reporting._evidence import Evidence

__all__ = ["CHECKS", "needs_attention", "run_checks"]


def run_checks(evidence: Evidence) -> tuple[Check, ...]:
    """Return the outcome of every check, in the order of their codes."""
    return tuple(check(evidence) for check in CHECKS)


def needs_attention(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Return the checks that warn or fail, failures first."""
    found = [check for check in checks if check.outcome in {"fail", "warn"}]
    return tuple(sorted(found, key=lambda check: check.outcome != "fail"))


def _threshold_origin(evidence: Evidence) -> Check:
    code, title = "R001", "Threshold chosen elsewhere"
    inputs = evidence.inputs
    point = inputs.operating_point
    status = origin_status(point, inputs.part)
    if status == "chosen on these data":
        return Check(
            code,
            title,
            "fail",
            "major",
            f"The threshold was chosen on the data it is judged on ({point.chosen_on}), so every figure at the "
            "operating point is too good.",
            "Choose it on validation data, and apply it to this data once.",
        )
    if status == "chosen on training data":
        return Check(
            code,
            title,
            "warn",
            "major",
            f"The threshold was chosen on cases that the model was trained on ({point.chosen_on}), whose "
            "probabilities are nearer to 0 and 1 than those of new cases.",
            "Choose it on validation data, and apply it to this data once.",
        )
    if status == "not known":
        said = "" if point.chosen_on.strip().lower() == "unknown" else f" (said: {point.chosen_on})"
        return Check(
            code,
            title,
            "warn",
            "major",
            f"Where the threshold was chosen is not known{said}. If it was chosen on this data, every figure at "
            "the operating point is too good.",
            'Pass an OperatingPoint with chosen_on="validation", or "tuning", "development", "calibration", '
            '"literature" or "the configuration", whichever is true.',
        )
    loose = [p for p in inputs.other_points if origin_status(p, inputs.part) != "locked"]
    if loose:
        listed = ", ".join(f"{p.threshold:.4g} ({origin_status(p, inputs.part)})" for p in loose)
        return Check(
            code,
            title,
            "warn",
            "minor",
            f"The main threshold's origin: {point.chosen_on}. Of the further ones not all were chosen elsewhere: "
            f"{listed}; their figures may be too good.",
            "Choose each on validation data, and say so with an OperatingPoint.",
        )
    return Check(code, title, "pass", "major", f"The threshold's origin: {point.chosen_on}.")


def _enough(code: str, title: str, evidence: Evidence, *, outcome: int, figure: str) -> Check:
    """Count patients where some have several images: their images are not so many independent cases."""
    inputs = evidence.inputs
    cases = inputs.positives if outcome else inputs.negatives
    count, what = cases, plural(cases, inputs.unit)
    if inputs.clusters is not None:
        count = int(np.unique(inputs.clusters[inputs.y == outcome]).size)
        what = f"{what} of {plural(count, 'patient')}"
    if count >= evidence.few:
        return Check(code, title, "pass", "major", f"There are {what}.")
    finding = (
        f"There are only {what}; with fewer than {evidence.few} the interval of {figure} cannot be trusted."
        if count
        else f"There are none, so {figure} is not defined."
    )
    return Check(code, title, "warn" if count else "fail", "major", finding, "Judge more such cases.")


def _enough_positives(evidence: Evidence) -> Check:
    title = "Enough cases with the condition"
    return _enough("R002", title, evidence, outcome=1, figure="sensitivity")


def _enough_negatives(evidence: Evidence) -> Check:
    title = "Enough cases without the condition"
    return _enough("R003", title, evidence, outcome=0, figure="specificity")


def _patients(evidence: Evidence) -> Check:
    code, title = "R004", "Patients known"
    inputs = evidence.inputs
    if inputs.n_patients is None:
        return Check(
            code,
            title,
            "warn",
            "major",
            "No patient ids were given. If some patient has several images, every interval is too narrow.",
            "Pass patients=; give each case its own id if every image is of another patient.",
        )
    note = "intervals allow for it" if inputs.clustered else "one case each"
    return Check(
        code,
        title,
        "pass",
        "major",
        f"{plural(inputs.n, 'image')} of {plural(inputs.n_patients, 'patient')}; {note}.",
    )


def _prevalence(evidence: Evidence) -> Check:
    code, title = "R005", "Prevalence like the intended use"
    intended = evidence.inputs.intended_prevalence
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
    if here.has_interval and not here.lower <= intended <= here.upper:
        return Check(
            code,
            title,
            "warn",
            "minor",
            f"Here {percent_text(here.value)} have the condition, {percent_text(intended)} in the intended "
            "use. PPV, NPV, accuracy and F1 will differ there, and so may the calibration.",
            "Read the table of predictive values at the intended prevalence.",
        )
    return Check(
        code,
        title,
        "pass",
        "minor",
        f"{percent_text(here.value)} here, {percent_text(intended)} in the intended use.",
    )


def _direction(evidence: Evidence) -> Check:
    code, title = "R006", "Scores point the right way"
    auroc = evidence.auroc
    if not auroc.defined:
        return Check(code, title, "not applicable", "major", f"AUROC is not defined: {auroc.reason}.")
    if auroc.value < 0.5:
        sure = auroc.has_interval and auroc.upper < 0.5
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
    return Check(code, title, "pass", "major", f"AUROC is {estimate_text(auroc)}.")


def _calibration(evidence: Evidence) -> Check:
    code, title = "R007", "Probabilities mean what they say"
    severity: Severity = "minor"
    inputs = evidence.inputs
    if min(inputs.positives, inputs.negatives) < evidence.few:
        finding = f"Calibration cannot be judged with fewer than {evidence.few} cases of a class."
        return Check(code, title, "not applicable", severity, finding)
    slope, ratio = evidence.calibration.slope, evidence.calibration.observed_expected
    if not (slope.has_interval and ratio.has_interval):
        reason = slope.reason or ratio.reason or "no interval"
        return Check(code, title, "not applicable", severity, f"Calibration cannot be judged: {reason}.")
    off = []
    if not slope.lower <= 1 <= slope.upper and not 0.8 <= slope.value <= 1.25:
        kind = "too extreme" if slope.value < 1 else "too timid"
        off.append(f"the slope is {estimate_text(slope)}, so probabilities are {kind}")
    if not ratio.lower <= 1 <= ratio.upper and not 0.8 <= ratio.value <= 1.25:
        kind = "low" if ratio.value > 1 else "high"
        off.append(f"observed to expected is {estimate_text(ratio)}, so they are too {kind} on the whole")
    if off:
        finding = "; ".join(off)
        return Check(
            code,
            title,
            "warn",
            severity,
            f"{finding[0].upper()}{finding[1:]}.",
            "Recalibrate on validation data before the probabilities are read as risks.",
        )
    return Check(
        code,
        title,
        "pass",
        severity,
        f"Slope {estimate_text(slope)}, observed to expected {estimate_text(ratio)}; neither is far from 1 "
        "beyond doubt.",
    )


def _subgroup_gap(evidence: Evidence) -> Check:
    code, title = "R008", "Subgroups served alike"
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
    return Check(
        code,
        title,
        "pass",
        "major",
        f"None of {plural(len(compared), 'difference')} is beyond chance; that does not prove that groups are "
        "served alike.",
    )


def _separation(evidence: Evidence) -> Check:
    code, title = "R009", "Not too good to be true"
    auroc = evidence.auroc
    if not auroc.defined:
        return Check(code, title, "not applicable", "major", f"AUROC is not defined: {auroc.reason}.")
    if auroc.value in (0.0, 1.0):
        return Check(
            code,
            title,
            "warn",
            "major",
            f"AUROC is {number_text(auroc.value)}: one threshold separates the classes without a single "
            "error.",
            "Look for leakage: a patient in two parts, duplicates, text or markers in the image, a site that "
            "gives the label away.",
        )
    return Check(code, title, "pass", "major", "The classes overlap, as they do in practice.")


def _training_part(evidence: Evidence) -> Check:
    code, title = "R010", "Judged on data not used for training"
    part = evidence.inputs.part
    if part == "train":
        return Check(
            code,
            title,
            "fail",
            "major",
            "These are the training cases; every figure is too good.",
            "Judge the model on test or external data.",
        )
    if part == "validation":
        return Check(
            code,
            title,
            "warn",
            "minor",
            "These are the validation cases, on which training was stopped and choices were made.",
            "Judge the model on test or external data.",
        )
    if not part:
        return Check(code, title, "not applicable", "major", "Which part of the data this is was not said.")
    return Check(code, title, "pass", "major", f"These are the {part} cases.")


def _resolution(evidence: Evidence) -> Check:
    code, title = "R011", "Scores differ between cases"
    probability = evidence.inputs.probability
    if evidence.inputs.n == 1:
        return Check(code, title, "not applicable", "major", "There is one case.")
    if float(probability.min()) == float(probability.max()):
        return Check(
            code,
            title,
            "fail",
            "major",
            f"Every case has the same score, {number_text(float(probability[0]), 4)}; the model tells nothing.",
            "See whether training failed, or the scores were filled in.",
        )
    return Check(
        code,
        title,
        "pass",
        "major",
        f"From {number_text(float(probability.min()), 4)} to {number_text(float(probability.max()), 4)}.",
    )


def _missing(evidence: Evidence) -> Check:
    code, title = "R012", "No case left out"
    dropped, n = evidence.inputs.dropped, evidence.inputs.n
    if not dropped:
        return Check(code, title, "pass", "minor", "Every case given has a score.")
    share = dropped / (dropped + n)
    return Check(
        code,
        title,
        "warn",
        "major" if share > 0.05 else "minor",
        f"{plural(dropped, 'case')} ({percent_text(share)}) without a score left out; if they are the "
        "difficult ones, the figures are too good.",
        "Say in the study why they have none, and how many there were.",
    )


def _better_than_chance(evidence: Evidence) -> Check:
    code, title = "R013", "Better than chance"
    auroc = evidence.auroc
    if not auroc.has_interval:
        reason = auroc.reason or "no interval"
        return Check(code, title, "not applicable", "major", f"AUROC has no interval: {reason}.")
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


CHECKS: tuple[Callable[[Evidence], Check], ...] = (
    _threshold_origin,
    _enough_positives,
    _enough_negatives,
    _patients,
    _prevalence,
    _direction,
    _calibration,
    _subgroup_gap,
    _separation,
    _training_part,
    _resolution,
    _missing,
    _better_than_chance,
)
"""Every check, in the order of their codes."""
