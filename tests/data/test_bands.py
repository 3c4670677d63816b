from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn import clinical_report
from medimg_cnn.data import LeaveOneSiteOut, bands, load_dataset, load_external
from medimg_cnn.errors import ArgumentError

NUMBERS = st.lists(st.integers(-1000, 1000), min_size=1, max_size=50)
CUTS = st.sets(st.integers(-500, 500), min_size=1, max_size=5).map(sorted)


@given(NUMBERS, CUTS)
def test_each_number_is_in_the_band_that_its_name_says(values: list[int], cuts: list[int]) -> None:
    for value, name in zip(values, bands(values, cuts).tolist(), strict=True):
        below = [cut for cut in cuts if cut <= value]
        above = [cut for cut in cuts if cut > value]
        if not below:
            assert name == f"under {cuts[0]}"
        elif not above:
            assert name == f"{cuts[-1]} and over"
        else:
            low, high = below[-1], above[0] - 1
            assert name == (f"{low}" if low == high else f"{low} to {high}")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_quartiles_make_at_most_four_bands_of_any_numbers(values: list[float]) -> None:
    found = bands(values)
    assert found.shape == (len(values),)
    assert 1 <= len(set(found.tolist())) <= 4


def test_quartiles_are_near_a_quarter_each() -> None:
    ages = np.random.default_rng(0).normal(58, 15, 1000).round()
    counts = Counter(bands(ages).tolist())
    assert len(counts) == 4
    assert all(200 < count < 300 for count in counts.values())


def test_decimals_missing_values_and_texts() -> None:
    assert bands([0.5, 1.0, 2.5, math.nan], (1,)).tolist() == [
        "under 1",
        "1 and over",
        "1 and over",
        "not recorded",
    ]
    assert bands([1.5, 2.0], (1, 2.5)).tolist() == ["1 to under 2.5"] * 2
    assert bands(["40", "NA", "", " 61 "], (60,)).tolist() == [
        "under 60",
        *["not recorded"] * 2,
        "60 and over",
    ]
    assert bands([5, 5]).tolist() == ["5", "5"]
    assert bands([None, None]).tolist() == ["not recorded"] * 2


@pytest.mark.parametrize("cuts", [(), (60, 40), (40, 40), ("a",), 5, (math.nan,), [[1, 2]]])
def test_cut_points_that_cannot_be(cuts: object) -> None:
    with pytest.raises(ArgumentError, match=r"values: cut points must be finite numbers that increase; got"):
        bands([1, 2], cuts)


def test_words_are_no_numbers() -> None:
    with pytest.raises(ArgumentError, match=r"age: every value must be a number, or missing.*got 'old'"):
        bands(["40", "old"], (60,), name="age")


def write_table(root: Path, columns: dict[str, Callable[[int], object]]) -> Path:
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    rows = [
        ",".join(str(item) for item in (path, path.split("/")[0], *(make(row) for make in columns.values())))
        for row, path in enumerate(paths)
    ]
    (root / "labels.csv").write_text("\n".join([",".join(["path", "label", *columns]), *rows]) + "\n")
    return root / "labels.csv"


@pytest.fixture
def table(make_folder: Callable[..., Path]) -> Path:
    """40 images: ages 30 to 69, 12 numbered sites, a sex, and a ward with leading zeros."""
    root = make_folder({"normal": 20, "tumour": 20})
    return write_table(
        root,
        {
            "patient": lambda row: f"P{row}",
            "age": lambda row: 30 + row if row else "",
            "centre": lambda row: row % 12 + 1,
            "sex": lambda row: "fm"[row % 2],
            "ward": lambda row: f"{row:03d}",
        },
    )


def load(table: Path, **given: object) -> object:
    return load_dataset(table, patients="patient", image_size=8, **given)


def test_a_column_of_many_numbers_is_cut_and_that_is_noted(table: Path) -> None:
    data = load(table, subgroups=("age", "sex", "ward"))
    assert set(data.table["age"]) == {"not recorded", "under 41", "41 to 49", "50 to 59", "60 and over"}
    assert set(data.table["sex"]) == {"f", "m"}
    assert data.table["ward"].nunique() == 40  # codes, by their zeros
    (note,) = (note for note in data.notes if "quartiles" in note)
    assert "'age' holds 39 different numbers, and was cut at its quartiles, 41, 50, 60." in note
    assert "subgroups={'age': (...)}" in note


def test_cut_points_are_those_of_the_user(table: Path) -> None:
    data = load(table, subgroups={"age": (40, 60), "sex": None})
    assert set(data.table["age"]) == {"not recorded", "under 40", "40 to 59", "60 and over"}
    assert not any("quartiles" in note for note in data.notes)
    kept = load(table, subgroups={"age": ()})
    assert kept.table["age"].nunique() == 40
    with pytest.raises(ArgumentError, match=r"subgroups\['sex'\]: every value must be a number.*got 'f'"):
        load(table, subgroups={"sex": (1, 2)})
    with pytest.raises(ArgumentError, match=r"subgroups\['age'\]: cut points must be .* increase"):
        load(table, subgroups={"age": (60, 40)})


@pytest.mark.parametrize("subgroups", ["age", 3, {"age"}])
def test_what_names_no_columns(table: Path, subgroups: object) -> None:
    with pytest.raises(ArgumentError, match="subgroups: must be names of columns, or a mapping"):
        load(table, subgroups=subgroups)


def test_an_external_set_is_cut_where_it_is_told(table: Path) -> None:
    data = load(table)
    external = load_external(
        table,
        preprocessing=data.preprocessing,
        classes=data.classes,
        patients="patient",
        subgroups={"age": (50,)},
    )
    assert set(external.subgroups["age"].tolist()) == {"not recorded", "under 50", "50 and over"}


def test_numbered_sites_stay_apart_where_the_data_are_divided_by_site(table: Path) -> None:
    data = load(table, subgroups=("centre",))
    assert data.table["centre"].nunique() == 4
    folds = list(data.folds(LeaveOneSiteOut(column="centre", validation=0.0)))
    assert {fold.name for fold in folds} == {f"centre {number}" for number in range(1, 13)}


def test_numbers_given_for_arrays_are_cut_and_texts_are_not(make_arrays: Callable[..., object]) -> None:
    ages = np.linspace(20, 79, 60).round().astype(int)
    groups = {"age": ages, "room": ages.astype(str), "decade": bands(ages, range(30, 80, 10))}
    data = load_dataset(make_arrays(60), positive=1, patients=np.arange(60), subgroups=groups)
    assert data.table["age"].nunique() == 4
    assert data.table["room"].nunique() == 60
    assert data.table["decade"].nunique() == 6


def test_a_report_cuts_numbers_in_the_same_way() -> None:
    generator = np.random.default_rng(0)
    y = np.arange(200) % 2
    ages = generator.integers(30, 90, 200)
    groups = {"age": ages, "room": ages.astype(str), "stage": y + 1}
    inputs = clinical_report(y, generator.random(200), subgroups=groups, bootstrap=100).evidence.inputs
    assert inputs.subgroups["age"].tolist() == bands(ages).tolist()
    assert inputs.subgroups["room"].tolist() == ages.astype(str).tolist()
    assert set(inputs.subgroups["stage"].tolist()) == {"1", "2"}
