"""Who is in a set of phantoms: patients, their classes, sites, and how many images each has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from medimg_cnn._types import ImageSize
from medimg_cnn._validation import (
    check_choice,
    check_fraction,
    check_image_size,
    check_integer,
    check_number,
    check_seed,
    explain,
)
from medimg_cnn.data.phantoms._render import MAXIMUM_EFFECT, MINIMUM_SIDE
from medimg_cnn.errors import ArgumentError

__all__ = ["CLASSES", "Cohort", "Member", "PhantomFormat", "Shot"]

PhantomFormat: TypeAlias = Literal["png", "png16", "dicom"]
CLASSES = ("no_lesion", "lesion")

_SUFFIXES: dict[PhantomFormat, str] = {"png": ".png", "png16": ".png", "dicom": ".dcm"}
_CLASS_STREAM, _MEMBER_STREAM = 3, 4  # 0 to 2 are the renderer's


@dataclass(frozen=True, slots=True)
class Member:
    """One made-up patient.

    Attributes:
        number: from 0.
        lesion: whether there is a lesion; then all images are labelled "lesion".
        images: number of images.
        site: number of the hospital, from 0.
        sex: "F" or "M".
        age: in years.
    """

    number: int
    lesion: bool
    images: int
    site: int
    sex: str
    age: int

    @property
    def patient_id(self) -> str:
        """For example "P0003"."""
        return f"P{self.number:04d}"

    @property
    def label(self) -> str:
        """The name of the class."""
        return CLASSES[self.lesion]


@dataclass(frozen=True, slots=True)
class Shot:
    """One image of one patient: its number within the patient, and its path in the folder."""

    member: Member
    image: int
    path: str

    def row(self) -> dict[str, str | int]:
        """Return the image's row of labels.csv."""
        member = self.member
        return {
            "path": self.path,
            "label": member.label,
            "patient_id": member.patient_id,
            "site": f"site_{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[member.site]}",
            "sex": member.sex,
            "age": member.age,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The parameters of a set of phantoms, checked; see ``make_phantoms`` for their meaning."""

    patients: int
    images_per_patient: tuple[int, int]
    prevalence: float
    effect: float
    image_size: ImageSize
    format: PhantomFormat
    sites: int
    seed: int

    def __post_init__(self) -> None:
        check_integer("patients", self.patients, low=2, high=1_000_000)
        object.__setattr__(self, "images_per_patient", _check_range(self.images_per_patient))
        check_fraction("prevalence", self.prevalence)
        check_number("effect", self.effect, low=0.0, high=MAXIMUM_EFFECT)
        size = check_image_size("image_size", self.image_size)
        check_integer("image_size (shorter side)", min(size), low=MINIMUM_SIDE)
        object.__setattr__(self, "image_size", size)
        check_choice("format", self.format, get_args(PhantomFormat))
        check_integer("sites", self.sites, low=1, high=26)
        check_seed("seed", self.seed)

    def members(self) -> Iterator[Member]:
        """Draw the patients. Sex, age and site say nothing about the class."""
        with_lesion = round(self.prevalence * self.patients)
        rank = np.random.default_rng((self.seed, _CLASS_STREAM)).permutation(self.patients)
        low, high = self.images_per_patient
        for number in range(self.patients):
            rng = np.random.default_rng((self.seed, _MEMBER_STREAM, number))
            yield Member(
                number=number,
                lesion=bool(rank[number] < with_lesion),
                images=int(rng.integers(low, high + 1)),
                site=int(rng.integers(self.sites)),
                sex="FM"[int(rng.integers(2))],
                age=int(np.clip(round(rng.normal(58, 15)), 18, 95)),
            )

    def shots(self) -> list[Shot]:
        """Return every image of every patient, in order."""
        suffix = _SUFFIXES[self.format]
        return [
            Shot(member, image, f"{member.label}/{member.patient_id}_{image}{suffix}")
            for member in self.members()
            for image in range(member.images)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as JSON values."""
        return asdict(self) | {
            "images_per_patient": list(self.images_per_patient),
            "image_size": list(self.image_size),
        }

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Return in words where ``other``, from ``to_dict``, was made otherwise."""
        mine = self.to_dict()
        return [
            f"{field.name}={other.get(field.name)!r} there, {mine[field.name]!r} asked for"
            for field in fields(self)
            if other.get(field.name) != mine[field.name]
        ]


def _check_range(value: object) -> tuple[int, int]:
    if isinstance(value, int) and not isinstance(value, bool):
        value = (value, value)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ArgumentError(
            explain("images_per_patient", "must be (fewest, most) or one number", value, "Pass (1, 4).")
        )
    fewest = check_integer("images_per_patient[0]", value[0], low=1)
    return fewest, check_integer("images_per_patient[1]", value[1], low=fewest, high=1000)
