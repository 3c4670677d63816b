"""What ``clinical_report`` accepts, and what it refuses in which words."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from medimg_cnn.artifacts import OperatingPoint
from medimg_cnn.errors import ArgumentError
from medimg_cnn.reporting import clinical_report

Y, P = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]


def report(*args, **kwargs):
    return clinical_report(*args, **{"bootstrap": 100, **kwargs})


@pytest.mark.parametrize(
    ("labels", "positive", "classes"),
    [
        ([False, False, True, True], None, ["negative", "positive"]),
        (["no", "no", "yes", "yes"], "yes", ["no", "yes"]),
        ([2, 2, 7, 7], 7, ["2", "7"]),
        (np.array([0.0, 0.0, 1.0, 1.0]), None, ["negative", "positive"]),
        (["yes"] * 4, "yes", ["not yes", "yes"]),
    ],
)
def test_labels_of_every_kind(labels, positive, classes):
    assert report(labels, P, positive=positive).to_dict()["data"]["classes"] == classes


def test_which_label_is_positive_changes_the_outcome_and_nothing_else():
    first, second = (
        report(["a", "a", "b", "b"], P, positive="b"),
        report(["a", "a", "b", "b"], P, positive="a"),
    )
    assert first.auroc.value == pytest.approx(1 - second.auroc.value)


def test_threshold_by_default_is_half_and_says_that_nothing_chose_it():
    point = report(Y, P).operating_point
    assert (point.threshold, point.rule) == (0.5, "fixed")
    assert point.chosen_on == "not chosen on data (default 0.5)"


def test_a_bare_threshold_has_an_unknown_origin():
    assert report(Y, P, operating_point=0.3).operating_point == OperatingPoint(
        threshold=0.3, rule="fixed", chosen_on="unknown"
    )


def test_the_run_brings_its_threshold_unless_one_is_given(result):
    run = SimpleNamespace(result=result)
    assert report(Y, P, run=run).operating_point == result.operating_point
    assert report(Y, P, run=run, operating_point=0.9).operating_point.threshold == 0.9


def test_missing_scores_are_refused_or_dropped_and_counted():
    with pytest.raises(ArgumentError, match=r"1 of 4 scores are missing.*missing=\"drop\""):
        report(Y, [0.1, np.nan, 0.35, 0.8])
    images = np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1)
    kept = report(
        Y,
        [0.1, np.nan, 0.35, 0.8],
        missing="drop",
        patients=["a", "b", "c", "d"],
        subgroups={"site": ["N", "N", "S", "S"]},
        images=images,
    )
    inputs = kept.evidence.inputs
    assert (inputs.n, inputs.dropped) == (3, 1)
    assert inputs.patients.tolist() == ["a", "c", "d"]
    assert inputs.subgroups["site"].tolist() == ["N", "S", "S"]
    assert inputs.images[:, 0, 0, 0].tolist() == [0, 2, 3]


def test_images_are_read_by_the_row_in_the_source_when_cases_were_dropped():
    seen = []

    class Source:
        def read(self, indices):
            seen.extend(indices.tolist())
            return np.zeros((len(indices), 2, 2, 1), np.float32)

    report([1, 0, 1, 0], [np.nan, 0.1, 0.2, 0.9], missing="drop", images=Source())
    assert seen == [2, 3]


def test_predictions_and_arrays_give_the_same_figures(make_predictions):
    predictions = make_predictions(80)
    by_record = report(predictions)
    by_array = report(
        predictions.y_true,
        predictions.probability,
        patients=predictions.patient_id,
        subgroups=pd.DataFrame(dict(predictions.subgroups)),
    )
    assert {k: str(v) for k, v in by_record.estimates.items()} == {
        k: str(v) for k, v in by_array.estimates.items()
    }
    assert list(by_array.evidence.subgroups) == list(by_record.evidence.subgroups)


def test_blank_groups_are_called_not_recorded():
    groups = report(Y, P, subgroups={"sex": ["F", "", "nan", "None"]}).evidence.inputs.subgroups["sex"]
    assert groups.tolist() == ["F", "not recorded", "not recorded", "not recorded"]


def test_images_of_another_split_are_refused(make_predictions):
    cases = make_predictions(20)

    class Source:
        sample_ids = cases.sample_id[::-1]

        def read(self, indices):
            return np.zeros((len(indices), 2, 2, 1), np.float32)

    with pytest.raises(ArgumentError, match="images: its sample_ids are not those of the predictions"):
        report(cases, images=Source())
    Source.sample_ids = cases.sample_id
    assert "errors" in [section.key for section in report(cases, images=Source()).document.sections]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((Y,), {}, "probability: is missing"),
        ((Y, [1.0, 2.0, 3.0, -4.0]), {}, r"must lie in \[0, 1\]; 3 of 4 do not"),
        ((Y, [0.1, 0.2]), {}, "one number for each of the 4 outcomes; got 2"),
        ((["a", "b"], [0.1, 0.2]), {}, "Pass positive="),
        ((["a", "b"], [0.1, 0.2]), {"positive": "c"}, "positive: must be one of the two classes"),
        ((Y, P), {"patients": ["a"]}, r"patients: must have the shape \(4,\)"),
        ((Y, P), {"subgroups": {"site": ["a"]}}, r"subgroups\['site'\]: must have the shape \(4,\)"),
        ((Y, P), {"subgroups": ["a"] * 4}, "subgroups: must map column names"),
        ((Y, P), {"prevalences": [1.5]}, "prevalences: must be"),
        ((Y, P), {"intended_prevalence": 0}, "intended_prevalence: must be"),
        ((Y, P), {"level": 95}, "level: must be"),
        ((Y, P), {"bootstrap": 10}, "bootstrap: must be a whole number of at least 100"),
        ((Y, P), {"missing": "ignore"}, "missing: must be one of"),
        ((Y, P), {"run": 3}, "run: must have a .result"),
        ((Y, P), {"images": np.zeros((3, 2, 2, 1))}, r"images: must have the shape \(4, height"),
        (([0, 1], [np.nan, np.nan]), {"missing": "drop"}, "every score is missing"),
    ],
)
def test_refusals_name_the_argument_and_the_rule(arguments, options, message):
    with pytest.raises(ArgumentError, match=message):
        report(*arguments, **options)


def test_what_predictions_already_say_is_not_said_twice(make_predictions):
    predictions = make_predictions(20)
    for options in ({"positive": 1}, {"patients": ["a"] * 20}):
        with pytest.raises(ArgumentError, match="already"):
            report(predictions, **options)
    with pytest.raises(ArgumentError, match="probability: the first argument is a Predictions"):
        report(predictions, [0.1] * 20)


def test_one_prevalence_needs_no_list():
    for given in (0.05, (0.05,), [0.05], np.array([0.05]), np.float64(0.05)):
        found = report(Y, P, prevalences=given)
        assert [row[0] for row in found.evidence.predictive_values] == [0.05]


def test_a_rule_is_not_a_threshold_and_the_way_to_one_is_said():
    for given in ("youden", [0.3, "youden"]):
        with pytest.raises(ArgumentError, match="not the name of a rule; got 'youden'") as caught:
            report(Y, P, operating_point=given)
        assert 'choose_operating_point(y, p, rule="youden", chosen_on="validation")' in str(caught.value)


@pytest.mark.parametrize("given", ["site", ["site"], [0, 1, 0, 1]])
def test_a_column_is_not_named_but_given(given):
    with pytest.raises(
        ArgumentError, match="subgroups: must map column names to one group per case"
    ) as caught:
        report(Y, P, subgroups=given)
    assert '{"site": sites}' in str(caught.value)


def test_a_misspelt_option_is_refused():
    with pytest.raises(TypeError, match="subgroup"):
        report(Y, P, subgroup={})
