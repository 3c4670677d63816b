"""Reading side by side with torch's DataLoader and tf.data: images a second, first and second epoch.

    python tests/benchmarks/compare_loading.py --environments ENVIRONMENTS --json loading.json

Files of 1,024 pixels are made from the NIH films (enlarged, with grain of two grey levels) and read in grey at
224. Each reader runs in a process of its own, in turns; importing its library does not count. Other work on the machine
only ever takes time, so that of several rounds the fastest of each reader is compared; the median and the range are
printed beside it. The peers are installed in environments of their own.
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


def report(suffix: str, runs: dict[str, list[list[float]]]) -> None:
    """Print a line for each way of reading."""
    best = {way: [max(run[epoch] for run in found) for epoch in (0, 1)] for way, found in runs.items()}
    ours = best["medimg-cnn"]
    for way, found in runs.items():
        figures = []
        for epoch, word in enumerate(("first", "second")):
            rates = [run[epoch] for run in found]
            figures.append(
                f"{word} epoch {best[way][epoch]:7,.0f} a second (median {statistics.median(rates):,.0f}, least "
                f"{min(rates):,.0f}; ours is {ours[epoch] / best[way][epoch]:.2f} times that)"
            )
        sys.stdout.write(f"{suffix}: {way:22s} {'; '.join(figures)}\n")
    sys.stdout.flush()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", type=Path, required=True, help="folder for the peers' environments")
    parser.add_argument(
        "--folder", type=Path, help="keep the files here, and take those that are here already"
    )
    parser.add_argument("--kinds", nargs="+", default=["jpg", "png"], choices=["jpg", "png"])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    pythons = {"medimg_cnn": Path(sys.executable)}
    pythons |= {name: environment(arguments.environments, name) for name in PEERS}
    results: dict[str, dict[str, list[list[float]]]] = {}
    for suffix in arguments.kinds:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (arguments.folder or Path(temporary)) / suffix
            if not folder.exists():
                make_files(folder, suffix, arguments.files)
            runs: dict[str, list[list[float]]] = {}
            for _ in range(arguments.rounds):
                for name, python in pythons.items():
                    for way, rates in measure(python, name, folder, arguments.size).items():
                        runs.setdefault(way, []).append(rates)
            results[suffix] = runs
        report(suffix, runs)
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
