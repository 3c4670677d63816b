"""Statistical promises, checked by simulation: 95% intervals cover about 95% of the time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from medimg_cnn import evaluation as ev

pytestmark = [pytest.mark.slow, pytest.mark.statistical]

RUNS = 4000
LOW, HIGH = 0.93, 0.97


def shift(area: float) -> float:
    """The distance of two normal distributions of variance 1 with this area under their ROC curve."""
    return math.sqrt(2.0) * float(special.ndtri(area))


AUROC_SETTINGS = [
    (area, positives, negatives)
    for area in (0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
    for positives, negatives in ((20, 20), (20, 80), (20, 200), (50, 50), (50, 200), (100, 400), (400, 400))
    if area > 0.85 or positives < 100
]


def test_auroc_interval_covers_or_says_too_few() -> None:
    """Every setting of two normal distributions with at least 20 of each class."""
    rows = []
    for area, positives, negatives in AUROC_SETTINGS:
        covered, flagged = auroc_coverage(area, positives, negatives)
        rows.append((f"AUROC {area}, {positives} + {negatives}", covered, flagged))
    holds("AUROC, logit interval", rows)
    assert all(covered >= LOW for _, covered, _ in rows), "where it strays it is too wide, never too narrow"
    assert sum(flagged < 0.5 for _, _, flagged in rows) > len(rows) / 3


def test_sensitivity_interval_covers_or_says_too_few() -> None:
    """Exact, from the binomial distribution: no simulation error."""
    rows = []
    for positives in (20, 30, 50, 80, 100, 150, 200, 400):
        counts = np.arange(positives + 1)
        items = [
            ev.sensitivity(ev.ConfusionCounts(tp=int(k), fn=positives - int(k), fp=0, tn=0)) for k in counts
        ]
        for share in (0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99):
            weight = stats.binom.pmf(counts, positives, share)
            inside = np.array([item.lower <= share <= item.upper for item in items])
            few = np.array(["too few" in item.reason for item in items])
            rows.append(
                (f"sensitivity {share}, {positives} positives", float(weight @ inside), float(weight @ few))
            )
    holds("Sensitivity, Wilson interval", rows)
    assert sum(flagged < 0.5 for _, _, flagged in rows) > len(rows) / 3


def test_the_wald_interval_is_why_logit_is_the_default() -> None:
    rng = np.random.default_rng(3)
    y = np.arange(50) < 10
    inside = beyond = 0
    for _ in range(RUNS):
        item = ev.auroc(y, rng.normal(size=50) + shift(0.95) * y, method="wald")
        inside += item.lower <= 0.95 <= item.upper
        beyond += item.upper == 1.0
    assert inside / RUNS < 0.87
    assert beyond / RUNS > 0.8


CLUSTERED_SETTINGS = [
    (0.8, 40, 0.5, 0.5),
    (0.8, 100, 0.5, 0.3),
    (0.8, 100, 0.5, 0.8),
    (0.8, 200, 0.2, 0.5),
    (0.9, 80, 0.25, 0.5),
    (0.9, 100, 0.5, 0.8),
    (0.9, 200, 0.2, 0.5),
    (0.9, 400, 0.25, 0.5),
    (0.95, 40, 0.5, 0.5),
    (0.95, 200, 0.5, 0.5),
]


def test_auroc_by_patient_covers_or_says_too_few_and_by_image_does_not_cover() -> None:
    rows = []
    for area, patients, prevalence, alike in CLUSTERED_SETTINGS:
        rng = np.random.default_rng(11)
        by_patient = by_image = flagged = 0
        for _ in range(RUNS):
            codes, y = some_patients(rng, patients, prevalence)
            noise = math.sqrt(alike) * rng.normal(size=patients)[codes]
            score = noise + math.sqrt(1.0 - alike) * rng.normal(size=codes.size) + shift(area) * y
            item, naive = ev.auroc(y, score, patients=codes), ev.auroc(y, score)
            by_patient += item.lower <= area <= item.upper
            by_image += naive.lower <= area <= naive.upper
            flagged += "too few" in item.reason
        name = f"AUROC {area}, {patients} patients, {prevalence:.0%} ill, correlation {alike}"
        rows.append((name, by_patient / RUNS, flagged / RUNS))
        assert by_image < by_patient - 0.01 * RUNS, name
    holds("AUROC by patient, logit interval with t", rows)
    assert sum(flagged < 0.5 for _, _, flagged in rows) > len(rows) / 3


def test_the_variance_of_the_clustered_auroc_is_that_of_the_estimates() -> None:
    """Patients with images of both classes, whose scores go together."""
    rng = np.random.default_rng(12)
    values, errors = [], []
    for _ in range(RUNS // 2):
        codes, ill = some_patients(rng, 80, 0.5)
        y = ill & (rng.random(codes.size) < 0.6)
        score = 0.7 * rng.normal(size=80)[codes] + 0.7 * rng.normal(size=codes.size) + 1.2 * y
        item = ev.auroc(y, score, patients=codes)
        values.append(item.value)
        errors.append(item.standard_error)
    assert float(np.mean(errors)) == pytest.approx(float(np.std(values)), rel=0.06)


@pytest.mark.parametrize("trials", [20, 50, 200])
def test_wilson_covers_on_the_mean_and_clopper_pearson_always(trials: int) -> None:
    counts = np.arange(trials + 1)
    wilson = [ev.proportion(int(k), trials) for k in counts]
    exact = [ev.proportion(int(k), trials, method="clopper-pearson") for k in counts]
    shares = np.linspace(0.6, 0.98, 200)

    def coverage(items: list[ev.Estimate]) -> NDArray[np.float64]:
        inside = np.array([[e.lower <= p <= e.upper for e in items] for p in shares])
        return (inside * stats.binom.pmf(counts, trials, shares[:, None])).sum(axis=1)

    assert 0.94 <= coverage(wilson).mean() <= 0.96
    assert coverage(exact).min() >= 0.95


@pytest.mark.parametrize(
    ("share", "patients", "alike"), [(0.8, 40, 0.3), (0.9, 40, 0.3), (0.7, 80, 0.5), (0.9, 150, 0.3)]
)
def test_proportion_by_patient_covers_and_by_image_does_not(
    share: float, patients: int, alike: float
) -> None:
    rng = np.random.default_rng(6)
    first, second = share * (1.0 - alike) / alike, (1.0 - share) * (1.0 - alike) / alike
    by_patient = by_image = 0
    for _ in range(RUNS):
        codes = np.repeat(np.arange(patients), rng.integers(1, 5, patients))
        hit = rng.random(codes.size) < rng.beta(first, second, patients)[codes]
        item = ev.clustered_proportion(hit, codes)
        naive = ev.proportion(int(hit.sum()), int(hit.size))
        by_patient += item.lower <= share <= item.upper
        by_image += naive.lower <= share <= naive.upper
    assert LOW <= by_patient / RUNS <= HIGH
    assert by_image / RUNS < LOW


@pytest.mark.parametrize(("positives", "sens"), [(5, 0.7), (20, 0.95)])
def test_likelihood_ratios_of_few_positives_cover(positives: int, sens: float) -> None:
    negatives, spec = 100, 0.9
    truth = {"lr_positive": sens / (1.0 - spec), "lr_negative": (1.0 - sens) / spec}
    inside, total = dict.fromkeys(truth, 0.0), dict.fromkeys(truth, 0.0)
    for tp in range(positives + 1):
        for tn in range(70, negatives + 1):
            weight = float(stats.binom.pmf(tp, positives, sens) * stats.binom.pmf(tn, negatives, spec))
            counts = ev.ConfusionCounts(tp=tp, fn=positives - tp, fp=negatives - tn, tn=tn)
            for name, value in truth.items():
                item = getattr(ev, name)(counts)
                total[name] += weight * item.has_interval
                inside[name] += weight * (item.lower <= value <= item.upper)
    for name in truth:
        assert 0.92 <= inside[name] / total[name] <= 0.99, name


@pytest.mark.parametrize(("patients", "images", "alike"), [(40, 5, 0.5), (25, 8, 0.5), (40, 5, 0.1)])
def test_proportion_near_one_by_patient_covers(patients: int, images: int, alike: float) -> None:
    rng = np.random.default_rng(16)
    codes = np.repeat(np.arange(patients), images)
    first, second = 0.97 * (1.0 - alike) / alike, 0.03 * (1.0 - alike) / alike
    inside = 0
    for _ in range(RUNS // 2):
        item = ev.clustered_proportion(
            rng.random(codes.size) < rng.beta(first, second, patients)[codes], codes
        )
        inside += item.lower <= 0.97 <= item.upper
    assert 0.93 <= inside / (RUNS // 2) <= 0.985


def test_figures_by_bootstrap_of_patients_cover() -> None:
    rng = np.random.default_rng(7)
    runs, patients = 500, 80
    truth = {"youden_index": 0.5, "balanced_accuracy": 0.75, "lr_positive": 3.0}
    inside = dict.fromkeys(truth, 0)
    for run in range(runs):
        codes, y = some_patients(rng, patients, 0.5)
        right = rng.random(codes.size) < rng.beta(3.75, 1.25, patients)[codes]
        score = np.where(right == y, 0.9, 0.1)
        figures = ev.operating_characteristics(
            y, score, 0.5, patients=codes, bootstrap=500, seed=run
        ).as_dict()
        for name, value in truth.items():
            inside[name] += figures[name].lower <= value <= figures[name].upper
    for name, hits in inside.items():
        assert 0.90 <= hits / runs <= 0.98, name


@pytest.mark.parametrize(
    ("area", "n", "share"), [(0.95, 100, 0.3), (0.8, 250, 0.2), (0.95, 250, 0.2), (0.7, 200, 0.5)]
)
def test_average_precision_covers(area: float, n: int, share: float) -> None:
    rng = np.random.default_rng(17)

    def draw(size: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        y = rng.random(size) < share
        return y, rng.normal(size=size) + shift(area) * y

    truth = ev.auprc(*draw(1_000_000), bootstrap=100).value
    runs, inside, percentile = 800, 0, 0
    for run in range(runs):
        y, score = draw(n)
        item = ev.auprc(y, score, bootstrap=250, seed=run)
        plain = ev.bootstrap(y, score, "auprc", resamples=250, seed=run)
        inside += item.lower <= truth <= item.upper
        percentile += plain.lower <= truth <= plain.upper
    print(
        f"\nAUPRC of AUROC {area}, n {n}, {share:.0%} ill: {inside / runs:.3f}, percentile {percentile / runs:.3f}"
    )
    assert LOW - 0.015 <= inside / runs <= HIGH + 0.015  # two standard errors of 800 runs
    assert percentile < inside


def test_delong_test_is_wrong_one_time_in_twenty() -> None:
    rng = np.random.default_rng(8)
    y = np.arange(120) < 40
    wrong = 0
    for _ in range(RUNS):
        common = rng.normal(size=120)
        a, b = (common + rng.normal(size=120) + 1.5 * y for _ in range(2))
        wrong += ev.compare_auroc(y, a, b).p_value < 0.05
    assert 0.03 <= wrong / RUNS <= 0.07


@pytest.mark.parametrize("method", ["tango", "newcombe"])
def test_paired_difference_covers(method: str) -> None:
    rng = np.random.default_rng(9)
    inside = 0
    for n11, n10, n01, n00 in rng.multinomial(60, [0.6, 0.2, 0.1, 0.1], RUNS):
        counts = ev.PairedCounts(n11=int(n11), n10=int(n10), n01=int(n01), n00=int(n00))
        item = ev.paired_difference(counts, method=method)  # type: ignore[arg-type]
        inside += item.lower <= 0.1 <= item.upper
    assert LOW <= inside / RUNS <= HIGH


def test_calibration_slope_and_intercept_cover() -> None:
    rng = np.random.default_rng(10)
    slopes = intercepts = ratios = 0
    runs = 1000
    for _ in range(runs):
        linear = rng.normal(size=300)
        y = rng.random(300) < special.expit(linear)
        summary = ev.calibration(y, special.expit(linear))
        slopes += summary.slope.lower <= 1.0 <= summary.slope.upper
        item = summary.calibration_in_the_large
        intercepts += item.lower <= 0.0 <= item.upper
        ratios += summary.observed_expected.lower <= 1.0 <= summary.observed_expected.upper
    assert LOW <= slopes / runs <= HIGH
    assert LOW <= intercepts / runs <= HIGH
    assert LOW <= ratios / runs <= HIGH


@pytest.mark.parametrize("per_class", [True, False])
def test_conformal_sets_hold_the_truth(per_class: bool) -> None:
    rng = np.random.default_rng(13)
    covered, covered_positive = [], []
    for _ in range(400):
        y = rng.random(600) < 0.3
        p = special.expit(rng.normal(size=600) + 2.0 * y - 2.0)
        sets = ev.fit_conformal(y[:300], p[:300], alpha=0.1, per_class=per_class)
        found = ev.conformal_coverage(sets, y[300:], p[300:])
        covered.append(found.coverage.value)
        covered_positive.append(found.coverage_positive.value)
    assert 0.895 <= float(np.mean(covered)) <= 0.925
    if per_class:
        assert 0.895 <= float(np.mean(covered_positive)) <= 0.925
    else:  # the promise on the whole does not protect the rarer class
        assert float(np.mean(covered_positive)) < 0.88


@pytest.mark.parametrize(
    ("target", "expected", "width"),
    [("sensitivity", 0.9, 0.1), ("specificity", 0.8, 0.1), ("auroc", 0.9, 0.08), ("auroc", 0.75, 0.15)],
)
def test_planned_studies_have_the_wanted_width(target: str, expected: float, width: float) -> None:
    plan = ev.sample_size(target, expected=expected, width=width, prevalence=0.3)  # type: ignore[arg-type]
    assert plan.expected_width <= width
    rng = np.random.default_rng(14)
    y = np.arange(plan.total) < plan.positives
    widths = []
    for _ in range(500):
        if target == "auroc":
            item = ev.auroc(y, rng.normal(size=y.size) + shift(expected) * y)
        else:
            trials = plan.positives if target == "sensitivity" else plan.negatives
            item = ev.proportion(int(rng.binomial(trials, expected)), trials)
        widths.append(item.width)
    assert float(np.mean(widths)) == pytest.approx(width, rel=0.03)


def test_planned_studies_with_several_images_of_a_patient() -> None:
    plan = ev.sample_size(
        "sensitivity",
        expected=0.8,
        width=0.12,
        prevalence=0.5,
        images_per_patient=3.0,
        intraclass_correlation=0.4,
    )
    rng = np.random.default_rng(15)
    patients = plan.positives // 3
    codes = np.repeat(np.arange(patients), 3)
    rate = rng.beta(0.8 * 1.5, 0.2 * 1.5, (300, patients))  # intraclass correlation 1 / (1 + 1.5)
    widths = [ev.clustered_proportion(rng.random(codes.size) < row[codes], codes).width for row in rate]
    assert float(np.mean(widths)) == pytest.approx(0.12, rel=0.05)


def holds(title: str, rows: list[tuple[str, float, float]]) -> None:
    """Print settings, coverage and how often "too few" is said; fail where coverage strays and it is not said."""
    width = max(len(name) for name, _, _ in rows)
    print(f"\n{title}: {LOW} to {HIGH}, or said to be too few")
    for name, covered, flagged in rows:
        told = "" if LOW <= covered <= HIGH else "  outside, and said" if flagged >= 0.5 else "  OUTSIDE"
        print(f"  {name:{width}}  {covered:.3f}  too few in {flagged:4.0%}{told}")
    strayed = [row for row in rows if not LOW <= row[1] <= HIGH and row[2] < 0.5]
    assert strayed == [], title


def auroc_coverage(area: float, positives: int, negatives: int) -> tuple[float, float]:
    """The share of intervals that hold the area, and the share that say "too few"."""
    rng = np.random.default_rng(2)
    y = np.arange(positives + negatives) < positives
    inside = flagged = 0
    for _ in range(RUNS):
        item = ev.auroc(y, rng.normal(size=y.size) + shift(area) * y)
        inside += item.lower <= area <= item.upper
        flagged += "too few" in item.reason
    return inside / RUNS, flagged / RUNS


def some_patients(
    rng: np.random.Generator, patients: int, prevalence: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """One to four images of each patient, all of the patient's class."""
    codes = np.repeat(np.arange(patients), rng.integers(1, 5, patients))
    return codes, (np.arange(patients) < round(patients * prevalence))[codes]
