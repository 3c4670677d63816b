"""Seconds from the start of Python to a test AUROC: the library's defaults beside torch's ResNet-18.

    python tests/benchmarks/time_to_quality.py --environments ENVIRONMENTS --json quality.json --plot quality.png

Both read the same files, divide them the same way, augment alike and choose an epoch by validation; nothing compiled
before is used. The clock of each process runs from its start, imports and compilation included, and stands still only
while the test part is judged for the curve. What is asked: when do the defaults reach the AUROC at which ResNet-18
ends, as the mean of the seeds, and how does that compare with the time it takes to end?
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import SHARED
from compare_loading import environment

HERE = Path(__file__).resolve().parent
TITLES = {
    "nih": "NIH chest films, 128 px",
    "pneumonia": "PneumoniaMNIST, 28 px",
    "breast": "BreastMNIST, 28 px",
}


def measure(side: str, name: str, seed: int, environments: Path, kept_in: Path | None) -> dict[str, Any]:
    """Return the curve, the seconds and the test AUROC at the end."""
    own = side == "medimg-cnn"
    python = Path(sys.executable) if own else environment(environments, "torch")
    script = HERE / "peers" / ("quality_medimg_cnn.py" if own else "quality_torch.py")
    kept = {key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS", "KERAS_BACKEND")}
    more = {
        "MEDIMG_CNN_COMPILATION_CACHE": "0",
        "CUDA_VISIBLE_DEVICES": "",
        "QUALITY_START": repr(time.time()),
        "MEDIMG_CNN_SHARED": str(SHARED.parent),
    }
    if kept_in is not None:
        more["QUALITY_RUNS"] = str(kept_in.absolute())
    done = subprocess.run(
        [python, script, name, str(seed), SHARED],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=kept | more,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def mean_curve(runs: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the seconds and the AUROC of each epoch that all seeds have, as means."""
    common = min(len(run["points"]) for run in runs)
    points = np.asarray([run["points"][:common] for run in runs]).mean(0)
    return points[:, 0], points[:, 1]


def compared(name: str, runs: dict[str, list[dict[str, Any]]]) -> str:
    """Say who got where and when."""
    ends = {
        side: (np.mean([run["auroc"] for run in found]), np.mean([run["seconds"] for run in found]))
        for side, found in runs.items()
    }
    (ours, our_seconds), (theirs, their_seconds) = ends["medimg-cnn"], ends["torch"]

    def when(side: str) -> str:
        seconds, auroc = mean_curve(runs[side])
        reached = np.flatnonzero(auroc >= theirs)
        if not reached.size:
            return "never"
        return f"first after {seconds[reached[0]]:.0f} s ({seconds[reached[0]] / their_seconds:.2f} of it)"

    return (
        f"{name}: torch ResNet-18 ends at {theirs:.4f} after {their_seconds:.0f} s. Its own mean curve is there "
        f"{when('torch')}, ours {when('medimg-cnn')}; our runs end at {ours:.4f} after {our_seconds:.0f} s "
        f"({our_seconds / their_seconds:.2f} of it)"
    )


def plot(results: dict[str, dict[str, list[dict[str, Any]]]], path: Path) -> None:
    """Draw the curves: thin for a seed, thick for their mean, a dot where a run ends."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        1, len(results), figsize=(5.0 * len(results), 3.6), squeeze=False, layout="constrained"
    )
    for axis, (name, runs) in zip(axes[0], results.items(), strict=True):
        for (side, found), colour in zip(runs.items(), ("#0072b2", "#d55e00"), strict=True):
            for run in found:
                x, y = np.asarray(run["points"]).T
                axis.plot(x, y, color=colour, alpha=0.3, linewidth=0.8)
                axis.plot(run["seconds"], run["auroc"], "o", color=colour, markersize=4)
            label = "torch ResNet-18" if side == "torch" else side
            axis.plot(*mean_curve(found), color=colour, linewidth=2, label=label)
        axis.set_title(TITLES[name])
        axis.set_xlabel("seconds since Python was started")
        axis.set_ylabel("test AUROC")
        low, high = axis.get_ylim()
        axis.set_ylim(max(low, high - 0.3), high)
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("datasets", nargs="*", default=["nih", "pneumonia"], choices=list(TITLES))
    parser.add_argument("--environments", type=Path, required=True, help="folder for the peers' environments")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path, help="write the curves here, and take those that are here")
    parser.add_argument("--runs", type=Path, help="keep our runs here, for accuracy.py")
    parser.add_argument("--plot", type=Path, help="draw the curves here")
    arguments = parser.parse_args()
    path: Path | None = arguments.json
    results: dict[str, Any] = {}
    if path is not None and path.is_file():
        results = json.loads(path.read_text(encoding="utf-8"))
    for name in arguments.datasets:
        runs = results.setdefault(name, {"medimg-cnn": [], "torch": []})
        for index, seed in enumerate(arguments.seeds):
            for side, found in runs.items():
                if index < len(found):
                    continue
                found.append(
                    {"seed": seed, **measure(side, name, seed, arguments.environments, arguments.runs)}
                )
                last = found[-1]
                sys.stdout.write(
                    f"{name}, seed {seed}, {side}: {last['auroc']:.4f} after {last['seconds']:.0f} s\n"
                )
                sys.stdout.flush()
                if path is not None:
                    path.write_text(json.dumps(results) + "\n", encoding="utf-8")
        sys.stdout.write(compared(name, runs) + "\n")
        sys.stdout.flush()
    if arguments.plot is not None:
        plot(results, arguments.plot)


if __name__ == "__main__":
    main()
