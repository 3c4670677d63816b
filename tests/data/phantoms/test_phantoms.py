"""The phantoms are deterministic, honest, valid, and neither trivial nor hopeless."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medimg_cnn.data.phantoms import make_phantoms, render_phantom
from medimg_cnn.data.phantoms._anatomy import draw_patient
from medimg_cnn.errors import ArgumentError

CLASSES = ("no_lesion", "lesion")


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def draw(seed: int, *, patients: int, effect: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (n, 64, 64), labels and patients, half of the patients with a lesion."""
    images, labels, owners = [], [], []
    for patient in range(patients):
        for image in range(2):
            labels.append(patient % 2)
            owners.append(patient)
            grey = render_phantom(
                seed=seed,
                patient=patient,
                image=image,
                lesion=bool(patient % 2),
                effect=effect,
                site=patient // 2 % 3,
            )
            images.append(grey[:, :, 0])
    return np.stack(images), np.array(labels), np.array(owners)


def grey_statistics(images: np.ndarray) -> np.ndarray:
    flat = images.reshape(len(images), -1)
    percentiles = np.percentile(flat, [1, 5, 10, 25, 50, 75, 90, 95, 99], axis=1).T
    return np.column_stack([flat.mean(1), flat.std(1), percentiles])


def lesion_contrast(image: np.ndarray, *, seed: int, patient: int) -> float:
    """How far the place where the patient's lesion is, or would be, stands out from around it.

    The place is known and only the contrast is asked for: the classical signal-known-exactly observer.
    """
    x, y, radius, _ = draw_patient(np.random.default_rng((seed, 0, patient))).lesion
    down, right = (np.mgrid[0:64, 0:64] + 0.5) / 32 - 1
    distance = np.hypot(right - x, down - y) / radius
    around = (distance > 1.5) & (distance < 2.5)
    return float(image[distance < 0.8].mean() - image[around].mean())


# --- determinism -------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**31 - 1),
    patient=st.integers(0, 10_000),
    site=st.integers(0, 25),
    effect=st.floats(0, 10),
    size=st.sampled_from([(16, 16), (33, 20), (48, 48)]),
)
def test_an_image_is_a_pure_function_in_range(seed, patient, site, effect, size):
    options = {"seed": seed, "patient": patient, "image": 2, "site": site, "effect": effect}
    first = render_phantom(lesion=True, image_size=size, **options)
    second = render_phantom(lesion=True, image_size=size, **options)
    assert first.shape == (*size, 1)
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 1
    np.testing.assert_array_equal(first, second)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31 - 1), patient=st.integers(0, 10_000), image=st.integers(0, 20))
def test_without_an_effect_the_class_changes_nothing(seed, patient, image):
    options = {"seed": seed, "patient": patient, "image": image, "effect": 0.0}
    np.testing.assert_array_equal(
        render_phantom(lesion=True, **options), render_phantom(lesion=False, **options)
    )


def test_one_number_stands_for_a_square():
    square = render_phantom(seed=1, patient=0, lesion=True, image_size=32)
    np.testing.assert_array_equal(square, render_phantom(seed=1, patient=0, lesion=True, image_size=(32, 32)))


@pytest.mark.parametrize("image_format", ["png", "png16", "dicom"])
def test_the_same_parameters_write_the_same_bytes(tmp_path, image_format):
    options = {"patients": 6, "image_size": 24, "format": image_format, "seed": 5}
    first = make_phantoms(tmp_path / "a", **options)
    second = make_phantoms(tmp_path / "b", **options)
    assert digests(first) == digests(second)
    other = make_phantoms(tmp_path / "c", **options | {"seed": 6})
    images = {name for name in digests(first) if name.endswith((".png", ".dcm"))}
    assert not images & set(digests(other)) or any(
        digests(first)[name] != digests(other)[name] for name in images & set(digests(other))
    )


def test_a_patient_does_not_depend_on_how_many_there_are(tmp_path):
    few = make_phantoms(tmp_path / "few", patients=5, image_size=24, prevalence=0.0)
    many = make_phantoms(tmp_path / "many", patients=9, image_size=24, prevalence=0.0)
    shared = {name: digest for name, digest in digests(few).items() if name.startswith("no_lesion/")}
    assert shared
    assert shared.items() <= digests(many).items()


def test_images_of_a_patient_resemble_each_other_more_than_others_do():
    images, _, owners = draw(0, patients=12, effect=1.0)
    smooth = np.stack([gaussian_filter(image, 2).ravel() for image in images])
    likeness = np.corrcoef(smooth - smooth.mean(axis=0))
    same = (owners[:, None] == owners[None, :]) & ~np.eye(len(owners), dtype=bool)
    other = owners[:, None] != owners[None, :]
    assert likeness[same].mean() > likeness[other].mean() + 0.2


# --- the folder --------------------------------------------------------------------------------------


def test_the_folder_is_what_the_table_says(tmp_path):
    folder = make_phantoms(tmp_path / "p", patients=20, prevalence=0.3, image_size=24, seed=3)
    rows = table(folder)
    written = {path.relative_to(folder).as_posix() for path in folder.glob("*/*")}
    assert {row["path"] for row in rows} == written
    assert all(row["path"].split("/")[0] == row["label"] for row in rows)
    lesion = {row["patient_id"] for row in rows if row["label"] == "lesion"}
    clear = {row["patient_id"] for row in rows if row["label"] == "no_lesion"}
    assert not lesion & clear
    assert len(lesion) == 6
    assert len(lesion | clear) == 20
    counts = [sum(row["patient_id"] == patient for row in rows) for patient in lesion | clear]
    assert min(counts) >= 1
    assert max(counts) <= 4
    assert len(set(counts)) > 1
    for column in ("site", "sex", "age"):  # one value a patient
        assert len({(row["patient_id"], row[column]) for row in rows}) == 20
    assert {row["sex"] for row in rows} == {"F", "M"}
    assert {row["site"] for row in rows} == {"site_A", "site_B", "site_C"}


@settings(max_examples=10)
@given(seed=st.integers(0, 2**31 - 1), patients=st.integers(2, 12), prevalence=st.floats(0, 1))
def test_patients_have_one_class_and_the_wanted_prevalence(tmp_path_factory, seed, patients, prevalence):
    folder = make_phantoms(
        tmp_path_factory.mktemp("p"),
        patients=patients,
        prevalence=prevalence,
        images_per_patient=1,
        image_size=16,
        seed=seed,
    )
    labels = {row["patient_id"]: row["label"] for row in table(folder)}
    assert len(labels) == patients == len(table(folder))
    assert sum(label == "lesion" for label in labels.values()) == round(prevalence * patients)


def test_it_says_that_it_is_synthetic(tmp_path):
    folder = make_phantoms(tmp_path / "p", patients=3, image_size=16)
    assert "SYNTHETIC" in (folder / "README.txt").read_text(encoding="utf-8")
    assert json.loads((folder / "phantoms.json").read_text(encoding="utf-8"))["synthetic"] is True
    assert "synthetic" in (make_phantoms.__doc__ or "")


def test_phantoms_of_the_same_parameters_are_used_as_they_are(tmp_path):
    folder = make_phantoms(tmp_path / "p", patients=3, image_size=16)
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert make_phantoms(folder, patients=3, image_size=16) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == stamps


def test_an_empty_folder_is_filled_and_nothing_is_left_beside_it(tmp_path):
    (tmp_path / "p").mkdir()
    make_phantoms(tmp_path / "p", patients=3, image_size=16)
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_other_folders_are_refused(tmp_path):
    folder = make_phantoms(tmp_path / "p", patients=3, image_size=16)
    with pytest.raises(ArgumentError, match=r"other parameters \(seed=0 there, 1 asked for\)"):
        make_phantoms(folder, patients=3, image_size=16, seed=1)
    next((folder / "lesion").iterdir()).unlink()
    with pytest.raises(ArgumentError, match="has lost 1 of its files"):
        make_phantoms(folder, patients=3, image_size=16)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(ArgumentError, match="must be empty, new, or hold phantoms"):
        make_phantoms(tmp_path / "mine", patients=3, image_size=16)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"
    with pytest.raises(ArgumentError, match="must be a folder"):
        make_phantoms(tmp_path / "mine" / "notes.txt", patients=3, image_size=16)


def test_phantoms_of_another_version_are_refused(tmp_path):
    folder = make_phantoms(tmp_path / "p", patients=3, image_size=16)
    record = json.loads((folder / "phantoms.json").read_text())
    (folder / "phantoms.json").write_text(json.dumps(record | {"version": 999}))
    with pytest.raises(ArgumentError, match="another version"):
        make_phantoms(folder, patients=3, image_size=16)


def test_a_failed_writing_leaves_nothing(tmp_path, monkeypatch):
    from medimg_cnn.data.phantoms import _make

    written = []

    def fail_at_the_third(*args, **options):
        written.append(args)
        if len(written) == 3:
            raise OSError("disk full")

    monkeypatch.setattr(_make, "write_image", fail_at_the_third)
    with pytest.raises(OSError, match="disk full"):
        make_phantoms(tmp_path / "p", patients=5, image_size=16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patients": 1}, "patients"),
        ({"patients": 2.5}, "patients"),
        ({"images_per_patient": (0, 2)}, "images_per_patient"),
        ({"images_per_patient": (3, 2)}, "images_per_patient"),
        ({"images_per_patient": "12"}, "images_per_patient"),
        ({"prevalence": 1.1}, "prevalence"),
        ({"effect": -1}, "effect"),
        ({"effect": float("nan")}, "effect"),
        ({"image_size": 8}, "image_size"),
        ({"format": "PNG"}, "format"),
        ({"sites": 27}, "sites"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_wrong_argument_is_named(tmp_path, options, message):
    with pytest.raises(ArgumentError, match=message):
        make_phantoms(tmp_path / "p", **options)
    assert not (tmp_path / "p").exists()


# --- the formats -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image_format", "levels", "dtype"),
    [("png", 255, np.uint8), ("png16", 65_535, np.uint16), ("dicom", 4_095, np.uint16)],
)
def test_files_read_back_to_the_pixels_drawn(tmp_path, image_format, levels, dtype):
    folder = make_phantoms(tmp_path / "p", patients=4, image_size=(24, 32), format=image_format, seed=9)
    for row in table(folder):
        number, image = row["path"].split("/")[1].split(".")[0].removeprefix("P").split("_")
        drawn = render_phantom(
            seed=9,
            patient=int(number),
            image=int(image),
            lesion=row["label"] == "lesion",
            site="ABC".index(row["site"][-1]),
            image_size=(24, 32),
        )[:, :, 0]
        path = folder / row["path"]
        if image_format == "dicom":
            stored = pydicom.dcmread(path).pixel_array
        else:
            with Image.open(path) as opened:
                stored = np.asarray(opened)
        assert stored.dtype == dtype
        np.testing.assert_array_equal(stored, np.rint(drawn * np.float32(levels)))


def test_sixteen_bits_are_used(tmp_path):
    folder = make_phantoms(tmp_path / "p", patients=2, image_size=64, format="png16", images_per_patient=1)
    with Image.open(folder / table(folder)[0]["path"]) as opened:
        assert np.unique(np.asarray(opened)).size > 1000


def test_dicom_files_are_complete_and_say_synthetic(tmp_path):
    folder = make_phantoms(tmp_path / "p", patients=4, image_size=24, format="dicom")
    seen = set()
    for row in table(folder):
        dataset = pydicom.dcmread(folder / row["path"])  # strict: a preamble and meta header are needed
        assert list(dataset.ImageType)[-1] == "SYNTHETIC"
        assert dataset.SyntheticData == "YES"
        assert dataset.ConversionType == "SYN"
        assert "SYNTHETIC" in dataset.ImageComments
        assert str(dataset.PatientName).startswith("SYNTHETIC")
        assert dataset.PatientID == row["patient_id"]
        assert dataset.PatientSex == row["sex"]
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert all(
            pydicom.uid.UID(uid).is_valid
            for uid in (dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID)
        )
        # Types 1 and 2 of the secondary capture IOD (PS3.3 A.8.1): present, type 1 not empty.
        for keyword in [
            "PatientBirthDate",
            "StudyDate",
            "StudyTime",
            "ReferringPhysicianName",
            "StudyID",
            "AccessionNumber",
        ]:
            assert keyword in dataset
        for keyword in [
            "Modality",
            "Rows",
            "Columns",
            "BitsAllocated",
            "BitsStored",
            "HighBit",
            "SamplesPerPixel",
            "PhotometricInterpretation",
            "PixelData",
            "InstanceNumber",
            "SeriesNumber",
        ]:
            assert dataset[keyword].value not in (None, "")
        seen.add((dataset.SOPInstanceUID, dataset.StudyInstanceUID, row["patient_id"]))
    assert len({uid for uid, _, _ in seen}) == len(table(folder))
    assert len({uid for _, uid, _ in seen}) == 4


# --- how hard it is ----------------------------------------------------------------------------------


def test_grey_levels_alone_hardly_tell_the_classes_apart():
    images, labels, owners = draw(0, patients=300, effect=1.0)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    scores = cross_val_predict(
        model, grey_statistics(images), labels, groups=owners, cv=GroupKFold(5), method="decision_function"
    )
    assert 0.40 < roc_auc_score(labels, scores) < 0.65


def test_a_lesion_detector_works_as_far_as_there_is_an_effect():
    aurocs = {}
    for effect in (0.0, 1.0, 3.0):
        images, labels, patients = draw(1, patients=150, effect=effect)
        scores = [
            lesion_contrast(image, seed=1, patient=int(patient))
            for image, patient in zip(images, patients, strict=True)
        ]
        aurocs[effect] = roc_auc_score(labels, scores)
    assert aurocs[0.0] == pytest.approx(0.5, abs=0.09)
    assert 0.80 < aurocs[1.0] < 0.97
    assert aurocs[3.0] > aurocs[1.0]
