"""A planted fault for each code, through ``load_dataset``."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medimg_cnn.data import AuditReport, Finding, load_dataset
from medimg_cnn.errors import MedimgCnnWarning

PARTS = np.repeat(["train", "val", "test"], (60, 30, 30))


def npz(path: Path, images: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> Path:
    arrays: dict[str, Any] = {}
    for part in np.unique(PARTS):
        rows = part == PARTS
        arrays |= {
            f"{part}_images": images[rows],
            f"{part}_labels": labels[rows],
            f"{part}_who": patients[rows],
        }
    np.savez(path, **arrays)
    return path


def given_parts(tmp_path: Path, images: np.ndarray, labels: np.ndarray, **options: Any) -> AuditReport:
    """Return the audit of images in given parts, 60 / 30 / 30, and what it warned of is not looked at."""
    patients = options.pop("who", np.arange(120))
    path = npz(tmp_path / "a.npz", images, labels, patients)
    with pytest.warns(MedimgCnnWarning):
        data = load_dataset(path, positive=1, patients="who", **options)
    assert data.audit is not None
    return data.audit


def of(report: AuditReport, code: str) -> Finding:
    (found,) = [item for item in report.findings if item.code == code]
    return found


@pytest.fixture
def images(scenes) -> np.ndarray:  # type: ignore[no-untyped-def]
    made: np.ndarray = scenes(120)
    return made


LABELS = np.arange(120) % 2


def test_nothing_is_found_where_nothing_is_wrong(images: np.ndarray, tmp_path: Path) -> None:
    data = load_dataset(npz(tmp_path / "a.npz", images, LABELS, np.arange(120)), positive=1, patients="who")
    assert data.audit is not None
    assert data.audit.findings == ()
    assert data.audit.not_checked == ()
    assert "Nothing was found." in str(data.audit)


def test_m001_patients_in_two_parts(images: np.ndarray, tmp_path: Path) -> None:
    patients = np.arange(120)
    patients[[5, 70]] = 100
    report = given_parts(tmp_path, images, LABELS, who=patients, allow_shared_patients=True)
    found = of(report, "M001")
    assert (found.severity, found.count) == ("error", 3)
    assert "1 patient with 3 images in more than one part (test and train and validation)" in found.detail


def test_m002_identical_images_in_two_parts(images: np.ndarray, tmp_path: Path) -> None:
    images[[100, 2]] = images[0]
    found = of(given_parts(tmp_path, images, LABELS), "M002")
    assert (found.severity, found.count) == ("error", 3)
    assert "1 content with 3 images in more than one part (test and train)" in found.detail
    assert found.samples == (("test/10", "train/00"), ("test/10", "train/02"))


def test_m003_identical_images_in_one_part(images: np.ndarray, load) -> None:  # type: ignore[no-untyped-def]
    images[[8, 4]] = images[2]
    data, said = load(images)
    found = of(data.audit, "M003")
    assert (found.severity, found.count) == ("info", 3)
    assert set(found.samples) == {("002", "004"), ("002", "008")}
    assert "2 pairs between patients" in found.detail
    assert said == []


def test_m004_near_duplicates_in_two_parts(images: np.ndarray, tmp_path: Path) -> None:
    images[100] = np.clip(images[0] * 1.05, 0, 255)
    images[50] = images[0]  # an equal image beside the near one
    report = given_parts(tmp_path, images, LABELS)
    found = of(report, "M004")
    assert (found.severity, found.count) == ("warning", 3)
    assert set(found.samples) == {("test/10", "train/00"), ("test/10", "train/50")}
    assert report.codes == ("M004", "M003")


def test_m005_and_m007_near_duplicates_with_opposite_labels(images: np.ndarray, load) -> None:  # type: ignore[no-untyped-def]
    images[1] = np.clip(images[0] * 0.9 + 5, 0, 255)
    data, said = load(images)
    assert data.audit.codes == ("M007", "M005")
    assert of(data.audit, "M007").samples == of(data.audit, "M005").samples == (("000", "001"),)
    assert "M007 Near duplicates with opposite labels" in said[0]
    assert len(said) == 1


def test_m006_contradictory_labels(images: np.ndarray, load) -> None:  # type: ignore[no-untyped-def]
    images[[3, 1]] = images[0]
    data, said = load(images)
    found = of(data.audit, "M006")
    assert (found.severity, found.count) == ("error", 3)
    assert len(found.samples) == 2
    assert "3 images of 1 content" in said[0]


def test_m008_blank_images_are_said_and_join_no_one(images: np.ndarray, load) -> None:  # type: ignore[no-untyped-def]
    images[[0, 1, 2]] = 0
    images[3] = 7
    data, said = load(images)
    found = of(data.audit, "M008")
    assert (found.severity, found.count) == ("warning", 4)
    assert data.audit.codes == ("M008",)
    assert data.audit.not_checked == ("Near duplicates: 2 images without detail were not compared.",)
    assert "M008" in said[0]


def pictures(folder: Path, images: np.ndarray, write: Any) -> Path:
    for index, image in enumerate(images):
        target = folder / ("ill" if LABELS[index] else "normal")
        target.mkdir(parents=True, exist_ok=True)
        write(index, Image.fromarray(image), target / f"{index:03d}")
    return folder


@pytest.mark.parametrize(
    ("code", "write"),
    [
        ("M010", lambda i, image, path: image.save(f"{path}.{('png', 'tif')[i % 2]}")),
        ("M011", lambda i, image, path: image.resize((40 + i % 2, 40)).save(f"{path}.png")),
        ("M012", lambda i, image, path: image.convert(("L", "RGB")[i % 2]).save(f"{path}.png")),
        ("M013", lambda i, image, path: (image, to_sixteen(image))[i % 2].save(f"{path}.png")),
        ("M014", lambda i, image, path: image.point(lambda v: v // (1 + i % 2)).save(f"{path}.png")),
    ],
)
def test_shortcuts_of_files(code: str, write: Any, images: np.ndarray, tmp_path: Path) -> None:
    folder = pictures(tmp_path, images, write)
    with pytest.warns(MedimgCnnWarning, match=code):
        data = load_dataset(folder, positive="ill", patients=lambda path: path, image_size=32)
    assert data.audit is not None
    found = of(data.audit, code)
    assert found.severity == "warning"
    assert found.detail.startswith("AUROC 1.000 (0.9")
    # A 16-bit grey file is of another mode as well.
    assert set(data.audit.codes) <= {code, "M012"}


def to_sixteen(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image).astype(np.uint16) * 257)


def test_m015_and_m021_the_site_tells_the_label(images: np.ndarray, load) -> None:  # type: ignore[no-untyped-def]
    site = np.where((LABELS == 1) & (np.arange(120) % 3 > 0), "b", "a")
    data, _ = load(images, subgroups={"Site": site, "sex": LABELS.astype(str)})
    assert data.audit.codes == ("M015", "M021")
    assert "Only one class in a Site" in of(data.audit, "M021").title
    features = {item.feature for item in data.audit.shortcuts}
    assert "Site" in features
    assert "sex" not in features
    site[:30] = "b"
    data, _ = load(images, subgroups={"Site": site})
    assert of(data.audit, "M021").severity == "info"
    assert "Positive: a " in of(data.audit, "M021").detail


def test_m020_prevalence_differs_between_parts(images: np.ndarray, tmp_path: Path) -> None:
    labels = np.where(PARTS == "test", np.arange(120) % 10 > 0, np.arange(120) % 5 == 0).astype(int)
    data = load_dataset(npz(tmp_path / "a.npz", images, labels, np.arange(120)), positive=1, patients="who")
    assert data.audit is not None
    found = of(data.audit, "M020")
    assert found.severity == "info"
    assert "test 90.0%, train 20.0%, validation 20.0%" in found.detail


def test_m020_counts_patients_and_not_images(images: np.ndarray, tmp_path: Path) -> None:
    labels = np.where(PARTS == "test", np.arange(120) % 10 > 0, np.arange(120) % 5 == 0).astype(int)
    path = npz(tmp_path / "a.npz", images, labels, np.arange(120) // 15)
    data = load_dataset(path, positive=1, patients="who")
    assert data.audit is not None
    assert "M020" not in data.audit.codes


def test_m030_unreadable_images(images: np.ndarray, tmp_path: Path) -> None:
    folder = pictures(tmp_path, images, lambda _, image, path: image.save(f"{path}.png"))
    (folder / "ill/001.png").write_bytes(b"no image")
    with pytest.warns(MedimgCnnWarning) as caught:
        data = load_dataset(folder, positive="ill", patients=lambda path: path, image_size=32)
    assert data.audit is not None
    assert (of(data.audit, "M030").count, of(data.audit, "M030").severity) == (1, "info")
    assert len(caught) == 1


def test_files_of_equal_pixels_are_equal_whatever_their_format(images: np.ndarray, tmp_path: Path) -> None:
    images[3] = images[1]

    def write(index: int, image: Image.Image, path: Path) -> None:
        image.save(f"{path}.{'bmp' if index == 3 else 'png'}")

    data = load_dataset(
        pictures(tmp_path, images, write), positive="ill", patients=lambda path: path, image_size=32
    )
    assert data.audit is not None
    assert of(data.audit, "M003").samples == (("ill/001.png", "ill/003.bmp"),)


@pytest.mark.parametrize("bits", [8, 16])
def test_pixels_of_8_and_16_bits_are_compared(bits: int, images: np.ndarray, tmp_path: Path) -> None:
    images[3] = images[1]

    def write(index: int, image: Image.Image, path: Path) -> None:
        (to_sixteen(image) if index == 3 or bits == 16 else image).save(f"{path}.png")

    data = load_dataset(
        pictures(tmp_path, images, write), positive="ill", patients=lambda path: path, image_size=32
    )
    assert data.audit is not None
    assert "M003" in data.audit.codes


@settings(max_examples=8)
@given(
    st.permutations(range(40)),
    st.lists(
        st.tuples(st.integers(0, 29), st.booleans()), min_size=1, max_size=10, unique_by=lambda pair: pair[0]
    ),
)
def test_findings_do_not_depend_on_the_order_of_rows(
    order: list[int], copies: list[tuple[int, bool]]
) -> None:
    images = np.random.default_rng(5).integers(0, 230, (40, 20, 20), dtype=np.uint8)
    for target, (source, exact) in enumerate(copies, start=30):
        images[target] = images[source] if exact else np.rint(images[source] * 0.95 + 3)
    labels = np.arange(40) % 2
    labels[30:] = np.arange(10) % 3 > 0

    def run(rows: np.ndarray) -> AuditReport:
        with pytest.warns(MedimgCnnWarning) if contradictory else nullcontext():
            data = load_dataset((images[rows], labels[rows]), positive=1, patients=rows, seed=3)
        assert data.audit is not None
        return data.audit

    contradictory = any(labels[30 + place] != labels[source] for place, (source, _) in enumerate(copies))
    before, after = run(np.arange(40)), run(np.array(order))
    assert [(item.code, item.count, item.detail) for item in after.findings] == [
        (item.code, item.count, item.detail) for item in before.findings
    ]
    # A copy that was added is found, whatever else there is.
    named = [set(map(int, pair)) for pair in before.pairs()[["sample_id_1", "sample_id_2"]].to_numpy()]
    for place, (source, _) in enumerate(copies):
        assert {30 + place, source} in named


def test_every_code_has_what_to_do_and_no_id_in_its_words(images: np.ndarray, tmp_path: Path) -> None:
    images[100] = images[0]
    images[101] = np.clip(images[1] * 1.05, 0, 255)
    report = given_parts(tmp_path, images, LABELS)
    assert len(report.findings) >= 2
    for item in report.findings:
        assert re.fullmatch(r"M\d{3}", item.code)
        assert item.what_to_do.endswith(".")
        assert "train/" not in item.detail + item.what_to_do + item.title
