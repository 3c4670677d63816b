"""Report on any model's scores: two arrays are enough, whatever framework they come from."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from scipy.special import expit

import medimg_cnn as mc


def main(work: Path) -> None:
    """Run the example; pictures and files go to the folder ``work``."""
    # Made-up scores of 240 images of 120 patients; images of a patient resemble each other.
    rng = np.random.default_rng(7)
    patients = np.repeat(np.arange(120), 2)
    diseased = patients % 3 == 0
    score = 1.8 * diseased - 1.2 + rng.normal(0, 0.8, 120)[patients] + rng.normal(0, 0.6, 240)

    report = mc.clinical_report(
        diseased,
        expit(score),
        patients=patients,  # intervals then allow for several images of a patient
        operating_point=mc.OperatingPoint(
            threshold=0.35, rule="youden", chosen_on="validation"
        ),  # locked before the test data were seen
        subgroups={"site": np.where(patients % 2 == 0, "A", "B")},
        prevalences=(0.05, 0.20),  # of the places where the test would be used
        condition="made-up disease",
        seed=7,
    )
    print(report.to_text())
    print("AUROC:", report.auroc)
    print("Sensitivity:", report.sensitivity)
    for suffix in ("html", "json", "md"):
        print("Written:", report.save(work / f"report.{suffix}"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
