"""Patient ids from a pattern over the path, a function of it, or values that the user gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from medimg_cnn._validation import explain
from medimg_cnn.data._positive import label_text
from medimg_cnn.data._records import Patients
from medimg_cnn.errors import ArgumentError, DataError

__all__ = ["patients_from_paths", "patients_from_values"]


def patients_from_paths(patients: Patients, sample_ids: Sequence[str]) -> list[str] | None:
    """Return a patient id for each relative path; None where ``patients`` is None.

    Raises:
        DataError: the pattern does not fit a path, or an id is empty.
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
    return patients_from_values(patients, len(sample_ids))


def patients_from_values(patients: Sequence[Any], n: int) -> list[str]:
    """Return the given ids as texts.

    Raises:
        ArgumentError: their number is not that of the images.
        DataError: an id is empty.
    """
    try:
        values = [label_text(value) for value in patients]
    except TypeError as error:
        rule = "must be a column name, a compiled pattern, a function of the path, or one id for each image"
        raise ArgumentError(explain("patients", rule, patients)) from error
    if len(values) != n:
        raise ArgumentError(f"patients: must hold one id for each of the {n} images; got {len(values)}.")
    return _none_empty(values)


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
    return _none_empty([match.group(group) or "" for match in matches if match is not None])


def _by_function(function: Callable[[str], str], sample_ids: Sequence[str]) -> list[str]:
    return _none_empty([label_text(function(sample_id)) for sample_id in sample_ids])


def _none_empty(values: list[str]) -> list[str]:
    empty = sum(not value or value in {"None", "nan"} for value in values)
    if empty:
        raise DataError(
            f"patients: every image must have a patient id; {empty} of {len(values)} have none. "
            "Leave these images out, or give each an id of its own."
        )
    return values
