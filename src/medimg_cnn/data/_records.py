"""What a source hands on: one table of images, column by column, and the means to decode them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from re import Pattern
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from medimg_cnn._types import ImageSize

if TYPE_CHECKING:
    from medimg_cnn.data.readers import DecodedImage, ReadOptions

__all__ = ["DICOM_KEYS", "LabelKind", "Patients", "PixelSource", "Records", "SourceOptions"]

DICOM_KEYS = {"PatientID": "patient_id", "StudyInstanceUID": "study_uid", "SOPInstanceUID": "sop_uid"}
"""What a row of a table of DICOM files may name -> what ``dicom_identifiers`` calls it."""

LabelKind: TypeAlias = Literal["text", "boolean"]
"""Whether labels are words (or numbers), or true booleans."""

Patients: TypeAlias = str | Pattern[str] | Callable[[str], str] | Mapping[str, Any] | Sequence[Any] | None
"""Where patient ids come from: a column, a pattern over the path, a function of it, a
mapping from it, values in the order of the images, or nowhere."""


class PixelSource(Protocol):
    """Decodes images by their position in the table; safe to call from several threads."""

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    @property
    def native_size(self) -> ImageSize | None:
        """(height, width) where every image is known to have it, else None."""
        ...

    def digest(self, index: int) -> str:
        """Return the sha256 of what the image is decoded from; equal content, equal digest."""
        ...

    def decode(self, index: int, options: ReadOptions, minimum_size: ImageSize | None) -> DecodedImage:
        """Return the image as it is stored, before any resizing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The images of a source: row i of every column belongs to image i.

    Attributes:
        sample_ids: a text for each image, each its own; for files the path relative to the root.
        labels: the label of each image as text.
        pixels: decodes image i.
        patients: patient ids, or None where they are not known.
        parts: "train", "validation" or "test" for each image, "" where the source does not say;
            None where it says so for none.
        columns: further columns, name -> texts.
        uncut: the values of those columns that were cut into bands unasked, as they were.
        label_kind: "boolean" where labels are true booleans ("False" and "True").
        origin: the source in words, for messages.
        notes: what a reader should know about how the source was read, one sentence each.
        cautions: what a reader is also to be warned of, one sentence each.
        label_hint: where the labels may not be in the source: a sentence that says how to give them.
        patient_hint: where patients are not known but seem to be found in the source: a sentence that says where.
    """

    sample_ids: Sequence[str]
    labels: Sequence[str]
    pixels: PixelSource
    patients: Sequence[str] | None = None
    parts: Sequence[str] | None = None
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    uncut: Mapping[str, Sequence[str]] = field(default_factory=dict)
    label_kind: LabelKind = "text"
    origin: str
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    label_hint: str = ""
    patient_hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """Where in a source the columns are; each field is an argument of ``load_dataset``."""

    patients: Patients = None
    label: str = "label"
    path: str = "path"
    split: str | None = "split"
    subgroups: Sequence[str] | Mapping[str, Sequence[Any]] = ()
    root: str | None = None
    dicom_key: str | None = None
    shared_patient_ids: bool = False
    one_of: tuple[str, ...] = ()
    """Labels of which a single one is enough, for an external test set."""
    chosen: tuple[str, ...] = ()
    """Labels whose images alone will be used; a source that has them all may leave out the others early."""

    @property
    def subgroup_names(self) -> tuple[str, ...]:
        """The names of the subgroup columns."""
        return tuple(self.subgroups)
