"""The checks of arguments refuse what no number of the machine can hold, and can name any value."""

from __future__ import annotations

from fractions import Fraction

import pytest

import medimg_cnn as mc
from medimg_cnn._validation import check_fraction, check_integer, check_number, explain
from medimg_cnn.errors import ArgumentError


@pytest.mark.parametrize(
    "value", [10**400, -(10**400), Fraction(10**400, 3), 10**6000], ids=["+", "-", "fraction", "long"]
)
def test_a_number_beyond_any_float_is_refused_in_words(value: object) -> None:
    for check in (check_number, check_fraction):
        with pytest.raises(ArgumentError, match=r"prior: must be a finite number in .*; got "):
            check("prior", value)
    with pytest.raises(ArgumentError, match="whole number of at least 1 and at most 9; got "):
        check_integer("draws", value, low=1, high=9)
    with pytest.raises(ArgumentError, match="prior"):
        mc.build_cnn((8, 8, 1), prior=value)  # type: ignore[arg-type]


def test_a_value_that_python_will_not_print_is_named_by_its_type() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert explain("x", "must be small", 10**6000) == "x: must be small; got int too long to show."
    assert explain("x", "must be flat", deep) == "x: must be flat; got list too long to show."
    assert len(explain("x", "must be short", "a" * 5000)) < 200
