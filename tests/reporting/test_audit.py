"""The section about the audit of the dataset."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from medimg_cnn.data import AuditReport, load_dataset
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning
from medimg_cnn.reporting import ClinicalReport, clinical_report


@pytest.fixture(scope="module")
def audit() -> AuditReport:
    images = np.random.default_rng(0).integers(0, 256, (60, 32, 32), dtype=np.uint8)
    images[1] = images[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MedimgCnnWarning)
        data = load_dataset((images, np.arange(60) % 2), positive=1, patients=np.arange(60))
    assert data.audit is not None
    return data.audit


def report(audit: Any) -> ClinicalReport:
    return clinical_report([0, 0, 1, 1] * 8, [0.1, 0.4, 0.35, 0.8] * 8, bootstrap=100, audit=audit)


def test_the_section_shows_findings_and_shortcuts(audit: AuditReport) -> None:
    made = report(audit)
    html = made.to_html()
    assert "Audit of the dataset" in html
    assert "M006" in html
    assert "Identical images with contradictory labels" in html
    assert "60 images were looked through" in html
    assert "mean brightness" in html
    names = {"00", "01"}
    section = next(item for item in made.to_dict()["sections"] if item["key"] == "audit")
    assert not any(f'"{name}"' in json.dumps(section) for name in names)


def test_a_saved_audit_gives_the_same_document(audit: AuditReport) -> None:
    assert report(json.loads(json.dumps(audit.to_dict()))).to_html() == report(audit).to_html()


def test_without_an_audit_there_is_no_section() -> None:
    assert "Audit of the dataset" not in report(None).to_html()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "must be the report of an audit"),
        ({"version": 2}, "must be of version 1"),
        ({"findings": [{"code": "M001"}]}, "must be whole"),
        ({"shortcuts": [{"feature": "x", "auroc": {"value": 2}}]}, "must be whole"),
    ],
)
def test_a_damaged_audit_is_refused_in_words(audit: AuditReport, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        report(audit.to_dict() | change)
    with pytest.raises(ArgumentError, match="audit"):
        report([1])
