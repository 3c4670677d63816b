"""How well probabilities are calibrated, before and after: by simulation, and on PneumoniaMNIST.

    python tests/benchmarks/calibration.py simulation pneumonia --seeds 0 1

Simulation: logits whose truth is known, distorted as networks distort them; each map is fitted on 1,000 validation
images and judged on 50,000 others. PneumoniaMNIST: its published training and validation images divided anew, because
its published test images have another prevalence (62.5% positive after 74.2%), which no map fitted on validation can
know; they are judged as well. Networks with and without class weights, whose prior correction is part of the run.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

import medimg_cnn as mc
from medimg_cnn.evaluation import calibration, fit_calibration

SHARED = Path(os.environ.get("MEDIMG_CNN_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data"
METHODS = ("temperature", "platt", "isotonic")


def line(name: str, y: Any, p: Any) -> str:
    """The figures of one set of probabilities."""
    found = calibration(y, p)
    return (
        f"{name:32} ECE {found.ece.value:.3f}  slope {found.slope.value:5.2f} ({found.slope.lower:.2f} to "
        f"{found.slope.upper:.2f})  mean p - observed {np.mean(p) - np.mean(y):+.3f}  Brier {np.mean((p - y) ** 2):.4f}"
    )


def simulation(seed: int) -> None:
    """A well-made score, over- or underconfident and off by its prior."""
    for name, slope, shift in (
        ("overconfident", 2.5, 0.0),
        ("overconfident and shifted", 2.5, 1.5),
        ("underconfident and shifted", 0.4, -0.7),
    ):
        drawn = {}
        for part, n in (("validation", 1000), ("test", 50_000)):
            rng = np.random.default_rng([seed, n])
            true = rng.normal(-1.0, 1.6, n)
            drawn[part] = slope * true + shift, (rng.uniform(size=n) < expit(true)).astype(int)
        logit, y = drawn["test"]
        print(line(f"{name}: before", y, expit(logit)))
        for method in METHODS:
            fitted = fit_calibration(*drawn["validation"], method=method)
            print(line(f"  {method}", y, fitted.apply(logit)))


def pneumonia(seed: int, epochs: int | None) -> None:
    """Networks on PneumoniaMNIST; nothing of what is judged chose anything."""
    with np.load(SHARED / "pneumoniamnist.npz") as stored:
        parts = {
            name: (stored[f"{name}_images"], stored[f"{name}_labels"].ravel())
            for name in ("train", "val", "test")
        }
    x, y = (np.concatenate([parts["train"][index], parts["val"][index]]) for index in (0, 1))
    data = mc.load_dataset(
        (x, y),
        positive=1,
        patients=np.arange(len(y)).astype(str),
        fractions=(0.6, 0.2, 0.2),
        seed=seed,
        audit="off",
        progress=False,
    )
    published = parts["test"][0].astype(np.float32)[..., None] / 255.0
    for name, options in (("plain", {}), ("class weights", {"class_weight": "balanced"})):
        model = mc.build_cnn(data.image_shape, prior=data.train.prevalence, seed=seed)
        augment = mc.augmentations.preset("chest_xray")
        trainer = mc.Trainer(model, augment=augment, seed=seed, epochs=epochs, progress=False, **options)
        run = trainer.fit(data.train, data.validation)
        validation, test = run.predict(data.validation), run.predict(data.test)
        correction = run.result.calibration
        print(f"seed {seed}, {name}: {data.train.n} / {data.validation.n} / {data.test.n} images")
        if options:
            print(line("  without prior correction", test.y_true, expit(test.logit)))
        print(line("  before", test.y_true, test.probability))
        for method in METHODS:
            fitted = fit_calibration(correction.logit(validation.logit), validation.y_true, method=method)
            print(line(f"  {method}", test.y_true, fitted.apply(correction.logit(test.logit))))
        shifted = run.probabilities(published)
        print(line("  published test, before", parts["test"][1], shifted), flush=True)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = ["simulation", "pneumonia"]
    parser.add_argument("parts", nargs="*", default=known, choices=known)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, help="instead of the default, for trying out")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        if "simulation" in arguments.parts:
            simulation(seed)
        if "pneumonia" in arguments.parts:
            pneumonia(seed, arguments.epochs)


if __name__ == "__main__":
    main()
