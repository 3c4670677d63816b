"""load_dataset and two epochs of its training part; prints the seconds of each as JSON.

The first epoch holds the whole of ``load_dataset``: listing, hashing, decoding and, where it is not off, the audit.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np

import medimg_cnn as mc


def main() -> None:
    """Read the folder named first at the size named second."""
    folder, size = sys.argv[1], int(sys.argv[2])
    warnings.simplefilter("ignore")  # the films come twice, with other grain: the audit says so
    images = np.random.default_rng(0).integers(0, 256, (200, 32, 32), dtype=np.uint8)
    mc.load_dataset((images, np.arange(200) % 2), positive=1)  # imports what is imported at the first use
    epochs = {}
    for name, audit in (("medimg-cnn", "warn"), ("medimg-cnn, audit off", "off")):
        seconds = []
        start = time.perf_counter()
        data = mc.load_dataset(
            folder,
            positive="pneumonia",
            patients=lambda path: path,
            image_size=size,
            channels=1,
            fractions=(1.0, 0.0, 0.0),
            audit=audit,
            progress=False,
        )
        for _ in range(2):
            count = sum(len(data.train[index][1]) for index in range(len(data.train)))
            data.train.on_epoch_end()
            seconds.append(time.perf_counter() - start)
            start = time.perf_counter()
        epochs[name] = seconds
        del data
    sys.stdout.write(json.dumps({"images": count, "epochs": epochs}) + "\n")


if __name__ == "__main__":
    main()
