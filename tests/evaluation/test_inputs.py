"""What every function refuses, and what it accepts as the same thing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from medimg_cnn import evaluation as ev
from medimg_cnn.artifacts import Predictions
from medimg_cnn.errors import ArgumentError

Y = [0, 0, 1, 0, 1, 1]
P = [0.1, 0.3, 0.35, 0.4, 0.6, 0.9]
TAKES_SCORES = [
    ev.auroc,
    ev.auprc,
    ev.bootstrap,
    ev.brier_score,
    ev.log_loss,
    ev.calibration,
    ev.decision_curve,
    ev.operating_characteristics,
    ev.reliability_curve,
    ev.risk_coverage_curve,
    ev.roc_curve,
    ev.precision_recall_curve,
    ev.choose_operating_point,
    ev.brier_decomposition,
    ev.expected_calibration_error,
    ev.fit_conformal,
    ev.threshold_table,
    ev.ConfusionCounts.from_scores,
]


@pytest.mark.parametrize("function", TAKES_SCORES)
@pytest.mark.parametrize(
    ("y", "p", "words"),
    [
        (Y, P[:-1], "same length"),
        ([], [], "at least one"),
        (Y, [0.1, np.nan, 0.3, 0.4, 0.5, 0.6], "missing"),
        (Y, [0.1, np.inf, 0.3, 0.4, 0.5, 0.6], "finite"),
        ([0, 1, 2, 0, 1, 1], P, "0 or 1"),
        ([-1, 1, -1, 1, -1, 1], P, "positive="),
        (["a", "b", "a", "b", "a", "b"], P, "positive="),
        ([0, 1, None, 0, 1, 1], P, "missing"),
        ([0.0, 1.0, np.nan, 0.0, 1.0, 1.0], P, "missing"),
        (Y, np.ones((6, 2)), r"score\[:, 1\]"),
        (Y, ["a"] * 6, "numbers"),
        (Y, [1j] * 6, "real"),
    ],
)
def test_malformed_input_is_refused_in_words(function: Any, y: Any, p: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        function(y, p)


@pytest.mark.parametrize(
    "function", [ev.brier_score, ev.log_loss, ev.calibration, ev.decision_curve, ev.reliability_curve]
)
def test_probabilities_must_be_probabilities(function: Any) -> None:
    with pytest.raises(ArgumentError, match="from 0 to 1"):
        function(Y, [-3.0, -1.0, 0.2, 0.4, 2.0, 4.0])


@pytest.mark.parametrize("function", [ev.auroc, ev.auprc, ev.brier_score, ev.log_loss, ev.calibration])
def test_weights_are_refused_in_words(function: Any) -> None:
    with pytest.raises(ArgumentError, match="weights: are not supported"):
        function(Y, P, weights=[1.0] * 6)


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        (np.array(Y, dtype=bool), None),
        (np.array(Y, dtype=np.int8), None),
        (np.array(Y, dtype=np.float32), None),
        (np.array(Y)[:, None], None),
        (np.array([bool(v) for v in Y], dtype=object), None),
        (pd.Series(Y), None),
        (pd.Series(["ill" if v else "well" for v in Y]), "ill"),
        (pd.Series(["ill" if v else "well" for v in Y], dtype="category"), "ill"),
        (np.array([b"ill" if v else b"well" for v in Y]), "ill"),
        ([2 if v else 1 for v in Y], 2),
        ([0 if v else 1 for v in Y], 0),
    ],
)
def test_labels_of_any_kind_mean_the_same(labels: Any, positive: Any) -> None:
    assert ev.auroc(labels, P, positive=positive) == ev.auroc(Y, P)


def test_an_unknown_positive_class_is_refused_with_a_hint() -> None:
    labels = ["Good", "Poor", "Good"]
    with pytest.raises(ArgumentError, match="Did you mean 'Poor'"):
        ev.auroc(labels, [1, 2, 3], positive="poor")
    with pytest.raises(ArgumentError, match="two classes"):
        ev.auroc(["a", "b", "c"], [1, 2, 3], positive="a")
    with pytest.raises(ArgumentError, match="two classes"):
        ev.auroc([0, 1, 1], [1, 2, 3], positive="1")


def test_one_class_only_with_a_named_positive_is_no_error() -> None:
    item = ev.auroc(["well", "well"], [0.1, 0.2], positive="ill")
    assert not item.defined
    assert item.reason == "no image has the condition"


def test_missing_scores_are_dropped_and_counted_when_asked() -> None:
    y, p = [*Y, 1, 0], [*P, np.nan, np.nan]
    item = ev.auroc(y, p, missing="drop")
    assert (item.dropped, item.n, item.value) == (2, 6, ev.auroc(Y, P).value)
    at = ev.operating_characteristics(y, p, 0.5, missing="drop", patients=list("aabbccdd"))
    assert (at.dropped, at.counts.n, at.patients, at.sensitivity.dropped) == (2, 6, 3, 2)
    test = ev.compare_auroc(y, p, [*P[::-1], 0.5, np.nan], missing="drop")
    assert (test.a.n, test.b.n) == (6, 6)
    with pytest.raises(ArgumentError, match="at least one value that is not missing"):
        ev.auroc([0, 1], [np.nan, np.nan], missing="drop")
    with pytest.raises(ArgumentError, match="missing"):
        ev.auroc(Y, P, missing="dorp")  # type: ignore[arg-type]


def test_predictions_bring_scores_and_patients_along() -> None:
    records = Predictions(
        y_true=np.array(Y),
        logit=np.zeros(6),
        probability=np.array(P),
        sample_id=np.array(list("abcdef")),
        patient_id=np.array(["1", "1", "2", "2", "3", "3"]),
    )
    assert ev.auroc(records) == ev.auroc(Y, P, patients=[1, 1, 2, 2, 3, 3])
    assert ev.auroc(records, patients=list("abcdef")) == ev.auroc(Y, P, patients=list("abcdef"))
    assert ev.brier_score(records) == ev.brier_score(Y, P, patients=[1, 1, 2, 2, 3, 3])
    with pytest.raises(ArgumentError, match="Predictions already say"):
        ev.auroc(records, positive=1)
    with pytest.raises(ArgumentError, match="Pass it second"):
        ev.auroc(Y)


@pytest.mark.parametrize(
    "patients", [["a", "a", None, "b", "b", "c"], [1.0, 1.0, np.nan, 2.0, 2.0, 3.0], ["a"] * 5]
)
def test_patients_must_be_known_for_every_image(patients: Any) -> None:
    with pytest.raises(ArgumentError, match="patient"):
        ev.auroc(Y, P, patients=patients)


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.5])
def test_the_level_lies_between_0_and_1(level: float) -> None:
    with pytest.raises(ArgumentError, match="level"):
        ev.auroc(Y, P, level=level)
    with pytest.raises(ArgumentError, match="level"):
        ev.proportion(1, 2, level=level)


def test_a_wider_level_gives_a_wider_interval() -> None:
    for function in (ev.auroc, ev.brier_score, ev.log_loss):
        assert function(Y, P, level=0.99).width > function(Y, P, level=0.9).width


def test_the_threshold_may_be_infinite_but_not_missing() -> None:
    assert ev.operating_characteristics(Y, P, -np.inf).sensitivity.value == 1.0
    assert ev.operating_characteristics(Y, P, np.inf).specificity.value == 1.0
    with pytest.raises(ArgumentError, match="threshold"):
        ev.operating_characteristics(Y, P, np.nan)


def test_an_image_at_the_threshold_is_positive() -> None:
    assert ev.ConfusionCounts.from_scores([1, 0], [0.5, np.nextafter(0.5, 0)], 0.5).tp == 1
    assert ev.ConfusionCounts.from_scores([1, 0], [0.5, np.nextafter(0.5, 0)], 0.5).tn == 1
