"""Two epochs of image_dataset_from_directory, read anew and with cache(); prints the seconds of each as JSON."""

from __future__ import annotations

import json
import sys
import time

import tensorflow as tf


def main() -> None:
    """Read the folder named first at the size named second."""
    folder, size = sys.argv[1], int(sys.argv[2])
    epochs = {}
    for name in ("tf.data", "tf.data, cache()"):
        seconds = []
        start = time.perf_counter()
        images = tf.keras.utils.image_dataset_from_directory(
            folder,
            image_size=(size, size),
            color_mode="grayscale",
            batch_size=32,
            shuffle=True,
            verbose=False,
        )
        if name != "tf.data":
            images = images.cache()
        images = images.prefetch(tf.data.AUTOTUNE)
        for _ in range(2):
            count = sum(int(labels.shape[0]) for _, labels in images)
            seconds.append(time.perf_counter() - start)
            start = time.perf_counter()
        epochs[name] = seconds
    sys.stdout.write(json.dumps({"images": count, "epochs": epochs}) + "\n")


if __name__ == "__main__":
    main()
