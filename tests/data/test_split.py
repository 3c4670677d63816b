from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.data import Cases, HoldOut, KFold, LeaveOneSiteOut, NestedKFold
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning, SplitError

# Patients with up to 8 images of either class, at up to three sites.
PATIENTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from("abc")).filter(
        lambda row: row[0] + row[1] > 0
    ),
    min_size=30,
    max_size=60,
)
SPLITTERS = st.sampled_from([HoldOut(), HoldOut((0.8, 0.2, 0.0)), KFold(k=3), NestedKFold(outer=2, inner=2)])


def cases_of(patients: list[tuple[int, int, str]]) -> Cases:
    rows = [
        (f"patient {number}", label, site)
        for number, (negative, positive, site) in enumerate(patients)
        for label in [0] * negative + [1] * positive
    ]
    names, labels, sites = zip(*rows, strict=True)
    return Cases(labels=np.array(labels), groups=np.array(names), columns={"site": np.array(sites)})


def enough(patients: list[tuple[int, int, str]]) -> bool:
    return all(sum(row[label] > 0 for row in patients) >= 12 for label in (0, 1))


@given(PATIENTS.filter(enough), SPLITTERS, st.integers(0, 5))
def test_no_patient_in_two_parts_and_every_image_in_one(
    patients: list[tuple[int, int, str]], splitter: HoldOut | KFold | NestedKFold, seed: int
) -> None:
    cases = cases_of(patients)
    for assignment in splitter.assign(cases, seed=seed):
        assert set(assignment.parts.tolist()) <= {"train", "validation", "test"}
        for group in np.unique(cases.groups):
            assert np.unique(assignment.parts[cases.groups == group]).size == 1


@given(PATIENTS.filter(enough), SPLITTERS, st.randoms(use_true_random=False))
def test_the_same_seed_gives_the_same_parts_under_any_permutation(
    patients: list[tuple[int, int, str]], splitter: HoldOut | KFold | NestedKFold, random: object
) -> None:
    cases = cases_of(patients)
    order = list(range(cases.labels.size))
    random.shuffle(order)
    shuffled = Cases(labels=cases.labels[order], groups=cases.groups[order])
    pairs = zip(splitter.assign(cases, seed=3), splitter.assign(shuffled, seed=3), strict=True)
    for plain, permuted in pairs:
        assert plain.name == permuted.name
        assert (plain.parts[order] == permuted.parts).all()


@given(PATIENTS.filter(enough), st.integers(0, 5))
def test_shares_of_each_class_are_within_one_patient(patients: list[tuple[int, int, str]], seed: int) -> None:
    cases = cases_of(patients)
    parts = next(HoldOut((0.6, 0.2, 0.2)).assign(cases, seed=seed)).parts
    largest = max(max(row[:2]) for row in patients)
    for label in (0, 1):
        total = int((cases.labels == label).sum())
        for part, share in zip(("train", "validation", "test"), (0.6, 0.2, 0.2), strict=True):
            found = int(((parts == part) & (cases.labels == label)).sum())
            assert abs(found - share * total) <= largest


def test_seeds_differ() -> None:
    cases = Cases(labels=np.arange(60) % 2, groups=np.arange(60))
    ways = {tuple(next(HoldOut().assign(cases, seed=seed)).parts.tolist()) for seed in range(10)}
    assert len(ways) == 10


def test_nih_prevalences_are_within_three_points_over_many_seeds(shared: Path) -> None:
    with (shared / "data/nih_cxr_pneumonia/labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    labels = np.array([row["label"] == "pneumonia" for row in rows], dtype=np.int8)
    groups = np.array([row["patient_id"] for row in rows])
    worst = 0.0
    for seed in range(100):
        parts = next(HoldOut().assign(Cases(labels=labels, groups=groups), seed=seed)).parts
        shares = [labels[parts == part].mean() for part in ("train", "validation", "test")]
        sizes = [(parts == part).mean() for part in ("train", "validation", "test")]
        worst = max(worst, max(shares) - min(shares))
        assert sizes == pytest.approx([0.7, 0.15, 0.15], abs=0.002)
    assert worst < 0.03


def test_each_image_is_tested_once_in_k_folds() -> None:
    cases = Cases(labels=np.arange(60) % 2, groups=np.arange(60) // 2)
    tested = sum((fold.parts == "test").astype(int) for fold in KFold(k=5).assign(cases, seed=0))
    assert (tested == 1).all()
    assert not any(
        (fold.parts == "validation").any() for fold in KFold(k=5, validation=0).assign(cases, seed=0)
    )


def test_nested_folds_test_once_outside_and_validate_once_inside() -> None:
    cases = Cases(labels=np.arange(72) % 2, groups=np.arange(72))
    ways = list(NestedKFold(outer=3, inner=2).assign(cases, seed=0))
    assert [way.name for way in ways][:3] == [
        "outer 1 of 3, inner 1 of 2",
        "outer 1 of 3, inner 2 of 2",
        "outer 2 of 3, inner 1 of 2",
    ]
    for outer in range(3):
        first, second = ways[2 * outer], ways[2 * outer + 1]
        assert ((first.parts == "test") == (second.parts == "test")).all()
        validated = (first.parts == "validation").astype(int) + (second.parts == "validation")
        assert (validated == (first.parts != "test")).all()


def test_a_site_is_tested_alone_and_its_patients_are_nowhere_else() -> None:
    sites = np.array(["a", "b", "c"] * 40)
    groups = np.array([f"p{index}" for index in range(120)])
    groups[1] = "p0"  # this patient was at a and at b
    cases = Cases(labels=np.arange(120) % 2, groups=groups, columns={"site": sites})
    ways = list(LeaveOneSiteOut().assign(cases, seed=0))
    assert [way.name for way in ways] == ["site a", "site b", "site c"]
    for way, site in zip(ways, "abc", strict=True):
        assert ((way.parts == "test") == (sites == site)).all()
    assert ways[0].parts[1] == ""
    assert ways[1].parts[0] == ""
    assert (ways[2].parts[:2] != "").all()


def test_a_site_of_one_class_is_passed_over() -> None:
    sites = np.array(["a", "b", "c"] * 20)
    labels = np.where(sites == "b", 0, np.arange(60) // 3 % 2)
    cases = Cases(labels=labels, groups=np.arange(60), columns={"site": sites})
    with pytest.warns(MedimgCnnWarning, match=r"both classes are not tested: 'b'\."):
        ways = list(LeaveOneSiteOut().assign(cases, seed=0))
    assert [way.name for way in ways] == ["site a", "site c"]
    assert (ways[0].parts[sites == "b"] != "").all()
    apart = Cases(labels=np.arange(60) % 2, groups=np.arange(60), columns={"site": np.arange(60) % 2})
    with pytest.raises(SplitError, match="not tested: '0', '1'"):
        list(LeaveOneSiteOut().assign(apart, seed=0))


def test_a_site_column_must_be_there_and_name_two_sites() -> None:
    labels = np.arange(10) % 2
    with pytest.raises(SplitError, match=r"no subgroup column 'site'.*'hospital'"):
        next(
            LeaveOneSiteOut().assign(
                Cases(labels=labels, groups=np.arange(10), columns={"hospital": np.arange(10)}), seed=0
            )
        )
    with pytest.raises(SplitError, match="at least two sites"):
        next(
            LeaveOneSiteOut().assign(
                Cases(labels=labels, groups=np.arange(10), columns={"site": ["a"] * 10}), seed=0
            )
        )


def test_too_few_of_a_class_is_an_error_that_counts_them() -> None:
    cases = Cases(labels=np.array([1, 1] + [0] * 50), groups=np.arange(52))
    with pytest.raises(SplitError, match=r"only 2 positive images.*3 parts"):
        next(HoldOut().assign(cases, seed=0))


@pytest.mark.parametrize(
    "fractions", [(0.5, 0.5), (0.7, 0.2, 0.2), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1), "abc"]
)
def test_fractions_are_checked(fractions: object) -> None:
    with pytest.raises(ArgumentError, match="fractions"):
        HoldOut(fractions)


@pytest.mark.parametrize("change", [{"k": 1}, {"validation": 1.0}, {"k": 2.5}])
def test_folds_are_checked(change: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        KFold(**change)


def test_cases_are_checked() -> None:
    with pytest.raises(ArgumentError, match="vector of 0 and 1"):
        Cases(labels=np.array([0, 2]), groups=np.arange(2))
    with pytest.raises(ArgumentError, match="groups: must have the shape"):
        Cases(labels=np.array([0, 1]), groups=np.arange(3))
