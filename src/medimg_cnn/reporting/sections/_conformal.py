"""Prediction sets: one class, both or none, with a promise of how often the truth is in the set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medimg_cnn.artifacts import Predictions
from medimg_cnn.reporting._document import Block, Column, Note, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import plural

__all__ = ["Conformal"]


@dataclass(frozen=True, slots=True)
class Conformal:
    """Split-conformal sets by class, calibrated elsewhere, and their coverage here."""

    key: str = "prediction-sets"
    title: str = "Prediction sets"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the sets and what they cover; without calibration data, how to get them."""
        calibration = evidence.inputs.calibration
        if calibration is None:
            return (
                Note(
                    "Not applicable: conformal prediction sets need predictions of further cases, on which the "
                    "model was not trained and which are not judged here. Pass "
                    "calibration=run.predict(data.validation), or the Predictions of such cases."
                ),
            )
        return (
            Paragraph(
                "Instead of one decision the model may give a set: one class, both where it cannot tell, or none "
                "where the case is like neither. Among cases with the condition, and among those without, the "
                "truth is in the set at the promised rate or more often, on average over such calibrations, if "
                "these cases are like the ones that calibrated the sets."
            ),
            _coverage(evidence),
            _limits(evidence),
            *(Note(text) for text in _cautions(evidence, calibration)),
        )


def _coverage(evidence: Evidence) -> Table:
    return Table(
        "prediction-set-coverage",
        "Coverage of the prediction sets on these cases",
        (
            Column("Promised"),
            *(
                Column(name, numeric=True)
                for name in ("With the condition", "Without it", "All", "One class", "Both", "None")
            ),
        ),
        tuple(
            (
                f"{100 * (1 - sets.alpha):g}%",
                found.coverage_positive,
                found.coverage_negative,
                found.coverage,
                found.single,
                found.both,
                found.empty,
            )
            for sets, found in evidence.conformal
        ),
        (
            (
                "With the condition, without it, all: share of cases whose set holds the truth. One class, both, "
                "none: share of cases with such a set."
            ),
        ),
    )


def _limits(evidence: Evidence) -> Table:
    negative, positive = evidence.inputs.classes
    return Table(
        "prediction-set-limits",
        "When a class is in the set",
        (
            Column("Promised"),
            Column(f"{positive}: probability at least", numeric=True, digits=4),
            Column(f"{negative}: probability at most", numeric=True, digits=4),
        ),
        tuple(
            (
                f"{100 * (1 - sets.alpha):g}%",
                "always" if math.isinf(sets.quantile_positive) else 1.0 - sets.quantile_positive,
                "always" if math.isinf(sets.quantile_negative) else sets.quantile_negative,
            )
            for sets, _ in evidence.conformal
        ),
    )


def _cautions(evidence: Evidence, calibration: Predictions) -> list[str]:
    inputs = evidence.inputs
    ill = int(calibration.y_true.sum())
    texts = [
        (
            f"Calibrated on {plural(calibration.n, 'image')} of the {calibration.part} part, {ill:,} with the "
            f"condition and {calibration.n - ill:,} without."
        )
    ]
    if any(
        math.isinf(q)
        for sets, _ in evidence.conformal
        for q in (sets.quantile_negative, sets.quantile_positive)
    ):
        texts.append(
            'Where it says "always" there were too few calibration cases of the class for so strict a promise.'
        )
    if calibration.part in {"train", "validation"}:
        texts.append(
            f"The {calibration.part} cases also shaped the model, its threshold or its calibration, so the promise "
            "holds only nearly; cases kept aside for this alone would make it exact."
        )
    if inputs.patients is not None and calibration.patient_id is not None:
        common = int(np.intersect1d(inputs.patients, calibration.patient_id).size)
        if common:
            texts.append(
                f"{plural(common, 'patient id')} {'is' if common == 1 else 'are'} in both sets of cases. If these "
                "are the same patients, coverage here is too good."
            )
    texts += [
        f"{note[0].upper()}{note[1:]}."
        for note in dict.fromkeys(s.note for s, _ in evidence.conformal)
        if note
    ]
    if inputs.clustered:
        texts.append(
            "The promise is for one image per patient, or for patients alike in both sets of cases; images of "
            "one patient resemble each other."
        )
    return texts
