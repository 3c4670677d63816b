"""The records that pass between stages: what they refuse, and that saving loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.artifacts import (
    Calibration,
    DatasetFingerprint,
    EpochRecord,
    FitResult,
    OperatingPoint,
    Predictions,
)
from medimg_cnn.artifacts._files import atomic_write, atomic_write_text, to_json_text
from medimg_cnn.errors import ArgumentError, ArtifactError

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@st.composite
def predictions(draw: st.DrawFn) -> Predictions:
    n = draw(st.integers(1, 6))
    logit = draw(st.lists(st.floats(-30, 30), min_size=n, max_size=n))
    ids = draw(st.lists(names, min_size=n, max_size=n, unique=True))
    with_patients = draw(st.booleans())
    return Predictions(
        y_true=draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)),
        logit=logit,
        probability=1 / (1 + np.exp(-np.asarray(logit))),
        sample_id=ids,
        patient_id=draw(st.lists(names, min_size=n, max_size=n)) if with_patients else None,
        subgroups={"a column": draw(st.lists(names, min_size=n, max_size=n))} if with_patients else {},
        classes=("no", "yes"),
        part="validation",
    )


@given(predictions())
def test_predictions_survive_saving(tmp_path_factory: pytest.TempPathFactory, original: Predictions) -> None:
    path = tmp_path_factory.mktemp("predictions") / "p.npz"
    original.save(path)
    read = Predictions.load(path)
    for name in ("y_true", "logit", "probability", "sample_id"):
        np.testing.assert_array_equal(getattr(read, name), getattr(original, name))
    assert (read.patient_id is None) == (original.patient_id is None)
    assert list(read.subgroups) == list(original.subgroups)
    assert (read.classes, read.part, read.n) == (original.classes, original.part, original.n)
    assert read.to_frame().equals(original.to_frame())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y_true": [0, 2]}, "every outcome must be 0 or 1"),
        ({"y_true": []}, "at least one outcome"),
        ({"logit": [0.0]}, r"shape \(2,\)"),
        ({"logit": [np.nan, 0.0]}, "must be finite"),
        ({"probability": [0.5, 1.5]}, r"must lie in \[0, 1\]"),
        ({"probability": [0.5, np.nan]}, r"must lie in \[0, 1\]"),
        ({"sample_id": ["a", "a"]}, "each must occur once"),
        ({"patient_id": ["p"]}, "patient_id"),
        ({"subgroups": {"site": ["x"]}}, r"subgroups\['site'\]"),
    ],
)
def test_predictions_refuse_what_cannot_be(change: dict[str, object], words: str) -> None:
    good = {"y_true": [0, 1], "logit": [0.0, 1.0], "probability": [0.5, 0.7], "sample_id": ["a", "b"]}
    Predictions(**good)
    with pytest.raises(ArgumentError, match=words):
        Predictions(**(good | change))


def test_predictions_cannot_be_changed_in_place() -> None:
    p = Predictions(y_true=[0, 1], logit=[0.0, 1.0], probability=[0.5, 0.7], sample_id=["a", "b"])
    with pytest.raises(ValueError, match="read-only"):
        p.probability[0] = 0.9
    assert p.select(np.array([False, True])).sample_id.tolist() == ["b"]


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_a_truncated_predictions_file_is_refused_by_name(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "p.npz"
    Predictions(y_true=[0, 1], logit=[0.0, 1.0], probability=[0.5, 0.7], sample_id=["a", "b"]).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArtifactError, match=r"p\.npz"):
        Predictions.load(path)


@given(st.data())
def test_a_flipped_byte_is_refused_or_changes_nothing_that_is_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flip") / "p.npz"
    original = Predictions(y_true=[0, 1], logit=[0.0, 1.0], probability=[0.5, 0.7], sample_id=["a", "b"])
    original.save(path)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        read = Predictions.load(path)
    except ArtifactError:
        return
    np.testing.assert_array_equal(read.logit, original.logit)


@given(st.floats(allow_nan=False, allow_infinity=False), names, names)
def test_operating_point_survives_saving(
    tmp_path_factory: pytest.TempPathFactory, threshold: float, rule: str, chosen_on: str
) -> None:
    if not rule.strip() or not chosen_on.strip():
        with pytest.raises(ArgumentError, match="not empty"):
            OperatingPoint(threshold=threshold, rule=rule, chosen_on=chosen_on)
        return
    point = OperatingPoint(threshold=threshold, rule=rule, chosen_on=chosen_on)
    path = tmp_path_factory.mktemp("point") / "point.json"
    point.save(path)
    assert OperatingPoint.load(path) == point


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), "0.5", True, None])
def test_operating_point_refuses_what_is_no_threshold(threshold: object) -> None:
    with pytest.raises(ArgumentError, match="threshold: must be a finite number"):
        OperatingPoint(threshold=threshold)


def test_calibration_maps_logits_as_its_formula_says() -> None:
    logit = np.array([-2.0, 0.0, 3.0])
    platt = Calibration(method="platt", parameters=(("slope", 0.5), ("intercept", 1.0)))
    np.testing.assert_allclose(platt.apply(logit), 1 / (1 + np.exp(-(0.5 * logit + 1.0))))
    temperature = Calibration(method="temperature", parameters=(("temperature", 2.0),))
    np.testing.assert_allclose(temperature.apply(logit), 1 / (1 + np.exp(-logit / 2.0)))
    for calibration in (Calibration(), platt, temperature):
        assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "isotonik"},
        {"method": "temperature"},
        {"method": "temperature", "parameters": (("temperature", 0.0),)},
        {"method": "platt", "parameters": (("intercept", 0.0), ("slope", float("nan")))},
    ],
)
def test_calibration_refuses_what_is_not_one(arguments: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        Calibration(**arguments)


def fit_result() -> FitResult:
    nan = float("nan")
    rows = [
        EpochRecord(
            epoch=epoch,
            loss=0.5 / epoch,
            validation_loss=nan if epoch == 1 else 0.4,
            validation_auroc=nan if epoch == 1 else 0.9,
            learning_rate=1e-3,
            images_per_second=100.0,
            seconds=2.0,
        )
        for epoch in (1, 2)
    ]
    fingerprint = DatasetFingerprint(
        content="c" * 64,
        preprocessing="p" * 64,
        counts=(("train", 10, 4), ("test", 5, 2)),
        classes=("no", "yes"),
        image_shape=(28, 28, 1),
    )
    return FitResult(
        history=tuple(rows),
        kept_epoch=2,
        operating_point=OperatingPoint(threshold=0.3, rule="youden", chosen_on="validation"),
        config={"epochs": 2},
        fingerprint=fingerprint,
        environment={"python": "3.11"},
    )


def test_fit_result_survives_saving_with_its_undefined_figures(tmp_path: Path) -> None:
    original = fit_result()
    original.save(tmp_path / "result.json")
    read = FitResult.load(tmp_path / "result.json")
    assert np.isnan(read.history[0].validation_auroc)
    assert to_json_text(read.to_dict()) == to_json_text(original.to_dict())
    assert read.fingerprint == original.fingerprint


def test_a_newer_format_is_refused_with_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    fit_result().save(path)
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(ArtifactError, match="Upgrade medimg-cnn"):
        FitResult.load(path)
    path.write_text("{")
    with pytest.raises(ArtifactError, match="is not a JSON file"):
        FitResult.load(path)


def test_fingerprints_say_what_differs() -> None:
    first = fit_result().fingerprint
    assert first is not None
    assert first.differences(first) == []
    other = DatasetFingerprint.from_dict(first.to_dict() | {"classes": ["yes", "no"]})
    assert first.differences(other) == ["class names: ('no', 'yes') became ('yes', 'no')"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    atomic_write_text(path, "old")

    def fail(stream: object) -> None:
        stream.write(b"new, but only a pa")  # type: ignore[attr-defined]
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        atomic_write(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]


def test_printing_names_no_file_and_no_patient() -> None:
    predictions = Predictions(
        y_true=[0, 1],
        logit=[-1.0, 2.0],
        probability=[0.25, 0.875],
        sample_id=["a/secret.png", "b"],
        patient_id=["Doe", "Roe"],
    )
    assert (
        repr(predictions) == "Predictions(test: 2 images, 1 positive, patients 2, probability 0.250 to 0.875)"
    )
