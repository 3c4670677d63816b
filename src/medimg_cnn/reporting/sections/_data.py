"""The data: how many cases, of whom, and how many have the condition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medimg_cnn.reporting._document import Block, Column, Note, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import plural

__all__ = ["Data"]

_PARTS = {
    "test": "the test part of the dataset",
    "validation": "the validation part of the dataset",
    "train": "the training part of the dataset",
    "external": "external data",
}


@dataclass(frozen=True, slots=True)
class Data:
    """Counts, patients and prevalence."""

    key: str = "data"
    title: str = "Data"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the counts by class, and what was left out."""
        inputs = evidence.inputs
        units = f"{inputs.unit.capitalize()}s"
        rows = [
            (inputs.classes[1], inputs.positives, _patients(evidence, 1)),
            (inputs.classes[0], inputs.negatives, _patients(evidence, 0)),
            ("All", inputs.n, inputs.n_patients if inputs.n_patients is not None else "not known"),
        ]
        origin = _PARTS.get(inputs.part, "data whose origin was not said")
        blocks: list[Block] = [
            Paragraph(f"The figures of this report come from {origin}."),
            Table(
                "cases",
                "Cases by class",
                (Column("Class"), Column(units, numeric=True), Column("Patients", numeric=True)),
                tuple(rows),
            ),
            Table(
                "prevalence",
                "Prevalence",
                (Column("Figure"), Column("Estimate", numeric=True), Column("Method of the interval")),
                (("Share with the condition", evidence.operating.prevalence, _method(evidence)),),
            ),
        ]
        if inputs.dropped:
            blocks.append(Note(f"{plural(inputs.dropped, 'case')} without a score left out on request."))
        return tuple(blocks)


def _patients(evidence: Evidence, outcome: int) -> int | str:
    patients = evidence.inputs.patients
    if patients is None:
        return "not known"
    return int(np.unique(patients[evidence.inputs.y == outcome]).size)


def _method(evidence: Evidence) -> str:
    return evidence.operating.prevalence.method
