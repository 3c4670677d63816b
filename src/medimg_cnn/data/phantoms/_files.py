"""Writes one phantom as PNG or DICOM. Every DICOM file says that it is synthetic."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np

from medimg_cnn._types import Image
from medimg_cnn.data.phantoms._cohort import Cohort, Shot

__all__ = ["quantise", "write_image"]

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "medimg_cnn.data.phantoms")
_LEVELS = {"png": 255, "png16": 65_535, "dicom": 4_095}
_SYNTHETIC = "SYNTHETIC"


def quantise(image: Image, format: str) -> np.ndarray[Any, Any]:  # noqa: A002 - the public argument's name
    """Return the stored grey levels: (height, width), uint8 for "png", else uint16 ("dicom": 12 bits)."""
    levels = _LEVELS[format]
    grey: Image = np.rint(image[:, :, 0] * np.float32(levels))
    kind: type[np.unsignedinteger[Any]] = np.uint8 if levels == 255 else np.uint16
    return grey.astype(kind)


def write_image(target: Path, image: Image, *, cohort: Cohort, shot: Shot) -> None:
    """Write one image, (height, width, 1) float32 in 0-1, in the cohort's format."""
    pixels = quantise(image, cohort.format)
    if cohort.format == "dicom":
        _write_dicom(target, pixels, cohort=cohort, shot=shot)
    else:
        from PIL import Image as PillowImage

        PillowImage.fromarray(pixels).save(target, format="PNG", compress_level=3)


def _write_dicom(target: Path, pixels: np.ndarray[Any, Any], *, cohort: Cohort, shot: Shot) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    member = shot.member
    sop_uid = _uid(cohort, member.number, shot.image)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = sop_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _uid("medimg_cnn.data.phantoms")

    dataset = Dataset()
    dataset.file_meta = meta
    # The marks of synthetic data; the conversion type SYN is the standard's "synthetic image".
    dataset.ImageType = ["DERIVED", "SECONDARY", _SYNTHETIC]
    dataset.SyntheticData = "YES"
    dataset.ConversionType = "SYN"
    dataset.QualityControlSubject = "YES"
    dataset.ImageComments = f"{_SYNTHETIC}: drawn by medimg_cnn, shows no person"
    dataset.SeriesDescription = f"{_SYNTHETIC} phantom"
    dataset.Manufacturer = _SYNTHETIC

    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = sop_uid
    dataset.StudyInstanceUID = _uid(cohort, member.number)
    dataset.SeriesInstanceUID = _uid(cohort, member.number, "series")
    dataset.PatientName = f"{_SYNTHETIC}^{member.patient_id}"
    dataset.PatientID = member.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = member.sex
    dataset.PatientAge = f"{member.age:03d}Y"
    dataset.StudyDate = dataset.StudyTime = ""
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = ""
    dataset.Modality = "OT"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = shot.image + 1
    dataset.PatientOrientation = ["L", "F"]
    dataset.BurnedInAnnotation = "NO"

    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096  # the whole range: changes nothing
    dataset.PixelData = pixels.astype("<u2").tobytes()
    dataset.save_as(target, enforce_file_format=True)


def _uid(*parts: object) -> str:
    """Return a UID that depends on nothing but ``parts``, under 2.25 (UUIDs, no registered root needed)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, repr(parts)).int}"
