"""What a bundle keeps on its way: figures on real images, each by one command.

    python tests/benchmarks/bundles.py train FOLDER       one bundle of NIH chest X-rays, one of PneumoniaMNIST
    python tests/benchmarks/bundles.py fresh FOLDER       the first, in a new process of a new environment
    python tests/benchmarks/bundles.py external FOLDER    PneumoniaMNIST's, judged on NIH images at 28 pixels
    python tests/benchmarks/bundles.py runtimes FOLDER    ONNX and StableHLO: parity on 100 images, time of one image
    python tests/benchmarks/bundles.py refusals FOLDER    bad copies of a bundle: the error of each, and its memory

"fresh" installs the project (``--python`` names an interpreter that has it already). The data folder is found through
MEDIMG_CNN_SHARED, or ../shared beside the project.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("MEDIMG_CNN_SHARED", ROOT.parent / "shared")) / "data"
NIH = SHARED / "nih_cxr_pneumonia"
TABLE = {"path": "file", "patients": "patient"}

FRESH = """
import sys
from pathlib import Path
import numpy as np
import medimg_cnn as mc
bundle, table, root, expected = sys.argv[1:]
told = np.load(expected)
loaded = mc.load_bundle(bundle)
files = [Path(root) / name for name in told["names"]]
found = mc.Predictor(loaded).predict(files)
data = mc.load_dataset(
    table, path="file", patients="patient", positive="1", image_size=loaded.image_shape[:2], progress=False)
again = loaded.run.predict(data.test)
for name, logit, probability in (
    ("Predictor on files", found["logit"], found["probability"]), ("run.predict", again.logit, again.probability)):
    same = (np.asarray(logit) == told["logit"]).all() and (np.asarray(probability) == told["probability"]).all()
    print(f"{name}: {len(logit)} images, {'equal bit for bit' if same else 'NOT EQUAL'}")
print(f"python {sys.executable}; medimg_cnn of {Path(mc.__file__).parent}; jax {__import__('jax').__version__}")
"""


def train(folder: Path, *, nih_epochs: int, pneumonia_epochs: int) -> None:
    """Train on both, and write bundles and what the runs predict."""
    import medimg_cnn as mc

    folder.mkdir(parents=True, exist_ok=True)
    sources: dict[str, tuple[Callable[[], Any], int]] = {
        "nih": (
            lambda: mc.load_dataset(
                NIH / "reference_split.csv", **TABLE, positive="1", image_size=(128, 128)
            ),
            nih_epochs,
        ),
        "pneumonia": (lambda: mc.load_dataset(SHARED / "pneumoniamnist.npz", positive=1), pneumonia_epochs),
    }
    for name, (load, epochs) in sources.items():
        data = load()
        model = mc.build_cnn(data.image_shape, prior=data.train.prevalence, seed=7)
        trainer = mc.Trainer(
            model,
            augment=mc.augmentations.preset("chest_xray"),
            epochs=epochs,
            seed=7,
            calibration="platt",
            progress=False,
        )
        run = trainer.fit(data.train, data.validation)
        test = run.predict(data.test)
        path = mc.save_bundle(
            run,
            folder / f"{name}.zip",
            data=data,
            test=test,
            name=name,
            overwrite=True,
            intended_use="Tests.",
        )
        np.savez(folder / f"{name}.npz", names=test.sample_id, logit=test.logit, probability=test.probability)
        print(
            f"{path.name}: AUROC {mc.evaluation.auroc(test)} on its test part after {epochs} epochs",
            flush=True,
        )


def fresh(folder: Path, *, python: Path | None) -> None:
    """Predict NIH's test images in another process, of an environment made for it."""
    if python is None:
        home = folder / "environment"
        venv.create(home, with_pip=True, clear=True)
        python = home / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{ROOT}[dicom]"], check=True)
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    arguments = [folder / "nih.zip", NIH / "reference_split.csv", NIH, folder / "nih.npz"]
    subprocess.run([python, "-c", FRESH, *map(str, arguments)], check=True, cwd=folder, env=settings)


def external(folder: Path) -> None:
    """Say what is found of PneumoniaMNIST's model on NIH images, and of labels inverted where a model works."""
    import medimg_cnn as mc

    def nih(**options: Any) -> Any:
        return mc.data.load_external(NIH / "reference_split.csv", **TABLE, progress=False, **options)

    def own(**options: Any) -> Any:
        with np.load(SHARED / "pneumoniamnist.npz") as arrays:
            images, labels = arrays["test_images"], arrays["test_labels"].ravel().astype(str)
        return mc.data.load_external(
            (images, labels), patients=np.arange(len(labels)), progress=False, **options
        )

    for name, words, source in (
        ("pneumonia", "PneumoniaMNIST's model on NIH", nih),
        ("pneumonia", "PneumoniaMNIST's model on its own test part", own),
        ("nih", "NIH's model on all NIH images, those of training too", nih),
    ):
        bundle = mc.load_bundle(folder / f"{name}.zip")
        for turned in (False, True):
            labels = ("1", "0") if turned else ("0", "1")
            data = source(preprocessing=bundle.preprocessing, classes=bundle.classes, labels=labels)
            found = mc.external_validate(bundle, data)
            print(f"\n{words}, labels {'inverted' if turned else 'as they are'}: {data.n} images\n{found}")
            for test in found.tests:
                print(
                    f"  test of {test.name}: p {test.p_value:.4f}, adjusted {test.adjusted:.4f}, fired {test.fired}; "
                    f"{test.finding}"
                )
            for alarm in found.alarms:
                print(f"  alarm, {alarm.name}: fired {alarm.fired}; {alarm.finding}")
            if source is nih and name == "pneumonia" and not turned:
                found.save(folder / "external.html")
            try:
                print(f"  {found.recalibrate()}", flush=True)
            except mc.errors.ArgumentError as error:
                print(f"  no recalibration: {error}", flush=True)


def runtimes(folder: Path, *, names: list[str]) -> None:
    """Compare exported models with their bundles on real images, and time one image."""
    import medimg_cnn as mc
    from medimg_cnn.export import export_model
    from medimg_cnn.export._inputs import open_inputs
    from medimg_cnn.export._onnx import onnx_runner
    from medimg_cnn.export._stablehlo import stablehlo_runner

    for name in names:
        bundle = mc.load_bundle(folder / f"{name}.zip")
        pixels = _real_pixels(name)
        predictor = mc.Predictor(bundle, scope=False)
        expected = predictor.predict(pixels)["probability"].to_numpy()
        items, _ = open_inputs(pixels, bundle.preprocessing)
        prepared = np.stack([item.load().pixels for item in items])
        for suffix, start, given in (
            ("onnx", onnx_runner, pixels),
            ("stablehlo", stablehlo_runner, prepared),
        ):
            written = export_model(bundle, folder / f"{name}.{suffix}", overwrite=True)
            run = start(Path(written.path).read_bytes())
            found, decision = run(given)
            gap = np.abs(found - expected)
            others = int((decision != (expected >= bundle.operating_point.threshold)).sum())
            print(
                f"{name}.{suffix}: at export {written.difference:.2g} on {written.images} synthetic images; "
                f"{gap.max():.2g} on {len(pixels)} real ones of {pixels.shape[1:3]}, {others} other decisions; "
                f"one image {_milliseconds(lambda run=run, given=given: run(given[:1]))}",
                flush=True,
            )
        for words, one in (
            ("Predictor, the same pixels", mc.Predictor(bundle, scope=False)),
            ("Predictor with the out-of-scope flag", mc.Predictor(bundle)),
        ):
            spent = _milliseconds(lambda one=one, pixels=pixels: one.predict(pixels[:1]))
            print(f"{name}, {words}: one image {spent}", flush=True)
        engine = bundle.engine
        spent = _milliseconds(lambda engine=engine, prepared=prepared: engine.logits(prepared[:1]))
        print(f"{name}, the network alone in JAX: one image {spent}", flush=True)


def refusals(folder: Path) -> None:
    """Try to load bad copies of the NIH bundle, one after the other in a process that has loaded none before."""
    import tempfile

    sys.path.insert(0, str(ROOT / "tests" / "export"))
    from test_refusals import REFUSED

    import medimg_cnn as mc

    with tempfile.TemporaryDirectory() as place:
        whole = mc.load_bundle(folder / "nih.zip").save(Path(place) / "good")
        bad = [str(make(whole, Path(place) / f"bad_{make.__name__}")) for make in REFUSED]
        subprocess.run([sys.executable, "-c", LOAD, *bad, str(whole)], check=True)


# ru_maxrss would not do: a process inherits it from the one that started it.
LOAD = """
import re, sys
from pathlib import Path
import medimg_cnn as mc
from medimg_cnn.export import load_bundle
def memory(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(f"memory once the library is imported: {memory('VmRSS'):.0f} MiB", flush=True)
for path in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, said = memory("VmRSS"), "loaded"
    try:
        load_bundle(path)
    except mc.errors.BundleError as error:
        said = f"{type(error).__name__}: {str(error).replace(path, 'bundle')[:110]}"
    print(f"{Path(path).stem}: {said}; peak {memory('VmHWM'):.0f} MiB ({memory('VmHWM') - before:+.1f})", flush=True)
"""


def _real_pixels(name: str) -> np.ndarray:
    """Return 100 test images, (100, height, width, 1) uint8: NIH's as stored, 256 pixels; PneumoniaMNIST's 28."""
    if name == "pneumonia":
        with np.load(SHARED / "pneumoniamnist.npz") as arrays:
            return arrays["test_images"][:100, ..., None]
    import pandas as pd
    from PIL import Image

    table = pd.read_csv(NIH / "reference_split.csv")
    files = table.loc[table["split"] == "test", "file"][:100]
    return np.stack([np.asarray(Image.open(NIH / file).convert("L")) for file in files])[..., None]


def _milliseconds(call: Callable[[], object], *, n: int = 100) -> str:
    for _ in range(5):
        call()
    spent = []
    for _ in range(n):
        start = time.perf_counter()
        call()
        spent.append(1000 * (time.perf_counter() - start))
    return f"median {np.median(spent):.2f} ms, 95th percentile {np.quantile(spent, 0.95):.2f} ms"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("train", "fresh", "external", "runtimes", "refusals"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nih-epochs", type=int, default=4)
    parser.add_argument("--pneumonia-epochs", type=int, default=12)
    parser.add_argument("--python", type=Path)
    parser.add_argument("--models", nargs="+", default=["nih", "pneumonia"], choices=("nih", "pneumonia"))
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    if chosen.what == "train":
        train(folder, nih_epochs=chosen.nih_epochs, pneumonia_epochs=chosen.pneumonia_epochs)
    elif chosen.what == "fresh":
        fresh(folder, python=None if chosen.python is None else chosen.python.absolute())
    elif chosen.what == "runtimes":
        runtimes(folder, names=chosen.models)
    else:
        {"external": external, "refusals": refusals}[chosen.what](folder)


if __name__ == "__main__":
    main()
