"""Calibration of the probabilities: by simulation where the truth is known, and of networks on PneumoniaMNIST.

``python tests/benchmarks/calibration.py`` prints more of such figures, of the default network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

import medimg_cnn as mc
from medimg_cnn.evaluation import calibration, fit_calibration
from medimg_cnn.training import Run


@pytest.mark.statistical
@pytest.mark.parametrize("method", ["temperature", "platt"])
@pytest.mark.parametrize("factor", [2.5, 1.5])
def test_overconfident_logits_are_mended(method: Any, factor: float) -> None:
    """Logits too far from 0 by a factor; 1,000 validation images; judged on others, on average of ten sets."""
    before, after = [], []
    for seed in range(10):
        rng = np.random.default_rng([seed, 7])
        true = rng.normal(-1.0, 1.6, 21_000)
        y = (rng.uniform(size=true.size) < expit(true)).astype(int)
        logit = factor * true
        fitted = fit_calibration(logit[:1000], y[:1000], method=method)
        before.append(calibration(y[1000:], expit(logit[1000:])))
        after.append(calibration(y[1000:], fitted.apply(logit[1000:])))

    def mean(name: str, found: list[Any]) -> float:
        return float(np.mean([getattr(one, name).value for one in found]))

    figures = {
        name: (mean(name, before), mean(name, after)) for name in ("ece", "slope", "calibration_in_the_large")
    }
    print(f"\n{method}, {factor}: " + ", ".join(f"{n} {b:+.3f} to {a:+.3f}" for n, (b, a) in figures.items()))
    assert figures["slope"][0] == pytest.approx(1 / factor, abs=0.03)
    assert figures["slope"][1] == pytest.approx(1.0, abs=0.1)
    assert abs(figures["calibration_in_the_large"][1]) < 0.05
    assert figures["ece"][1] < 0.02
    for one, other in zip(before, after, strict=True):
        assert other.ece.value < 0.5 * one.ece.value
        assert abs(other.slope.value - 1.0) < abs(one.slope.value - 1.0)


@pytest.fixture(scope="module")
def pneumonia(shared: Path) -> mc.Dataset:
    """The published training and validation images divided anew: the published test set has another prevalence."""
    with np.load(shared / "data" / "pneumoniamnist.npz") as stored:
        x, y = (
            np.concatenate([stored[f"{part}_{what}"] for part in ("train", "val")])
            for what in ("images", "labels")
        )
    return mc.load_dataset(
        (x, y.ravel()),
        positive=1,
        patients=np.arange(len(y)).astype(str),
        fractions=(0.12, 0.44, 0.44),
        seed=0,
        audit="off",
        progress=False,
    )


def trained(data: mc.Dataset, **options: Any) -> Run:
    """Train a network on too few images and for too long, so that it becomes too sure."""
    model = mc.build_cnn(data.image_shape, width=8, dropout=0.0, prior=data.train.prevalence, seed=1)
    trainer = mc.Trainer(model, epochs=16, learning_rate=3e-3, average=0.9, seed=1, progress=False, **options)
    return trainer.fit(data.train, data.validation)


def judged(run: Run, data: mc.Dataset) -> tuple[Any, float]:
    """Return the calibration on test images, and the mean probability less the share of positives."""
    found = run.predict(data.test)
    report = calibration(found.y_true, found.probability)
    off = float(found.probability.mean() - found.y_true.mean())
    large = report.calibration_in_the_large
    print(
        f"class weights {run.result.config['class_weight']}, {run.result.config['calibration']}: ECE "
        f"{report.ece.value:.4f}, slope {report.slope.value:.3f} ({report.slope.lower:.2f} to "
        f"{report.slope.upper:.2f}), intercept {large.value:+.3f} ({large.lower:+.2f} to {large.upper:+.2f}), mean "
        f"probability - share of positives {off:+.4f}"
    )
    return report, off


@pytest.mark.slow
@pytest.mark.statistical
def test_networks_on_pneumoniamnist_are_calibrated(pneumonia: mc.Dataset) -> None:
    """On some 2,300 test images; an interval of the intercept on the logit scale is wider than 0.05 there."""
    print()
    before, off = judged(trained(pneumonia), pneumonia)
    assert before.slope.upper < 0.9, "too sure, so that there is something to mend"
    assert abs(off) < 0.05
    for options in (
        {"calibration": "temperature"},
        {"calibration": "platt"},
        {"calibration": "platt", "class_weight": "balanced"},
    ):
        after, off = judged(trained(pneumonia, **options), pneumonia)
        assert after.ece.value < before.ece.value
        assert after.slope.value == pytest.approx(1.0, abs=0.1)
        assert abs(off) < 0.05
        # One number, the temperature, cannot mend where the logits lie.
        intercept = after.calibration_in_the_large
        assert options["calibration"] == "temperature" or intercept.lower < 0.0 < intercept.upper


@pytest.mark.slow
@pytest.mark.statistical
def test_class_weights_leave_probabilities_on_pneumoniamnist_as_they_are(pneumonia: mc.Dataset) -> None:
    """The prior correction alone keeps the mean probability near the share of positives, on validation and test."""
    print()
    run = trained(pneumonia, class_weight="balanced")
    report, off = judged(run, pneumonia)
    found = run.predict(pneumonia.validation)
    on_validation = found.probability.mean() - found.y_true.mean()
    uncorrected = expit(found.logit).mean() - found.y_true.mean()
    print(f"on validation {on_validation:+.4f}; without the correction {uncorrected:+.4f}")
    assert abs(off) < 0.05
    assert abs(on_validation) < 0.05
    assert abs(on_validation) < abs(uncorrected)
    assert report.calibration_in_the_large.lower < 0.0 < report.calibration_in_the_large.upper
