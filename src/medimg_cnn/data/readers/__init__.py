"""Reads image files: which reader is told from the content of a file."""

from medimg_cnn.data.readers._base import DecodedImage, Reader
from medimg_cnn.data.readers._options import CT_WINDOWS, ReadOptions
from medimg_cnn.data.readers._read import (
    dicom_identifiers,
    is_image_file,
    read_decoded,
    read_image,
    register_reader,
)

__all__ = [
    "CT_WINDOWS",
    "DecodedImage",
    "ReadOptions",
    "Reader",
    "dicom_identifiers",
    "is_image_file",
    "read_decoded",
    "read_image",
    "register_reader",
]
