"""A whole report of 10,000 images, every section and format in it, within 8 seconds."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from medimg_cnn.artifacts import EpochRecord, FitResult, OperatingPoint, Predictions
from medimg_cnn.reporting import DEFAULT_SECTIONS, clinical_report

pytestmark = pytest.mark.benchmark

N = 10_000
LIMIT_SECONDS = 8.0


def test_a_report_of_ten_thousand_images_takes_at_most_eight_seconds(capsys):
    rng = np.random.default_rng(0)
    y = (rng.random(N) < 0.2).astype(np.int8)
    logit = rng.normal(size=N) + 2 * y - 2
    cases = Predictions(
        y_true=y,
        logit=logit,
        probability=1 / (1 + np.exp(-logit)),
        sample_id=[str(i) for i in range(N)],
        patient_id=[f"p{i // 3}" for i in range(N)],
        subgroups={
            "site": rng.choice(["a", "b", "c", "d"], N),
            "sex": rng.choice(["F", "M"], N),
            "age": rng.choice(["<40", "40-59", "60+"], N),
        },
        classes=("healthy", "ill"),
    )
    epoch = {"loss": 0.4, "validation_loss": 0.5, "validation_auroc": 0.9, "learning_rate": 1e-3}
    result = FitResult(
        history=tuple(
            EpochRecord(epoch=i + 1, images_per_second=100.0, seconds=1.0, **epoch) for i in range(100)
        ),
        kept_epoch=90,
        operating_point=OperatingPoint(threshold=0.3, rule="youden", chosen_on="validation"),
        config={"epochs": 100},
        environment={"keras": "3.15.0"},
    )
    images = rng.random((N, 28, 28, 1), dtype=np.float32)
    calibration = Predictions(
        y_true=y[:2000],
        logit=logit[:2000] + 0.1,
        probability=1 / (1 + np.exp(-logit[:2000] - 0.1)),
        sample_id=[f"v{i}" for i in range(2000)],
        part="validation",
    )
    start, cpu = time.perf_counter(), time.process_time()
    report = clinical_report(
        cases,
        run=SimpleNamespace(result=result),
        prevalences=(0.01, 0.05),
        intended_prevalence=0.02,
        images=images,
        calibration=calibration,
    )
    made = time.perf_counter()
    for render in (report.to_html, report.to_json, report.to_markdown, report.to_text, report.to_latex):
        render()
    done, used = time.perf_counter(), time.process_time() - cpu
    with capsys.disabled():
        print(
            f"\n{N:,} images: report {made - start:.2f} s, five formats {done - made:.2f} s; {used:.2f} s CPU"
        )
    assert len(report.document.sections) == len(DEFAULT_SECTIONS)
    assert done - start < LIMIT_SECONDS
