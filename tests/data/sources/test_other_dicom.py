"""What a PACS exports beside images: reports, presentation states, documents and the directory of the medium."""

from __future__ import annotations

import gc
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from medimg_cnn.data import dicom_identifiers, is_image_file, load_dataset, read_image
from medimg_cnn.errors import ImageReadError

STORAGE = "1.2.840.10008.5.1.4.1.1"
IMAGE = f"{STORAGE}.7"
KINDS = {
    f"{STORAGE}.88.11": "DICOM structured reports",
    f"{STORAGE}.88.67": "DICOM structured reports",
    f"{STORAGE}.88.59": "DICOM key object selections",
    f"{STORAGE}.11.1": "DICOM presentation states",
    f"{STORAGE}.104.1": "DICOM encapsulated documents",
    f"{STORAGE}.9.1.1": "DICOM waveforms",
    f"{STORAGE}.481.5": "DICOM radiotherapy plans and records",
    f"{STORAGE}.66.1": "DICOM raw data and registrations",
}


def write(path: Path, sop_class: str, *, study: str, seed: int = 0) -> Path:
    """Write a DICOM file with the essence of its kind: pixels, a document, a content tree."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = sop_class
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    data.StudyInstanceUID, data.SeriesInstanceUID = study, f"{study}.1"
    data.PatientID, data.PatientName, data.StudyID = study, "SECRET", "1"
    data.StudyDate, data.StudyTime, data.Modality = "20200101", "120000", "OT"
    data.SeriesNumber = data.InstanceNumber = 1
    if sop_class == IMAGE:
        data.Rows, data.Columns, data.SamplesPerPixel = 8, 8, 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
        data.PixelData = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8).tobytes()
    elif sop_class.startswith(f"{STORAGE}.104."):
        data.MIMETypeOfEncapsulatedDocument = "application/pdf"
        data.EncapsulatedDocument = b"%PDF-1.4\n%%EOF\n "
    elif sop_class.startswith(f"{STORAGE}.88."):
        item = pydicom.Dataset()
        item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", "SECRET"
        data.ValueType, data.ContentSequence = "CONTAINER", [item]
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture(params=[".dcm", ""], ids=["suffix", "no suffix"])
def export(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two folders of 20 studies; some have more than an image."""
    suffix = request.param
    number = 0
    for label in ("healthy", "ill"):
        for study in range(20):
            folder = tmp_path / "export" / label / f"st{study:02d}"
            write(folder / f"im{suffix}", IMAGE, study=f"1.{number}", seed=number)
            if study < len(KINDS):
                write(folder / f"more{suffix}", list(KINDS)[study], study=f"1.{number}")
            number += 1
    return tmp_path / "export"


COUNTED = {f"Passed over {kind}: {2 * count}." for kind, count in Counter(KINDS.values()).items()}


def test_what_is_no_image_is_passed_over_and_counted_by_kind(export: Path) -> None:
    data = load_dataset(export, patients=lambda path: path, image_size=8)
    assert sum(part.n for part in data.parts) == 40
    assert len(data.unreadable) == 0
    assert {note for note in data.notes if note.startswith("Passed over")} == COUNTED


def test_also_in_an_archive(export: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(export.rglob("*")):
            archive.write(path, path.relative_to(export).as_posix())
    data = load_dataset(tmp_path / "export.zip", patients=lambda path: path, image_size=8)
    assert {note for note in data.notes if note.startswith("Passed over")} == COUNTED
    assert data.fingerprint == load_dataset(export, patients=lambda path: path, image_size=8).fingerprint


def test_also_where_a_table_names_the_studies(export: Path, tmp_path: Path) -> None:
    rows = [f"1.{number},{'ill' if number >= 20 else 'healthy'}" for number in range(40)]
    (tmp_path / "labels.csv").write_text("\n".join(["StudyInstanceUID,label", *rows]) + "\n")
    data = load_dataset(tmp_path / "labels.csv", root=export, dicom_key="StudyInstanceUID", image_size=8)
    assert sum(part.n for part in data.parts) == 40
    assert set(data.notes) >= COUNTED


def write_directory(paths: list[Path], medium: Path) -> bytes:
    """Return the DICOMDIR of a medium with these files."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # pydicom leaves its temporary folder to the collector
        files = FileSet()
        for path in paths:
            files.add(path)
        files.write(medium)
        del files
        gc.collect()
    return (medium / "DICOMDIR").read_bytes()


@pytest.mark.parametrize("name", ["DICOMDIR", "index.dcm"])
def test_the_directory_of_a_medium(tmp_path: Path, name: str) -> None:
    paths = [
        write(
            tmp_path / "root" / ("ill" if number % 2 else "healthy") / f"{number}.dcm",
            IMAGE,
            study=f"1.{number}",
            seed=number,
        )
        for number in range(40)
    ]
    (tmp_path / "root" / name).write_bytes(write_directory(paths, tmp_path / "medium"))
    data = load_dataset(tmp_path / "root", patients=lambda path: path, image_size=8)
    assert sum(part.n for part in data.parts) == 40
    assert "Passed over DICOM directories of media (DICOMDIR): 1." in data.notes


@pytest.mark.parametrize("sop_class", KINDS)
def test_named_by_itself_it_is_refused_without_a_word_of_its_content(tmp_path: Path, sop_class: str) -> None:
    path = write(tmp_path / "a.dcm", sop_class, study="1.2")
    kind = KINDS[sop_class].removeprefix("DICOM ")
    assert not is_image_file(path)
    assert dicom_identifiers(path)["study_uid"] == "1.2"
    with pytest.raises(ImageReadError, match=rf"a\.dcm: .*DICOM without an image \({kind}\)") as caught:
        read_image(path)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "sop_class", [f"{STORAGE}.{end}" for end in ("1", "2", "66.4", "481.1", "481.2", "77.1.5.1")]
)
def test_kinds_with_an_image_are_taken(tmp_path: Path, sop_class: str) -> None:
    path = write(tmp_path / "a.dcm", IMAGE, study="1.2")
    data = pydicom.dcmread(path)
    data.file_meta.MediaStorageSOPClassUID = sop_class
    data.save_as(path)
    assert is_image_file(path)


def test_an_image_that_lost_its_pixels_is_unreadable_not_passed_over(tmp_path: Path) -> None:
    for number in range(120):
        write(
            tmp_path / f"{'ill' if number % 2 else 'healthy'}/{number}.dcm",
            IMAGE,
            study=f"1.{number}",
            seed=number,
        )
    broken = pydicom.dcmread(tmp_path / "ill/1.dcm")
    del broken.PixelData
    broken.save_as(tmp_path / "ill/1.dcm")
    with pytest.warns(match="1 of 120 images cannot be read"):
        data = load_dataset(tmp_path, patients=lambda path: path, image_size=8)
    assert data.unreadable["sample_id"].tolist() == ["ill/1.dcm"]
