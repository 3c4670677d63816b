from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn.data import KFold, audit, load_dataset, load_external
from medimg_cnn.errors import ArgumentError, AuditError, DataError, MedimgCnnWarning


@pytest.fixture
def faulty(scenes) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[no-untyped-def]
    """Return images of which two are equal and have other labels."""
    images = scenes(80)
    images[1] = images[0]
    return images, np.arange(80) % 2


def test_error_stops_with_the_codes(faulty: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(
        AuditError, match=r'the arrays: the audit must pass \(audit="error"\)(.|\n)*M006 error'
    ):
        load_dataset(faulty, positive=1, patients=np.arange(80), audit="error")
    assert issubclass(AuditError, DataError)


def test_warn_warns_once_at_the_users_line(faulty: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.warns(MedimgCnnWarning, match="M006") as caught:
        data = load_dataset(faulty, positive=1, patients=np.arange(80))
    assert [item.filename for item in caught] == [__file__]
    assert data.notes[-1] == "The audit found: M006 Identical images with contradictory labels (2)."


def test_off_looks_at_nothing_and_can_be_made_up_for(faulty: tuple[np.ndarray, np.ndarray]) -> None:
    data = load_dataset(faulty, positive=1, patients=np.arange(80), audit="off")
    assert data.audit is None
    assert "M006" in audit(data).codes


@pytest.mark.parametrize("wrong", ["warning", True, None])
def test_a_misspelt_mode_is_refused(faulty: tuple[np.ndarray, np.ndarray], wrong: object) -> None:
    with pytest.raises(ArgumentError, match="audit"):
        load_dataset(faulty, positive=1, audit=wrong)  # type: ignore[arg-type]


def test_audit_of_a_dataset_is_that_of_the_load(faulty: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.warns(MedimgCnnWarning):
        data = load_dataset(faulty, positive=1, patients=np.arange(80))
    assert data.audit is not None
    assert audit(data).findings == data.audit.findings
    assert str(audit(data)) == str(data.audit)


def test_audit_of_a_part_sees_that_part(faulty: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.warns(MedimgCnnWarning):
        data = load_dataset(faulty, positive=1, patients=np.arange(80))
    (holder,) = [part for part in data.parts if "00" in part.sample_ids]
    assert "01" in holder.sample_ids  # equal images are kept together
    assert audit(holder).codes == ("M006", "M003")
    assert all(audit(part).passed for part in data.parts if part is not holder)
    with pytest.raises(ArgumentError, match="must be a Dataset or a Split"):
        audit([1])  # type: ignore[arg-type]


def test_most_compared_is_a_stated_limit(scenes, load) -> None:  # type: ignore[no-untyped-def]
    images = scenes(80)
    images[1] = np.clip(images[0] * 1.05, 0, 255)
    data, _ = load(images)
    assert "M007" in data.audit.codes
    report = audit(data, most_compared=79)
    assert report.passed
    (said,) = report.not_checked
    assert "there are 80 different images, more than 79" in said
    assert "most_compared=80" in said


def test_small_images_are_said_not_to_be_compared(scenes, load) -> None:  # type: ignore[no-untyped-def]
    data, said = load(scenes(80, size=12))
    assert said == []
    assert "12 x 12 are too small" in data.audit.not_checked[0]


@pytest.mark.parametrize("known", [True, False])
def test_near_duplicates_are_kept_in_one_part(scenes, load, known: bool) -> None:  # type: ignore[no-untyped-def]
    images = scenes(200)
    images[100:] = np.clip(images[:100] * 1.05 + 2, 0, 255)
    labels = np.tile(np.arange(100) % 2, 2)
    data, _ = load(images, labels, patients=np.arange(200) if known else None)
    parts = dict(zip(data.table["sample_id"], data.table["part"], strict=True))
    assert all(parts[f"{index:03d}"] == parts[f"{index + 100:03d}"] for index in range(100))
    assert "Pairs of near duplicates, kept in one part where parts are not given: 100." in data.notes
    assert set(data.audit.codes) == {"M005"}
    for fold in data.folds(KFold(k=4)):
        assert fold.audit is not None
        assert "M004" not in fold.audit.codes
        named = dict(zip(fold.table["sample_id"], fold.table["part"], strict=True))
        assert all(named[f"{index:03d}"] == named[f"{index + 100:03d}"] for index in range(100))


def test_given_parts_are_kept_and_near_duplicates_across_them_said(scenes, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    images = scenes(90)
    images[60:] = np.clip(images[:30] * 1.05 + 2, 0, 255)
    labels, who = np.arange(90) % 2, np.arange(90)
    slices = {"train": slice(0, 45), "val": slice(45, 60), "test": slice(60, 90)}
    np.savez(
        tmp_path / "a.npz",
        **{
            f"{part}_{name}": values[rows]
            for part, rows in slices.items()
            for name, values in (("images", images), ("labels", labels), ("who", who))
        },
    )
    with pytest.warns(MedimgCnnWarning, match="M004 Near duplicates in two parts. 30 pairs of 60 images"):
        data = load_dataset(tmp_path / "a.npz", positive=1, patients="who")
    assert [part.n for part in data.parts] == [45, 15, 30]
    again = load_dataset(tmp_path / "a.npz", positive=1, patients="who", split=None)
    assert again.audit is not None
    assert again.audit.passed


def test_the_audit_leaves_a_dataset_without_copies_as_it_is(scenes) -> None:  # type: ignore[no-untyped-def]
    images, labels = scenes(120), np.arange(120) % 2
    for patients in (np.arange(120) // 2, None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MedimgCnnWarning)
            with_audit, without = (
                load_dataset((images, labels), positive=1, patients=patients, audit=mode)
                for mode in ("warn", "off")
            )
        assert with_audit.fingerprint == without.fingerprint
        assert with_audit.table.equals(without.table)


def test_external_images_are_audited_too(faulty: tuple[np.ndarray, np.ndarray], scenes) -> None:  # type: ignore[no-untyped-def]
    data = load_dataset((scenes(60, seed=9), np.arange(60) % 2), positive=1, patients=np.arange(60))
    options = {"preprocessing": data.preprocessing, "classes": data.classes, "patients": np.arange(80)}
    with pytest.warns(MedimgCnnWarning, match="M006") as caught:
        external = load_external(faulty, **options)
    assert [item.filename for item in caught] == [__file__]
    assert "M006" in audit(external).codes
    assert load_external(faulty, audit="off", **options).n == 80
    with pytest.raises(AuditError, match="M006"):
        load_external(faulty, audit="error", **options)
