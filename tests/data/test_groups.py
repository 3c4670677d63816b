from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.data._groups import (
    check_given_parts,
    groups_of,
    repeated_contents,
    shared_patients,
)
from medimg_cnn.errors import SplitError

ROWS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("0123456789")), min_size=1, max_size=30
)


@given(ROWS)
def test_groups_are_the_connected_patients_and_contents(rows: list[tuple[str, str]]) -> None:
    patients, digests = (list(column) for column in zip(*rows, strict=True))
    groups = groups_of(np.array(patients), digests).tolist()
    # Spread the smallest name along shared patients and contents until nothing changes.
    expected = list(patients)
    changed = True
    while changed:
        changed = False
        for keys in (patients, digests):
            for key in set(keys):
                members = [row for row, other in enumerate(keys) if other == key]
                least = min(expected[row] for row in members)
                changed |= any(expected[row] != least for row in members)
                for row in members:
                    expected[row] = least
    assert groups == expected


def test_a_long_chain_of_copies_is_followed() -> None:
    n = 3000
    patients = np.array([f"{index // 2:05d}" for index in range(2 * n)])
    digests = [f"{(index + 1) // 2}" for index in range(2 * n)]  # each patient shares an image with the next
    assert set(groups_of(patients, digests).tolist()) == {"00000"}


def test_without_patients_a_group_is_a_content() -> None:
    assert groups_of(None, ["x", "y", "x"]).tolist() == ["x", "y", "x"]
    assert repeated_contents(np.array(["x", "y", "x"])) == 1


def test_patients_in_two_parts_are_found() -> None:
    patients = np.array(["a", "a", "b", "b", "c", "c"])
    parts = np.array(["train", "test", "train", "train", "test", ""])
    assert shared_patients(patients, parts) == ["a"]
    assert check_given_parts(None, parts, origin="x", allow=False) == ""
    assert check_given_parts(patients[2:], parts[2:], origin="x", allow=False) == ""


def test_the_error_counts_and_names_no_one() -> None:
    patients = np.array(["Smith^John"] * 2 + ["b", "c"])
    parts = np.array(["train", "test", "train", "test"])
    with pytest.raises(SplitError, match=r"1 of 3 patients, with 2 images.*\(test and train\)") as caught:
        check_given_parts(patients, parts, origin="x", allow=False)
    assert "Smith" not in str(caught.value)
    assert "allow_shared_patients=True" in str(caught.value)
    assert "flatters" in check_given_parts(patients, parts, origin="x", allow=True)
