"""The arguments of every command. Nothing heavy is imported here, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from medimg_cnn._version import __version__

__all__ = ["make_parser"]

_DESCRIPTION = """From a folder of medical images to a diagnostic-accuracy study. Research use only.

examples:
  medimg-cnn demo                                                      synthetic images, from start to end
  medimg-cnn audit chest_xray/ --positive pneumonia                    what is wrong with the images
  medimg-cnn train chest_xray/ --positive pneumonia --output runs/a    train; writes report and bundle
  medimg-cnn predict runs/a/bundle.zip new_images/ --output out.csv    predict a folder
  medimg-cnn evaluate runs/a/bundle.zip elsewhere/ --output ext.html   judge it on another hospital's images
"""

Adder = Callable[[argparse.ArgumentParser], None]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``medimg-cnn``; the chosen command is in ``command``."""
    # A shortened option may be a mistyped one.
    parser = argparse.ArgumentParser(
        prog="medimg-cnn",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"medimg-cnn {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, summary, example, add in (
        ("demo", "synthetic images, from start to end", "medimg-cnn demo --output runs/demo", _demo),
        (
            "audit",
            "what is wrong with a set of labelled images",
            "medimg-cnn audit chest_xray/ --positive pneumonia",
            _audit,
        ),
        (
            "train",
            "train on labelled images; write run, report and bundle",
            "medimg-cnn train chest_xray/ --positive pneumonia --patients patient_id --output runs/a",
            _train,
        ),
        (
            "evaluate",
            "judge a bundle, frozen, on labelled images from elsewhere",
            "medimg-cnn evaluate runs/a/bundle.zip elsewhere/ --patients patient_id --output external.html",
            _evaluate,
        ),
        (
            "predict",
            "predict images without labels",
            "medimg-cnn predict runs/a/bundle.zip new_images/ --output predictions.csv",
            _predict,
        ),
        (
            "compare",
            "compare two bundles on the same labelled images",
            "medimg-cnn compare runs/a/bundle.zip runs/b/bundle.zip elsewhere/ --output comparison.html",
            _compare,
        ),
        (
            "report",
            "a report on scores of any model",
            "medimg-cnn report scores.csv --outcome label --positive ill --probability score --output report.html",
            _report,
        ),
        (
            "export",
            "write a bundle for another runtime",
            "medimg-cnn export runs/a/bundle.zip model.onnx",
            _export,
        ),
        ("serve", "a local page to try a bundle", "medimg-cnn serve runs/a/bundle.zip", _serve),
        (
            "launch",
            "run a script of yours in several processes that train one run together",
            "medimg-cnn launch --processes 2 train.py --epochs 30",
            _launch,
        ),
    ):
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        add(command)
        command.add_argument("--json", action="store_true", help="print the result as JSON")
        command.add_argument("--quiet", action="store_true", help="show no progress")
        command.add_argument("--debug", action="store_true", help="show where an error comes from")
        command.set_defaults(command=_late(name))
    return parser


def _late(name: str) -> Callable[[argparse.Namespace], dict[str, Any]]:
    def run(options: argparse.Namespace) -> dict[str, Any]:
        from medimg_cnn.cli import _commands

        chosen: Callable[[argparse.Namespace], dict[str, Any]] = getattr(_commands, name)
        return chosen(options)

    return run


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--patients", type=int, default=120, metavar="N", help="default: %(default)s")
    parser.add_argument("--image-size", type=int, default=64, metavar="PIXELS", help="default: %(default)s")
    _add_training(parser, output="runs/demo", epochs=12)


def _audit(parser: argparse.ArgumentParser) -> None:
    _add_source(parser)
    parser.add_argument("--image-size", type=int, default=128, metavar="PIXELS", help="default: %(default)s")


def _train(parser: argparse.ArgumentParser) -> None:
    _add_source(parser)
    parser.add_argument("--image-size", type=int, default=128, metavar="PIXELS", help="default: %(default)s")
    parser.add_argument(
        "--augment", default="chest_xray", metavar="PRESET", help="or 'none'; default: %(default)s"
    )
    parser.add_argument("--architecture", metavar="NAME", help="of build_cnn; default: its own")
    parser.add_argument("--name", default="", help="of the model, with its version")
    parser.add_argument("--intended-use", default="", metavar="TEXT", help="for whom and for which decision")
    parser.add_argument("--out-of-scope", default="", metavar="TEXT", help="what it must not be used for")
    _add_training(parser, output=None, epochs=None)


def _evaluate(parser: argparse.ArgumentParser) -> None:
    _add_bundle(parser, "bundle")
    _add_external(parser)
    _add_output(parser, "report (.html, .json, .md, .txt, .tex or .csv)")
    parser.add_argument(
        "--recalibrated",
        metavar="BUNDLE",
        help="also write a copy of the bundle with a calibration fitted on these images, marked as such",
    )


def _predict(parser: argparse.ArgumentParser) -> None:
    _add_bundle(parser, "bundle")
    parser.add_argument("images", help="a file, a folder, or an archive")
    parser.add_argument("--output", metavar="CSV", help="where to write; goes on with a table that was begun")
    parser.add_argument("--overwrite", action="store_true", help="begin the table anew")
    parser.add_argument("--batch-size", type=int, default=128, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--no-scope", action="store_true", help="do not look for images unlike the training images"
    )


def _compare(parser: argparse.ArgumentParser) -> None:
    _add_bundle(parser, "bundle")
    _add_bundle(parser, "other")
    _add_external(parser)
    parser.add_argument("--margin", type=float, help="non-inferiority margin of the first against the second")
    _add_output(parser, "comparison (.html, .json, .md, .txt, .tex or .csv)")


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scores", help="a .csv table, or the .npz of saved predictions")
    parser.add_argument("--outcome", default="y_true", metavar="COLUMN", help="default: %(default)s")
    parser.add_argument("--probability", default="probability", metavar="COLUMN", help="default: %(default)s")
    parser.add_argument("--patients", metavar="COLUMN", help="column of patient ids")
    parser.add_argument("--positive", metavar="LABEL", help="the outcome that has the condition; default: 1")
    parser.add_argument("--threshold", type=float, metavar="P", help="operating point; default: 0.5")
    parser.add_argument(
        "--chosen-on", default="unknown", metavar="TEXT", help="the data the threshold was chosen on"
    )
    _add_output(parser, "report (.html, .json, .md, .txt, .tex or .csv)")


def _export(parser: argparse.ArgumentParser) -> None:
    _add_bundle(parser, "bundle")
    parser.add_argument("output", help="ends with .onnx, or with .stablehlo")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")


def _serve(parser: argparse.ArgumentParser) -> None:
    _add_bundle(parser, "bundle")
    parser.add_argument("--host", default="127.0.0.1", help="default: this machine only")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one; default: %(default)s")


def _launch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="on each host; default: 1")
    parser.add_argument("--hosts", type=int, default=1, metavar="N", help="that take part; default: 1")
    parser.add_argument("--host", type=int, default=0, metavar="I", help="which one this is, from 0")
    parser.add_argument(
        "--coordinator", metavar="HOST:PORT", help="of host 0, with a free port; needed with several hosts"
    )
    parser.add_argument("-m", "--module", action="store_true", help="the script is the name of a module")
    parser.add_argument(
        "script",
        nargs=argparse.REMAINDER,
        help="a Python file, or with -m a module, and its arguments; it calls Trainer as it would alone",
    )


def _add_bundle(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(name, help="a bundle: a folder or a .zip that save_bundle wrote")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="a folder of classes, a table, an .npz file, or an archive")
    parser.add_argument("--positive", metavar="LABEL", help="the class that has the condition")
    _add_columns(parser)


def _add_external(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", help="labelled images: a folder of classes, a table, an .npz file, or an archive"
    )
    parser.add_argument(
        "--labels",
        nargs=2,
        metavar=("NEGATIVE", "POSITIVE"),
        help="what this source calls the classes; default: as the bundle does",
    )
    _add_columns(parser)


def _add_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--patients", metavar="COLUMN", help="column with patient ids")
    parser.add_argument("--label", default="label", metavar="COLUMN", help="of a table; default: %(default)s")
    parser.add_argument("--path", default="path", metavar="COLUMN", help="of a table; default: %(default)s")


def _add_training(parser: argparse.ArgumentParser, *, output: str | None, epochs: int | None) -> None:
    parser.add_argument(
        "--epochs", type=int, default=epochs, metavar="N", help=f"at most; default: {epochs or 'by the data'}"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--output",
        default=output,
        required=output is None,
        metavar="DIR",
        help=f"where to write; default: {output}" if output else "where to write",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a run that is there")


def _add_output(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--output", metavar="FILE", help=f"where to write the {what}")
