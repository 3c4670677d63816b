"""Comparisons, differences, subgroups and patients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_oracle
from statsmodels.stats.proportion import confint_proportions_2indep

from medimg_cnn import evaluation as ev
from medimg_cnn.artifacts import OperatingPoint, Predictions
from medimg_cnn.errors import ArgumentError

CELL = st.integers(0, 40)


def predictions(seed: int, *, n: int = 150, shift: float = 1.5, patients: bool = False) -> Predictions:
    """Two seeds give two models of the same cases."""
    case, model = np.random.default_rng(99), np.random.default_rng(seed)
    y = np.arange(n) % 3 == 0
    logit = case.normal(size=n) + model.normal(size=n) * 0.8 + shift * y - 0.5
    names = np.array([f"case-{i:03d}" for i in range(n)])
    return Predictions(
        y_true=y.astype(np.int8),
        logit=logit,
        probability=1.0 / (1.0 + np.exp(-logit)),
        sample_id=names,
        patient_id=np.array([f"p{i // 2}" for i in range(n)]) if patients else None,
        subgroups={"site": np.array(["north" if i % 5 else "south" for i in range(n)])},
    )


@given(n11=CELL, n10=CELL, n01=CELL, n00=CELL)
def test_mcnemar_agrees_with_statsmodels(n11: int, n10: int, n01: int, n00: int) -> None:
    test = ev.mcnemar(ev.PairedCounts(n11=n11, n10=n10, n01=n01, n00=n00))
    table = [[n11, n10], [n01, n00]]
    if n10 + n01 == 0:
        assert (test.p_exact, test.p_mid, test.p_chi2) == (1.0, 1.0, 1.0)
        assert math.isnan(test.chi2)
        return
    assert test.p_exact == pytest.approx(mcnemar_oracle(table, exact=True).pvalue)
    plain = mcnemar_oracle(table, exact=False, correction=False)
    assert (test.chi2, test.p_chi2) == pytest.approx((plain.statistic, plain.pvalue))
    if n10 != n01:
        corrected = mcnemar_oracle(table, exact=False, correction=True)
        assert test.chi2_corrected == pytest.approx(corrected.statistic)


@given(a=st.integers(1, 60), b=st.integers(1, 60), data=st.data())
def test_newcombe_hybrid_agrees_with_statsmodels(a: int, b: int, data: Any) -> None:
    x, z = data.draw(st.integers(0, a)), data.draw(st.integers(0, b))
    item = ev.proportion_difference(x, a, z, b)
    expected = confint_proportions_2indep(x, a, z, b, method="newcomb", compare="diff")
    assert (item.lower, item.upper) == pytest.approx(expected, abs=1e-9)


@given(n11=CELL, n10=CELL, n01=CELL, n00=CELL)
def test_the_bounds_of_tango_solve_the_score_equation(n11: int, n10: int, n01: int, n00: int) -> None:
    counts = ev.PairedCounts(n11=n11, n10=n10, n01=n01, n00=n00)
    n = counts.n
    if n == 0:
        assert not ev.paired_difference(counts).defined
        return
    item = ev.paired_difference(counts)
    for delta in (item.lower, item.upper):
        if abs(delta) < 1.0:
            # The share of b-only cases of greatest likelihood at this difference, by a fine search.
            share = np.linspace(max(0.0, -delta), (1.0 - delta) / 2.0, 200_001)
            with np.errstate(divide="ignore", invalid="ignore"):
                logs = (
                    np.where(n10 == 0, 0.0, n10 * np.log(share + delta))
                    + np.where(n01 == 0, 0.0, n01 * np.log(share))
                    + np.where(n - n10 - n01 == 0, 0.0, (n - n10 - n01) * np.log(1 - 2 * share - delta))
                )
            best = share[np.nanargmax(logs)]
            z = (n10 - n01 - n * delta) / math.sqrt(n * (2 * best + delta * (1 - delta)))
            assert abs(z) == pytest.approx(1.959964, rel=2e-3)


def test_published_paired_differences() -> None:
    """Newcombe 1998, table II, (e, f, g, h) = (36, 12, 2, 0), method 10: 0.0569 to 0.3404."""
    counts = ev.PairedCounts(n11=36, n10=12, n01=2, n00=0)
    item = ev.paired_difference(counts, method="newcombe")
    assert (item.lower, item.upper) == pytest.approx((0.0569, 0.3404), abs=5e-5)
    assert ev.PairedCounts.from_vectors([1, 1, 0], [1, 0, 0]) == ev.PairedCounts(n11=1, n10=1, n01=0, n00=1)


def test_the_standard_error_of_a_near_twin_does_not_cancel() -> None:
    rng = np.random.default_rng(1)
    y = np.arange(2000) < 700
    a = rng.normal(size=2000) + y
    b = a + 1e-9 * rng.normal(size=2000)
    b[:2] = b[:2][::-1]
    test = ev.compare_auroc(y, a, b)
    assert test.difference.standard_error > 0.0
    assert test.z == pytest.approx(test.difference.value / test.difference.standard_error)


def test_paired_comparison_by_patient_equals_that_by_image_for_one_image_each() -> None:
    a, b = predictions(1), predictions(2, shift=1.0)
    plain = ev.compare_auroc(a.y_true, a.probability, b.probability)
    single = ev.compare_auroc(a.y_true, a.probability, b.probability, patients=np.arange(a.n))
    assert single.difference.standard_error == pytest.approx(plain.difference.standard_error)
    assert single.covariance == pytest.approx(plain.covariance)
    expected = plain.a.standard_error**2 + plain.b.standard_error**2 - 2 * plain.covariance
    assert plain.difference.standard_error**2 == pytest.approx(expected)


def test_compare_matches_cases_by_their_id() -> None:
    a, b = predictions(1), predictions(2, shift=1.0)
    order = np.random.default_rng(0).permutation(b.n)
    mixed = Predictions(
        y_true=b.y_true[order],
        logit=b.logit[order],
        probability=b.probability[order],
        sample_id=b.sample_id[order],
    )
    points = {"threshold_a": OperatingPoint(threshold=0.5), "threshold_b": 0.4}
    straight, shuffled = (ev.compare(a, other, margin=0.05, **points) for other in (b, mixed))  # type: ignore[arg-type]
    assert straight == shuffled
    assert straight.sensitivity is not None
    assert straight.specificity is not None
    assert straight.accuracy is not None
    called_a, called_b = a.probability >= 0.5, b.probability >= 0.4
    ill = a.y_true == 1
    assert straight.sensitivity.counts == ev.PairedCounts.from_vectors(called_a[ill], called_b[ill])
    assert straight.sensitivity.a.value == pytest.approx(called_a[ill].mean())
    assert straight.specificity.difference.value == pytest.approx(
        (~called_a[~ill]).mean() - (~called_b[~ill]).mean()
    )
    assert straight.sensitivity.mcnemar is not None
    # Tango's interval and McNemar's test without correction are the same score test.
    assert straight.sensitivity.p_value == pytest.approx(straight.sensitivity.mcnemar.p_chi2, rel=1e-6)
    assert straight.auroc_non_inferiority is not None
    assert straight.auroc_non_inferiority.noninferior is True
    assert straight.accuracy.non_inferiority is not None
    assert ev.compare(a, b).sensitivity is None


def test_compare_by_patient_is_by_patient() -> None:
    a, b = predictions(1, patients=True), predictions(2, shift=1.0, patients=True)
    found = ev.compare(a, b, threshold_a=0.5, threshold_b=0.5)
    assert found.accuracy is not None
    assert found.accuracy.mcnemar is None
    assert "patient" in found.accuracy.difference.method
    assert "Obuchowski" in found.auroc.difference.method
    right_a = (a.probability >= 0.5) == (a.y_true == 1)
    right_b = (b.probability >= 0.5) == (b.y_true == 1)
    assert found.accuracy.difference.value == pytest.approx(right_a.mean() - right_b.mean())
    same = ev.compare(a, a, threshold_a=0.5, threshold_b=0.5)
    assert same.accuracy is not None
    assert (same.auroc.p_value, same.accuracy.p_value) == (1.0, 1.0)


def test_compare_refuses_other_cases() -> None:
    a, b = predictions(1), predictions(2)
    with pytest.raises(ArgumentError, match="same cases"):
        ev.compare(a, b.select(np.arange(b.n) < 100))
    with pytest.raises(ArgumentError, match="both or neither"):
        ev.compare(a, b, threshold_a=0.5)
    with pytest.raises(ArgumentError, match="patients"):
        ev.compare(a, predictions(2, patients=True))
    flipped = Predictions(
        y_true=1 - b.y_true, logit=b.logit, probability=b.probability, sample_id=b.sample_id
    )
    with pytest.raises(ArgumentError, match="outcomes"):
        ev.compare(a, flipped)


def test_unpaired_comparison() -> None:
    a, b = predictions(1, n=200), predictions(2, n=150, shift=0.5)
    found = ev.compare_unpaired(a, b, threshold_a=0.5, threshold_b=0.5, margin=0.1)
    assert not found.paired
    expected = found.auroc.difference.value / math.hypot(
        found.auroc.a.standard_error, found.auroc.b.standard_error
    )
    assert found.auroc.z == pytest.approx(expected)
    assert found.sensitivity is not None
    assert found.sensitivity.difference.method == "Newcombe hybrid"
    by_patient = predictions(1, patients=True)
    with pytest.raises(ArgumentError, match="in common"):
        ev.compare_unpaired(by_patient, by_patient)


def some_cases(
    rng: np.random.Generator, names: str, *, patients: bool, same: int | None = None
) -> Predictions:
    """A few or some dozen cases, sharp or blurred, often with a figure of exactly 0 or 1."""
    case = rng if same is None else np.random.default_rng(same)
    n = int(case.integers(6, 60))
    y = np.arange(n) % int(case.integers(2, 5)) == 0
    group = case.integers(0, max(2, n // 2), n)
    logit = rng.normal(size=n) * rng.choice([0.1, 0.5, 2.0]) + rng.choice([0.0, 1.0, 3.0]) * (y - 0.5)
    return Predictions(
        y_true=y.astype(np.int8),
        logit=logit,
        probability=1.0 / (1.0 + np.exp(-logit)),
        sample_id=np.array([f"{names}-{i}" for i in range(n)]),
        patient_id=np.array([f"{names}{g}" for g in group]) if patients else None,
    )


@given(
    seed=st.integers(0, 100_000),
    patients=st.booleans(),
    paired=st.booleans(),
    method=st.sampled_from(["tango", "newcombe"]),
    level=st.sampled_from([0.8, 0.95]),
)
def test_a_p_value_never_contradicts_its_interval(
    seed: int, patients: bool, paired: bool, method: Any, level: float
) -> None:
    rng = np.random.default_rng(seed)
    cuts: dict[str, Any] = {"threshold_a": 0.5, "threshold_b": 0.4, "margin": 0.1, "level": level}
    if paired:
        a, b = (some_cases(rng, "a", patients=patients, same=seed + 1) for _ in range(2))
        found = ev.compare(a, b, method=method, **cuts)
    else:
        a, b = (some_cases(rng, name, patients=patients) for name in "ab")
        found = ev.compare_unpaired(a, b, **cuts)
    figures = [(found.auroc.difference, found.auroc.p_value, found.auroc_non_inferiority)]
    for item in (found.sensitivity, found.specificity, found.accuracy):
        assert item is not None
        figures.append((item.difference, item.p_value, item.non_inferiority))
    for gap, p_value, verdict in figures:
        assert verdict is not None
        if not gap.has_interval:
            assert math.isnan(p_value) or p_value == 1.0
            assert math.isnan(verdict.p_one_sided)
            assert "no interval" in verdict.reason
            continue
        assert 0.0 < p_value <= 1.0
        assert (p_value < 1.0 - level) == (not gap.lower <= 0.0 <= gap.upper) or min(
            abs(gap.lower), abs(gap.upper)
        ) < 1e-9
        if not math.isnan(verdict.p_one_sided):
            assert (verdict.p_one_sided < 1.0 - verdict.level_one_sided) == verdict.noninferior or abs(
                gap.lower + 0.1
            ) < 1e-9


def test_all_of_three_against_half_of_a_hundred_proves_little() -> None:
    """The standard error of 3 of 3 is 0, so that difference over error gave p = 1.5e-23."""

    def diseased(right: int, total: int, name: str) -> Predictions:
        p = np.where(np.arange(total + 20) < right, 0.9, 0.1)
        return Predictions(
            y_true=(np.arange(total + 20) < total).astype(np.int8),
            logit=np.log(p / (1 - p)),
            probability=p,
            sample_id=np.array([f"{name}{i}" for i in range(total + 20)]),
        )

    found = ev.compare_unpaired(
        diseased(3, 3, "a"), diseased(50, 100, "b"), threshold_a=0.5, threshold_b=0.5, margin=0.1
    )
    assert found.sensitivity is not None
    assert found.sensitivity.difference.lower < 0.0
    assert 0.05 < found.sensitivity.p_value < 0.2
    assert found.sensitivity.non_inferiority is not None
    assert 0.01 < found.sensitivity.non_inferiority.p_one_sided < 0.1


def test_non_inferiority_of_a_foreign_interval_gives_p_where_it_can() -> None:
    half = 2.262157 * 0.03  # Student's t with 9 degrees of freedom
    item = ev.Estimate(
        value=0.02, lower=0.02 - half, upper=0.02 + half, method="t", n=10, standard_error=0.03
    )
    found = ev.non_inferiority(item, margin=0.05)
    assert found.p_one_sided == pytest.approx(float(stats.t.sf(0.07 / 0.03, 9)), rel=1e-4)
    skewed = ev.Estimate(value=0.02, lower=-0.1, upper=0.05, method="m", n=10, standard_error=0.03)
    assert math.isnan(ev.non_inferiority(skewed, margin=0.05).p_one_sided)
    assert "not a multiple" in ev.non_inferiority(skewed, margin=0.05).reason


def test_non_inferiority_is_read_off_the_interval() -> None:
    def verdict(lower: float, upper: float) -> tuple[bool | None, bool | None, bool | None]:
        item = ev.Estimate(
            value=(lower + upper) / 2, lower=lower, upper=upper, method="m", n=9, standard_error=0.02
        )
        found = ev.non_inferiority(item, margin=0.05)
        return found.noninferior, found.superior, found.equivalent

    assert verdict(-0.06, 0.02) == (False, False, False)
    assert verdict(-0.04, 0.04) == (True, False, True)
    assert verdict(-0.04, 0.10) == (True, False, False)
    assert verdict(0.01, 0.10) == (True, True, False)
    unknown = ev.non_inferiority(ev.Estimate(value=0.0, method="m", n=9, reason="alike"), margin=0.05)
    assert (unknown.noninferior, unknown.superior, unknown.equivalent) == (None, None, None)
    with pytest.raises(ArgumentError, match="margin"):
        ev.non_inferiority(unknown.difference, margin=-0.1)


def test_subgroups_are_the_figures_of_their_rows() -> None:
    records = predictions(1)
    rows = ev.subgroup_estimates(records, None, "site", threshold=0.4)
    assert [row.name for row in rows] == ["north", "south"]
    south = records.select(records.subgroups["site"] == "south")
    at = ev.operating_characteristics(south, threshold=0.4)
    assert rows[1].auroc == ev.auroc(south)
    for name in ("sensitivity", "specificity", "ppv", "npv"):
        assert getattr(rows[1], name) == getattr(at, name)
    assert rows[1].too_small
    assert rows[1].reason == "too small: 10 images with the condition, fewer than 20"
    assert not rows[0].too_small
    with pytest.raises(ArgumentError, match="Did you mean 'site'"):
        ev.subgroup_estimates(records, None, "sites")
    with pytest.raises(ArgumentError, match="needs Predictions"):
        ev.subgroup_estimates([0, 1], [0.1, 0.2], "site")
    with pytest.raises(ArgumentError, match="length"):
        ev.subgroup_estimates([0, 1], [0.1, 0.2], ["a"])


def test_subgroup_differences_and_multiplicity() -> None:
    records = predictions(1)
    plain = ev.subgroup_differences(records, None, "site", figures=["sensitivity", "auroc"])
    wide = ev.subgroup_differences(
        records, None, "site", figures=["sensitivity", "auroc"], adjust="bonferroni"
    )
    assert [(row.figure, row.group, row.reference) for row in plain] == [
        ("sensitivity", "south", "north"),
        ("auroc", "south", "north"),
    ]
    assert plain[0].comparisons == 2
    assert plain[0].too_small
    assert wide[0].difference.level == pytest.approx(0.975)
    assert wide[0].difference.width > plain[0].difference.width
    rows = ev.subgroup_estimates(records, None, "site")
    north, south = rows[0].sensitivity, rows[1].sensitivity
    expected = ev.proportion_difference(
        round(south.value * south.n), south.n, round(north.value * north.n), north.n
    )
    assert (plain[0].difference.lower, plain[0].difference.upper) == pytest.approx(
        (expected.lower, expected.upper)
    )
    with pytest.raises(ArgumentError, match="reference"):
        ev.subgroup_differences(records, None, "site", reference="east")
    shared = ev.subgroup_differences(predictions(1, patients=True), None, "site")
    assert "more than one subgroup" in shared[0].difference.reason


def test_subgroups_are_too_small_by_patients() -> None:
    y = np.arange(400) % 2 == 0
    p, groups = np.where(y, 0.7, 0.3), np.array(["a", "b"] * 200)[np.argsort(np.arange(400) % 200)]
    few = np.arange(400) // 40
    by_image = ev.subgroup_estimates(y, p, groups)
    by_patient = ev.subgroup_estimates(y, p, groups, patients=few)
    assert not any(row.too_small for row in by_image)
    assert all(row.too_small for row in by_patient)
    assert by_patient[0].reason == "too small: 10 patients with the condition, fewer than 20"
    assert [row.positives for row in by_patient] == [row.positives for row in by_image]


def test_bonferroni_over_several_columns() -> None:
    records = predictions(1)
    rows = ev.subgroup_differences(
        records, None, "site", figures=["sensitivity"], adjust="bonferroni", columns=4
    )
    assert rows[0].comparisons == 4
    assert rows[0].difference.level == pytest.approx(1.0 - 0.05 / 4)
    with pytest.raises(ArgumentError, match="columns"):
        ev.subgroup_differences(records, None, "site", columns=0)


def test_missing_scores_leave_their_subgroup_too() -> None:
    rows = ev.subgroup_estimates([0, 1, 0, 1], [0.1, np.nan, 0.2, 0.9], ["a", "a", "b", "b"], missing="drop")
    assert [row.n for row in rows] == [1, 2]


def test_patients_in_place_of_images() -> None:
    rows = ev.aggregate_by_patient(
        [0, 1, 0, 0], [0.2, 0.6, 0.4, 0.1], patients=["b", "b", "a", "a"], how="max"
    )
    assert rows.score.tolist() == [0.4, 0.6]
    assert rows.y.tolist() == [False, True]
    assert rows.images.tolist() == [2, 2]
    assert rows.mixed == 1
    with pytest.raises(ArgumentError, match="patients: are needed"):
        ev.aggregate_by_patient([0, 1], [0.1, 0.9])


def test_the_difference_of_two_areas_says_too_few_where_either_would() -> None:
    rng = np.random.default_rng(8)
    y = np.arange(60) < 12
    few = ev.compare_auroc(y, y + rng.normal(size=60), y + rng.normal(size=60))
    assert few.difference.has_interval
    assert few.difference.reason.startswith("too few: only 12 images with the condition")
    y = np.arange(60) < 30
    near = ev.compare_auroc(y, 6.0 * y + rng.normal(size=60), y + rng.normal(size=60))
    assert "for an AUROC so near to 1, so the interval may cover less" in near.difference.reason
    enough = ev.compare_auroc(y, y + rng.normal(size=60), y + rng.normal(size=60))
    assert enough.difference.reason == ""


def test_why_a_difference_by_patient_has_no_interval() -> None:
    """Always apart and never apart are not the same."""
    y, patients = [0, 0, 0, 0, 1, 1, 1, 1], list("aabbccdd")
    right, wrong = (np.array(p) for p in ([0.1] * 4 + [0.9] * 4, [0.9] * 4 + [0.1] * 4))
    a, b = (
        Predictions(y_true=y, logit=p, probability=p, sample_id=list("stuvwxyz"), patient_id=patients)
        for p in (right, wrong)
    )
    apart = ev.compare(a, b, threshold_a=0.5, threshold_b=0.5).sensitivity
    same = ev.compare(a, a, threshold_a=0.5, threshold_b=0.5).sensitivity
    assert apart is not None
    assert same is not None
    assert apart.difference.value == 1.0
    assert apart.difference.reason == "no interval: the difference does not vary between patients"
    assert same.difference.reason == "no interval: the two are right and wrong on the same images"
