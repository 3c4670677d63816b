"""Cases, reports and an HTML reader that the reporting tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from medimg_cnn.artifacts import DatasetFingerprint, EpochRecord, FitResult, OperatingPoint, Predictions
from medimg_cnn.reporting import ClinicalReport, clinical_report

HOSTILE = "<script>alert('x')</script>"
VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})


@dataclass
class Page(HTMLParser):
    """Tags with their attributes, in order; text by the tag that holds it; unbalanced tags."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open_tags or self.open_tags[-1] != tag.lower():
            self.unbalanced.append(tag)
        else:
            self.open_tags.pop()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open_tags[-1] if self.open_tags else "", data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def ids(self) -> list[str]:
        return [str(a["id"]) for _, a in self.tags if a.get("id")]

    def text(self) -> str:
        return " ".join(text for _, text in self.texts)


@pytest.fixture(scope="session")
def read_page() -> Callable[[str], Page]:
    def read(html: str) -> Page:
        page = Page()
        page.feed(html)
        page.close()
        return page

    return read


def _predictions(
    n: int = 240, *, seed: int = 3, per_patient: int = 2, shift: float = 2.0, part: str = "test"
) -> Predictions:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(np.int8)
    logit = rng.normal(size=n) + shift * y - 1.0
    return Predictions(
        y_true=y,
        logit=logit,
        probability=1 / (1 + np.exp(-logit)),
        sample_id=[f"images/{i:04d}.png" for i in range(n)],
        patient_id=[f"p{i // per_patient}" for i in range(n)],
        subgroups={"site": rng.choice(["North", "South"], n), HOSTILE: rng.choice([HOSTILE, "=cmd()"], n)},
        classes=("no_finding", "pneumonia"),
        part=part,
    )


@pytest.fixture(scope="session")
def make_predictions() -> Callable[..., Predictions]:
    return _predictions


@pytest.fixture(scope="session")
def result() -> FitResult:
    return FitResult(
        history=tuple(
            EpochRecord(
                epoch=i + 1,
                loss=0.7 / (i + 1),
                validation_loss=0.8 / (i + 1),
                validation_auroc=1 - 0.4 / (i + 1),
                learning_rate=1e-3,
                images_per_second=100.0,
                seconds=2.0,
            )
            for i in range(6)
        ),
        kept_epoch=5,
        operating_point=OperatingPoint(threshold=0.37, rule="youden", chosen_on="validation"),
        config={"epochs": 6, "optimizer": {"name": "adamw"}},
        environment={"keras": "3.15.0"},
        fingerprint=DatasetFingerprint(
            content="ab" * 32,
            preprocessing="cd" * 32,
            counts=(("train", 100, 40), ("test", 240, 90)),
            classes=("no_finding", "pneumonia"),
            image_shape=(64, 64, 1),
        ),
    )


@pytest.fixture(scope="session")
def full_report(result: FitResult) -> ClinicalReport:
    """A report with every section, on data with hostile names."""
    predictions = _predictions()
    images = np.random.default_rng(0).random((predictions.n, 8, 8, 1)).astype(np.float32)
    return clinical_report(
        predictions,
        run=SimpleNamespace(result=result),
        prevalences=(0.01, 0.1),
        intended_prevalence=0.05,
        images=images,
        calibration=_predictions(160, seed=11, part="validation"),
        bootstrap=200,
        facts={"Model": "a small network", HOSTILE: HOSTILE},
    )
