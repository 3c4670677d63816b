from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from medimg_cnn.data import load_dataset
from medimg_cnn.errors import ArgumentError, DataError, LabelError, MedimgCnnWarning


def write_dicom(path: Path, *, patient: str, study: str, instance: str, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = instance
    data.StudyInstanceUID, data.SeriesInstanceUID, data.PatientID = study, study + ".1", patient
    data.Rows, data.Columns, data.SamplesPerPixel = 8, 8, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.PixelData = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8).tobytes()
    data.save_as(path, enforce_file_format=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """40 patients with one study of two images each; file names say nothing."""
    root = tmp_path / "dicom"
    number = 0
    for patient in range(40):
        for image in range(2):
            write_dicom(
                root / f"{patient % 3}" / f"IM{number:04d}",
                patient=f"PAT{patient}",
                study=f"1.2.{patient}",
                instance=f"1.2.{patient}.9.{image}",
                seed=number,
            )
            number += 1
    return root


def table(tree: Path, key: str, values: list[str]) -> Path:
    path = tree.parent / "labels.csv"
    rows = [
        f"{value},{'ill' if index % 2 else 'healthy'},{'fm'[index % 2]}" for index, value in enumerate(values)
    ]
    path.write_text("\n".join([f"{key},label,sex", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("key", "values", "images"),
    [
        ("PatientID", [f"PAT{number}" for number in range(40)], 80),
        ("StudyInstanceUID", [f"1.2.{number}" for number in range(40)], 80),
        ("SOPInstanceUID", [f"1.2.{number}.9.0" for number in range(40)], 40),
    ],
)
def test_labels_are_joined_by_identifier(tree: Path, key: str, values: list[str], images: int) -> None:
    data = load_dataset(table(tree, key, values), root=tree, dicom_key=key, image_size=8, subgroups=("sex",))
    found = data.table
    assert len(found) == images
    assert found["patient_id"].nunique() == 40
    assert (found.groupby("patient_id")["part"].nunique() == 1).all()
    assert (found["label"] == np.where(found["sex"] == "m", "ill", "healthy")).all()
    assert found["format"].unique().tolist() == ["DICOM"]


def test_patient_ids_of_files_are_kept_as_pseudonyms(tree: Path) -> None:
    path = table(tree, "StudyInstanceUID", [f"1.2.{number}" for number in range(40)])
    options = {"root": tree, "dicom_key": "StudyInstanceUID", "image_size": 8}
    data = load_dataset(path, **options)
    ids = set(data.table["patient_id"])
    assert len(ids) == 40
    assert not any("PAT" in item for item in ids)
    assert any("pseudonyms" in note for note in data.notes)
    for number in range(30, 40):  # other patients' files change nothing
        (tree / f"{number % 3}/IM{2 * number:04d}").unlink()
        (tree / f"{number % 3}/IM{2 * number + 1:04d}").unlink()
    assert set(load_dataset(path, **options).table["patient_id"]) < ids
    asked = load_dataset(path, patients="PatientID", **options)
    assert set(asked.table["patient_id"]) == {f"PAT{number}" for number in range(30)}


def test_what_does_not_match_is_counted(tree: Path) -> None:
    (tree / "report.pdf").write_bytes(b"x")
    (tree / "0/broken.dcm").write_bytes(b"x")
    path = table(tree, "PatientID", [f"PAT{number}" for number in range(30)] + ["PAT99"])
    data = load_dataset(path, root=tree, dicom_key="PatientID", image_size=8)
    notes = " ".join(data.notes)
    assert "Left out DICOM files without a row in labels.csv: 20" in notes
    assert "Left out rows of labels.csv without a file: 1" in notes
    assert "Left out files that cannot be read as DICOM: 1" in notes
    assert "PAT" not in notes


def test_another_name_for_the_column(tree: Path) -> None:
    path = table(tree, "case", [f"PAT{number}" for number in range(40)])
    data = load_dataset(path, root=tree, dicom_key="PatientID", path="case", image_size=8)
    assert len(data.table) == 80


def test_no_match_and_repeated_keys(tree: Path) -> None:
    with pytest.raises(DataError, match="holds none of the 80 DICOM files"):
        load_dataset(table(tree, "PatientID", ["X1", "X2"]), root=tree, dicom_key="PatientID")
    with pytest.raises(DataError, match="1 occur in more"):
        load_dataset(table(tree, "PatientID", ["PAT1", "PAT1"]), root=tree, dicom_key="PatientID")
    with pytest.raises(ArgumentError, match="dicom_key: must be one of"):
        load_dataset(table(tree, "PatientID", ["PAT1"]), root=tree, dicom_key="Patient")
    with pytest.raises(ArgumentError, match="no column 'SOPInstanceUID'"):
        load_dataset(table(tree, "PatientID", ["PAT1"]), root=tree, dicom_key="SOPInstanceUID")


def test_files_without_a_patient_leave_patients_unknown(tmp_path: Path) -> None:
    for number in range(40):
        write_dicom(
            tmp_path / "d" / f"{number}.dcm",
            patient="",
            study=f"1.{number}",
            instance=f"2.{number}",
            seed=number,
        )
    path = table(tmp_path / "d", "StudyInstanceUID", [f"1.{number}" for number in range(40)])
    with pytest.warns(MedimgCnnWarning, match="Patients are not known"):
        data = load_dataset(path, root=tmp_path / "d", dicom_key="StudyInstanceUID", image_size=8)
    assert data.train.patient_ids is None
    with pytest.raises(DataError, match="every file must have a PatientID"):
        load_dataset(path, root=tmp_path / "d", dicom_key="StudyInstanceUID", patients="PatientID")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_dataset(
            path, root=tmp_path / "d", dicom_key="StudyInstanceUID", patients=lambda name: name, image_size=8
        )


def test_those_who_do_not_know_dicom_key_are_told(tree: Path, tmp_path: Path) -> None:
    step = rf"pass it as the source, with root='{re.escape(str(tree))}' and dicom_key= with the name"
    with pytest.raises(LabelError, match=f"found 3 labels.*{step}"):
        load_dataset(tree, patients=lambda path: path)
    (tree.parent / "one").mkdir()
    tree.rename(tree.parent / "one/dicom")
    with pytest.raises(DataError, match=r"all 80 images lie in 'dicom'.*dicom_key="):
        load_dataset(tmp_path / "one", patients=lambda path: path)
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (tmp_path / "one").rglob("IM*"):
        path.rename(flat / path.name)
    with pytest.raises(DataError, match=r"80 lie in the folder itself.*dicom_key="):
        load_dataset(flat, patients=lambda path: path)


def test_a_table_of_identifiers_without_dicom_key_is_told(tree: Path) -> None:
    manifest = table(tree, "PatientID", [f"PAT{index}" for index in range(40)])
    with pytest.raises(ArgumentError, match=r"no column 'path'.*pass dicom_key='PatientID'\."):
        load_dataset(manifest, root=tree)
    table(tree, "path", [f"PAT{index}" for index in range(40)])
    with pytest.raises(DataError, match=r"identifiers in the place of paths pass dicom_key="):
        load_dataset(manifest, root=tree, patients=lambda path: path)


def test_pictures_are_not_told_of_dicom_key(tmp_path: Path) -> None:
    for index in range(3):
        path = tmp_path / "pictures" / str(index) / "1.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"\x89PNG")
    with pytest.raises(LabelError) as caught:
        load_dataset(tmp_path / "pictures", patients=lambda path: path)
    assert "dicom_key" not in str(caught.value)
