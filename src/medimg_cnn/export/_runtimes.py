"""Bundles for other runtimes: ONNX and StableHLO, compared with the bundle before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import FloatVector, Images, PathLike
from medimg_cnn._validation import check_integer, check_number
from medimg_cnn.artifacts import Calibration
from medimg_cnn.artifacts._files import atomic_write, atomic_write_text, to_json_text
from medimg_cnn.errors import ArgumentError, ExportError
from medimg_cnn.export._bundle import Bundle, load_bundle
from medimg_cnn.export._onnx import onnx_bytes, onnx_runner
from medimg_cnn.export._stablehlo import stablehlo_bytes, stablehlo_runner

__all__ = ["ExportedModel", "export_model"]

Runner: TypeAlias = Callable[[NDArray[Any]], tuple[FloatVector, NDArray[np.bool_]]]

_SUFFIXES = {".onnx": "onnx", ".stablehlo": "stablehlo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedModel:
    """What ``export_model`` wrote.

    Attributes:
        path: of the model.
        format: "onnx" or "stablehlo".
        difference: largest difference of a probability from the bundle's, 0 to 1.
        images: on how many images it was measured.
        decisions_differing: of these, on how many the decision differs; within the tolerance of the threshold only.
        inputs: what the model takes, in words.
        sha256: of the file.

    Example:
        >>> print(ExportedModel(path="a.onnx", format="onnx", difference=2e-7, images=100, decisions_differing=0,
        ...                     inputs="pixels", sha256="00"))
        a.onnx (onnx): largest difference of a probability 2e-07 on 100 images
    """

    path: str
    format: str
    difference: float
    images: int
    decisions_differing: int
    inputs: str
    sha256: str

    def __str__(self) -> str:
        return (
            f"{self.path} ({self.format}): largest difference of a probability {self.difference:.2g} on "
            f"{self.images} images"
        )


def export_model(
    bundle: Bundle | PathLike,
    path: PathLike,
    *,
    n: int = 100,
    tolerance: float = 1e-4,
    seed: int = 0,
    overwrite: bool = False,
) -> ExportedModel:
    """Write a bundle as ONNX or StableHLO, with calibration and threshold inside, for a batch of any size.

    ONNX takes pixels, uint8 (n, height, width, channels), and prepares them itself: of any size where the bundle
    stretches images, else of the model's size. StableHLO takes prepared images, float32 in 0 to 1. Both give
    ``logit``, ``probability`` and ``decision``. The model is run by onnxruntime, or by JAX from the file's bytes, on
    ``n`` synthetic images; where a probability is further from the bundle's than ``tolerance`` nothing is written.
    What was measured stands in ``path + ".json"``.

    Args:
        bundle: what ``load_bundle`` returned, or the path of a bundle.
        path: ends with .onnx or .stablehlo.
        n: images to compare, at least 1.
        tolerance: of a probability, above 0.
        seed: of the images.
        overwrite: whether a file of that name may be replaced.

    Raises:
        ArgumentError: another suffix, a file that exists, or a calibration that cannot be put into the graph.
        ExportError: the exported model does not agree with the bundle; nothing was written.
        MissingDependencyError: a package of the extra "export" is not installed.

    Example:
        >>> export_model("model.zip", "model.pb")
        Traceback (most recent call last):
        medimg_cnn.errors.ArgumentError: path: must end with .onnx or .stablehlo; got 'model.pb'.
    """
    target = Path(path)
    kind = _SUFFIXES.get(target.suffix.lower())
    if kind is None:
        raise ArgumentError(f"path: must end with .onnx or .stablehlo; got {target.name!r}.")
    if target.exists() and not overwrite:
        raise ArgumentError(f"path: {target} exists already. Pass another path, or overwrite=True.")
    check_integer("n", n, low=1)
    check_number("tolerance", tolerance, low=0.0, low_open=True)
    frozen = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    _line(frozen.calibration)
    if kind == "onnx":
        content, inputs = onnx_bytes(frozen, _line(frozen.calibration))
        run: Runner = onnx_runner(content)
    else:
        content, inputs = stablehlo_bytes(frozen, _line(frozen.calibration))
        run = stablehlo_runner(content)
    difference, differing = _compared(frozen, run, kind, n=n, seed=seed, tolerance=tolerance)
    atomic_write(target, lambda stream: stream.write(content))
    written = ExportedModel(
        path=str(target),
        format=kind,
        difference=difference,
        images=n,
        decisions_differing=differing,
        inputs=inputs,
        sha256=hashlib.sha256(content).hexdigest(),
    )
    _write_facts(written, frozen, tolerance)
    return written


def _line(calibration: Calibration) -> tuple[float, float]:
    """Return slope and intercept of the calibrated logit."""
    values = {name: value for name, value in calibration.parameters if isinstance(value, float)}
    if calibration.method == "identity":
        return 1.0, 0.0
    if calibration.method == "temperature":
        return 1.0 / values["temperature"], 0.0
    if calibration.method == "platt":
        return values["slope"], values["intercept"]
    raise ArgumentError(
        f"bundle: its calibration must be a line on the logit to go into the graph; it is {calibration.method!r}. "
        'Calibrate with "platt" or "temperature".'
    )


def _compared(
    bundle: Bundle, run: Runner, kind: str, *, n: int, seed: int, tolerance: float
) -> tuple[float, int]:
    """Return the largest difference of a probability, and the number of other decisions.

    Raises:
        ExportError: the difference is above the tolerance.
    """
    from medimg_cnn.export._predictor import Predictor

    predictor = Predictor(bundle, scope=False)
    largest, differing = 0.0, 0
    for images in _test_images(bundle, kind, n=n, seed=seed):
        expected = predictor.predict(images)["probability"].to_numpy()
        found, decision = run(images if kind == "onnx" else _prepared(bundle, images))
        gap = np.abs(found - expected)
        largest = max(largest, float(np.nan_to_num(gap, nan=np.inf).max()))
        differing += int((decision != (expected >= bundle.operating_point.threshold)).sum())
    if largest > tolerance:
        raise ExportError(
            f"The exported model must give the bundle's probabilities within {tolerance:g}; the largest difference is "
            f"{largest:.3g}. Nothing was written. Report this with the architecture and the versions."
        )
    return largest, differing


def _prepared(bundle: Bundle, images: NDArray[np.uint8]) -> Images:
    from medimg_cnn.export._inputs import open_inputs

    items, _ = open_inputs(images, bundle.preprocessing)
    return np.stack([item.load().pixels for item in items])


def _test_images(bundle: Bundle, kind: str, *, n: int, seed: int) -> list[NDArray[np.uint8]]:
    """Return smooth random images, of three sizes where the exported model takes any."""
    from scipy.ndimage import gaussian_filter

    height, width, channels = bundle.image_shape
    rng = np.random.default_rng(seed)
    sizes = [(height, width)]
    if kind == "onnx" and bundle.preprocessing.fit == "stretch":
        sizes += [(2 * height + 3, 2 * width + 5), (max(2, height * 2 // 3), max(2, width * 3 // 4))]
    found = []
    for index, (rows, columns) in enumerate(sizes):
        count = n // len(sizes) + (index < n % len(sizes))
        if not count:
            continue
        noise = rng.normal(size=(count, rows, columns, channels))
        smooth = gaussian_filter(noise, (0, rows / 20, columns / 20, 0)) + 0.05 * noise
        low, high = smooth.min(axis=(1, 2, 3), keepdims=True), smooth.max(axis=(1, 2, 3), keepdims=True)
        found.append(np.rint(255 * (smooth - low) / (high - low)).astype(np.uint8))
    return found


def _write_facts(written: ExportedModel, bundle: Bundle, tolerance: float) -> None:
    facts = {
        "format": "medimg_cnn.exported_model",
        "version": 1,
        "model": {"format": written.format, "sha256": written.sha256, "inputs": written.inputs},
        "bundle": bundle.sha256,
        "classes": list(bundle.classes),
        "operating_point": bundle.operating_point.to_dict(),
        "calibration": bundle.calibration.to_dict(),
        "preprocessing": bundle.preprocessing.to_dict(),
        "parity": {
            "largest_difference": written.difference,
            "images": written.images,
            "tolerance": tolerance,
            "decisions_differing": written.decisions_differing,
        },
        "versions": dict(bundle.versions),
    }
    atomic_write_text(
        Path(f"{written.path}.json"), json.dumps(json.loads(to_json_text(facts)), indent=2) + "\n"
    )
