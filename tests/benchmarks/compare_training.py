"""Training and prediction side by side with torch, Keras on TensorFlow, and Keras on JAX as it comes.

    python tests/benchmarks/compare_training.py --environments ENVIRONMENTS --json training.json

One network's configuration goes to all; the torch side builds the same layers from it and must have as many
parameters. All processes of a case live at once and work by turns, an epoch each, so that a busy machine is busy for
all. The figure of a round is images a second over the epoch; ratios are taken within a round, and their median and
range are printed. Huge pages are as the environment says, the same for all. The peers are installed in environments of
their own where they are missing. A process that waits is stopped, with all its threads.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from compare_loading import environment
from tables import share_without_padding

import medimg_cnn as mc
from medimg_cnn._keras import keras

HERE = Path(__file__).resolve().parent
OURS = "medimg-cnn"
SIDES = {
    OURS: ("training_medimg_cnn.py", None, {}),
    "torch": ("training_torch.py", "torch", {}),
    "Keras/TF": ("training_keras.py", "tensorflow", {"KERAS_BACKEND": "tensorflow"}),
    "Keras/JAX": ("training_keras.py", None, {"KERAS_BACKEND": "jax"}),
}


@dataclass(frozen=True)
class Case:
    """A network at a size; ``steps`` of a batch of 32 are an epoch of some seconds."""

    network: str
    shape: tuple[int, int, int]
    steps: int

    @property
    def name(self) -> str:
        return f"{self.network}, {'x'.join(map(str, self.shape))}"

    def build(self) -> Any:
        """Return the model."""
        return (
            plain(self.shape)
            if self.network == "plain"
            else mc.build_cnn(self.shape, architecture=self.network)
        )


CASES = (
    Case("medcnn-s", (128, 128, 1), 8),
    Case("medcnn-s", (224, 224, 3), 8),
    Case("medcnn-m", (128, 128, 1), 3),
    Case("medcnn-m", (224, 224, 3), 3),
    Case("resnet18", (28, 28, 3), 6),
    Case("resnet18", (224, 224, 3), 2),
    Case("plain", (128, 128, 1), 3),
    Case("plain", (224, 224, 3), 2),
)


def plain(shape: tuple[int, int, int]) -> Any:
    """Return a plain stack: 32, 64, 128 and 256 channels, two 3x3 convolutions each, maxima between."""
    layers = keras.layers
    images = x = layers.Input(shape, name="image")
    for channels in (32, 64, 128, 256):
        for _ in range(2):
            x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    logit = layers.Dense(1, name="logit")(x)
    return keras.Model(images, layers.Activation("sigmoid", name="probability")(logit))


class Side:
    """A process that works when told to."""

    def __init__(self, name: str, case: Path, environments: Path) -> None:
        script, place, variables = SIDES[name]
        python = Path(sys.executable) if place is None else environment(environments, place)
        kept = {key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS", "KERAS_BACKEND")}
        self._process = subprocess.Popen(
            [python, HERE / "peers" / script, case],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=kept | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""} | variables,
        )

    def do(self, command: str) -> float:
        """Give a command; return the images a second. Between commands the process is stopped, with all its threads."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self._process.args} ended with {self._process.wait()} on {command!r}")
        self._process.send_signal(signal.SIGSTOP)
        return float(answer)

    def end(self) -> None:
        """Stop the process."""
        self._process.kill()
        self._process.wait()


@contextmanager
def started(case: Case, environments: Path, sides: list[str]) -> Iterator[dict[str, Side]]:
    """Start the sides on a case, one after the other, and let each compile."""
    model = case.build()
    facts = {
        "shape": case.shape,
        "batch": 32,
        "steps": case.steps,
        "model": model.to_json(),
        "trainable": sum(variable.value.size for variable in model.trainable_variables),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.json"
        path.write_text(json.dumps(facts), encoding="utf-8")
        found: dict[str, Side] = {}
        try:
            for name in sides:
                found[name] = Side(name, path, environments)
                for command in ("train", "predict 1", "predict 32"):
                    found[name].do(command)
            yield found
        finally:
            for side in found.values():
                side.end()


def matrix_peak() -> float:
    """Return the most floating-point operations a second in a product of two float32 matrices of 2,048."""
    a = jnp.asarray(jax.random.normal(jax.random.key(0), (2048, 2048)))
    product = jax.jit(lambda x: x @ a)
    best = 0.0
    for _ in range(6):
        start = time.perf_counter()
        product(a).block_until_ready()
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start))
    return best


def line(name: str, rates: dict[str, list[float]]) -> str:
    """Say each side's median and how many times it ours is."""
    parts = [f"{OURS} {statistics.median(rates[OURS]):,.1f}"]
    for side, found in rates.items():
        if side != OURS:
            ratios = sorted(a / b for a, b in zip(rates[OURS], found, strict=True))
            parts.append(
                f"{side} {statistics.median(found):,.1f} (ours is {statistics.median(ratios):.2f} times that, "
                f"{ratios[0]:.2f} to {ratios[-1]:.2f})"
            )
    return f"{name}: {'; '.join(parts)}"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", type=Path, required=True, help="folder for the peers' environments")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES], metavar="NAME")
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=list(SIDES))
    parser.add_argument("--json", type=Path, help="write the figures here, beside those of other cases")
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    if arguments.json is not None and arguments.json.is_file():
        results = json.loads(arguments.json.read_text(encoding="utf-8"))
    for case in CASES:
        if arguments.cases and case.name not in arguments.cases:
            continue
        found: dict[str, dict[str, list[float]]] = {}
        peaks = []
        with started(case, arguments.environments, arguments.sides) as sides:
            for _ in range(arguments.rounds):
                peaks.append(matrix_peak())
                for command in ("train", "predict 1", "predict 32"):
                    for name, side in sides.items():
                        found.setdefault(command, {}).setdefault(name, []).append(side.do(command))
        for command, rates in found.items():
            sys.stdout.write(line(f"{case.name}, {command}", rates) + "\n")
        # A step is taken as three forward passes: forward, gradient by the inputs, gradient by the weights.
        model = case.build()
        operations = 6 * mc.models.describe(model).multiply_adds
        shares = [rate * operations / peak for rate, peak in zip(found["train"][OURS], peaks, strict=True)]
        sys.stdout.write(
            f"{case.name}: {statistics.median(shares):.2f} of the peak of matrix products "
            f"({statistics.median(peaks) / 1e9:.0f} GFLOP/s), {min(shares):.2f} to {max(shares):.2f}\n"
        )
        sys.stdout.flush()
        results[case.name] = found | {
            "matrix peak": peaks,
            "operations of an image": operations,
            "operations without padding": operations * share_without_padding(model),
        }
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
