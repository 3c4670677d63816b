"""Rare positives: what is shown, what is learnt, and that probabilities are honest in the end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit, logit

from medimg_cnn._keras import keras
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning
from medimg_cnn.evaluation import fit_calibration
from medimg_cnn.training import Trainer, TrainerConfig, load_run
from medimg_cnn.training._imbalance import Imbalance

TREATMENTS: dict[str, dict[str, Any]] = {
    "none": {},
    "class weights": {"class_weight": "balanced"},
    "balanced sampling": {"sampling": "balanced"},
    "logit adjustment": {"logit_adjustment": 1.0},
    "focal loss": {"loss": "focal"},
    "focal, weighted": {"loss": "focal", "class_weight": "balanced"},
    "all": {"sampling": "balanced", "class_weight": (1.0, 2.0), "loss": "focal", "logit_adjustment": 0.5},
}


@given(n=st.integers(10, 80), positives=st.integers(1, 9), seed=st.integers(0, 100), epoch=st.integers(1, 9))
def test_balanced_sampling_shows_as_many_of_each_class(n: int, positives: int, seed: int, epoch: int) -> None:
    labels = (np.arange(n) < positives).astype(np.int8)
    plan = Imbalance.plan(TrainerConfig(sampling="balanced"), labels)
    order = plan.order(labels, seed=seed, epoch=epoch)
    assert order.size == n
    assert labels[order].sum() == n // 2
    times = np.bincount(order, minlength=n)
    for label in (0, 1):
        assert np.ptp(times[labels == label]) <= 1, (
            "each image of a class as often as the others, but for one time"
        )
    np.testing.assert_array_equal(order, plan.order(labels, seed=seed, epoch=epoch))


@given(st.integers(2, 50), st.integers(0, 9))
def test_natural_sampling_shows_each_image_once(n: int, epoch: int) -> None:
    labels = (np.arange(n) % 2).astype(np.int8)
    order = Imbalance.plan(TrainerConfig(), labels).order(labels, seed=1, epoch=epoch)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_what_balances_twice_is_refused() -> None:
    with pytest.raises(ArgumentError, match="must not be 'balanced' where sampling is"):
        TrainerConfig(sampling="balanced", class_weight="balanced")


@pytest.mark.parametrize("options", TREATMENTS.values(), ids=TREATMENTS)
@pytest.mark.parametrize("truth", [0.02, 0.3, 0.9])
def test_the_correction_undoes_what_the_loss_does(options: dict[str, Any], truth: float) -> None:
    """For images that are all alike the least loss is at a logit that the correction takes back to the truth."""
    labels = (np.arange(1000) < 1000 * truth).astype(np.int8)
    plan = Imbalance.plan(TrainerConfig(**options), labels)

    def slope(z: float) -> float:
        low, high = (plan.loss(np.full(1000, z + step), labels) for step in (-1e-4, 1e-4))
        return high - low

    learnt = brentq(slope, -12.0, 12.0)
    assert plan.correction().apply(np.array([learnt]))[0] == pytest.approx(truth, rel=1e-3)
    # Where the last bias starts, the corrected odds are those that the model was built with.
    start = plan.start(np.array([logit(truth)]))
    assert expit(plan.correction().logit(start))[0] == pytest.approx(truth)


def learner() -> Any:
    """Logistic regression on the mean brightness: the truth of ``simulated`` is among what it can say."""
    image = keras.layers.Input((8, 8, 1))
    x = keras.layers.Rescaling(4.0, offset=-2.0)(keras.layers.GlobalAveragePooling2D()(image))
    x = keras.layers.Dense(1, kernel_initializer="zeros", name="logit")(x)
    return keras.Model(image, keras.layers.Activation("sigmoid")(x))


def simulated(make: Any, n: int, *, part: str, seed: int) -> tuple[Any, np.ndarray]:
    """Images of one grey value, and the probability of each to be positive: 9% on average."""
    rng = np.random.default_rng(seed)
    source = make(n, part=part, size=8)
    level = np.sort(rng.uniform(0, 1, n))
    truth = expit(-5.0 + 4.0 * level)
    source.images = np.broadcast_to(level[:, None, None, None], (n, 8, 8, 1)).astype(np.float32)
    # One positive for each whole number that the sum of the probabilities passes: outcomes without the luck that
    # would hide what a treatment does to the intercept.
    source.labels = np.diff(np.floor(np.cumsum(truth) + rng.uniform()), prepend=0.0).astype(np.int8)
    source.labels[0] = 0
    return source, truth


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("options", TREATMENTS.values(), ids=TREATMENTS)
def test_probabilities_are_calibrated_in_the_large(options: dict[str, Any], make_source: Any) -> None:
    """The intercept by which the logits are off, on average of two training sets; and the probabilities."""
    off, difference = [], []
    for seed in range(2):
        train, _ = simulated(make_source, 8000, part="train", seed=seed)
        validation, _ = simulated(make_source, 1000, part="validation", seed=100 + seed)
        test, truth = simulated(make_source, 4000, part="test", seed=200 + seed)
        run = Trainer(
            learner(),
            epochs=12,
            batch_size=64,
            learning_rate=0.03,
            weight_decay=0.0,
            seed=seed,
            progress=False,
            **options,
        ).fit(train, validation)
        probability = run.predict(test).probability
        z = logit(probability)
        off.append(brentq(lambda shift, z=z, truth=truth: float(np.sum(expit(z + shift) - truth)), -3, 3))
        difference.append(probability.mean() - truth.mean())
    print(f"\nintercept {np.mean(off):+.3f}, probability {np.mean(difference):+.4f}")
    assert abs(np.mean(off)) < 0.05
    assert abs(np.mean(difference)) < 0.01


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The isotonic calibration is fitted on")
def test_the_fitted_calibration_follows_the_correction(make_source: Any, tmp_path: Any) -> None:
    train, _ = simulated(make_source, 300, part="train", seed=1)
    validation, _ = simulated(make_source, 300, part="validation", seed=2)
    options: dict[str, Any] = {"epochs": 4, "class_weight": "balanced", "loss": "focal", "progress": False}
    options["learning_rate"] = 0.05
    plain = Trainer(learner(), **options).fit(train, validation)
    for method in ("temperature", "platt", "isotonic"):
        run = Trainer(
            learner(),
            calibration=method,
            operating_point="sensitivity",
            operating_target=0.9,
            directory=tmp_path / method,
            **options,
        ).fit(train, validation)
        found = run.predict(validation)
        corrected = plain.result.calibration.logit(found.logit)
        expected = fit_calibration(corrected, validation.labels, method=method).apply(corrected)
        np.testing.assert_allclose(found.probability, expected, rtol=1e-9)
        called = found.probability >= run.operating_point.threshold
        assert called[validation.labels == 1].mean() >= 0.9
        assert (
            "validation, after class weights, focal loss" in run.result.calibration.fitted_on
            or method == "isotonic"
        )
        assert load_run(tmp_path / method).result.calibration == run.result.calibration
        assert abs(found.probability.mean() - validation.labels.mean()) < 0.03 or method == "temperature"


def test_calibration_needs_validation(make_source: Any) -> None:
    with pytest.raises(ArgumentError, match="validation: must be given, because calibration='platt'"):
        Trainer(learner(), calibration="platt", progress=False).fit(make_source(40, size=8))


def test_smoothed_labels_are_not_calibrated_without_a_word(make_source: Any) -> None:
    train, _ = simulated(make_source, 300, part="train", seed=1)
    validation, _ = simulated(make_source, 300, part="validation", seed=2)
    options: dict[str, Any] = {"epochs": 8, "learning_rate": 0.05, "label_smoothing": 0.2, "progress": False}
    with pytest.warns(MedimgCnnWarning, match=r"learns 0\.2 where the truth is 0, .* calibration='platt'"):
        pulled = Trainer(learner(), **options).fit(train, validation)
    mended = Trainer(learner(), calibration="platt", **options).fit(train, validation)
    share = validation.labels.mean()
    # What the docstring says is learnt: p (1 - 2 s) + s.
    assert pulled.predict(validation).probability.mean() == pytest.approx(0.6 * share + 0.2, abs=0.03)
    assert mended.predict(validation).probability.mean() == pytest.approx(share, abs=0.01)


def test_the_default_changes_nothing() -> None:
    labels = (np.arange(10) < 3).astype(np.int8)
    plan = Imbalance.plan(TrainerConfig(), labels)
    assert (plan.effective_weights, plan.shift, plan.correction().method) == ((1.0, 1.0), 0.0, "identity")
    z = np.linspace(-3, 3, 10)
    assert plan.loss(z, labels) == np.average(np.logaddexp(0.0, z) - labels * z, weights=np.ones(10))
    weighted = Imbalance.plan(TrainerConfig(class_weight=(1.0, 3.0)), labels)
    assert weighted.shift == pytest.approx(math.log(3.0))


@pytest.mark.parametrize("options", TREATMENTS.values(), ids=TREATMENTS)
def test_a_trained_model_goes_on_from_the_bias_it_has(options: dict[str, Any]) -> None:
    labels = (np.arange(100) < 10).astype(np.int8)
    plan, network = Imbalance.plan(TrainerConfig(**options), labels), learner()
    last = network.get_layer("logit")
    last.bias.assign(np.array([-2.0]))
    kernel, bias = plan.starting_weights(network)
    assert not kernel.any()
    np.testing.assert_allclose(bias, plan.start(np.array([-2.0])), rtol=1e-6)
    last.kernel.assign(np.array([[0.5]]))
    kernel, bias = plan.starting_weights(network)
    np.testing.assert_array_equal((kernel[0, 0], bias[0]), (0.5, -2.0))


def test_a_second_fit_of_a_run_starts_where_the_first_ended(make_source: Any) -> None:
    train, validation = (
        simulated(make_source, 200, part=part, seed=1)[0] for part in ("train", "validation")
    )
    options: dict[str, Any] = {"class_weight": "balanced", "epochs": 1, "progress": False}
    first = Trainer(learner(), learning_rate=0.05, **options).fit(train, validation)
    # At so low a rate the second fit changes next to nothing.
    second = Trainer(first.model, learning_rate=1e-9, **options).fit(train, validation)
    np.testing.assert_allclose(second.predict(validation).logit, first.predict(validation).logit, atol=1e-4)
