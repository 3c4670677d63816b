"""Patient ids from a pattern over the path, a function of it, or values that the user gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from medimg_cnn._validation import explain
from medimg_cnn.data._positive import label_text
from medimg_cnn.data._records import Patients
from medimg_cnn.data.sources._tables import is_missing, relative_key
from medimg_cnn.errors import ArgumentError, DataError

__all__ = ["patient_column", "patients_from_cells", "patients_from_paths", "patients_from_values"]


_USUAL = frozenset(
    {
        "mrn", "participant", "participantid", "patient", "patientid", "patientidentifier", "patientno",
        "patientnumber", "patients", "pid", "subject", "subjectid",
    }
)  # fmt: skip
# As text: a float of more than 15 digits would be another number.
_FLOAT = re.compile(r"(-?\d+)\.0+")
_RULE = (
    "must be a column name, a compiled pattern, a function of the path, a mapping from the path, or a list or array "
    "with one id for each image"
)


def patient_column(names: Iterable[str]) -> str | None:
    """Return the name of a column that seems to hold patient ids, for a hint and nothing else.

    Example:
        >>> patient_column(["path", "Patient ID", "age"])
        'Patient ID'
    """
    return next((name for name in names if re.sub(r"[\W_]+", "", name).casefold() in _USUAL), None)


def patients_from_cells(cells: Sequence[str]) -> list[str]:
    """Return the ids of a table's column, "12.0" as "12": whoever wrote numbers as floats means the same patient.

    Example:
        >>> patients_from_cells(["12.0", "12", "007", "a.0"])
        ['12', '12', '007', 'a.0']
    """
    whole = (_FLOAT.fullmatch(cell) for cell in cells)
    return [cell if found is None else found[1] for cell, found in zip(cells, whole, strict=True)]


def patients_from_paths(
    patients: Patients, sample_ids: Sequence[str], *, ordered: bool = True
) -> list[str] | None:
    """Return a patient id for each relative path; None where ``patients`` is None.

    Args:
        patients: as in ``load_dataset``.
        sample_ids: the relative paths.
        ordered: the user knows the order of the images, so that plain values can be meant.

    Raises:
        DataError: the pattern does not fit a path, a mapping lacks a path, or an id is missing.
        ArgumentError: ``patients`` is of another kind, or the pattern has no group.
    """
    if patients is None:
        return None
    if isinstance(patients, re.Pattern):
        return _by_pattern(patients, sample_ids)
    if callable(patients):
        return _by_function(patients, sample_ids)
    if isinstance(patients, str):
        raise ArgumentError(
            explain(
                "patients",
                "this source has no table with columns",
                patients,
                "Pass re.compile(...) with one group over the relative path, or a function of it.",
            )
        )
    if isinstance(patients, Mapping):
        return _by_mapping(patients, sample_ids)
    if not ordered and hasattr(patients, "__getitem__"):
        rule = "the files of a source have no order in which values could be given"
        step = "Pass a mapping from the relative path to the id, or a function of the path."
        raise ArgumentError(explain("patients", rule, type(patients).__name__, step))
    return patients_from_values(patients, len(sample_ids))


def patients_from_values(patients: Sequence[Any], n: int) -> list[str]:
    """Return the given ids as texts.

    Raises:
        ArgumentError: their number is not that of the images.
        DataError: an id is missing.
    """
    if not (
        hasattr(patients, "__len__") and hasattr(patients, "__getitem__")
    ):  # a set or generator has no order
        raise ArgumentError(explain("patients", _RULE, patients))
    values = list(patients)
    if len(values) != n:
        raise ArgumentError(f"patients: must hold one id for each of the {n} images; got {len(values)}.")
    return _texts(values)


def _by_mapping(patients: Mapping[str, Any], sample_ids: Sequence[str]) -> list[str]:
    ids = {relative_key(str(path)): value for path, value in patients.items()}
    missing = [path for path in sample_ids if path not in ids]
    if missing:
        raise DataError(
            f"patients: the mapping must have the relative path of every image; {len(missing)} of {len(sample_ids)} "
            f"are not in it, for example {missing[0]!r}."
        )
    return _texts([ids[path] for path in sample_ids])


def _by_pattern(pattern: re.Pattern[str], sample_ids: Sequence[str]) -> list[str]:
    if pattern.groups != 1 and "patient" not in pattern.groupindex:
        raise ArgumentError(
            explain(
                "patients",
                'the pattern must have one group, or one named "patient", that holds the id',
                pattern.pattern,
                r"For example re.compile(r'(\d+)_\d+\.png$').",
            )
        )
    group = "patient" if "patient" in pattern.groupindex else 1
    matches = [pattern.search(sample_id) for sample_id in sample_ids]
    failed = [sample_id for sample_id, match in zip(sample_ids, matches, strict=True) if match is None]
    if failed:
        raise DataError(
            f"patients: the pattern {pattern.pattern!r} must fit the relative path of every image; it does not fit "
            f"{len(failed)} of {len(sample_ids)}, for example {failed[0]!r}."
        )
    return _texts([match.group(group) for match in matches if match is not None])


def _by_function(function: Callable[[str], str], sample_ids: Sequence[str]) -> list[str]:
    return _texts([function(sample_id) for sample_id in sample_ids])


def _texts(values: Sequence[Any]) -> list[str]:
    empty = sum(map(is_missing, values))
    if empty:
        raise DataError(
            f"patients: every image must have a patient id; {empty} of {len(values)} have none. "
            "Leave these images out, or give each an id of its own."
        )
    return [label_text(value) for value in values]
