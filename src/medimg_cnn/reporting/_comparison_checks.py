"""What was compared, and the checks of a comparison; their codes are stable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medimg_cnn.artifacts import OperatingPoint
from medimg_cnn.evaluation import Comparison
from medimg_cnn.reporting._document import Check, Outcome
from medimg_cnn.reporting._format import plural
from medimg_cnn.reporting._origins import origin_status

__all__ = ["ComparisonFacts", "comparison_checks"]

_FEW = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonFacts:
    """What was compared.

    Attributes:
        names: of both models.
        n: images.
        positives: images with the condition.
        patients: how many, or None where not known.
        clustered: whether intervals are by patient.
        few_classes: patients (or images, where patients are not known) of the rarer class.
        part: of the data.
        classes: (negative, positive) names.
        points: operating point of each, or None.
        margin: of non-inferiority, or None.
        level: of the intervals.
        method: of the paired differences of independent images.
    """

    names: tuple[str, str]
    n: int
    positives: int
    patients: int | None
    clustered: bool
    few_classes: int
    part: str
    classes: tuple[str, str]
    points: tuple[OperatingPoint | None, OperatingPoint | None]
    margin: float | None
    level: float
    method: Literal["tango", "newcombe"]

    @property
    def cases(self) -> str:
        """How many images of how many patients."""
        patients = "" if self.patients is None else f" of {plural(self.patients, 'patient')}"
        return plural(self.n, "image") + patients


def comparison_checks(found: Comparison, facts: ComparisonFacts) -> tuple[Check, ...]:
    """Return the outcome of every check of a comparison, in the order of their codes."""
    return (_check_origin(facts), _check_enough(facts), _check_patients(facts), _check_alike(found))


def _check_origin(facts: ComparisonFacts) -> Check:
    code, title = "C001", "Both thresholds chosen elsewhere"
    known = [point for point in facts.points if point is not None]
    if len(known) < 2:
        return Check(
            code,
            title,
            "not applicable",
            "major",
            "No operating points were given; only the AUROCs are compared.",
            "Pass operating_point_a= and operating_point_b= to compare decisions.",
        )
    loose = [
        f"{name}: {origin_status(point, facts.part)}"
        for name, point in zip(facts.names, known, strict=True)
        if origin_status(point, facts.part) != "locked"
    ]
    if not loose:
        return Check(code, title, "pass", "major", "Both were fixed before these cases were seen.")
    worst: Outcome = "fail" if any("these data" in text for text in loose) else "warn"
    return Check(
        code,
        title,
        worst,
        "major",
        f"{'; '.join(loose)}. A threshold chosen on these cases favours its model.",
        "Choose both on validation data.",
    )


def _check_enough(facts: ComparisonFacts) -> Check:
    code, title = "C002", "Enough cases of both classes"
    unit = "image" if facts.patients is None else "patient"
    text = f"The rarer class has {plural(facts.few_classes, unit)}"
    if facts.few_classes >= _FEW:
        return Check(code, title, "pass", "major", f"{text}.")
    outcome: Outcome = "warn" if facts.few_classes else "fail"
    return Check(
        code,
        title,
        outcome,
        "major",
        f"{text}; with fewer than {_FEW} intervals and tests cannot be trusted.",
        "Judge more such cases.",
    )


def _check_patients(facts: ComparisonFacts) -> Check:
    code, title = "C003", "Patients known"
    if facts.patients is None:
        return Check(
            code,
            title,
            "warn",
            "major",
            "No patient ids were given. If some patient has several images, intervals are too narrow and p values "
            "too small.",
            "Give the Predictions patient ids.",
        )
    how = "intervals and tests are by patient" if facts.clustered else "one image each"
    return Check(code, title, "pass", "major", f"{facts.cases}; {how}.")


def _check_alike(found: Comparison) -> Check:
    code, title = "C004", "The models differ"
    gap = found.auroc.difference
    if not gap.defined:
        return Check(code, title, "not applicable", "minor", f"The AUROC is not defined: {gap.reason}.")
    if gap.value == 0 and not gap.has_interval:
        return Check(
            code,
            title,
            "warn",
            "minor",
            "Both rank every pair of cases alike.",
            "See whether the same predictions were passed twice.",
        )
    return Check(code, title, "pass", "minor", "They do not rank all cases alike.")
