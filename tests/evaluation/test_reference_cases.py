"""Every number of every reference case, from R and others, is reproduced at the case's own tolerance.

An adapter turns the inputs of a case into the structure that the case expects. The comparison walks both
structures together: an expected key that the adapter does not give, or one too many, is a failure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import logit

from medimg_cnn import evaluation as ev
from medimg_cnn.errors import ArgumentError

Inputs = dict[str, Any]
ADAPTERS: dict[str, Callable[[Inputs], dict[str, Any]]] = {}
SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
NUMBERS_IN_THE_CASES = 514


class Within:
    """A threshold, to be found inside an interval (low, high] of the case rather than equal to it."""

    def __init__(self, value: float) -> None:
        self.value = value


def adapter(*identifiers: str) -> Callable[[Callable[[Inputs], dict[str, Any]]], Any]:
    def register(function: Callable[[Inputs], dict[str, Any]]) -> Callable[[Inputs], dict[str, Any]]:
        for identifier in identifiers:
            ADAPTERS[identifier] = function
        return function

    return register


def limits(estimate: ev.Estimate) -> list[float]:
    return [estimate.lower, estimate.upper]


def figure(estimate: ev.Estimate) -> dict[str, Any]:
    return {"estimate": estimate.value, "ci": limits(estimate)}


def names_in_cases(counts: ev.ConfusionCounts) -> dict[str, float]:
    return {
        "accuracy": ev.accuracy(counts).value,
        "balanced_accuracy": ev.balanced_accuracy(counts).value,
        "f1": ev.f1(counts).value,
        "mcc": ev.mcc(counts).value,
        "kappa": ev.kappa(counts).value,
        "sens": ev.sensitivity(counts).value,
        "spec": ev.specificity(counts).value,
        "ppv": ev.ppv(counts).value,
        "npv": ev.npv(counts).value,
        "jaccard": ev.jaccard(counts).value,
    }


def wilson_table(counts: ev.ConfusionCounts) -> dict[str, Any]:
    return {
        "sensitivity": figure(ev.sensitivity(counts)),
        "specificity": figure(ev.specificity(counts)),
        "ppv": figure(ev.ppv(counts)),
        "npv": figure(ev.npv(counts)),
        "accuracy": figure(ev.accuracy(counts)),
        "lr_pos": figure(ev.lr_positive(counts)),
        "lr_neg": figure(ev.lr_negative(counts)),
        "diagnostic_odds_ratio": figure(ev.diagnostic_odds_ratio(counts)),
        "prevalence": figure(ev.prevalence(counts)),
        "apparent_prevalence": figure(ev.predicted_prevalence(counts)),
    }


def counts_of(inputs: Inputs) -> ev.ConfusionCounts:
    return ev.ConfusionCounts(tp=inputs["tp"], fp=inputs["fp"], fn=inputs["fn"], tn=inputs["tn"])


@adapter("P01", "P02", "P16", "P17")
def _(inputs: Inputs) -> dict[str, Any]:
    y, score = inputs["y_true"], inputs["y_score"]
    default, wald = ev.auroc(y, score), ev.auroc(y, score, method="wald")
    found: dict[str, Any] = {
        "auc": default.value,
        "auc_variance_delong": default.standard_error**2,
        "auc_ci95_delong_wald": limits(wald),
    }
    if inputs.get("rule") == "youden":
        return found | youden(y, score, "accuracy")
    found |= {"auc_se_delong": default.standard_error, "auc_ci95_delong_logit": limits(default)}
    if len(y) == 109:
        found["auc_se_hanley_mcneil"] = ev.hanley_mcneil_error(
            default.value, positives=sum(y), negatives=len(y) - sum(y)
        )
    return found


def youden(y: list[int], score: list[float], *extra: str) -> dict[str, Any]:
    point = ev.choose_operating_point(y, score, rule="youden")
    at = ev.operating_characteristics(y, score, point.threshold)
    figures = {"sensitivity": at.sensitivity.value, "specificity": at.specificity.value}
    figures |= {name: at.as_dict()[name].value for name in extra}
    return figures | at.counts.to_dict() | {"threshold_interval": Within(point.threshold)}


@adapter("P03")
def _(inputs: Inputs) -> dict[str, Any]:
    test = ev.compare_auroc(inputs["y_true"], inputs["y_score_a"], inputs["y_score_b"])
    return {
        "auc_a": test.a.value,
        "auc_b": test.b.value,
        "auc_diff": test.difference.value,
        "z": test.z,
        "p_value": test.p_value,
        "diff_ci95": limits(test.difference),
        "cov_ab": test.covariance,
        "se_diff": test.difference.standard_error,
    }


@adapter("P04")
def _(inputs: Inputs) -> dict[str, Any]:
    thresholds = [SPECIAL.get(t, t) for t in inputs["thresholds"]]
    rows = ev.threshold_table(inputs["y_true"], inputs["y_score"], thresholds)
    return {
        "rows": [
            {
                "threshold": row.threshold,
                **row.counts.to_dict(),
                "sensitivity": row.sensitivity.value,
                "specificity": row.specificity.value,
                "ppv": row.ppv.value,
                "npv": row.npv.value,
                "accuracy": row.accuracy.value,
                "youden_j": row.youden_index.value,
            }
            for row in rows
        ]
    }


@adapter("P05")
def _(inputs: Inputs) -> dict[str, Any]:
    found = youden(inputs["y_true"], inputs["y_score"], "youden_index")
    found["youden_j"] = found.pop("youden_index")
    return found


@adapter("P06", "P07")
def _(inputs: Inputs) -> dict[str, Any]:
    rows = []
    for case in inputs["cases"]:
        wilson = ev.proportion(case["x"], case["n"], level=case["level"])
        exact = ev.proportion(case["x"], case["n"], level=case["level"], method="clopper-pearson")
        for share, bound in ((0.0, "lower"), (1.0, "upper")):  # the closed end is exact, not nearly so
            if wilson.value == share:
                assert getattr(wilson, bound) == getattr(exact, bound) == share
        rows.append(
            {
                **case,
                "estimate": wilson.value,
                "wilson": limits(wilson),
                "clopper_pearson": limits(exact),
            }
        )
    return {"rows": rows}


@adapter("P08")
def _(inputs: Inputs) -> dict[str, Any]:
    counts = counts_of(inputs)
    exact = (ev.sensitivity, ev.specificity, ev.ppv, ev.npv, ev.accuracy)
    return {
        "wilson": wilson_table(counts),
        "exact": {item.__name__: figure(item(counts, method="clopper-pearson")) for item in exact},
        "youden_j": ev.youden_index(counts).value,
        "number_needed_to_diagnose": ev.number_needed_to_diagnose(counts).value,
        "point": names_in_cases(counts),
    }


@adapter("P09")
def _(inputs: Inputs) -> dict[str, Any]:
    counts = counts_of(inputs)
    return names_in_cases(counts) | {"wilson": wilson_table(counts)}


@adapter("P10")
def _(inputs: Inputs) -> dict[str, Any]:
    y, p = inputs["y_true"], inputs["y_prob"]
    curve = ev.precision_recall_curve(y, p)
    recall, precision = np.append(0.0, curve.recall), np.append(1.0, curve.precision)
    at = ev.operating_characteristics(y, p, inputs["threshold"])
    return {
        "auc": ev.auroc(y, p).value,
        "average_precision": ev.auprc(y, p).value,
        "pr_auc_trapezoid": float(np.trapezoid(precision, recall)),
        "brier": ev.brier_score(y, p).value,
        "log_loss": ev.log_loss(y, p).value,
        "at_threshold": names_in_cases(at.counts) | at.counts.to_dict(),
    }


@adapter("P11")
def _(inputs: Inputs) -> dict[str, Any]:
    found = ev.calibration(inputs["y_true"], inputs["y_prob"])
    return {
        "calibration_slope": found.slope.value,
        "calibration_slope_se": found.slope.standard_error,
        "calibration_slope_ci95": limits(found.slope),
        "calibration_intercept_joint": found.intercept_joint.value,
        "calibration_in_the_large": found.calibration_in_the_large.value,
        "calibration_in_the_large_ci95": limits(found.calibration_in_the_large),
        "observed_expected_ratio": found.observed_expected.value,
        "brier": found.brier.value,
        "spiegelhalter_z": found.spiegelhalter_z,
        "spiegelhalter_p": found.spiegelhalter_p,
        "unreliability_chisq": found.unreliability_chi2,
        "unreliability_p": found.unreliability_p,
    }


@adapter("P12")
def _(inputs: Inputs) -> dict[str, Any]:
    y, p, thresholds = inputs["y_true"], inputs["y_prob"], inputs["thresholds"]
    return {
        "model": decision_rows(ev.decision_curve(y, p, thresholds)),
        "treat_all": decision_rows(ev.decision_curve(y, np.ones(len(y)), thresholds)),
    }


def decision_rows(curve: ev.DecisionCurve) -> list[dict[str, float]]:
    np.testing.assert_array_equal(curve.treat_none, 0.0)
    return [
        {
            "threshold": t,
            "tp_rate": curve.true_positive_rate[i],
            "fp_rate": curve.false_positive_rate[i],
            "net_benefit": curve.net_benefit[i],
            "net_intervention_avoided": curve.net_intervention_avoided[i],
        }
        for i, t in enumerate(curve.thresholds)
    ]


@adapter("P13")
def _(inputs: Inputs) -> dict[str, Any]:
    test = ev.mcnemar(ev.PairedCounts(**inputs))
    return {
        "chi2": test.chi2,
        "p": test.p_chi2,
        "chi2_cc": test.chi2_corrected,
        "p_cc": test.p_chi2_corrected,
        "p_exact": test.p_exact,
        "p_mid": test.p_mid,
    }


@adapter("P14")
def _(inputs: Inputs) -> dict[str, Any]:
    counts = counts_of(inputs)
    rows = []
    for prevalence in inputs["prevalences"]:
        ppv, npv = ev.predictive_values(ev.sensitivity(counts), ev.specificity(counts), prevalence=prevalence)
        rows.append({"prevalence": prevalence, "ppv": ppv.value, "npv": npv.value})
    return {"rows": rows}


@adapter("P15")
def _(inputs: Inputs) -> dict[str, Any]:
    summaries = {str(k): ev.calibration(inputs["y_true"], inputs["y_prob"], bins=k) for k in inputs["bins"]}
    return {
        "ece": {k: summary.ece.value for k, summary in summaries.items()},
        "mce": {k: summary.mce.value for k, summary in summaries.items()},
    }


@adapter("P18")
def _(inputs: Inputs) -> dict[str, Any]:
    found = [ev.proportion_difference(*case) for case in inputs["cases"]]
    return {"rows": [{"diff": item.value, "ci95": limits(item)} for item in found]}


@adapter("P19")
def _(inputs: Inputs) -> dict[str, Any]:
    found = ev.auroc(inputs["y_true"], inputs["y_score"], patients=inputs["cluster"], method="wald")
    assert "only 4 patients" in found.reason
    return {
        "auc": found.value,
        "auc_variance_clustered": found.standard_error**2,
        "auc_se_clustered": found.standard_error,
        "auc_ci95_wald": limits(found),
    }


@adapter("P20")
def _(inputs: Inputs) -> dict[str, Any]:
    y, p = inputs["y_true"], np.array(inputs["y_prob"])
    fitted = ev.fit_calibration(logit(p), y, method="temperature")
    after = fitted.apply(logit(p))
    return {
        "temperature": dict(fitted.parameters)["temperature"],
        "log_loss_before": ev.log_loss(y, p).value,
        "log_loss_after": ev.log_loss(y, after).value,
        "brier_before": ev.brier_score(y, p).value,
        "brier_after": ev.brier_score(y, after).value,
    }


@adapter("P21")
def _(inputs: Inputs) -> dict[str, Any]:
    y, score = inputs["y_true"], inputs["y_score"]
    area, summary = ev.auroc(y, score), ev.calibration(y, score)
    assert not area.has_interval
    assert "every score is the same" in area.reason
    assert "every probability is the same" in summary.slope.reason
    return {
        "auc": area.value,
        "auc_se_delong": area.standard_error,
        "average_precision": ev.auprc(y, score).value,
        "calibration_slope": summary.slope.value,
    }


@adapter("P22")
def _(inputs: Inputs) -> dict[str, Any]:
    score = inputs["y_score"]
    with pytest.raises(ArgumentError, match="which class is positive"):
        ev.auroc(inputs["y_true"], score)
    by_name = ev.auroc(inputs["y_true"], score, positive=inputs["pos_label"], method="wald")
    assert by_name == ev.auroc(inputs["y_true_bool"], score, method="wald")
    return {"auc": by_name.value, "auc_ci95_delong_wald": limits(by_name)}


@adapter("P23")
def _(inputs: Inputs) -> dict[str, Any]:
    parts = ev.brier_decomposition(inputs["y_true"], inputs["y_prob"])
    return {
        "brier": parts.brier,
        "reliability": parts.reliability,
        "resolution": parts.resolution,
        "uncertainty": parts.uncertainty,
        "brier_skill_score": parts.skill,
    }


@adapter("P24")
def _(inputs: Inputs) -> dict[str, Any]:
    found = {}
    for rule, target in inputs["targets"]:
        point = ev.choose_operating_point(inputs["y_true"], inputs["y_score"], rule=rule, target=target)
        at = ev.operating_characteristics(inputs["y_true"], inputs["y_score"], point.threshold)
        found[f"{rule}_{round(100 * target)}"] = {
            "sensitivity": at.sensitivity.value,
            "specificity": at.specificity.value,
            "tp": at.counts.tp,
            "fp": at.counts.fp,
            "midpoint_threshold": point.threshold,
        }
    return found


@adapter("P25")
def _(inputs: Inputs) -> dict[str, Any]:
    test = ev.compare_auroc(inputs["y_true"], inputs["y_score_a"], inputs["y_score_b"])
    verdict = ev.non_inferiority(test.difference, margin=inputs["margin"])
    return {
        "z": verdict.z,
        "p_one_sided": verdict.p_one_sided,
        "diff_ci95": limits(verdict.difference),
        "noninferior": verdict.noninferior,
    }


@adapter("P26")
def _(inputs: Inputs) -> dict[str, Any]:
    y, score, resamples = inputs["y_true"], inputs["y_score"], inputs["n_boot_min"]
    stratified, plain = (
        ev.bootstrap(y, score, "auroc", stratified=each, resamples=resamples, seed=1)
        for each in (True, False)
    )
    return {"stratified_ci95": limits(stratified), "unstratified_ci95": limits(plain)}


@adapter("P27")
def _(inputs: Inputs) -> dict[str, Any]:
    scores = inputs["calibration_scores"]
    return {"quantiles": [ev.conformal_quantile(scores, alpha) for alpha in inputs["alphas"]]}


def compare(expected: Any, found: Any, tolerance: dict[str, Any], path: str) -> int:
    """Compare two structures and return how many values were compared."""
    if isinstance(found, Within):
        low, high = expected
        assert low < found.value <= high, f"{path}: {found.value} is not in ({low}, {high}]"
        return 2
    if isinstance(expected, dict):
        assert isinstance(found, dict), path
        assert set(expected) == set(found), f"{path}: the keys differ by {set(expected) ^ set(found)}"
        return sum(compare(expected[key], found[key], tolerance, f"{path}.{key}") for key in expected)
    if isinstance(expected, list):
        assert len(expected) == len(found), path
        return sum(
            compare(a, b, tolerance, f"{path}[{i}]")
            for i, (a, b) in enumerate(zip(expected, found, strict=True))
        )
    if isinstance(expected, bool):
        assert found is expected, path
        return 1
    wanted = SPECIAL.get(expected, expected) if isinstance(expected, str) else expected
    key = path.rsplit(".", maxsplit=1)[-1].split("[", maxsplit=1)[0]
    allowed = tolerance.get("overrides", {}).get(key, tolerance["abs"])
    assert float(found) == pytest.approx(wanted, abs=allowed, rel=0, nan_ok=True), path
    return 1


def test_every_number_of_every_reference_case(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((shared / "reference_cases").glob("*.json"))
    compared: dict[str, int] = {}
    for file in files:
        case = json.loads(file.read_text(encoding="utf-8"))
        assert case["id"] in ADAPTERS, f"{file.name}: no adapter for this case"
        found = ADAPTERS[case["id"]](case["inputs"])
        compared[case["id"]] = compare(case["expected"], found, case["tolerance"], case["id"])
    assert set(compared) >= set(ADAPTERS), "a case that the adapters know is missing"
    total = sum(compared.values())
    with capsys.disabled():
        print(f"\nreference cases: {total} of {total} expected values agree, in {len(files)} cases")
    assert total >= NUMBERS_IN_THE_CASES


def test_the_comparison_notices_what_it_must() -> None:
    tolerance = {"abs": 1e-6}
    for expected, found in (
        ({"a": 1.0}, {"a": 1.1}),
        ({"a": 1.0, "b": 2.0}, {"a": 1.0}),
        ({"a": "nan"}, {"a": 0.0}),
        ({"a": [0.19, 0.22]}, {"a": Within(0.19)}),
        ({"a": True}, {"a": False}),
        ({"a": [1.0, 2.0]}, {"a": [1.0]}),
    ):
        with pytest.raises(AssertionError):
            compare(expected, found, tolerance, "case")
