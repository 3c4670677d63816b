"""``external_validate``: a frozen model on data from elsewhere, with what differs between there and here."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from medimg_cnn._types import BoolVector, FloatVector, PathLike
from medimg_cnn._validation import check_choice
from medimg_cnn.artifacts import Calibration, OperatingPoint, Predictions
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning
from medimg_cnn.evaluation import (
    CalibrationSummary,
    Comparison,
    auroc,
    calibration,
    compare_unpaired,
    fit_calibration,
    proportion,
)
from medimg_cnn.export._against import Against, AgainstDevelopment, distance_from_perfect
from medimg_cnn.export._bundle import Bundle, load_bundle
from medimg_cnn.export._reference import Development, observe, one_of_each_patient
from medimg_cnn.export._shift import Alarm, ShiftTest, alarms_of, shift_tests
from medimg_cnn.reporting import DEFAULT_SECTIONS, ClinicalReport, clinical_report
from medimg_cnn.training import ImageSource, Run

__all__ = ["ExternalValidation", "Recalibration", "development_predictions", "external_validate"]

_FOLDS = 10
_LOGIT = 1e4
"""Beyond what a float32 network gives."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recalibration:
    """A calibration fitted on external data. It changes no decision, and is never applied unasked.

    Attributes:
        before: calibration of the probabilities as they were.
        after: of the new ones, each image predicted by a fit without it (10 folds, by patient where known); None
            where a fold leaves too few cases for a fit.
        calibration: fitted on all images, with ``fitted_on`` saying so.
        operating_point: the locked one on the new scale; it calls the same images positive.
        bundle: the bundle with both, marked as recalibrated; save it with ``bundle.save``.
    """

    before: CalibrationSummary
    after: CalibrationSummary | None
    calibration: Calibration
    operating_point: OperatingPoint
    bundle: Bundle

    def __str__(self) -> str:
        if self.after is None:
            return (
                f"Recalibrated ({self.calibration.method}); how well cannot be said, because a fold of the data leaves "
                "too few cases for a fit; decisions are unchanged"
            )
        worse = distance_from_perfect(self.after) > distance_from_perfect(self.before)
        return (
            f"Recalibrated ({self.calibration.method}): slope {self.before.slope} became {self.after.slope}, "
            f"calibration in the large {self.before.calibration_in_the_large} became "
            f"{self.after.calibration_in_the_large} (cross-fitted); decisions are unchanged"
            + (". On images it was not fitted on it is WORSE than before: do not use it" if worse else "")
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ExternalValidation:
    """What ``external_validate`` found.

    Attributes:
        report: the clinical report at the locked threshold, with a section on what differs from development.
        predictions: of the external images.
        against: what differs from development: tests of shift, alarms, performance, calibration.
        bundle: that was validated.
    """

    report: ClinicalReport
    predictions: Predictions
    against: Against
    bundle: Bundle

    @property
    def tests(self) -> tuple[ShiftTest, ...]:
        """Tests of prevalence, size, intensity and features against development."""
        return self.against.tests

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Signs of wrong preparation."""
        return self.against.alarms

    @property
    def findings(self) -> tuple[str, ...]:
        """What a reader must know, in sentences, alarms first."""
        return self.against.sentences

    def save(self, path: PathLike) -> Path:
        """Write the report in the format that the suffix names; see ``ClinicalReport.save``."""
        return self.report.save(path)

    def recalibrate(self, method: Literal["temperature", "platt"] = "platt") -> Recalibration:
        """Fit the calibration anew on the external data, and return it beside the old one.

        Args:
            method: "platt" fits slope and intercept, "temperature" the slope alone.

        Raises:
            ArgumentError: the data allow no fit (one class, or a cut that separates the classes).
        """
        check_choice("method", method, ("temperature", "platt"))
        found, old = self.predictions, self.bundle.calibration
        where = f"external data ({found.n} images, {int(found.y_true.sum())} positive)"
        fitted = _fitted(found, np.ones(found.n, dtype=np.bool_), method, where)
        if fitted is None:
            raise ArgumentError(
                "external data: no calibration can be fitted on them: there is one class, a cut separates the classes, "
                "or higher logits go with health. Look at the alarms, or collect more cases."
            )
        locked = self.bundle.operating_point
        point = replace(
            locked,
            threshold=_carried(locked.threshold, old, fitted),
            rule=f"{locked.rule}, carried over to recalibrated probabilities",
        )
        band = self.bundle.abstention
        cross_fitted = self._cross_fitted(method)
        run = self.bundle.run
        bundle = replace(
            self.bundle,
            run=Run(run.model, replace(run.result, calibration=fitted, operating_point=point)),
            abstention=None
            if band is None
            else (_carried(band[0], old, fitted), _carried(band[1], old, fitted)),
            recalibrated={
                "on": where,
                "from_bundle": self.bundle.sha256,
                "previous_calibration": old.to_dict(),
                "previous_operating_point": self.bundle.operating_point.to_dict(),
            },
            model_card=f"> Recalibrated after training, on {where}; decisions are those of the bundle "
            f"{self.bundle.sha256[:12]}.\n\n{self.bundle.model_card}",
            sha256="",
        )
        return Recalibration(
            before=self.against.calibration,
            after=None
            if cross_fitted is None
            else calibration(found.y_true, cross_fitted, patients=self.report.evidence.inputs.clusters),
            calibration=fitted,
            operating_point=point,
            bundle=bundle,
        )

    def _cross_fitted(self, method: Literal["temperature", "platt"]) -> FloatVector | None:
        found = self.predictions
        units = found.sample_id if found.patient_id is None else found.patient_id
        _, unit = np.unique(units, return_inverse=True)
        fold = np.random.default_rng(0).permutation(unit.max() + 1)[unit] % _FOLDS
        probability = found.probability.copy()
        for number in range(_FOLDS):
            left = fold == number
            if not left.any():
                continue
            fitted = _fitted(found, ~left, method, "")
            if fitted is None:
                return None
            probability[left] = fitted.apply(found.logit[left])
        return probability

    def __str__(self) -> str:
        return "\n".join(f"- {sentence}" for sentence in self.findings)


def external_validate(
    bundle: Bundle | PathLike,
    data: ImageSource,
    *,
    level: float = 0.95,
    bootstrap: int = 2000,
    seed: int = 0,
    title: str | None = None,
    facts: Mapping[str, str] | None = None,
    case_names: bool = False,
) -> ExternalValidation:
    """Judge a frozen model, at its locked threshold, on labelled images from elsewhere.

    Nothing is fitted, chosen or turned round. Beside the whole clinical report it says whether performance and
    calibration fell against development, tests whether prevalence, stored size, grey values and features differ
    from development, and raises alarms where labels look inverted or grey values wrong.

    Args:
        bundle: what ``load_bundle`` returned, or the path of a bundle.
        data: read with ``load_external(source, preprocessing=bundle.preprocessing, classes=bundle.classes)``.
        level: of every interval, above 0 and below 1.
        bootstrap: resamples for figures without a closed form.
        seed: of the resampling.
        title: the report's heading.
        facts: what stands under the heading.
        case_names: whether the report may show sample ids.

    Raises:
        ArgumentError: the images' shape or classes are not those of the bundle.
        BundleError: the bundle at the path is refused.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import medimg_cnn as mc
        >>> result = mc.artifacts.FitResult(
        ...     history=(), kept_epoch=0, operating_point=mc.OperatingPoint(threshold=0.4))
        >>> how = mc.data.Preprocessing(image_size=8, channels=1)
        >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
        >>> labels = np.array(["well", "ill"] * 20)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = mc.Run(mc.build_cnn((8, 8, 1), width=4), result)
        ...     path = mc.save_bundle(run, f"{folder}/model", preprocessing=how, classes=("well", "ill"))
        ...     elsewhere = mc.data.load_external(
        ...         (images, labels), preprocessing=how, classes=("well", "ill"), patients=np.arange(40))
        ...     found = mc.external_validate(path, elsewhere, bootstrap=100)
        >>> found.report.sensitivity.value, found.tests[1].fired
        (1.0, None)
    """
    frozen = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    if tuple(getattr(data, "classes", ())) not in {(), frozen.classes}:
        raise ArgumentError(
            f"data: must have the classes (negative, positive) = {frozen.classes} of the bundle; got "
            f"{tuple(data.classes)}. Read it with load_external(..., classes=bundle.classes, labels=...)."
        )
    predictions = frozen.run.predict(data)
    reference = frozen.reference
    seen = None if reference is None else observe(frozen.engine, data, np.arange(data.n))
    unlike = None if reference is None or seen is None else reference.judge(seen)[0]
    area = auroc(predictions, level=level)
    before = None if frozen.development is None else development_predictions(frozen.development, frozen)
    against = Against(
        part="" if before is None else before.part,
        comparison=None if before is None else _compared(predictions, before, frozen, level),
        calibration=calibration(predictions, level=level),
        development_calibration=None if before is None else calibration(before, level=level),
        tests=shift_tests(
            reference=reference,
            fingerprint=frozen.run.result.fingerprint,
            seen=seen,
            outcomes=predictions.y_true,
            firsts=one_of_each_patient(data),
        ),
        alarms=alarms_of(reference=reference, seen=seen, auroc=(area.value, area.lower, area.upper)),
        out_of_scope=None if unlike is None else proportion(int(unlike.sum()), unlike.size, level=level),
        limit=None if reference is None else reference.false_alarm_rate,
    )
    report = clinical_report(
        predictions,
        operating_point=frozen.operating_point,
        run=frozen.run,
        images=data,
        level=level,
        bootstrap=bootstrap,
        seed=seed,
        title=title or f"External validation: {frozen.classes[1].replace('_', ' ')}",
        facts=_facts(frozen, facts),
        case_names=case_names,
        sections=(*DEFAULT_SECTIONS[:1], AgainstDevelopment(against), *DEFAULT_SECTIONS[1:]),
    )
    return ExternalValidation(report=report, predictions=predictions, against=against, bundle=frozen)


def _facts(bundle: Bundle, more: Mapping[str, str] | None) -> dict[str, str]:
    facts = {"Model": bundle.name or bundle.architecture.name}
    if bundle.sha256:
        facts["Bundle"] = bundle.sha256[:16]
    if bundle.recalibrated is not None:
        facts["Recalibrated on"] = str(bundle.recalibrated["on"])
    return {**facts, **(more or {})}


def development_predictions(then: Development, bundle: Bundle) -> Predictions:
    """Return what the bundle predicted on its development images; they have no names."""
    return Predictions(
        y_true=then.y,
        logit=then.logit,
        probability=bundle.calibration.apply(then.logit),
        sample_id=np.array([f"development {index}" for index in range(then.y.size)]),
        patient_id=None
        if then.cluster is None
        else np.array([f"development {cluster}" for cluster in then.cluster]),
        classes=bundle.classes,
        part=then.part,
    )


def _compared(here: Predictions, before: Predictions, bundle: Bundle, level: float) -> Comparison:
    point = bundle.operating_point
    return compare_unpaired(
        here, before, threshold_a=point.threshold, threshold_b=point.threshold, level=level
    )


def _fitted(
    found: Predictions, rows: BoolVector, method: Literal["temperature", "platt"], where: str
) -> Calibration | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MedimgCnnWarning)  # where nothing can be fitted, the caller says so
        fitted = fit_calibration(
            found.logit[rows], found.y_true[rows], method=method, fitted_on=where or "a fold"
        )
    return None if fitted.method == "identity" else fitted


def _carried(threshold: float, old: Calibration, new: Calibration) -> float:
    """Return the same cut of the logit on the new scale of probabilities."""
    low, high = -_LOGIT, _LOGIT
    if not old.apply(np.array([low]))[0] < threshold <= old.apply(np.array([high]))[0]:
        return threshold  # it calls all images positive, or none
    while np.nextafter(low, high) < high:
        middle = (low + high) / 2.0
        if old.apply(np.array([middle]))[0] >= threshold:
            high = middle
        else:
            low = middle
    return float(new.apply(np.array([high]))[0])
