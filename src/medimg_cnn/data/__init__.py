"""From image files to splits that feed a model: readers, sources, splits, preprocessing, phantoms."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from medimg_cnn.data._preprocessing import Preprocessing
from medimg_cnn.data._split import (
    Assignment,
    Cases,
    HoldOut,
    KFold,
    LeaveOneSiteOut,
    NestedKFold,
    Splitter,
)
from medimg_cnn.data.readers import (
    CT_WINDOWS,
    DecodedImage,
    Reader,
    ReadOptions,
    dicom_identifiers,
    is_image_file,
    read_decoded,
    read_image,
    register_reader,
)

if TYPE_CHECKING:
    from medimg_cnn.data._audit import AuditReport, Finding, Shortcut, audit
    from medimg_cnn.data._bands import bands
    from medimg_cnn.data._batches import BatchIterator, Split
    from medimg_cnn.data._dataset import Dataset
    from medimg_cnn.data._external import load_external
    from medimg_cnn.data._load import load_dataset
    from medimg_cnn.data._summary import DatasetSummary
    from medimg_cnn.data.phantoms import make_phantoms

__all__ = [
    "CT_WINDOWS",
    "Assignment",
    "AuditReport",
    "BatchIterator",
    "Cases",
    "Dataset",
    "DatasetSummary",
    "DecodedImage",
    "Finding",
    "HoldOut",
    "KFold",
    "LeaveOneSiteOut",
    "NestedKFold",
    "Preprocessing",
    "ReadOptions",
    "Reader",
    "Shortcut",
    "Split",
    "Splitter",
    "audit",
    "bands",
    "dicom_identifiers",
    "is_image_file",
    "load_dataset",
    "load_external",
    "make_phantoms",
    "read_decoded",
    "read_image",
    "register_reader",
]

# These need Keras, which takes seconds to load and which reading an image does without.
_LAZY = {
    "AuditReport": "_audit",
    "Finding": "_audit",
    "Shortcut": "_audit",
    "audit": "_audit",
    "bands": "_bands",
    "BatchIterator": "_batches",
    "Dataset": "_dataset",
    "DatasetSummary": "_summary",
    "Split": "_batches",
    "load_dataset": "_load",
    "load_external": "_external",
    "make_phantoms": "phantoms",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
