"""From a folder of images to a report, in one command.

    python examples/quickstart.py                       synthetic phantom images, drawn on the spot
    python examples/quickstart.py --data FOLDER         your own: two folders of images, one a class
    python examples/quickstart.py --data labels.csv     or a table with the columns path and label

It divides the images by patient, trains a small network, chooses the operating point on the validation
part, judges it once on the test part, and writes the model and report.html to the output folder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import medimg_cnn as mc
from medimg_cnn.augmentations import PRESETS
from medimg_cnn.errors import MedimgCnnError


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="FOLDER", help="your images: a folder, a table or an .npz file")
    parser.add_argument("--positive", metavar="LABEL", help="the class that has the condition")
    parser.add_argument(
        "--classes",
        nargs=2,
        metavar=("NEG", "POS"),
        help="of more than two classes, the one without and the one with the condition; not with --positive",
    )
    parser.add_argument(
        "--patients",
        metavar="COLUMN",
        help="column with patient ids, of the table or of one table that lies in the folder; "
        "'none' (the default for your own images) where patients are not known",
    )
    parser.add_argument(
        "--subgroups",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help="columns of the same table by which the report also gives its figures, such as sex or site; a column "
        "of many numbers, such as age, is cut at its quartiles",
    )
    parser.add_argument("--augment", choices=list(PRESETS), default="chest_xray", help="default: %(default)s")
    parser.add_argument("--epochs", type=int, help="at most; default: 12 for phantoms, else the Trainer's")
    parser.add_argument("--image-size", type=int, help="side in pixels; default: 64 for phantoms, else 128")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs/quickstart"),
        metavar="DIR",
        help="where to write; a run that is there is replaced; default: %(default)s",
    )
    return parser.parse_args()


def main() -> None:
    """Load, train, judge, report."""
    arguments = parse_arguments()
    synthetic = arguments.data is None
    if synthetic:
        source = mc.data.make_phantoms(arguments.output / "phantoms")
        print(f"Synthetic phantom images, drawn by a program, in {source}")
    else:
        source = arguments.data
    positive = arguments.positive or ("lesion" if synthetic and not arguments.classes else None)
    patients = arguments.patients or ("patient_id" if synthetic else "none")

    data = mc.load_dataset(
        source,
        positive=positive,
        classes=arguments.classes,
        subgroups=arguments.subgroups,
        patients=None if patients == "none" else patients,
        image_size=(64 if synthetic else 128) if arguments.image_size is None else arguments.image_size,
        seed=arguments.seed,
    )
    print(data.summary())

    model = mc.build_cnn(data.image_shape, prior=data.train.prevalence, seed=arguments.seed)
    trainer = mc.Trainer(
        model,
        augment=mc.augmentations.preset(arguments.augment),
        epochs=12 if synthetic and arguments.epochs is None else arguments.epochs,
        seed=arguments.seed,
        directory=arguments.output,
        overwrite=True,
    )
    run = trainer.fit(data.train, data.validation)

    predictions = run.predict(data.test)
    predictions.save(arguments.output / "test_predictions.npz")
    report = mc.clinical_report(
        predictions,
        operating_point=run.operating_point,
        run=run,
        images=data.test,
        title="Synthetic phantoms: not a study of patients" if synthetic else None,
        facts={"Images": "SYNTHETIC, drawn by medimg_cnn" if synthetic else Path(source).name},
    )
    path = report.save(arguments.output / "report.html")
    print(f"\nTest AUROC {report.auroc}" + (" on synthetic images" if synthetic else ""))
    print(f"Report: {path}")


if __name__ == "__main__":
    try:
        main()
    except MedimgCnnError as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
