"""The chain rotation, shift, zoom, flip, brightness, contrast, noise: ours beside four others, by turns.

    python tests/benchmarks/compare_augmentation.py --environments ENVIRONMENTS --json augmentation.json

Ours and the chain of Keras layers are compiled and take batches of 32; torchvision v2, albumentations and MONAI take
one image at a time, in two processes on a core each, the most they can do here. Each runs for two seconds on end, so
that none is measured on what another has left in the caches. Images are float32 in memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from compare_loading import environment
from test_augmentation_speed import BATCH, OURS, keras_chain

HERE = Path(__file__).resolve().parent
SHAPES = ((224, 224, 3), (128, 128, 1))
SECONDS = 2.0


def rate_of(run: Callable[[], jax.Array]) -> float:
    """Return the images a second of a compiled chain, over at least SECONDS and three batches after the first."""
    jax.block_until_ready(run())
    batches, start = 0, time.perf_counter()
    while batches < 3 or time.perf_counter() - start < SECONDS:
        jax.block_until_ready(run())
        batches += 1
    return BATCH * batches / (time.perf_counter() - start)


def peers(python: Path, shape: tuple[int, ...]) -> dict[str, float]:
    """Return the images a second of each of the others."""
    done = subprocess.run(
        [python, HERE / "peers" / "augmenting_torch.py", "x".join(map(str, shape))],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", type=Path, required=True, help="folder for the peers' environments")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    python = environment(arguments.environments, "torch")
    results: dict[str, dict[str, list[float]]] = {}
    for shape in SHAPES:
        images = jax.numpy.asarray(np.random.default_rng(0).random((BATCH, *shape)), "float32")
        key, theirs = jax.random.key(0), keras_chain(shape)
        rates: dict[str, list[float]] = {}
        for _ in range(arguments.rounds):
            found = {
                "medimg-cnn": rate_of(lambda k=key, x=images: OURS(k, x)),
                "Keras layers": rate_of(lambda x=images, f=theirs: f(x)),
                **peers(python, shape),
            }
            for name, rate in found.items():
                rates.setdefault(name, []).append(rate)
        for name, own in rates.items():
            ratios = sorted(a / b for a, b in zip(rates["medimg-cnn"], own, strict=True))
            sys.stdout.write(
                f"{'x'.join(map(str, shape))}: {name:15s} {statistics.median(own):8,.0f} images a second; ours is "
                f"{statistics.median(ratios):.2f} times that ({ratios[0]:.2f} to {ratios[-1]:.2f})\n"
            )
        sys.stdout.flush()
        results["x".join(map(str, shape))] = rates
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
