"""Which images must stay together: those of one patient, and those of equal content."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import StrVector
from medimg_cnn.errors import SplitError

__all__ = [
    "check_given_parts",
    "groups_of",
    "repeated_contents",
    "shared_patients",
]


def groups_of(patients: StrVector | None, digests: Sequence[str]) -> StrVector:
    """Return a group for each image: its patient, joined with patients who have an image of equal content.

    Where patients are not known a group is a content. Names of groups follow from the images alone.

    Example:
        >>> groups_of(np.array(["a", "b", "c"]), ["1", "2", "1"]).tolist()
        ['a', 'b', 'a']
    """
    contents = np.asarray(digests, dtype=np.str_)
    if patients is None:
        return contents
    parent = {str(patient): str(patient) for patient in np.unique(patients)}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    first: dict[str, str] = {}
    for patient, digest in zip(patients.tolist(), digests, strict=True):
        one, other = root(patient), root(first.setdefault(digest, patient))
        if one != other:
            parent[max(one, other)] = min(one, other)
    return np.array([root(patient) for patient in patients.tolist()], dtype=np.str_)


def shared_patients(patients: StrVector, parts: StrVector) -> list[str]:
    """Return the patients with images in more than one part; "" is no part."""
    known = parts != ""
    pairs = np.unique(np.stack([patients[known], parts[known]]), axis=1)
    names, counts = np.unique(pairs[0], return_counts=True)
    return [str(name) for name in names[counts > 1]]


def check_given_parts(patients: StrVector | None, parts: StrVector, *, origin: str, allow: bool) -> str:
    """Return "" where no patient is in two of the given parts, a sentence where that is allowed.

    Raises:
        SplitError: patients are in more than one part, and that is not allowed.
    """
    crossing = [] if patients is None else shared_patients(patients, parts)
    if not crossing or patients is None:
        return ""
    images = int(np.isin(patients, crossing).sum())
    between = " and ".join(
        sorted({str(part) for part in np.unique(parts[np.isin(patients, crossing)]) if part})
    )
    said = (
        f"{len(crossing)} of {np.unique(patients).size} patients, with {images} images, are in more than one of the "
        f"given parts ({between})"
    )
    if allow:
        return f"{said}: what is measured on these images flatters the model."
    raise SplitError(
        f"{origin}: a patient must be in one part only; {said}. Pass split=None to split "
        "anew by patient, or allow_shared_patients=True to go on and find them in the dataset's table."
    )


def repeated_contents(digests: NDArray[np.str_]) -> int:
    """Return how many images have the content of an earlier one."""
    return int(digests.size - np.unique(digests).size)
