"""Checks with stable codes: what could make the figures mislead, and what to do about it.

A check that cannot be made, or that these cases cannot settle, is "not applicable" or warns; it never passes.
Codes are never used again for another question.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from medimg_cnn.evaluation import Estimate
from medimg_cnn.reporting._document import Check
from medimg_cnn.reporting._figure_checks import (
    check_better_than_chance,
    check_calibration,
    check_direction,
    check_prevalence,
    check_separation,
    check_subgroup_gap,
)
from medimg_cnn.reporting._format import number_text, percent_text, plural
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
    if status == "chosen within the folds":
        return Check(
            code,
            title,
            "warn",
            "minor",
            f"The threshold comes from the folds ({point.chosen_on}): cases that are judged here by one run had a part "
            "in choosing it by the others, so figures at the operating point may be somewhat too good.",
            "Judge the final model, and a threshold that is locked before, on cases that are in no fold.",
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
    cases, count = inputs.positives if outcome else inputs.negatives, inputs.independent(outcome)
    what = plural(cases, inputs.unit)
    if inputs.clustered:
        what = f"{what} of {plural(count, 'patient')}"
    estimate: Estimate = getattr(evidence.operating, figure)
    wide = (
        f"the interval of {figure} is {number_text(100 * estimate.width, 1)} percentage points wide"
        if estimate.has_interval
        else f"{figure} has no interval"
    )
    if count >= evidence.few:
        return Check(code, title, "pass", "major", f"There are {what}; {wide}.")
    finding = (
        f"There are only {what}; {wide}, and with fewer than {evidence.few} it cannot be trusted."
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


CHECKS: tuple[Callable[[Evidence], Check], ...] = (
    _threshold_origin,
    _enough_positives,
    _enough_negatives,
    _patients,
    check_prevalence,
    check_direction,
    check_calibration,
    check_subgroup_gap,
    check_separation,
    _training_part,
    _resolution,
    _missing,
    check_better_than_chance,
)
"""Every check, in the order of their codes."""
