"""What was compared, and the checks of a comparison; their codes are stable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medimg_cnn.artifacts import OperatingPoint
from medimg_cnn.evaluation import Comparison
from medimg_cnn.reporting._document import Check, Outcome
from medimg_cnn.reporting._format import plural
from medimg_cnn.reporting._origins import origin_status

__all__ = ["Cases", "ComparisonFacts", "comparison_checks"]

_FEW = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """What a model was judged on.

    Attributes:
        n: images.
        positives: images with the condition.
        patients: how many, or None where not known.
        clustered: whether intervals are by patient.
        few_classes: patients (or images, where patients are not known) of the rarer class.
        part: of the data.
    """

    n: int
    positives: int
    patients: int | None
    clustered: bool
    few_classes: int
    part: str

    @property
    def text(self) -> str:
        """How many images of how many patients."""
        patients = "" if self.patients is None else f" of {plural(self.patients, 'patient')}"
        return plural(self.n, "image") + patients


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonFacts:
    """What was compared.

    Attributes:
        names: of both models.
        cases: of both; the same where they are paired.
        paired: whether both were judged on the same cases.
        classes: (negative, positive) names.
        points: operating point of each, or None.
        margin: of non-inferiority, or None.
        level: of the intervals.
        method: of the paired differences of independent images.
    """

    names: tuple[str, str]
    cases: tuple[Cases, Cases]
    paired: bool
    classes: tuple[str, str]
    points: tuple[OperatingPoint | None, OperatingPoint | None]
    margin: float | None
    level: float
    method: Literal["tango", "newcombe"]

    @property
    def clustered(self) -> bool:
        """Whether intervals of either are by patient."""
        return any(cases.clustered for cases in self.cases)

    @property
    def named_cases(self) -> tuple[tuple[str, Cases], ...]:
        """Each set of cases once, with a name that leads a sentence where there are two."""
        if self.paired:
            return (("", self.cases[0]),)
        return tuple((f"{name}: ", cases) for name, cases in zip(self.names, self.cases, strict=True))


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
    statuses = [
        (name, origin_status(point, cases.part))
        for name, point, cases in zip(facts.names, known, facts.cases, strict=True)
    ]
    loose = [f"{name}: {status}" for name, status in statuses if status != "locked"]
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
    texts = [
        f"{name}The rarer class has {plural(cases.few_classes, 'image' if cases.patients is None else 'patient')}"
        for name, cases in facts.named_cases
    ]
    text = "; ".join(texts)
    fewest = min(cases.few_classes for cases in facts.cases)
    if fewest >= _FEW:
        return Check(code, title, "pass", "major", f"{text}.")
    outcome: Outcome = "warn" if fewest else "fail"
    return Check(
        code,
        title,
        outcome,
        "major",
        f"{text}; fewer than {_FEW} are too few for intervals and tests to be trusted.",
        "Judge more such cases.",
    )


def _check_patients(facts: ComparisonFacts) -> Check:
    code, title = "C003", "Patients known"
    if any(cases.patients is None for cases in facts.cases):
        return Check(
            code,
            title,
            "warn",
            "major",
            "No patient ids were given"
            + ("." if facts.paired else " for at least one set of cases.")
            + " If some patient has several images, intervals are too narrow and p values too small.",
            "Give the Predictions patient ids.",
        )
    found = "; ".join(
        f"{name}{cases.text}, {'intervals and tests are by patient' if cases.clustered else 'one image each'}"
        for name, cases in facts.named_cases
    )
    return Check(code, title, "pass", "major", f"{found}.")


def _check_alike(found: Comparison) -> Check:
    code, title = "C004", "The models differ"
    gap = found.auroc.difference
    if not found.paired:
        return Check(code, title, "not applicable", "minor", "The models were judged on different cases.")
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
