"""A process that has imported everything and forks one that trains for each line it is given.

Importing Keras and JAX takes seconds; JAX starts its threads with the first array, which only the forked ones make.
A line is JSON: {"folder", "steps", "pause"}. Answers are lines too: the forked process's id, and its status at its end.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from medimg_cnn._keras import keras
from medimg_cnn.augmentations import Flip, Noise
from medimg_cnn.errors import MedimgCnnWarning
from medimg_cnn.training import Trainer

EPOCHS, IMAGES, BATCH = 6, 36, 4


class Slow:
    """Images that take a moment to read, and a count of the steps on disk."""

    classes, patient_ids, fingerprint, image_shape = ("no", "yes"), None, None, (8, 8, 1)

    def __init__(self, part: str, seed: int, *, pause: float = 0.0, count: Path | None = None) -> None:
        rng = np.random.default_rng(seed)
        self.part, self.n, self.subgroups = part, IMAGES, {}
        self.labels = (np.arange(IMAGES) % 2).astype(np.int8)
        self.images = rng.uniform(0, 1, (IMAGES, 8, 8, 1)).astype(np.float32)
        self.images[self.labels == 1, 2:5, 2:5] += 0.2
        self.sample_ids = np.array([f"{part}_{index}" for index in range(IMAGES)])
        self._pause, self._count = pause, count

    def read(self, rows: np.ndarray) -> np.ndarray:
        if len(rows) == BATCH and self._count is not None:
            time.sleep(self._pause)
            with self._count.open("ab", buffering=0) as stream:
                stream.write(b".")
        return self.images[rows]


def model() -> Any:
    image = keras.layers.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, strides=2, kernel_initializer=keras.initializers.HeNormal(seed=1))(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.Dropout(0.3, seed=2)(keras.layers.GlobalMaxPooling2D()(x))
    x = keras.layers.Dense(1, kernel_initializer="zeros", name="logit")(x)
    return keras.Model(image, keras.layers.Activation("sigmoid")(x), name="tiny")


def train(order: dict[str, Any]) -> None:
    """Begin, or go on with, the run in a folder, and leave the weights beside it."""
    folder = Path(order["folder"])
    count = folder.with_suffix(".steps")
    sources = Slow("train", 1, pause=order["pause"], count=count), Slow("validation", 2)
    if (folder / "run.json").exists():
        trainer = Trainer.resume(folder, progress=False)
    else:
        trainer = Trainer(
            model(),
            augment=Flip() | Noise(sigma=0.05),
            epochs=EPOCHS,
            batch_size=BATCH,
            seed=3,
            directory=folder,
            checkpoint_steps=order["steps"],
            progress=False,
        )
    run = trainer.fit(*sources)
    weights = {str(index): np.asarray(weight) for index, weight in enumerate(run.model.weights)}
    part = folder.with_suffix(".part.npz")
    np.savez(part, loss=run.history["loss"].to_numpy(), **weights)
    part.replace(folder.with_suffix(".npz"))


def main() -> None:
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", MedimgCnnWarning)
    import orbax.checkpoint  # noqa: F401 - so that the forked ones have it

    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            status = 1
            try:
                train(json.loads(line))
                status = 0
            except SystemExit as stop:
                status = int(stop.code)
            except BaseException:  # noqa: BLE001 - a forked process ends here; the parent reads the trace
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
