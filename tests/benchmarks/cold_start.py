"""Seconds from the start of Python to the end of the first training step of the default network.

    python tests/benchmarks/cold_start.py --rounds 5

Each process loads and audits PneumoniaMNIST, builds the network, and trains with the chest preset. The first fills a
folder of compiled programs; those after it find it warm. When each part was done is printed for each. Python keeps its
own compiled files of the modules, as an installed package has them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from accuracy import SHARED

CODE = """
import json, os, sys, time
start = float(sys.argv[1])
marks = {"Python": time.time() - start}
def mark(name):
    marks[name] = time.time() - start
from medimg_cnn._keras import keras
mark("Keras and JAX")
import medimg_cnn as mc
data = mc.load_dataset(sys.argv[2], positive=1, progress=False)
mark("images")
model = mc.build_cnn(data.image_shape, prior=data.train.prevalence, seed=0)
mark("network")
class First(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        mark("first step")
        print(json.dumps(marks), flush=True)
        os._exit(0)
augment = mc.augmentations.preset("chest_xray")
mc.Trainer(model, augment=augment, callbacks=[First()], progress=False).fit(data.train, data.validation)
"""


def once(folder: str) -> dict[str, float]:
    """Return when each part was done."""
    left_out = ("XLA_FLAGS", "KERAS_BACKEND", "PYTHONDONTWRITEBYTECODE")
    kept = {key: value for key, value in os.environ.items() if key not in left_out}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, repr(time.time()), SHARED / "pneumoniamnist.npz"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=kept | {"MEDIMG_CNN_COMPILATION_CACHE": folder, "CUDA_VISIBLE_DEVICES": ""},
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        runs = [once(folder) for _ in range(rounds + 1)]
    for index, run in enumerate(runs):
        told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in run.items())
        sys.stdout.write(f"{'empty cache' if index == 0 else 'warm cache'}: {told} s\n")
    last = [run["first step"] for run in runs[1:]]
    sys.stdout.write(
        f"warm, {rounds} times: {statistics.median(last):.1f} s ({min(last):.1f} to {max(last):.1f})\n"
    )


if __name__ == "__main__":
    main()
