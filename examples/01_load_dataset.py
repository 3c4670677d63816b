"""Load a folder of images, divided by patient, and look at what came in."""

from __future__ import annotations

import tempfile
from pathlib import Path

import medimg_cnn as mc


def main(work: Path) -> None:
    """Run the example; pictures and files go to the folder ``work``."""
    # Stands for your own: lesion/*.png, no_lesion/*.png, and labels.csv with a patient_id column.
    folder = mc.data.make_phantoms(work / "phantoms", patients=80)

    data = mc.load_dataset(
        folder,
        positive="lesion",  # never guessed from the order of the names
        patients="patient_id",  # all images of a patient stay in one part
        subgroups=("site", "sex"),  # carried along for the report
        image_size=(64, 64),
        seed=7,
    )
    print(data.summary())
    print(data.table.head())

    patients = [set(part.patient_ids) for part in data.parts]
    print("Patients in more than one part:", len(patients[0] & patients[1] | patients[1] & patients[2]))

    images, labels = data.train[0]  # a batch, as keras.Model.fit gets it
    print("A batch:", images.shape, images.dtype, "labels", labels.shape)

    picture = work / "samples.png"
    data.plot_samples("train").savefig(picture)
    print("Sample images:", picture)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
