"""Reading side by side with torch's DataLoader and tf.data: images a second, first and second epoch.

    python tests/benchmarks/compare_loading.py --environments ENVIRONMENTS --json loading.json

Files of 1,024 pixels are made from the NIH films (enlarged, with grain of two grey levels, so that a file
is about as large as one of a hospital) and read in grey at 224. Each reader runs in a process of its own, in
turns; importing its library does not count. The peers are installed in environments of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("MEDIMG_CNN_SHARED", HERE.parents[2] / "shared")) / "data" / "nih_cxr_pneumonia"
PEERS = ("torch", "tensorflow")


def make_files(folder: Path, suffix: str, count: int) -> None:
    """Write ``count`` films of 1,024 pixels in two folders of classes."""
    draw = np.random.default_rng(0)
    films = sorted(SHARED.rglob("*.png"))
    for index in range(count):
        with Image.open(films[index % len(films)]) as film:
            large = film.convert("L").resize((1024, 1024), Image.Resampling.BICUBIC)
        values = np.asarray(large, np.float32) + draw.normal(0.0, 2.0, (1024, 1024)).astype(np.float32)
        path = folder / ("normal", "pneumonia")[index % 2] / f"{index}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).save(path, quality=90)


def environment(folder: Path, name: str) -> Path:
    """Return the interpreter of a peer's environment, installing it where it is missing."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        venv.create(folder / name, with_pip=True)
        requirements = str(HERE / "peers" / f"{name}.txt")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    return python


def measure(python: Path, name: str, folder: Path, size: int) -> dict[str, list[float]]:
    """Return the images a second of each epoch of each way of reading."""
    script = HERE / "peers" / f"loading_{name}.py"
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [python, script, str(folder), str(size)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | quiet,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return {way: [found["images"] / s for s in seconds] for way, seconds in found["epochs"].items()}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", type=Path, required=True, help="folder for the peers' environments")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    pythons = {"medimg_cnn": Path(sys.executable)}
    pythons |= {name: environment(arguments.environments, name) for name in PEERS}
    results: dict[str, dict[str, list[list[float]]]] = {}
    for suffix in ("jpg", "png"):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            make_files(folder, suffix, arguments.files)
            runs: dict[str, list[list[float]]] = {}
            for _ in range(arguments.rounds):
                for name, python in pythons.items():
                    for way, rates in measure(python, name, folder, arguments.size).items():
                        runs.setdefault(way, []).append(rates)
            results[suffix] = runs
        ours = [statistics.median(run[epoch] for run in runs["medimg-cnn"]) for epoch in (0, 1)]
        for way, of_way in runs.items():
            medians = [statistics.median(run[epoch] for run in of_way) for epoch in (0, 1)]
            ranges = [
                f"{min(run[e] for run in of_way):.0f}-{max(run[e] for run in of_way):.0f}" for e in (0, 1)
            ]
            sys.stdout.write(
                f"{suffix}: {way:18s} first epoch {medians[0]:7.0f} a second ({ranges[0]}), second "
                f"{medians[1]:7.0f} ({ranges[1]}); ours is {ours[0] / medians[0]:.2f} and "
                f"{ours[1] / medians[1]:.1f} times that\n"
            )
            sys.stdout.flush()
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
