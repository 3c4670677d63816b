"""Everything that a report is made from, checked once, in one form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medimg_cnn._types import BoolVector, FloatVector, Images, StrVector
from medimg_cnn._validation import check_choice, check_fraction, check_integer, check_seed, explain
from medimg_cnn._vectors import Missing, as_labels, as_vector
from medimg_cnn.artifacts import FitResult, OperatingPoint, Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.reporting._audit import AuditFacts, AuditSource, read_audit
from medimg_cnn.reporting._choices import (
    PointOrPoints,
    as_prevalences,
    as_texts,
    group_columns,
    operating_points,
)

__all__ = ["HasResult", "ImageSource", "Inputs", "read_inputs"]

_UNNAMED = ("negative", "positive")


@runtime_checkable
class HasResult(Protocol):
    """A training run, as far as a report needs it: it has a ``result``."""

    @property
    def result(self) -> FitResult:
        """History, choices and environment of the run."""
        ...


@runtime_checkable
class ImageReader(Protocol):
    """Reads images by row number; a ``Split`` does."""

    def read(self, indices: NDArray[np.int64]) -> Images:
        """Return (len(indices), height, width, channels) float32 in 0-1."""
        ...


ImageSource: TypeAlias = ImageReader | Images


@dataclass(frozen=True, kw_only=True, eq=False)
class Inputs:
    """The cases and the choices that a report rests on.

    Attributes:
        y: (n,) int8, 1 = has the condition.
        probability: (n,) float64 in [0, 1].
        operating_point: the main threshold with its origin.
        other_points: further thresholds, each with its origin.
        patients: (n,) texts, or None where not known.
        sample_ids: (n,) texts, or None.
        subgroups: column -> (n,) texts.
        classes: (negative, positive) names.
        condition: what the positive class is called in sentences, or "" where it has no name.
        part: "test", "validation", "train", "external", or "" where not said.
        prevalences: at which predictive values are also given.
        intended_prevalence: of the setting where the model is to be used, or None.
        dropped: cases left out because their score was missing.
        level: of every interval.
        bootstrap: resamples.
        seed: of the resampling.
        result: of the training run, or None.
        model: of the training run, a ``keras.Model``, or None where the run holds none.
        images: where to read the images of wrong cases, or None.
        calibration: predictions that calibrate conformal sets, or None.
        case_names: whether the report may show sample ids, which can give away who a patient is.
        audit: what an audit of the dataset found, or None.
    """

    y: NDArray[np.int8]
    probability: FloatVector
    operating_point: OperatingPoint
    other_points: tuple[OperatingPoint, ...] = ()
    patients: StrVector | None = None
    sample_ids: StrVector | None = None
    subgroups: Mapping[str, StrVector] = field(default_factory=dict)
    classes: tuple[str, str] = _UNNAMED
    condition: str = ""
    part: str = ""
    prevalences: tuple[float, ...] = ()
    intended_prevalence: float | None = None
    dropped: int = 0
    level: float = 0.95
    bootstrap: int = 2000
    seed: int = 0
    result: FitResult | None = None
    model: Any = None
    images: ImageSource | None = None
    calibration: Predictions | None = None
    case_names: bool = False
    audit: AuditFacts | None = None

    @property
    def n(self) -> int:
        """Number of cases."""
        return int(self.y.size)

    @property
    def positives(self) -> int:
        """Number of cases with the condition."""
        return int(self.y.sum())

    @property
    def negatives(self) -> int:
        """Number of cases without the condition."""
        return self.n - self.positives

    @property
    def n_patients(self) -> int | None:
        """Number of patients, or None where they are not known."""
        return None if self.patients is None else int(np.unique(self.patients).size)

    @property
    def clustered(self) -> bool:
        """Whether some patient has more than one case."""
        patients = self.n_patients
        return patients is not None and patients < self.n

    @property
    def clusters(self) -> StrVector | None:
        """(n,) patient ids where some patient has more than one case, else None: cases are independent."""
        return self.patients if self.clustered else None

    def independent(self, outcome: int) -> int:
        """Return how many independent units have the outcome: patients where some have several cases."""
        if self.clusters is None:
            return self.positives if outcome else self.negatives
        return int(np.unique(self.clusters[self.y == outcome]).size)

    @property
    def unit(self) -> str:
        """What one case is: "patient" where each has exactly one, "image" otherwise."""
        return "patient" if self.patients is not None and not self.clustered else "image"

    @property
    def decisions(self) -> BoolVector:
        """(n,) bool: probability >= threshold."""
        called: BoolVector = self.probability >= self.operating_point.threshold
        return called


def read_inputs(
    y_true: Predictions | ArrayLike,
    probability: ArrayLike | None,
    *,
    positive: object,
    operating_point: PointOrPoints,
    patients: ArrayLike | None,
    subgroups: Mapping[str, ArrayLike] | None,
    prevalences: float | Sequence[float],
    intended_prevalence: float | None,
    condition: str | None,
    missing: Missing,
    level: float,
    bootstrap: int,
    seed: int,
    run: HasResult | None,
    images: ImageSource | None,
    calibration: Predictions | None,
    case_names: bool,
    audit: AuditSource | None = None,
) -> Inputs:
    """Check the arguments of ``clinical_report`` and bring them into one form.

    Raises:
        ArgumentError: an argument breaks its rule, or it is unclear which label is positive.
    """
    if isinstance(y_true, Predictions):
        cases = _from_predictions(y_true, probability, positive, patients, subgroups)
    else:
        cases = _from_arrays(y_true, probability, positive, patients, subgroups)
    cases, keep = _without_missing(cases, check_choice("missing", missing, ["raise", "drop"]))
    if run is not None and not isinstance(run, HasResult):
        raise ArgumentError(explain("run", "must have a .result, as what Trainer.fit returns has", run))
    result = None if run is None else run.result
    points = operating_points(operating_point, result)
    named = condition if condition is not None else _condition(cases["classes"])
    return Inputs(
        **cases,
        operating_point=points[0],
        other_points=points[1:],
        condition=" ".join(named.split()),
        prevalences=as_prevalences(prevalences),
        intended_prevalence=None
        if intended_prevalence is None
        else check_fraction("intended_prevalence", intended_prevalence, open_ends=True),
        dropped=int((~keep).sum()),
        level=check_fraction("level", level, open_ends=True),
        bootstrap=check_integer("bootstrap", bootstrap, low=100),
        seed=check_seed("seed", seed),
        result=result,
        model=getattr(run, "model", None),
        images=_images(images, keep, cases["sample_ids"]),
        calibration=_calibration(calibration, cases),
        case_names=bool(case_names),
        audit=read_audit(audit),
    )


def _from_predictions(
    given: Predictions,
    probability: object,
    positive: object,
    patients: ArrayLike | None,
    subgroups: Mapping[str, ArrayLike] | None,
) -> dict[str, Any]:
    for name, value in (("probability", probability), ("positive", positive)):
        if value is not None:
            raise ArgumentError(f"{name}: the first argument is a Predictions, which already says it.")
    if patients is not None and given.patient_id is not None:
        raise ArgumentError("patients: the Predictions already have patient ids; leave this argument out.")
    columns = {**group_columns(given.subgroups, given.n), **group_columns(subgroups, given.n)}
    return {
        "y": given.y_true,
        "probability": given.probability,
        "patients": given.patient_id if patients is None else as_texts("patients", patients, given.n),
        "sample_ids": given.sample_id,
        "subgroups": columns,
        "classes": given.classes,
        "part": given.part,
    }


def _from_arrays(
    y_true: ArrayLike,
    probability: ArrayLike | None,
    positive: object,
    patients: ArrayLike | None,
    subgroups: Mapping[str, ArrayLike] | None,
) -> dict[str, Any]:
    if probability is None:
        raise ArgumentError(
            "probability: is missing; pass clinical_report(y_true, probability) or a Predictions."
        )
    y = as_labels("y_true", y_true, positive=positive).astype(np.int8)
    scores = as_vector("probability", probability)
    if scores.shape != y.shape:
        raise ArgumentError(
            f"probability: must hold one number for each of the {y.size} outcomes; got {scores.size}."
        )
    outside = int(((scores < 0) | (scores > 1)).sum())
    if outside:
        raise ArgumentError(
            f"probability: must lie in [0, 1]; {outside} of {scores.size} do not "
            f"(from {np.nanmin(scores):g} to {np.nanmax(scores):g}). Turn logits into probabilities with "
            "scipy.special.expit, per cent by dividing by 100."
        )
    return {
        "y": y,
        "probability": scores,
        "patients": None if patients is None else as_texts("patients", patients, y.size),
        "sample_ids": None,
        "subgroups": group_columns(subgroups, y.size),
        "classes": _class_names(y_true, positive),
        "part": "",
    }


def _class_names(y_true: ArrayLike, positive: object) -> tuple[str, str]:
    if positive is None:
        return _UNNAMED
    others = [str(value) for value in np.unique(np.asarray(y_true)).tolist() if value != positive]
    return (others[0] if others else f"not {positive}", str(positive))


def _without_missing(cases: dict[str, Any], missing: Missing) -> tuple[dict[str, Any], BoolVector]:
    keep: BoolVector = ~np.isnan(cases["probability"])
    absent = int((~keep).sum())
    if absent and missing == "raise":
        raise ArgumentError(
            f"probability: {absent} of {keep.size} scores are missing (NaN). "
            'Pass missing="drop" to leave these cases out; the report then says how many.'
        )
    if absent == keep.size:
        raise ArgumentError("probability: every score is missing (NaN); there is nothing to report.")
    if absent:
        cases = {
            name: {key: column[keep] for key, column in value.items()}
            if isinstance(value, dict)
            else value[keep]
            if isinstance(value, np.ndarray)
            else value
            for name, value in cases.items()
        }
    return cases, keep


def _images(images: ImageSource | None, keep: BoolVector, names: StrVector | None) -> ImageSource | None:
    if images is None:
        return None
    if isinstance(images, ImageReader):
        theirs = getattr(images, "sample_ids", None)
        if names is not None and theirs is not None and not _same_names(theirs, names, keep):
            raise ArgumentError(
                "images: its sample_ids are not those of the predictions, row by row; the wrong pictures would "
                "be shown. Pass the split that was predicted."
            )
        return images if keep.all() else _Selected(images, np.flatnonzero(keep))
    array = np.asarray(images)
    if array.ndim != 4 or array.shape[0] != keep.size or array.shape[3] not in (1, 3):
        raise ArgumentError(
            f"images: must have the shape ({keep.size}, height, width, 1 or 3), row by row as y_true, "
            f"or a read(indices) method; got {array.shape}."
        )
    selected: Images = array[keep].astype(np.float32, copy=False)
    return selected


def _calibration(given: Predictions | None, cases: Mapping[str, Any]) -> Predictions | None:
    if given is None:
        return None
    if not isinstance(given, Predictions):
        raise ArgumentError(
            explain("calibration", "must be a Predictions", given, "Pass run.predict(data.validation).")
        )
    if cases["classes"] != _UNNAMED and given.classes not in {_UNNAMED, cases["classes"]}:
        raise ArgumentError(
            f"calibration: must have the classes {cases['classes']} of the cases judged; got {given.classes}."
        )
    if cases["sample_ids"] is not None:
        _, here, there = np.intersect1d(cases["sample_ids"], given.sample_id, return_indices=True)
        same = int(np.count_nonzero(cases["probability"][here] == given.probability[there]))
        if same:
            raise ArgumentError(
                f"calibration: must hold other cases than those judged; {same} are in both. "
                "Pass run.predict(data.validation)."
            )
    return given


def _same_names(theirs: ArrayLike, names: StrVector, keep: BoolVector) -> bool:
    found = np.asarray(theirs).astype(np.str_)
    return found.shape == keep.shape and bool((found[keep] == names).all())


@dataclass(frozen=True, slots=True, eq=False)
class _Selected:
    """Reads by the row number among the cases that were kept."""

    source: ImageReader
    rows: NDArray[np.int64]

    def read(self, indices: NDArray[np.int64]) -> Images:
        return self.source.read(self.rows[indices])


def _condition(classes: tuple[str, str]) -> str:
    """Return the positive class as a noun that can follow "with", or an empty text where its name says nothing."""
    generic = {"positive", "1", "true", "yes", "disease", "abnormal", "1.0"}
    name = classes[1].replace("_", " ")
    if name.strip().lower() in generic:
        return ""
    return f"{name} findings" if _ADJECTIVE.search(name.strip().lower()) else name


_ADJECTIVE = re.compile(r"(ant|ous|ed|ic|ical|ive|sick|ill)$")
"""Endings of class names such as "malignant" and "infected", which do not follow "with" by themselves."""
