"""Test AUROC and accuracy of the library's defaults on real images, seed by seed.

    python tests/benchmarks/accuracy.py breast pneumonia nih --seeds 0 1 2 3 4 --runs RUNS --json figures.json

Each data set is used with its given split; no test image takes part in any choice. Runs are kept in the folder RUNS
and not repeated where they are there. The seeds together are judged as an ensemble, at a threshold chosen on
validation. The data folder is found through MEDIMG_CNN_SHARED, or ../shared beside the project.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import medimg_cnn as mc

SHARED = Path(os.environ.get("MEDIMG_CNN_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data"
NIH = SHARED / "nih_cxr_pneumonia"

# Figures of others on the same split: ResNet-18 at 28 pixels from MedMNIST v2 (doi:10.1038/s41597-022-01721-8);
# for NIH, ResNet-18 from scratch in PyTorch at 128 pixels, the mean of two seeds measured by this project.
DATASETS: dict[str, dict[str, Any]] = {
    "breast": {
        "load": lambda: mc.load_dataset(SHARED / "breastmnist.npz", positive=0),
        "preset": "ultrasound",
        "others": (0.901, 0.863),
    },
    "pneumonia": {
        "load": lambda: mc.load_dataset(SHARED / "pneumoniamnist.npz", positive=1),
        "preset": "chest_xray",
        "others": (0.944, 0.854),
    },
    "nih": {
        "load": lambda: mc.load_dataset(
            NIH / "reference_split.csv", path="file", patients="patient", positive="1", image_size=(128, 128)
        ),
        "preset": "chest_xray",
        "others": (0.940, float("nan")),
    },
}


def train(name: str, data: mc.Dataset, seed: int, folder: Path | None, options: dict[str, Any]) -> mc.Run:
    """Train with the defaults, or take the run that is there."""
    directory = None if folder is None else folder / f"{name}-{seed}"
    if directory is not None and (directory / "result.json").is_file():
        return mc.load_run(directory)
    model = mc.build_cnn(data.image_shape, prior=data.train.prevalence, seed=seed)
    augment = mc.augmentations.preset(DATASETS[name]["preset"])
    trainer = mc.Trainer(model, augment=augment, seed=seed, directory=directory, **options)
    return trainer.fit(data.train, data.validation)


def judge(predictions: mc.Predictions, point: mc.OperatingPoint) -> dict[str, float]:
    """Judge on the test split, once."""
    report = mc.clinical_report(predictions, operating_point=point, bootstrap=200)
    return {
        "auroc": report.auroc.value,
        "lower": report.auroc.lower,
        "upper": report.auroc.upper,
        "accuracy": report.accuracy.value,
        "accuracy_at_half": float(((predictions.probability >= 0.5) == predictions.y_true).mean()),
    }


def said(row: dict[str, float]) -> str:
    """Put the figures in words."""
    return (
        f"AUROC {row['auroc']:.4f} ({row['lower']:.3f} to {row['upper']:.3f}), accuracy {row['accuracy']:.3f} "
        f"(at 0.5: {row['accuracy_at_half']:.3f})"
    )


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("datasets", nargs="*", default=list(DATASETS), choices=list(DATASETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, help="keep the runs here, and take those that are here")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--epochs", type=int, help="instead of the default, for trying out")
    arguments = parser.parse_args()
    options = {} if arguments.epochs is None else {"epochs": arguments.epochs}
    rows: list[dict[str, Any]] = []
    for name in arguments.datasets:
        load: Callable[[], mc.Dataset] = DATASETS[name]["load"]
        data, of_one, runs = load(), [], []
        for seed in arguments.seeds:
            start = time.perf_counter()
            runs.append(run := train(name, data, seed, arguments.runs, options))
            row = judge(run.predict(data.test), run.operating_point)
            seconds = round(time.perf_counter() - start, 1)
            kept = f"epoch {run.result.kept_epoch} of {len(run.history)}"
            print(f"{name} seed {seed}: {said(row)}, {kept}, {seconds} s", flush=True)
            of_one.append({"dataset": name, "seed": seed, **row, "kept": run.result.kept_epoch})
        auroc, accuracy, at_half = (
            [row[key] for row in of_one] for key in ("auroc", "accuracy", "accuracy_at_half")
        )
        other_auroc, other_accuracy = DATASETS[name]["others"]
        print(
            f"{name}: mean AUROC {np.mean(auroc):.4f} (SD {np.std(auroc, ddof=len(auroc) > 1):.4f}; ResNet-18 "
            f"{other_auroc}), mean accuracy {np.mean(accuracy):.3f} (SD {np.std(accuracy, ddof=len(auroc) > 1):.3f}), "
            f"at 0.5 {np.mean(at_half):.3f} (ResNet-18 at 0.5 {other_accuracy})",
            flush=True,
        )
        rows += of_one
        if len(runs) > 1:
            together = mc.training.Ensemble(runs)
            validated = together.predict(data.validation)
            row = judge(
                together.predict(data.test), mc.evaluation.choose_operating_point(validated, rule="youden")
            )
            print(f"{name}, the {len(runs)} seeds together: {said(row)}", flush=True)
            rows.append({"dataset": name, "seed": arguments.seeds, **row})
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
