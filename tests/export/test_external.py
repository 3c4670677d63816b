"""External validation: the model stays frozen, what differs is said, alarms fire, recalibration is marked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn.artifacts import Calibration
from medimg_cnn.errors import ArgumentError
from medimg_cnn.export._external import _carried
from medimg_cnn.export._shift import _holm, alarms_of, two_sample_p


def read(bundle, images, labels, **options):
    return mc.data.load_external(
        (images, labels),
        preprocessing=bundle.preprocessing,
        classes=bundle.classes,
        patients=np.arange(len(images)),
        **options,
    )


@pytest.fixture(scope="module")
def knowing(bundle, run, data, images_of):
    """A validation on images of the same kind."""
    images, labels = images_of(120, seed=20)
    return mc.external_validate(bundle, read(bundle, images, labels), bootstrap=200)


def test_the_report_is_that_of_the_frozen_model(knowing, bundle):
    assert knowing.report.operating_point == bundle.operating_point
    assert knowing.predictions.part == "external"
    assert [section.key for section in knowing.report.document.sections][:2] == ["summary", "external"]
    assert "locked in development" in knowing.report.to_text()


def test_data_of_the_same_kind_fire_nothing(knowing):
    assert [test.name for test in knowing.tests] == ["prevalence", "size", "intensity", "features"]
    assert all(test.fired is False for test in knowing.tests), knowing.tests
    assert knowing.alarms[1].fired is False
    assert any("No test shows" in sentence for sentence in knowing.findings)


def test_a_change_of_everything_fires_everything(bundle, images_of):
    images, labels = images_of(120, seed=21, shift=0.35)
    keep = np.r_[0:120:2, 1:40:2]
    large = np.kron(images[keep], np.ones((3, 3), np.uint8))
    found = mc.external_validate(bundle, read(bundle, large, labels[keep]), bootstrap=100)
    assert all(test.fired for test in found.tests), found.tests
    assert found.alarms[1].fired
    assert found.findings[0].startswith("ALARM, wrong window")
    assert found.against.out_of_scope.value > 0.9


def test_exchanged_black_and_white_are_told(bundle, images_of):
    images, labels = images_of(80, seed=22)
    found = mc.external_validate(bundle, read(bundle, 255 - images, labels), bootstrap=100)
    assert {alarm.name: alarm.fired for alarm in found.alarms}["inverted grey values"]


def test_inverted_labels_raise_the_alarm():
    for auroc, fired in (((0.2, 0.1, 0.3), True), ((0.45, 0.3, 0.6), False), ((0.9, 0.8, 0.95), False)):
        assert alarms_of(reference=None, seen=None, auroc=auroc)[0].fired is fired
    assert alarms_of(reference=None, seen=None, auroc=(np.nan,) * 3)[0].fired is None


def test_without_the_training_data_nothing_is_claimed(run, data, tmp_path, images_of):
    bare = mc.load_bundle(mc.save_bundle(run, tmp_path / "bare.zip"))
    images, labels = images_of(60, seed=23)
    found = mc.external_validate(bare, read(bare, images, labels), bootstrap=100)
    assert [test.fired for test in found.tests] == [False, None, None, None]
    assert found.against.comparison is None
    text = " ".join(found.findings)
    assert "not known" in text
    assert "Not tested: size, intensity and features" in text


def test_other_classes_are_refused(bundle, images_of):
    images, labels = images_of(40, seed=24)
    other = mc.data.load_external(
        (images, labels), preprocessing=bundle.preprocessing, classes=("ill", "well"), patients=np.arange(40)
    )
    with pytest.raises(ArgumentError, match="classes"):
        mc.external_validate(bundle, other)


def test_recalibration_is_offered_marked_and_changes_no_decision(knowing, bundle, tmp_path):
    again = knowing.recalibrate()
    assert again.calibration.fitted_on.startswith("external data (120 images")
    new = again.bundle
    assert new.recalibrated["from_bundle"] == bundle.sha256
    assert new.recalibrated["previous_calibration"] == bundle.calibration.to_dict()
    assert "carried over" in new.operating_point.rule
    probability = new.calibration.apply(knowing.predictions.logit)
    before = knowing.predictions.probability >= bundle.operating_point.threshold
    assert ((probability >= new.operating_point.threshold) == before).all()
    bands = [
        (values >= low) & (values < high)
        for values, (low, high) in (
            (knowing.predictions.probability, bundle.abstention),
            (probability, new.abstention),
        )
    ]
    assert (bands[0] == bands[1]).all()
    assert "decisions are unchanged" in str(again)
    saved = mc.load_bundle(new.save(tmp_path / "again.zip"))
    assert saved.recalibrated["on"] == again.calibration.fitted_on
    assert saved.model_card.startswith("> Recalibrated after training")
    assert bundle.recalibrated is None
    assert abs(again.after.calibration_in_the_large.value) < abs(again.before.calibration_in_the_large.value)


def test_what_cannot_be_fitted_without_a_fold_is_not_judged(knowing):
    found = knowing.predictions
    in_one = np.where(found.y_true == 1, "all of them", found.sample_id)  # all positives in one patient
    again = replace(knowing, predictions=replace(found, patient_id=in_one)).recalibrate()
    assert again.after is None
    assert "cannot be said" in str(again)


def test_recalibration_needs_both_classes(knowing):
    one = replace(knowing, predictions=knowing.predictions.select(knowing.predictions.y_true == 1))
    with pytest.raises(ArgumentError, match="no calibration can be fitted"):
        one.recalibrate()
    with pytest.raises(ArgumentError, match="method"):
        knowing.recalibrate("magic")


@pytest.mark.parametrize("threshold", [0.01, 0.37, 0.9])
def test_a_carried_point_cuts_the_same_logits(threshold):
    old = Calibration(method="temperature", parameters=(("temperature", 1.7),))
    new = Calibration(method="platt", parameters=(("slope", 0.6), ("intercept", -1.1)))
    logits = np.random.default_rng(0).normal(0, 4, 2000)
    carried = _carried(threshold, old, new)
    assert ((new.apply(logits) >= carried) == (old.apply(logits) >= threshold)).all()


def test_a_point_that_calls_all_or_none_stays():
    same = Calibration()
    for threshold in (0.0, 1.5):
        assert _carried(threshold, same, same) == threshold


def test_holm_against_values_worked_by_hand():
    np.testing.assert_allclose(_holm([0.01, 0.04, 0.03, np.nan]), [0.03, 0.06, 0.06, np.nan])
    assert _holm([np.nan]) != [0.0]


@pytest.mark.statistical
@pytest.mark.slow
def test_the_two_sample_test_keeps_its_level():
    rng = np.random.default_rng(1)
    p = [
        two_sample_p(rng.normal(size=(40, 3)), rng.normal(size=(60, 3)), permutations=99, seed=i)
        for i in range(400)
    ]
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.085


def test_the_two_sample_test_sees_what_differs():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(80, 3))
    assert two_sample_p(a, rng.normal(size=(80, 3))) > 0.05
    assert two_sample_p(a, rng.normal(1.0, 1, size=(80, 3))) <= 0.002
    assert two_sample_p(a, rng.normal(0, 3, size=(80, 3))) <= 0.002
    assert two_sample_p(np.ones((5, 2)), np.ones((7, 2))) == 1.0


def test_two_bundles_are_compared_in_one_document(bundle, bundle_folder, images_of):
    images, labels = images_of(60, seed=25)
    report = mc.export.compare_bundles(bundle, bundle_folder, read(bundle, images, labels))
    assert report.auroc_difference.value == 0.0
    assert "Bundle A" in report.to_text()
    other = replace(bundle, classes=("a", "b"))
    with pytest.raises(ArgumentError, match="classes of a"):
        mc.export.compare_bundles(bundle, other, read(bundle, images, labels))
    padded = replace(bundle, preprocessing=replace(bundle.preprocessing, fit="pad"))
    with pytest.raises(ArgumentError, match="data_b"):
        mc.export.compare_bundles(bundle, padded, read(bundle, images, labels))
