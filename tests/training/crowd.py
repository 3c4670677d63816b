"""A script that trains a small network, on however many devices and processes it finds itself on.

Its argument is JSON: {"folder", "epochs", "images", "batch", "pause", "devices", "steps", ...}. Process 0 writes the
losses and weights to FOLDER.npz; each writes its id to FOLDER.P.pid, and the rows that it reads to FOLDER.P.reads.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import medimg_cnn as mc
from medimg_cnn.augmentations import Flip, MixUp, Noise
from medimg_cnn.training import Trainer


class Squares:
    """Images of 28 pixels, half of them with a bright square; counts what it reads."""

    classes, patient_ids, fingerprint, image_shape = ("no", "yes"), None, None, (28, 28, 1)

    def __init__(
        self, part: str, n: int, *, seed: int, pause: float = 0.0, count: Path | None = None
    ) -> None:
        rng = np.random.default_rng(seed)
        self.part, self.n, self.subgroups = part, n, {}
        self.labels = (np.arange(n) % 2).astype(np.int8)
        self.images = rng.uniform(0.2, 0.6, (n, 28, 28, 1)).astype(np.float32)
        for index in np.flatnonzero(self.labels):
            row, column = rng.integers(0, 20, 2)
            self.images[index, row : row + 8, column : column + 8] += 0.2
        self.sample_ids = np.array([f"{part}_{index}" for index in range(n)])
        self._pause, self._count = pause, count

    def read(self, rows: np.ndarray) -> np.ndarray:
        if self._count is not None:
            time.sleep(self._pause)
            with self._count.open("a") as stream:
                stream.write(f"{' '.join(map(str, rows))}\n")
        return self.images[rows]


def train(order: dict[str, Any]) -> None:
    import jax

    folder, place = Path(order["folder"]), jax.process_index()
    Path(f"{folder}.{place}.pid").write_text(str(os.getpid()))
    images = order.get("images", 60) + place * order.get("more", 0)
    sources = (
        Squares(
            "train", images, seed=1, pause=order.get("pause", 0.0), count=Path(f"{folder}.{place}.reads")
        ),
        Squares("validation", 31, seed=2),
    )
    if order.get("broken") == place:
        raise ValueError("broken on purpose")
    directory = folder if order.get("keep") else None
    if directory is not None and (folder / "run.json").exists():
        trainer = Trainer.resume(folder, progress=False)
    else:
        trainer = Trainer(
            mc.build_cnn((28, 28, 1), width=8, dropout=order.get("dropout", 0.2), seed=3),
            augment=Flip() | Noise(sigma=0.05) | MixUp(alpha=0.2),
            epochs=order.get("epochs", 3),
            batch_size=order.get("batch", 8),
            precision=order.get("precision", "float32"),
            seed=3,
            directory=directory,
            checkpoint_steps=order.get("steps"),
            devices=order.get("devices", "all"),
            progress=False,
        )
    run = trainer.fit(*sources)
    predictions = run.predict(sources[1])
    if place == 0:
        weights = {str(index): np.asarray(weight) for index, weight in enumerate(run.model.weights)}
        np.savez(
            f"{folder}.npz",
            loss=run.history["loss"].to_numpy(),
            validation=run.history["validation_loss"].to_numpy(),
            logit=predictions.logit,
            **weights,
        )
    print(f"process {place} of {jax.process_count()}: {run.result.environment['devices']}", flush=True)


if __name__ == "__main__":
    train(json.loads(sys.argv[1]))
