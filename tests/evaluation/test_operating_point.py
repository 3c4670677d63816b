from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn import evaluation as ev
from medimg_cnn.artifacts import Predictions
from medimg_cnn.errors import ArgumentError

Y = np.array([0, 0, 1, 0, 1, 1, 0, 1], dtype=bool)
P = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9])


def every_cut(y: np.ndarray, p: np.ndarray) -> list[ev.ConfusionCounts]:
    return [ev.ConfusionCounts.from_scores(y, p, t) for t in [*np.unique(p), np.inf]]


@given(seed=st.integers(0, 9999), rule=st.sampled_from(["youden", "sensitivity", "specificity", "cost"]))
def test_no_cut_is_better_than_the_chosen_one(seed: int, rule: Any) -> None:
    rng = np.random.default_rng(seed)
    y = np.arange(20) < 7
    p = rng.integers(0, 9, 20) / 8.0
    options: dict[str, Any] = {"cost_ratio": 3.0} if rule == "cost" else {}
    if rule in {"sensitivity", "specificity"}:
        options = {"target": 0.8}
    point = ev.choose_operating_point(y, p, rule=rule, **options)
    chosen = ev.ConfusionCounts.from_scores(y, p, point.threshold)

    def value(c: ev.ConfusionCounts) -> tuple[float, float]:
        sens, spec = c.tp / 7, c.tn / 13
        if rule == "youden":
            return round(sens + spec, 12), 0.0
        if rule == "cost":
            return -(3.0 * c.fn + c.fp), 0.0
        met, other = (sens, spec) if rule == "sensitivity" else (spec, sens)
        return (other, met) if met >= 0.8 else (-1.0, 0.0)

    assert value(chosen) == max(value(c) for c in every_cut(y, p))


def test_the_threshold_lies_midway_between_scores() -> None:
    point = ev.choose_operating_point(Y, P, rule="sensitivity", target=0.75, chosen_on="tuning set")
    assert point.threshold == pytest.approx(0.45)
    assert (point.rule, point.chosen_on) == ("sensitivity >= 0.75", "tuning set")


@pytest.mark.parametrize("part", ["train", "validation", "test", "external"])
def test_the_record_says_which_data_chose(part: str) -> None:
    cases = Predictions(
        y_true=Y.astype(np.int8),
        logit=np.zeros(8),
        probability=P,
        sample_id=np.array(list("abcdefgh")),
        part=part,
    )
    assert ev.choose_operating_point(cases).chosen_on == part
    named = f"the {part} set of Leeds"
    assert ev.choose_operating_point(cases, chosen_on=named).chosen_on == named
    for other in {"train", "validation", "test", "external", "tuning set"} - {part}:
        with pytest.raises(ArgumentError, match="chosen_on: must name the part"):
            ev.choose_operating_point(cases, chosen_on=other)
    assert ev.choose_operating_point(Y, P).chosen_on == "unknown"
    fixed = ev.choose_operating_point(cases, rule="fixed", threshold=0.3)
    assert fixed.chosen_on == "unknown"  # these data did not choose it
    locked = ev.choose_operating_point(cases, rule="fixed", threshold=0.3, chosen_on="validation")
    assert locked.chosen_on == "validation"


def test_ties_go_to_the_higher_sensitivity() -> None:
    # J is 0.5 at 0.9 (1 of 2 found, none false) and at 0.3 (both found, 1 of 2 false).
    point = ev.choose_operating_point([1, 0, 1, 0], [0.9, 0.5, 0.3, 0.1])
    assert ev.ConfusionCounts.from_scores([1, 0, 1, 0], [0.9, 0.5, 0.3, 0.1], point.threshold).tp == 2


def test_neighbouring_floats_can_be_told_apart() -> None:
    low = 0.5
    high = np.nextafter(low, 1.0)
    point = ev.choose_operating_point([0, 1], [low, high])
    assert low < point.threshold <= high


def test_everything_and_nothing_are_possible_choices() -> None:
    everything = ev.choose_operating_point([1, 0, 0], [0.1, 0.5, 0.9], rule="sensitivity", target=1.0)
    assert everything.threshold == 0.1
    nothing = ev.choose_operating_point([1, 0, 0], [0.1, 0.5, 0.9], rule="specificity", target=1.0)
    assert nothing.threshold > 0.9


def test_costs_may_be_judged_at_another_prevalence() -> None:
    common = ev.choose_operating_point(Y, P, rule="cost", cost_ratio=1.0, prevalence=0.9)
    rare = ev.choose_operating_point(Y, P, rule="cost", cost_ratio=1.0, prevalence=0.01)
    assert common.threshold < rare.threshold
    here = ev.choose_operating_point(Y, P, rule="cost", cost_ratio=2.0)
    assert (
        here.threshold
        == ev.choose_operating_point(Y, P, rule="cost", cost_ratio=2.0, prevalence=Y.mean()).threshold
    )
    assert rare.rule == "cost ratio 1 at prevalence 0.01"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rule": "yuden"}, "Did you mean 'youden'"),
        ({"rule": "sensitivity"}, "target: is needed"),
        ({"rule": "cost"}, "cost_ratio: is needed"),
        ({"rule": "fixed"}, "threshold: is needed"),
        ({"rule": "youden", "target": 0.9}, "target: is not used"),
        ({"rule": "sensitivity", "target": 0.0}, "target"),
        ({"rule": "sensitivity", "target": 1.1}, "target"),
        ({"rule": "cost", "cost_ratio": -1.0}, "cost_ratio"),
        ({"rule": "fixed", "threshold": 0.5, "prevalence": 0.1}, "prevalence: is not used"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        ev.choose_operating_point(Y, P, **options)


def test_one_class_gives_no_choice_but_a_fixed_one() -> None:
    with pytest.raises(ArgumentError, match="both classes"):
        ev.choose_operating_point([1, 1], [0.2, 0.3])
    assert ev.choose_operating_point([1, 1], [0.2, 0.3], rule="fixed", threshold=0.4).threshold == 0.4
