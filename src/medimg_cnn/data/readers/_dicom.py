"""DICOM: from a file's stored values to what a radiologist would be shown, 0 to 1.

Never ``force=True``: a file without its preamble is refused. No text of a tag enters a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from medimg_cnn._types import Image, ImageSize
from medimg_cnn.data.readers._base import DecodedImage, check_pixels, pass_option, unreadable
from medimg_cnn.data.readers._dicom_file import DicomFile
from medimg_cnn.data.readers._dicom_header import open_dicom
from medimg_cnn.data.readers._dicom_values import color_values, display_values
from medimg_cnn.data.readers._options import ReadOptions
from medimg_cnn.data.readers._sniff import is_dicom_image
from medimg_cnn.errors import ImageReadError, MissingDependencyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DicomReader", "read_identifiers"]

_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_COLOR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
_IDENTIFIERS = {
    "patient_id": "PatientID",
    "study_uid": "StudyInstanceUID",
    "series_uid": "SeriesInstanceUID",
    "sop_uid": "SOPInstanceUID",
}


class DicomReader:
    """Reads one frame of a DICOM file with pydicom."""

    name = "dicom"

    def accepts(self, head: bytes) -> bool:
        """Say whether the file has a preamble and the mark of DICOM; a DICOMDIR is no image."""
        return is_dicom_image(head)

    def read(
        self, stream: BinaryIO, options: ReadOptions, *, minimum_size: ImageSize | None = None
    ) -> DecodedImage:
        """Decode one frame; see ``Reader.read``. ``minimum_size`` is not used."""
        del minimum_size
        try:
            return _decode(open_dicom(stream), options)
        except (ImageReadError, MissingDependencyError):
            raise
        except Exception as error:  # noqa: BLE001 - pydicom and its plug-ins raise anything
            raise _damaged(error) from None


def read_identifiers(stream: BinaryIO) -> dict[str, str]:
    """Return the identifiers of a DICOM file, "" where it has none; not to be logged."""
    import pydicom

    try:
        header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(_IDENTIFIERS.values()))
        return {name: str(header.get(keyword) or "").strip() for name, keyword in _IDENTIFIERS.items()}
    except Exception as error:  # noqa: BLE001 - as above
        raise _damaged(error) from None


def _damaged(error: Exception) -> ImageReadError:
    # The text of a foreign error may quote a tag: only its kind is told.
    return unreadable(
        "the DICOM content must be intact",
        f"{type(error).__name__} from the decoder",
        "Get the file again, or check it with a DICOM validator.",
    )


def _decode(file: DicomFile, options: ReadOptions) -> DecodedImage:
    photometric = file.photometric
    if photometric not in _MONOCHROME + _COLOR:
        raise unreadable(
            "the photometric interpretation must be one of " + ", ".join(_MONOCHROME + _COLOR),
            "another",
            "Convert the file, or leave it out.",
        )
    check_pixels(file.rows, file.columns, options)
    frame = _frame(file, options)
    stored, shown_as = file.stored_values(frame)
    if photometric in _MONOCHROME:
        pixels = display_values(stored, file, frame, options)
    elif options.window is not None:
        raise unreadable(
            "window is for grey DICOM images", "a colour image", "Leave out window, or the colour files."
        )
    else:
        pixels = color_values(stored, file, shown_as, options)
    return DecodedImage(
        pixels=_contiguous(pixels),
        bit_depth=8 if file.bits_stored <= 8 else 16 if file.bits_stored <= 16 else 32,
        format="DICOM",
        mode=photometric,
        frames=file.frames,
        metadata=file.facts(),
    )


def _frame(file: DicomFile, options: ReadOptions) -> int:
    if options.frame is None:
        if file.frames > 1:
            raise unreadable(
                "frame must be given for a DICOM file with more than one",
                f"{file.frames} frames and no frame",
                f"{pass_option('frame=0')} There are 0 to {file.frames - 1}.",
            )
        return 0
    if options.frame >= file.frames:
        raise unreadable(
            f"frame must be below the number of frames, {file.frames}",
            options.frame,
            f"{pass_option('frame=0')} There are 0 to {file.frames - 1}.",
        )
    return options.frame


def _contiguous(pixels: NDArray[Any]) -> Image:
    return np.ascontiguousarray(pixels, dtype=np.float32)
