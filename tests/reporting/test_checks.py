"""Each check: when it passes, warns, fails and cannot be made."""

from __future__ import annotations

import numpy as np
import pytest

from medimg_cnn.artifacts import OperatingPoint, Predictions
from medimg_cnn.reporting import clinical_report
from medimg_cnn.reporting._checks import needs_attention


def outcomes(report):
    return {check.code: check.outcome for check in report.checks}


def check(report, code):
    return next(item for item in report.checks if item.code == code)


def simulated(n=400, *, seed=1, shift=1.5, prevalence=0.4, slope=1.0, offset=0.0, part="test", patients=None):
    """Probabilities that are calibrated at slope 1 and offset 0: two normal classes, unit variance."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < prevalence).astype(int)
    x = rng.normal(size=n) + shift * y
    right = shift * x - shift**2 / 2 + np.log(prevalence / (1 - prevalence))
    logit = slope * right + offset
    return Predictions(
        y_true=y,
        logit=logit,
        probability=1 / (1 + np.exp(-logit)),
        sample_id=[str(i) for i in range(n)],
        patient_id=patients,
        part=part,
    )


def report(cases, chosen_on="validation", threshold=0.5, **options):
    point = OperatingPoint(threshold=threshold, rule="youden", chosen_on=chosen_on)
    return clinical_report(cases, **{"operating_point": point, "bootstrap": 100, **options})


def test_codes_are_stable():
    found = report(simulated()).checks
    assert [item.code for item in found] == [f"R{i:03d}" for i in range(1, 14)]
    assert [item.title for item in found] == [
        "Threshold chosen elsewhere",
        "Enough cases with the condition",
        "Enough cases without the condition",
        "Patients known",
        "Prevalence like the intended use",
        "Scores point the right way",
        "Probabilities mean what they say",
        "No subgroup gap shown",
        "Not too good to be true",
        "Judged on data not used for training",
        "Scores differ between cases",
        "No case left out",
        "Better than chance",
    ]


def test_a_sound_study_passes():
    cases = simulated(patients=[str(i) for i in range(400)])
    sound = report(cases, subgroups={"site": ["a", "b"] * 200}, intended_prevalence=0.4)
    assert set(outcomes(sound).values()) == {"pass"}
    assert needs_attention(sound.checks) == ()


@pytest.mark.parametrize(
    ("chosen_on", "part", "outcome"),
    [
        ("validation", "test", "pass"),
        ("test", "test", "fail"),
        (" Test ", "external", "fail"),
        ("validation", "validation", "fail"),
        ("unknown", "test", "warn"),
        *((here, "test", "fail") for here in ("test set", "Test split", "the test data", "internal test")),
        *((here, "", "fail") for here in ("holdout", "hold-out", "held out", "this dataset", "these cases")),
        *((here, "", "fail") for here in ("all data", "the same cases", "testing", "test-set")),
        *((here, "external", "fail") for here in ("external data", "the External cohort")),
        *((there, "test", "pass") for there in ("Validation set", "the validation split", "tuning data")),
        *((there, "test", "pass") for there in ("development", "calibration set", "the configuration")),
        *((there, "test", "pass") for there in ("literature", "not chosen on data (default 0.5)")),
        *((seen, "test", "warn") for seen in ("train", "training data", "train and validation")),
        *((free, "test", "warn") for free in ("site B", "good data", "latest cohort", "internal")),
    ],
)
def test_r001_threshold_chosen_elsewhere(chosen_on, part, outcome):
    assert outcomes(report(simulated(part=part), chosen_on=chosen_on))["R001"] == outcome


def test_r001_says_what_is_wrong_with_training_cases_and_with_words_it_does_not_know():
    assert "trained on (train)" in check(report(simulated(), chosen_on="train"), "R001").finding
    assert "not known (said: site B)" in check(report(simulated(), chosen_on="site B"), "R001").finding
    assert "said" not in check(report(simulated(), chosen_on="unknown"), "R001").finding
    folds = check(report(simulated(), chosen_on="validation of each fold"), "R001")
    assert (folds.outcome, folds.severity) == ("warn", "minor")
    assert "judged here by one run had a part in choosing it by the others" in folds.finding


def test_r002_and_r003_need_twenty_of_each():
    for positives, outcome in ((0, "fail"), (19, "warn"), (20, "pass")):
        y = [1] * positives + [0] * 30
        p = np.linspace(0.1, 0.9, len(y))
        assert outcomes(clinical_report(y, p, bootstrap=100))["R002"] == outcome
        flipped = [1 - value for value in y]
        assert outcomes(clinical_report(flipped, p, bootstrap=100))["R003"] == outcome


def test_r002_and_r003_count_patients_and_not_their_images():
    y, p = [0, 1] * 50, np.linspace(0.1, 0.9, 100)
    assert outcomes(clinical_report(y, p, patients=np.arange(100) // 5, bootstrap=100))["R002"] == "pass"
    few = clinical_report(y, p, patients=np.arange(100) // 10, bootstrap=100)
    assert (outcomes(few)["R002"], outcomes(few)["R003"]) == ("warn", "warn")
    assert "only 50 images of 10 patients" in check(few, "R002").finding


def test_r002_and_r003_name_the_width_of_the_interval():
    sound = report(simulated())
    for code, figure in (("R002", sound.sensitivity), ("R003", sound.specificity)):
        assert f"is {100 * figure.width:.1f} percentage points wide" in check(sound, code).finding


def test_r004_patients():
    assert outcomes(report(simulated()))["R004"] == "warn"
    assert outcomes(report(simulated(), patients=np.arange(400) // 2))["R004"] == "pass"


def test_r005_prevalence():
    cases = simulated()
    assert outcomes(report(cases))["R005"] == "not applicable"
    assert outcomes(report(cases, intended_prevalence=float(cases.prevalence)))["R005"] == "pass"
    assert outcomes(report(cases, intended_prevalence=0.05))["R005"] == "warn"


def test_r005_cannot_be_judged_without_an_interval_or_with_a_wide_one():
    y, p = [0, 1] * 10, np.linspace(0.1, 0.9, 20)
    one = clinical_report(y, p, patients=["p"] * 20, intended_prevalence=0.01, bootstrap=100)
    assert outcomes(one)["R005"] == "not applicable"
    assert "no interval" in check(one, "R005").finding
    wide = clinical_report(y[:6], p[:6], intended_prevalence=0.5, bootstrap=100)
    assert outcomes(wide)["R005"] == "not applicable"
    many = clinical_report(
        [0, 1] * 100,
        np.linspace(0.1, 0.9, 200),
        intended_prevalence=0.5,
        bootstrap=100,
        patients=np.arange(200) // 4,
    )
    assert "200 images of 50 patients" in check(many, "R005").finding


def test_r006_and_r009_cannot_be_judged_with_constant_scores_or_no_interval():
    constant = clinical_report([0, 1] * 30, [0.5] * 60, bootstrap=100)
    assert [outcomes(constant)[code] for code in ("R006", "R009", "R013")] == ["not applicable"] * 3
    assert "every score is the same" in check(constant, "R006").finding
    unsure = clinical_report([0, 1] * 20, [0.2, 0.3, 0.3, 0.2] * 9 + [0.2, 0.3] * 2, bootstrap=100)
    assert unsure.auroc.lower < 0.5 < unsure.auroc.value
    assert outcomes(unsure)["R006"] == "not applicable"


def test_r006_inverted_labels():
    cases = simulated()
    inverted = clinical_report(1 - cases.y_true, cases.probability, bootstrap=100)
    assert outcomes(inverted)["R006"] == "fail"
    assert inverted.auroc.value < 0.5
    unsure = clinical_report([1, 0, 1, 0, 1], [0.2, 0.3, 0.4, 0.35, 0.1], bootstrap=100)
    assert outcomes(unsure)["R006"] == "warn"
    assert outcomes(clinical_report([1, 1], [0.2, 0.5], bootstrap=100))["R006"] == "not applicable"


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [({}, "pass"), ({"slope": 2.5}, "warn"), ({"offset": 1.5}, "warn"), ({"n": 30}, "not applicable")],
)
def test_r007_calibration(changes, outcome):
    assert outcomes(report(simulated(**changes)))["R007"] == outcome


def test_r007_says_inconclusive_where_the_intervals_are_wide():
    found = check(report(simulated(60, prevalence=0.5, shift=1.0)), "R007")
    assert found.outcome == "warn"
    assert found.finding.startswith("Inconclusive: slope")


def test_r007_counts_patients_and_not_their_images():
    few = check(report(simulated(patients=np.arange(400) // 25)), "R007")
    assert few.outcome == "not applicable"
    assert "16 patients, fewer than 20" in few.finding


def test_r007_does_not_judge_decisions_as_probabilities():
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 400)
    hard = clinical_report(y, np.where(rng.random(400) < 0.2, 1 - y, y).astype(float), bootstrap=100)
    found = check(hard, "R007")
    assert found.outcome == "not applicable"
    assert "decisions and not probabilities" in found.finding
    text = " ".join(hard.to_text().split())
    assert hard.evidence.calibration.note in text
    assert "nothing here can be read as calibration" in text


def test_r008_subgroup_gap():
    cases = simulated(800)
    site = np.array(["a", "b"] * 400)
    spoilt = np.where(site == "b", np.random.default_rng(0).random(800), cases.probability)
    gap = clinical_report(cases.y_true, spoilt, subgroups={"site": site}, bootstrap=100)
    assert outcomes(gap)["R008"] == "warn"
    assert "site b less a" in check(gap, "R008").finding
    assert outcomes(report(cases))["R008"] == "not applicable"
    small = ["a"] * 790 + ["b"] * 10
    assert outcomes(report(cases, subgroups={"site": small}))["R008"] == "not applicable"


def test_r009_perfect_separation():
    perfect = clinical_report([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], bootstrap=100)
    assert outcomes(perfect)["R009"] == "warn"
    assert outcomes(clinical_report([1], [0.5], bootstrap=100))["R009"] == "not applicable"


def test_r009_warns_where_hardly_a_pair_is_in_the_wrong_order():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 500)
    p = 1 / (1 + np.exp(-rng.normal(size=1000) - 4.5 * y + 2.25))
    near = clinical_report(y, p, bootstrap=100)
    assert 0.99 < near.auroc.lower < near.auroc.value < 1
    assert outcomes(near)["R009"] == "warn"
    swapped = clinical_report(1 - y, p, bootstrap=100)
    assert outcomes(swapped)["R009"] == "warn"


@pytest.mark.parametrize(
    ("part", "outcome"), [("train", "fail"), ("validation", "warn"), ("test", "pass"), ("external", "pass")]
)
def test_r010_training_data(part, outcome):
    assert outcomes(report(simulated(part=part)))["R010"] == outcome


def test_r010_cannot_be_made_where_the_part_is_not_said():
    assert outcomes(clinical_report([0, 1], [0.1, 0.9], bootstrap=100))["R010"] == "not applicable"


def test_r011_constant_scores():
    assert outcomes(clinical_report([0, 1], [0.5, 0.5], bootstrap=100))["R011"] == "fail"
    assert outcomes(clinical_report([1], [0.5], bootstrap=100))["R011"] == "not applicable"


def test_r012_dropped_cases():
    y, p = [0, 1, 0, 1], [0.1, 0.8, np.nan, 0.9]
    found = check(clinical_report(y, p, missing="drop", bootstrap=100), "R012")
    assert (found.outcome, found.severity) == ("warn", "major")
    assert "1 case (25.0%)" in found.finding


def test_r013_chance():
    rng = np.random.default_rng(0)
    guessed = clinical_report(rng.integers(0, 2, 60), rng.random(60), bootstrap=100)
    assert outcomes(guessed)["R013"] == "warn"
    assert outcomes(report(simulated()))["R013"] == "pass"
    assert outcomes(clinical_report([1], [0.5], bootstrap=100))["R013"] == "not applicable"


def test_what_could_not_be_checked_never_looks_passed():
    text = clinical_report([1], [0.5], bootstrap=100).to_text()
    assert "[Not checked] R005" in text
    assert "A check that could not be made has not been passed." in " ".join(text.split())


def test_the_summary_says_how_many_checks_could_not_be_made():
    some = report(simulated())
    unmade = sum(item.outcome == "not applicable" for item in some.checks)
    assert unmade
    (summary, *_) = some.document.sections
    text = " ".join(block.text for block in summary.blocks if hasattr(block, "text"))
    assert f"{unmade} of 13 checks could not be made" in text
