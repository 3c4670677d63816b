"""Test AUROC and accuracy of the library's defaults on real images, seed by seed.

    python tests/benchmarks/accuracy.py breast pneumonia nih --seeds 0 1 2 --json figures.json

Each data set is used with its given split; no test image takes part in any choice. The data folder is
found through MEDIMG_CNN_SHARED, or ../shared beside the project.
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


def measure(name: str, seed: int, options: dict[str, Any]) -> dict[str, Any]:
    """Load, train with the defaults, and judge on the test split once."""
    entry = DATASETS[name]
    load: Callable[[], mc.Dataset] = entry["load"]
    start = time.perf_counter()
    data = load()
    model = mc.build_cnn(data.image_shape, prior=data.train.prevalence, seed=seed)
    augment = mc.augmentations.preset(entry["preset"])
    run = mc.Trainer(model, augment=augment, seed=seed, **options).fit(data.train, data.validation)
    predictions = run.predict(data.test)
    report = mc.clinical_report(predictions, operating_point=run.operating_point, bootstrap=200)
    return {
        "dataset": name,
        "seed": seed,
        "auroc": report.auroc.value,
        "lower": report.auroc.lower,
        "upper": report.auroc.upper,
        "accuracy": report.accuracy.value,
        "accuracy_at_half": float(((predictions.probability >= 0.5) == predictions.y_true).mean()),
        "epochs": len(run.history),
        "kept": run.result.kept_epoch,
        "seconds": round(time.perf_counter() - start, 1),
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("datasets", nargs="*", default=list(DATASETS), choices=list(DATASETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--epochs", type=int, help="instead of the default, for trying out")
    arguments = parser.parse_args()
    options = {} if arguments.epochs is None else {"epochs": arguments.epochs}
    rows: list[dict[str, Any]] = []
    for name in arguments.datasets:
        of_one = []
        for seed in arguments.seeds:
            of_one.append(measure(name, seed, options))
            row = of_one[-1]
            print(
                f"{name} seed {seed}: AUROC {row['auroc']:.4f} ({row['lower']:.3f} to {row['upper']:.3f}), "
                f"accuracy {row['accuracy']:.3f} (at 0.5: {row['accuracy_at_half']:.3f}), "
                f"epoch {row['kept']} of {row['epochs']}, {row['seconds']} s",
                flush=True,
            )
        auroc, accuracy, at_half = (
            np.mean([row[key] for row in of_one]) for key in ("auroc", "accuracy", "accuracy_at_half")
        )
        other_auroc, other_accuracy = DATASETS[name]["others"]
        print(
            f"{name}: mean AUROC {auroc:.4f} (ResNet-18 {other_auroc}), mean accuracy {accuracy:.3f}, "
            f"at 0.5 {at_half:.3f} (ResNet-18 at 0.5 {other_accuracy})",
            flush=True,
        )
        rows += of_one
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
