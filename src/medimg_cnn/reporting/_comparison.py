"""``compare_report``: two models compared, as a document."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from medimg_cnn._validation import check_choice, explain
from medimg_cnn._version import __version__
from medimg_cnn.artifacts import OperatingPoint, Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation import Comparison, Estimate, compare, compare_unpaired
from medimg_cnn.reporting._choices import as_operating_point
from medimg_cnn.reporting._comparison_checks import Cases, ComparisonFacts
from medimg_cnn.reporting._comparison_document import comparison_document
from medimg_cnn.reporting._document import Document
from medimg_cnn.reporting._written import Written
from medimg_cnn.reporting.render import block_to_dict, csv_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ComparisonReport", "compare_report"]

FORMAT = "medimg_cnn.comparison_report"
VERSION = 1
Method: TypeAlias = Literal["tango", "newcombe"]
_COLUMNS = ["a", "b", "difference", "lower", "upper", "level", "p_value", "method", "n", "reason"]


@dataclass(frozen=True, eq=False)
class ComparisonReport(Written):
    """A comparison of two models, every figure an ``Estimate``, and a document made of them.

    Made by ``compare_report``. It is printed, rendered and saved as a ``ClinicalReport`` is.

    Attributes:
        title: the heading.
        comparison: AUROC, sensitivity, specificity and accuracy of both, with their differences.
        facts: what was compared: names, cases, operating points, margin.
        document: the report as neutral blocks, what the renderers read.
    """

    title: str
    comparison: Comparison
    facts: ComparisonFacts
    document: Document

    @property
    def auroc_difference(self) -> Estimate:
        """AUROC of a less that of b."""
        return self.comparison.auroc.difference

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as JSON values; ``schema("comparison_report")`` says what is where."""
        facts = self.facts
        return {
            "format": FORMAT,
            "version": VERSION,
            "library": {"name": "medimg-cnn", "version": __version__},
            "title": self.title,
            "names": list(facts.names),
            "data": _cases(facts, 0),
            "data_b": None if facts.paired else _cases(facts, 1),
            "settings": {"level": facts.level, "margin": facts.margin, "method": facts.method},
            "operating_points": [None if p is None else p.to_dict() for p in facts.points],
            "comparison": _plain(self.comparison),
            "sections": [
                {
                    "key": section.key,
                    "title": section.title,
                    "blocks": [block_to_dict(block) for block in section.blocks],
                }
                for section in self.document.sections
            ],
        }

    def to_csv(self) -> str:
        """Return ``to_frame()`` as CSV text in which no cell can run as a formula."""
        return csv_text(["figure", *_COLUMNS], ([name, *row] for name, row in self._rows()))

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas table with a row for each figure: both models, difference, interval, p value."""
        import pandas as pd

        rows = self._rows()
        index = pd.Index([name for name, _ in rows], name="figure")
        return pd.DataFrame([row for _, row in rows], columns=_COLUMNS, index=index)

    def _writers(self) -> Mapping[str, Callable[[], str]]:
        return {**super()._writers(), ".csv": self.to_csv}

    def _rows(self) -> list[tuple[str, list[object]]]:
        found: list[tuple[str, Any]] = [("auroc", self.comparison.auroc)]
        found += [
            (name, getattr(self.comparison, name)) for name in ("sensitivity", "specificity", "accuracy")
        ]
        return [
            (
                name,
                [
                    figure.a.value,
                    figure.b.value,
                    figure.difference.value,
                    figure.difference.lower,
                    figure.difference.upper,
                    figure.difference.level,
                    figure.p_value,
                    figure.difference.method,
                    figure.difference.n,
                    figure.difference.reason,
                ],
            )
            for name, figure in found
            if figure is not None
        ]

    def __repr__(self) -> str:
        return f"<ComparisonReport: {self.document.subtitle}, AUROC difference {self.auroc_difference}>"


def compare_report(
    a: Predictions,
    b: Predictions,
    *,
    names: tuple[str, str] = ("Model A", "Model B"),
    operating_point_a: OperatingPoint | float | None = None,
    operating_point_b: OperatingPoint | float | None = None,
    margin: float | None = None,
    paired: bool = True,
    level: float = 0.95,
    method: Method = "tango",
    title: str | None = None,
    facts: Mapping[str, str] | None = None,
) -> ComparisonReport:
    """Compare two models, or one model at two places, and make a document of it.

    Differences are a less b. On the same cases (``paired``) they rest on DeLong's test, McNemar's and the
    paired score interval, or, where some patient has several images, on tests by patient. On different
    cases (``paired=False``) the intervals of both are combined.

    Args:
        a: predictions of the first, or new, model.
        b: predictions of the second, or reference, model; on the same cases in any order, or with
            ``paired=False`` on different cases.
        names: of both, as they are to be called.
        operating_point_a: threshold of a with its origin; without both, only the AUROCs are compared.
        operating_point_b: threshold of b.
        margin: non-inferiority margin of a against b for every figure, set before the data were seen.
        paired: whether both were judged on the same cases; False compares two independent sets of cases.
        level: of every interval, above 0 and below 1.
        method: of the paired differences of independent images, "tango" or "newcombe"; the other is shown beside it.
        title: the heading.
        facts: what stands under the heading, such as {"Date": "..."}.

    Raises:
        ArgumentError: the cases, outcomes or patients are not the same (not paired: a patient is in both),
            only one operating point is given, or an argument breaks its rule.

    Example:
        >>> cases = {"y_true": [0, 0, 0, 1, 1, 1], "logit": [0.0] * 6, "sample_id": list("abcdef")}
        >>> new = Predictions(probability=[0.1, 0.2, 0.4, 0.6, 0.7, 0.9], **cases)
        >>> old = Predictions(probability=[0.3, 0.1, 0.7, 0.2, 0.8, 0.6], **cases)
        >>> report = compare_report(new, old, names=("new", "old"))
        >>> round(report.auroc_difference.value, 3)
        0.333
    """
    for name, value in (("a", a), ("b", b)):
        if not isinstance(value, Predictions):
            raise ArgumentError(
                explain(name, "must be a Predictions", value, "Pass what run.predict returns.")
            )
    if len(set(names)) != 2 or not all(str(name).strip() for name in names):
        raise ArgumentError(explain("names", "must be two different texts that are not empty", names))
    check_choice("method", method, ("tango", "newcombe"))
    points = tuple(
        None if point is None else as_operating_point(point)
        for point in (operating_point_a, operating_point_b)
    )
    first, second = _independent(a, b) if paired else _separate(a, b)
    found = (
        compare(
            first,
            second,
            threshold_a=points[0],
            threshold_b=points[1],
            margin=margin,
            level=level,
            method=method,
        )
        if paired
        else compare_unpaired(
            first, second, threshold_a=points[0], threshold_b=points[1], margin=margin, level=level
        )
    )
    cases = _described(a, first)
    what = ComparisonFacts(
        names=(str(names[0]), str(names[1])),
        cases=(cases, cases if paired else _described(b, second)),
        paired=bool(paired),
        classes=a.classes,
        points=(points[0], points[1]),
        margin=margin,
        level=level,
        method=method,
    )
    heading = title or f"{what.names[0]} against {what.names[1]}"
    document = comparison_document(heading, found, what, facts or {})
    return ComparisonReport(heading, found, what, document)


def _independent(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions]:
    """Leave patients out where each has one image: cases are then independent, and McNemar's test holds."""
    ids = a.patient_id
    if ids is None or b.patient_id is None or np.unique(ids).size < a.n:
        return a, b
    order = dict(zip(b.sample_id.tolist(), b.patient_id.tolist(), strict=True))
    if any(order.get(name) != who for name, who in zip(a.sample_id.tolist(), ids.tolist(), strict=True)):
        return a, b  # ``compare`` says what does not agree
    return replace(a, patient_id=None), replace(b, patient_id=None)


def _separate(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions]:
    """Leave patients out where each has one image; a patient in both stays, for ``compare_unpaired`` to refuse."""
    if a.patient_id is None or b.patient_id is None or not np.intersect1d(a.patient_id, b.patient_id).size:
        return _alone(a), _alone(b)
    return a, b


def _alone(given: Predictions) -> Predictions:
    ids = given.patient_id
    return given if ids is None or np.unique(ids).size < given.n else replace(given, patient_id=None)


def _described(given: Predictions, used: Predictions) -> Cases:
    return Cases(
        n=given.n,
        positives=int(given.y_true.sum()),
        patients=None if given.patient_id is None else int(np.unique(given.patient_id).size),
        clustered=used.patient_id is not None,
        few_classes=_fewest(given),
        part=given.part,
    )


def _cases(facts: ComparisonFacts, which: int) -> dict[str, Any]:
    cases = facts.cases[which]
    return {
        "n": cases.n,
        "positives": cases.positives,
        "negatives": cases.n - cases.positives,
        "patients": cases.patients,
        "part": cases.part,
        "classes": list(facts.classes),
    }


def _fewest(cases: Predictions) -> int:
    """Patients, or images where patients are not known, of the rarer class."""
    units = cases.sample_id if cases.patient_id is None else cases.patient_id
    return min(int(np.unique(units[cases.y_true == outcome]).size) for outcome in (0, 1))


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        drop = {"difference"} if type(value).__name__ == "NonInferiority" else set()
        return {
            item.name: _plain(getattr(value, item.name)) for item in fields(value) if item.name not in drop
        }
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value
