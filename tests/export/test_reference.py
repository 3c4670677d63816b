"""The out-of-scope rule: how often it is wrong on images like the training images, and what it sees."""

from __future__ import annotations

import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn.errors import BundleDamagedError
from medimg_cnn.export._reference import Reference, _rank, intensity_profile


@pytest.mark.parametrize(
    ("n", "rank"), [(1, 1), (50, 50), (98, 98), (99, 99), (100, 100), (199, 198), (1000, 991)]
)
def test_the_limit_is_the_conformal_quantile(n, rank):
    assert _rank(n) == rank
    # A new score is above the k-th of n with probability 1 - k / (n + 1), where all are alike.
    assert 1 - rank / (n + 1) <= max(0.01, 1 / (n + 1)) + 1e-12


def test_the_rate_and_the_rule_are_said(bundle, data):
    reference = bundle.reference
    assert reference.false_alarm_rate == pytest.approx(1 - _rank(data.validation.n) / (data.validation.n + 1))
    assert f"{data.validation.n} of validation" in reference.rule


def test_of_the_held_out_images_none_above_the_limit_is_missed(bundle, data):
    table = mc.Predictor(bundle).predict(data.validation)
    assert table["out_of_scope"].mean() <= 0.03


def test_a_larger_image_is_out_by_its_size(bundle, images_of):
    images, _ = images_of(20, seed=3)
    large = np.kron(images, np.ones((8, 8), np.uint8))
    table = mc.Predictor(bundle).predict(large)
    assert table["out_of_scope"].all()
    assert table["scope_reason"].str.contains("size").all()


def test_black_white_and_noise_are_out(bundle):
    rng = np.random.default_rng(0)
    images = np.stack([np.zeros((12, 12)), np.full((12, 12), 255), rng.integers(0, 256, (12, 12))]).astype(
        np.uint8
    )
    table = mc.Predictor(bundle).predict(images)
    assert table["out_of_scope"].tolist() == [True] * 3
    assert table["scope_reason"].str.contains("intensity").all()


@pytest.mark.slow
@pytest.mark.statistical
def test_about_one_in_a_hundred_is_flagged_without_reason(run, images_of):
    """Over fresh datasets: the share of new images of the same kind that are flagged keeps to the rate that is said."""
    from medimg_cnn.export._engine import Engine

    engine, shares, rates = Engine(run.model), [], []
    for seed in range(12):
        images, labels = images_of(900, seed=100 + seed)
        data = mc.load_dataset(
            (images, labels), positive="ill", patients=np.arange(900), image_size=12, seed=seed, audit="off"
        )
        reference = Reference.fit(engine, data.train, data.validation)
        from medimg_cnn.export._reference import observe

        flags, _ = reference.judge(observe(engine, data.test, np.arange(data.test.n)))
        shares.append(flags.mean())
        rates.append(reference.false_alarm_rate)
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert np.mean(shares) < np.mean(rates) + 2.5 * error
    assert np.mean(shares) > 0.001


def test_the_profile_of_a_constant_is_constant():
    profile = intensity_profile(np.full((2, 5, 4, 3), 0.25, np.float32))
    assert profile.shape == (2, 7)
    np.testing.assert_allclose(profile, 0.25)


def test_damaged_statistics_are_refused(bundle):
    arrays = bundle.reference.to_arrays()
    features = arrays["feature_mean"].shape[1]
    kept = Reference.from_arrays(arrays, part="validation", features=features)
    assert kept.threshold == bundle.reference.threshold
    for change in (
        {"unit": np.ones(2)},
        {"threshold": np.array([np.nan])},
        {"components": np.ones((3, 3))},
    ):
        with pytest.raises(BundleDamagedError, match=next(iter(change))):
            Reference.from_arrays(arrays | change, part="validation", features=features)
    with pytest.raises(BundleDamagedError, match="sample_features"):
        Reference.from_arrays({}, part="validation", features=features)
