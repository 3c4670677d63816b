"""Build a network and train it with plain Keras: each part of the library works without the others."""

from __future__ import annotations

import tempfile
from pathlib import Path

import medimg_cnn as mc


def main(work: Path) -> None:
    """Run the example; pictures and files go to the folder ``work``."""
    folder = mc.data.make_phantoms(work / "phantoms", patients=60)
    data = mc.load_dataset(folder, positive="lesion", patients="patient_id", image_size=32, seed=7)

    # Smaller than the default, to be quick; prior= starts the output at the training prevalence.
    model = mc.build_cnn(data.image_shape, width=8, prior=data.train.prevalence, seed=7)
    model.summary()

    # An ordinary keras.Model, fed by an ordinary keras.utils.PyDataset.
    model.compile(optimizer="adamw", loss="binary_crossentropy", metrics=["AUC"])
    model.fit(data.train, validation_data=data.validation, epochs=2, verbose=2)
    probability = model.predict(data.test, verbose=0)
    print("Probabilities of 'lesion':", probability.shape)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
