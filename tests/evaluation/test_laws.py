"""Laws that every figure obeys on any input, degenerate ones included."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from medimg_cnn import evaluation as ev

Sample = tuple[NDArray[np.bool_], NDArray[np.float64]]


@st.composite
def samples(draw: st.DrawFn, *, most: int = 30, both_classes: bool = False) -> Sample:
    """Outcomes and probabilities, few or many, tied or not, often of one class, with 0 and 1."""
    n = draw(st.integers(2 if both_classes else 1, most))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    kind = draw(st.sampled_from(["continuous", "tied", "constant", "binary", "perfect", "inverted"]))
    y = rng.random(n) < draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
    if both_classes:
        y[:2] = [False, True]
    p = {
        "continuous": rng.random(n),
        "tied": rng.integers(0, 4, n) / 4.0,
        "constant": np.full(n, draw(st.sampled_from([0.0, 0.3, 1.0]))),
        "binary": rng.integers(0, 2, n).astype(np.float64),
        "perfect": np.where(y, 0.6, 0.1) + rng.random(n) * 0.2,
        "inverted": np.where(y, 0.1, 0.6) + rng.random(n) * 0.2,
    }[kind]
    return y, np.clip(p, 0.0, 1.0)


@st.composite
def clustered_samples(draw: st.DrawFn, *, most: int = 30) -> tuple[Sample, NDArray[np.int64]]:
    """A sample and the patient of each image."""
    y, p = draw(samples(most=most))
    patients = draw(st.integers(1, y.size))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return (y, p), rng.integers(0, patients, y.size)


def tables(most: int = 40) -> st.SearchStrategy[dict[str, int]]:
    """Two-by-two tables, empty cells and empty tables included."""
    cell = st.one_of(st.just(0), st.integers(0, most))
    return st.fixed_dictionaries({"tp": cell, "fp": cell, "fn": cell, "tn": cell})


RANGES = {
    "youden_index": (-1.0, 1.0),
    "mcc": (-1.0, 1.0),
    "kappa": (-1.0, 1.0),
    "lr_positive": (0.0, math.inf),
    "lr_negative": (0.0, math.inf),
    "diagnostic_odds_ratio": (0.0, math.inf),
    "number_needed_to_diagnose": (1.0, math.inf),
    "slope": (-math.inf, math.inf),
    "intercept_joint": (-math.inf, math.inf),
    "calibration_in_the_large": (-math.inf, math.inf),
    "observed_expected": (0.0, math.inf),
    "log_loss": (0.0, math.inf),
}
FIGURES_OF_COUNTS = (
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "accuracy",
    "prevalence",
    "predicted_prevalence",
    "balanced_accuracy",
    "youden_index",
    "f1",
    "jaccard",
    "mcc",
    "kappa",
    "lr_positive",
    "lr_negative",
    "diagnostic_odds_ratio",
    "number_needed_to_diagnose",
)


def every_figure(
    y: NDArray[np.bool_], p: NDArray[np.float64], patients: NDArray[np.int64] | None = None
) -> dict[str, ev.Estimate]:
    """Every Estimate that the package makes of one sample."""
    at = ev.operating_characteristics(y, p, 0.5, patients=patients, bootstrap=100)
    summary = ev.calibration(y, p, patients=patients)
    figures = at.as_dict() | summary.as_dict()
    figures["auroc"] = ev.auroc(y, p, patients=patients)
    figures["auroc_wald"] = ev.auroc(y, p, patients=patients, method="wald")
    figures["auprc"] = ev.auprc(y, p, patients=patients, bootstrap=100)
    figures["auroc_bootstrap"] = ev.bootstrap(y, p, patients=patients, resamples=100, stratified=True)
    figures["brier"] = ev.brier_score(y, p, patients=patients)
    figures["log_loss"] = ev.log_loss(y, p, patients=patients)
    for prevalence in (0.001, 0.5):
        ppv, npv = ev.predictive_values(at.sensitivity, at.specificity, prevalence=prevalence)
        figures |= {f"ppv_at_{prevalence}": ppv, f"npv_at_{prevalence}": npv}
    for index, bin_ in enumerate(ev.reliability_curve(y, p, patients=patients).estimates):
        figures[f"bin_{index}"] = bin_
    for row in ev.subgroup_estimates(y, p, np.arange(y.size) % 2, patients=patients):
        figures |= {f"{name}_of_{row.name}": value for name, value in row.as_dict().items()}
    return figures


def check(name: str, item: ev.Estimate) -> None:
    low, high = RANGES.get(name, (0.0, 1.0))
    if not item.defined:
        assert item.reason, name
        assert not item.has_interval, name
        return
    assert low <= item.value <= high, name
    if item.has_interval:
        assert low <= item.lower <= item.value <= item.upper <= high, name
        assert item.lower < item.upper, f"{name}: an interval of no width claims certainty"
    else:
        assert item.reason, name
    assert math.isnan(item.standard_error) or item.standard_error >= 0.0, name
    assert ev.Estimate.from_dict(item.to_dict()).to_dict() == item.to_dict()


@given(sample=samples())
def test_any_sample_gives_figures_in_range_or_reasons(sample: Sample) -> None:
    for name, item in every_figure(*sample).items():
        check(name, item)


@given(sample=clustered_samples())
def test_any_sample_by_patient_gives_figures_in_range_or_reasons(
    sample: tuple[Sample, NDArray[np.int64]],
) -> None:
    (y, p), patients = sample
    for name, item in every_figure(y, p, patients).items():
        check(name, item)


@given(table=tables(), exact=st.booleans())
@example(table={"tp": 0, "fp": 0, "fn": 0, "tn": 0}, exact=False)
@example(table={"tp": 9, "fp": 0, "fn": 0, "tn": 9}, exact=False)
@example(table={"tp": 0, "fp": 9, "fn": 9, "tn": 0}, exact=False)
@example(table={"tp": 9, "fp": 9, "fn": 0, "tn": 0}, exact=False)
def test_any_table_gives_figures_in_range_or_reasons(table: dict[str, int], exact: bool) -> None:
    counts = ev.ConfusionCounts(**table)
    for name in FIGURES_OF_COUNTS:
        check(name, getattr(ev, name)(counts))
    if exact:
        check("sensitivity", ev.sensitivity(counts, method="clopper-pearson"))
        check("f1", ev.f1(counts, method="clopper-pearson"))


@given(table=tables())
def test_a_false_zero_is_never_given(table: dict[str, int]) -> None:
    """A 0 is given only where the numerator is 0 and the denominator is not."""
    counts = ev.ConfusionCounts(**table)
    tp, fp, fn, tn = table["tp"], table["fp"], table["fn"], table["tn"]
    numerators = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
        "f1": (tp, tp + fp + fn),
        "mcc": (tp * tn - fp * fn, (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
        "lr_positive": (tp * (tn + fp), fp * (tp + fn) + tp * (tn + fp)),
        "diagnostic_odds_ratio": (tp * tn, tp * tn + fp * fn),
    }
    for name, (numerator, denominator) in numerators.items():
        item = getattr(ev, name)(counts)
        if denominator == 0:
            assert not item.defined, name
        if item.value == 0.0:
            assert (numerator, denominator != 0) == (0, True), name


@given(sample=samples(), seed=st.integers(0, 99))
def test_the_order_of_the_rows_has_no_say(sample: Sample, seed: int) -> None:
    y, p = sample
    patients = np.arange(y.size) // 2
    order = np.random.default_rng(seed).permutation(y.size)
    for by in (None, patients):
        first = every_figure(y, p, by)
        second = every_figure(y[order], p[order], None if by is None else by[order])
        for name in first:
            if not name.endswith(("_of_0", "_of_1")):  # these are by position
                same(first[name], second[name], name)


@given(sample=samples(both_classes=True))
def test_a_rising_map_of_the_scores_leaves_the_auroc(sample: Sample) -> None:
    y, p = sample
    mapped = np.exp(3.0 * np.round(p, 6)) - 7.0
    for method in ("logit", "wald"):
        same(ev.auroc(y, np.round(p, 6), method=method), ev.auroc(y, mapped, method=method), method)
    same(ev.auprc(y, np.round(p, 6), bootstrap=100), ev.auprc(y, mapped, bootstrap=100), "auprc")


@given(sample=samples())
def test_swapping_classes_and_scores_mirrors_every_figure(sample: Sample) -> None:
    y, p = sample
    p = np.round(p, 3)
    assume(not (p == 0.5).any())  # at the threshold itself >= is not its own mirror
    q = 1.0 - p
    here, there = every_figure(y, p), every_figure(~y, q)
    pairs = {
        "auroc": "auroc",
        "sensitivity": "specificity",
        "ppv": "npv",
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced_accuracy",
        "youden_index": "youden_index",
        "mcc": "mcc",
        "kappa": "kappa",
        "diagnostic_odds_ratio": "diagnostic_odds_ratio",
        "brier": "brier",
        "log_loss": "log_loss",
        "slope": "slope",
    }
    for name, other in pairs.items():
        same(here[name], there[other], name)
    for name in ("intercept_joint", "calibration_in_the_large"):
        assert here[name].value == pytest.approx(-there[name].value, abs=1e-6, nan_ok=True)
    # LR+ of one is 1 / LR- of the other.
    value, other_value = here["lr_positive"].value, there["lr_negative"].value
    if math.isfinite(value) and value > 0.0:
        assert value * other_value == pytest.approx(1.0)


@given(sample=samples(both_classes=True), method=st.sampled_from(["logit", "wald"]))
def test_negating_the_scores_mirrors_the_auroc(sample: Sample, method: Any) -> None:
    y, p = sample
    here, there = ev.auroc(y, p, method=method), ev.auroc(y, -p, method=method)
    assert here.value == pytest.approx(1.0 - there.value, abs=1e-12)
    assert here.lower == pytest.approx(1.0 - there.upper, abs=1e-9, nan_ok=True)
    assert here.upper == pytest.approx(1.0 - there.lower, abs=1e-9, nan_ok=True)


@given(sample=samples())
def test_one_image_per_patient_is_the_analysis_by_image(sample: Sample) -> None:
    y, p = sample
    patients = np.arange(y.size)[::-1]
    plain, clustered = every_figure(y, p), every_figure(y, p, patients)
    for name in ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1"):
        if plain[name].n > 1:
            same(plain[name], clustered[name], name)
    assert plain["auroc"].standard_error == pytest.approx(
        clustered["auroc"].standard_error, abs=1e-12, nan_ok=True
    )
    same(plain["brier"], clustered["brier"], "brier")


@given(patients=st.integers(2, 60), images=st.integers(1, 12), mirrored=st.booleans())
@example(patients=40, images=5, mirrored=False)
@example(patients=25, images=8, mirrored=True)
def test_one_more_error_never_raises_a_limit(patients: int, images: int, mirrored: bool) -> None:
    """Each error in another patient: the arrangement that looks most certain."""
    codes = np.arange(patients * images) % patients
    before = (1.0, 1.0)
    for errors in range(patients + 1):
        hit = np.arange(codes.size) >= errors
        item = ev.clustered_proportion(~hit if mirrored else hit, codes)
        now = (1.0 - item.upper, 1.0 - item.lower) if mirrored else (item.lower, item.upper)
        assert now[0] <= before[0] + 1e-12, errors
        assert now[1] <= before[1] + 1e-12, errors
        before = now


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), copies=st.integers(2, 6))
def test_copies_of_the_images_of_a_patient_add_no_certainty(seed: int, copies: int) -> None:
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(120), rng.integers(2, 5, 120))
    y = rng.random(120)[patients] < 0.4
    noise = 2.0 * rng.normal(size=120)[patients] + rng.normal(size=y.size)
    p = 1.0 / (1.0 + np.exp(-(noise + 2.0 * y - 1.0)))
    again = np.tile(np.arange(y.size), copies)

    def widths(rows: NDArray[np.int64], by_patient: bool) -> Iterator[tuple[str, float]]:
        by = patients[rows] if by_patient else None
        at = ev.operating_characteristics(y[rows], p[rows], 0.5, patients=by, bootstrap=400)
        summary = ev.calibration(y[rows], p[rows], patients=by)
        yield "auroc", ev.auroc(y[rows], p[rows], patients=by).width
        yield "auprc", ev.auprc(y[rows], p[rows], patients=by, bootstrap=400).width
        yield "brier", ev.brier_score(y[rows], p[rows], patients=by).width
        yield "slope", summary.slope.width
        for name in ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1", "mcc", "youden_index"):
            yield name, at.as_dict()[name].width

    once = np.arange(y.size)
    for (name, before), (_, after) in zip(widths(once, True), widths(again, True), strict=True):
        assert after == pytest.approx(before, rel=0.15), name
    for (name, before), (_, after) in zip(widths(once, False), widths(again, False), strict=True):
        assert after == pytest.approx(before / math.sqrt(copies), rel=0.15), name


@given(sample=samples(both_classes=True))
def test_a_model_does_not_differ_from_itself(sample: Sample) -> None:
    y, p = sample
    test = ev.compare_auroc(y, p, p)
    assert test.difference.value == 0.0
    assert test.p_value == 1.0 or math.isnan(test.difference.standard_error)
    assert not test.difference.has_interval


@given(sample=samples(both_classes=True), other=st.integers(0, 99))
def test_a_comparison_is_antisymmetric(sample: Sample, other: int) -> None:
    y, p = sample
    q = np.random.default_rng(other).random(y.size)
    forth, back = ev.compare_auroc(y, p, q), ev.compare_auroc(y, q, p)
    assert forth.difference.value == -back.difference.value
    assert forth.p_value == pytest.approx(back.p_value, nan_ok=True)
    assert -1.0 <= forth.difference.value <= 1.0


@given(table=tables())
def test_paired_differences_stay_in_range_and_mirror(table: dict[str, int]) -> None:
    counts = ev.PairedCounts(n11=table["tp"], n10=table["fp"], n01=table["fn"], n00=table["tn"])
    mirror = dataclasses.replace(counts, n10=counts.n01, n01=counts.n10)
    for method in ("tango", "newcombe"):
        here = ev.paired_difference(counts, method=method)
        there = ev.paired_difference(mirror, method=method)
        RANGES.setdefault("difference", (-1.0, 1.0))
        check("difference", here)
        assert here.value == pytest.approx(-there.value, nan_ok=True)
        assert here.lower == pytest.approx(-there.upper, abs=1e-9, nan_ok=True)
    test = ev.mcnemar(counts)
    assert 0.0 < test.p_exact <= 1.0
    assert test.p_mid <= test.p_exact


def same(first: ev.Estimate, second: ev.Estimate, name: str) -> None:
    for field in ("value", "lower", "upper"):
        one, two = getattr(first, field), getattr(second, field)
        assert one == pytest.approx(two, rel=1e-6, abs=1e-8, nan_ok=True), f"{name}.{field}"
