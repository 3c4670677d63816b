"""Augment a batch: presets, chains, and what exactly was drawn."""

from __future__ import annotations

import tempfile
from pathlib import Path

import jax

import medimg_cnn as mc


def main(work: Path) -> None:
    """Run the example; pictures and files go to the folder ``work``."""
    folder = mc.data.make_phantoms(work / "phantoms", patients=20)
    data = mc.load_dataset(folder, positive="lesion", patients="patient_id", image_size=64)
    images, _ = data.train[0]

    # A preset says why each step is there, and what was left out on purpose.
    print(mc.augmentations.PRESETS["chest_xray"])
    augment = mc.augmentations.preset("chest_xray", strength=0.5)

    # Chains are built with |. The key decides everything: the same key, the same images.
    augment = augment | mc.augmentations.Blur(sigma=0.7, probability=0.3)
    changed = augment(jax.random.key(7), images)
    again = augment(jax.random.key(7), images)
    print("Augmented:", changed.shape, "repeats exactly:", bool((changed == again).all()))

    # What was drawn can be read: one row an image.
    rotation = mc.augmentations.Rotation(degrees=10)
    drawn = rotation.params(jax.random.key(7), len(images), images.shape[1:])
    print({name: values.shape for name, values in drawn.items()})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
