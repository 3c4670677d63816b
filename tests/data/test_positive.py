from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.data._positive import choose_classes, label_text, says_absence
from medimg_cnn.errors import ArgumentError, LabelError


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("NORMAL", "PNEUMONIA"), ("NORMAL", "PNEUMONIA")),
        (("abscess", "Healthy"), ("Healthy", "abscess")),
        (("no_lesion", "lesion"), ("no_lesion", "lesion")),
        (("non-COVID", "COVID"), ("non-COVID", "COVID")),
        (("melanoma", "without melanoma"), ("without melanoma", "melanoma")),
        (("benign", "malignant"), ("benign", "malignant")),
        (("positive", "negative"), ("negative", "positive")),
        (("yes", "no"), ("no", "yes")),
    ],
)
def test_unmistakable_labels(labels: tuple[str, str], expected: tuple[str, str]) -> None:
    assert choose_classes(dict.fromkeys(labels, 3)) == expected
    assert choose_classes(dict.fromkeys(reversed(labels), 3)) == expected


@pytest.mark.parametrize(
    "labels",
    [
        ("0", "1"),
        ("a", "b"),
        ("cat", "dog"),
        ("benign", "normal"),
        ("1", "2"),
        ("hodgkin", "non_hodgkin"),
        ("contrast", "without_contrast"),
        ("with_contrast", "without_contrast"),
        ("response", "no_response"),
        ("complete", "no_response"),
        ("small-cell", "non-small-cell"),
        ("non_tb", "flu"),
    ],
)
def test_what_is_not_unmistakable_is_asked_for(labels: tuple[str, str]) -> None:
    with pytest.raises(LabelError, match=r"positive=") as caught:
        choose_classes(dict.fromkeys(labels, 7))
    assert all(f"{label!r} (7 images)" in str(caught.value) for label in labels)


@given(
    st.lists(st.text(min_size=1, max_size=8).map(str.strip).filter(bool), min_size=2, max_size=2, unique=True)
)
def test_the_order_of_the_labels_never_matters(labels: list[str]) -> None:
    def outcome(names: list[str]) -> object:
        try:
            return choose_classes(dict.fromkeys(names, 1))
        except LabelError:
            return "asked"

    assert outcome(labels) == outcome(labels[::-1])


@pytest.mark.parametrize(
    ("positive", "labels", "expected"),
    [
        (0, ("0", "1"), ("1", "0")),
        ("1", ("0", "1"), ("0", "1")),
        (np.int64(1), ("0", "1"), ("0", "1")),
        (True, ("False", "True"), ("False", "True")),
        ("pneumonia", ("NORMAL", "PNEUMONIA"), ("NORMAL", "PNEUMONIA")),
        ("normal", ("normal", "pneumonia"), ("pneumonia", "normal")),
    ],
)
def test_the_user_names_it(positive: object, labels: tuple[str, str], expected: tuple[str, str]) -> None:
    assert choose_classes(dict.fromkeys(labels, 1), positive=positive) == expected


def test_a_misspelt_positive_is_answered_with_the_labels() -> None:
    with pytest.raises(ArgumentError, match=r"'normal' \(2 images\).*Did you mean 'pneumonia'"):
        choose_classes({"normal": 2, "pneumonia": 3}, positive="pnuemonia")


def test_booleans_are_unmistakable() -> None:
    for positive, expected in (
        (1, ("False", "True")),
        (0, ("True", "False")),
        (np.int8(1), ("False", "True")),
    ):
        assert choose_classes({"False": 1, "True": 1}, kind="boolean", positive=positive) == expected
    with pytest.raises(ArgumentError, match="positive"):
        choose_classes({"False": 1, "True": 1}, positive=1)  # these are texts
    assert choose_classes({"False": 1, "True": 1}, kind="boolean") == ("False", "True")


@pytest.mark.parametrize("counts", [{}, {"a": 4}, {"a": 4, "b": 5, "c": 6}])
def test_other_than_two_labels(counts: dict[str, int]) -> None:
    with pytest.raises(LabelError, match="two-class dataset") as caught:
        choose_classes(counts, positive="a")
    assert all(repr(label) in str(caught.value) for label in counts)


def test_many_labels_are_listed_with_counts_and_an_end() -> None:
    with pytest.raises(LabelError, match="and 8 more"):
        choose_classes({str(number): number for number in range(20)})


def test_absence_is_told_from_whole_words() -> None:
    assert says_absence("No finding")
    assert not says_absence("nodule")
    assert not says_absence("abnormal")
    assert not says_absence("noncalcified")
    assert not says_absence("without tumour")
    assert says_absence("no-tumour", "glioma")


def test_labels_are_compared_as_texts() -> None:
    assert [label_text(value) for value in (1, 1.0, "1", np.int8(1), True, " x ")] == [
        "1",
        "1",
        "1",
        "1",
        "True",
        "x",
    ]
