"""load_dataset and two epochs of its training part; prints the seconds of each as JSON.

The first epoch holds the whole of ``load_dataset``: listing, decoding and the audit.
"""

from __future__ import annotations

import json
import sys
import time

import medimg_cnn as mc


def main() -> None:
    """Read the folder named first at the size named second."""
    folder, size = sys.argv[1], int(sys.argv[2])
    seconds = []
    start = time.perf_counter()
    data = mc.load_dataset(
        folder,
        positive="pneumonia",
        patients=lambda path: path,
        image_size=size,
        channels=1,
        fractions=(1.0, 0.0, 0.0),
        progress=False,
    )
    for _ in range(2):
        count = sum(len(data.train[index][1]) for index in range(len(data.train)))
        data.train.on_epoch_end()
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
    sys.stdout.write(json.dumps({"images": count, "epochs": {"medimg-cnn": seconds}}) + "\n")


if __name__ == "__main__":
    main()
