"""A bundle: all that is needed to predict as the run did, and to know for what and on what it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import PathLike
from medimg_cnn._validation import check_fraction, check_integer, explain
from medimg_cnn._variables import weights_by_name
from medimg_cnn.artifacts import Calibration, FitResult, OperatingPoint
from medimg_cnn.artifacts._files import open_envelope, to_json_text
from medimg_cnn.data import Preprocessing
from medimg_cnn.data.readers import ReadOptions
from medimg_cnn.errors import (
    ArgumentError,
    BundleArchitectureError,
    BundleDamagedError,
    BundleTooLargeError,
    MedimgCnnError,
)
from medimg_cnn.export._architecture import ArchitectureConfig
from medimg_cnn.export._arrays import pack_arrays, unpack_arrays
from medimg_cnn.export._container import FORMAT_VERSION, OpenBundle, open_files, write_files
from medimg_cnn.export._engine import Engine
from medimg_cnn.export._reference import Development, Reference
from medimg_cnn.training import Run

__all__ = ["Bundle", "checked_band", "load_bundle", "printable"]

_FORMAT = "medimg_cnn.bundle.content"
_PARAMETERS = 100_000_000
_PIXELS = ReadOptions().max_pixels
_TEXT_BYTES = 2**22
"""Parsed, JSON may take twenty times as much memory."""
_NAME = 200
_REFERENCE_BYTES = 2**28


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """A trained model with everything that its use needs; made by ``load_bundle``.

    Attributes:
        run: the model with its weights, calibration, operating point and history; ``run.predict`` works.
        architecture: from which the model is built.
        classes: (negative, positive) names.
        preprocessing: how an image file becomes an input.
        reference: what the training data looked like, for the out-of-scope rule; None where it was not given.
        development: outcomes and logits of development images, to compare an external validation with; or None.
        abstention: (low, high) probabilities between which the model should not decide; or None.
        name: of the model.
        intended_use: for whom, on which patients, for which decision.
        out_of_scope: what it must not be used for.
        model_card: Markdown.
        versions: packages with which it was saved.
        recalibrated: on what and from which bundle, where the calibration was changed after training; or None.
        format_version: of the bundle format it was read from.
        sha256: of its manifest, which holds the hashes of all files: the bundle's identity; "" where not saved yet.
    """

    run: Run
    architecture: ArchitectureConfig
    classes: tuple[str, str]
    preprocessing: Preprocessing
    reference: Reference | None = None
    development: Development | None = None
    abstention: tuple[float, float] | None = None
    name: str = ""
    intended_use: str = ""
    out_of_scope: str = ""
    model_card: str = ""
    versions: Mapping[str, str]
    recalibrated: Mapping[str, Any] | None = None
    format_version: int = FORMAT_VERSION
    sha256: str = ""

    @property
    def model(self) -> Any:
        """The ``keras.Model``."""
        return self.run.model

    @property
    def operating_point(self) -> OperatingPoint:
        """The locked threshold."""
        return self.run.operating_point

    @property
    def calibration(self) -> Calibration:
        """How a logit becomes a probability."""
        return self.run.result.calibration

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the model's input."""
        return self.architecture.image_shape

    @cached_property
    def engine(self) -> Engine:
        """The compiled forward pass."""
        return Engine(self.run.model)

    def content_sha256(self) -> str:
        """Return the sha256 of what decides predictions: that of a bundle that is not saved yet, for comparing."""
        digest = hashlib.sha256(to_json_text(self._content()).encode("utf-8"))
        for name, weight in weights_by_name(self.model).items():
            digest.update(name.encode("utf-8"))
            digest.update(np.ascontiguousarray(weight.value).data)
        return digest.hexdigest()

    def save(self, path: PathLike, *, overwrite: bool = False) -> Path:
        """Write the bundle as a folder, or as an archive where the path ends in .zip; return the path.

        Raises:
            ArgumentError: the path exists, or is of another kind.
        """
        target = Path(path)
        files = {
            "bundle.json": to_json_text(self._content()).encode("utf-8"),
            "weights.npz": pack_arrays(
                {name: np.asarray(weight.value) for name, weight in weights_by_name(self.model).items()}
            ),
            "MODEL_CARD.md": self.model_card.encode("utf-8"),
        }
        arrays = _described_arrays(self.reference, self.development)
        if arrays:
            files["reference.npz"] = pack_arrays(arrays)
        write_files(target, files, overwrite=overwrite)
        return target

    def _content(self) -> dict[str, Any]:
        development = self.development
        return {
            "format": _FORMAT,
            "version": FORMAT_VERSION,
            "name": self.name,
            "architecture": self.architecture.to_dict(),
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.to_dict(),
            "abstention": None if self.abstention is None else list(self.abstention),
            "intended_use": self.intended_use,
            "out_of_scope": self.out_of_scope,
            "recalibrated": None if self.recalibrated is None else dict(self.recalibrated),
            "reference": None if self.reference is None else {"part": self.reference.part},
            "development": None if development is None else {"part": development.part},
            "versions": dict(self.versions),
            "result": self.run.result.to_dict(),
        }

    def __repr__(self) -> str:
        height, width, channels = self.image_shape
        point = self.operating_point
        return (
            f"<Bundle {self.name or self.architecture.name}: {self.classes[1]} against {self.classes[0]}, "
            f"{height} x {width} x {channels}, {self.architecture.parameters:,} parameters, threshold "
            f"{point.threshold:.4f} by {point.rule} on {point.chosen_on}>"
        )


def load_bundle(
    path: PathLike,
    *,
    max_parameters: int = _PARAMETERS,
    max_pixels: int = _PIXELS,
    sha256: str | None = None,
) -> Bundle:
    """Check a bundle and rebuild its model from the library's own code.

    Every file is compared with the manifest before it is used, nothing in a bundle is run, and nothing large is
    allocated before the number of parameters was compared with ``max_parameters``.

    Args:
        path: what ``save_bundle`` wrote.
        max_parameters: weights at most, at least 1; a float32 weight takes four bytes.
        max_pixels: height x width at most, of the images that it may ask to decode and of the model's input.
        sha256: what ``Bundle.sha256`` must be; the hashes inside find damage, only this one finds a forgery.

    Raises:
        BundleDamagedError: a file is missing, cut off or changed.
        BundleUnsafeError: a link, a path that leads out, a pickle, or a file that bundles do not have.
        BundleVersionError: a newer version of the library wrote it.
        BundleArchitectureError: its network is not one that this library builds.
        BundleTooLargeError: it asks for more than ``max_parameters`` or ``max_pixels``.
        ArgumentError: there is nothing at this path.

    Example:
        >>> load_bundle("nowhere.zip")
        Traceback (most recent call last):
        medimg_cnn.errors.ArgumentError: path: must be a bundle, ...
    """
    limit = check_integer("max_parameters", max_parameters, low=1)
    check_integer("max_pixels", max_pixels, low=1)
    opened = open_files(Path(path))
    if sha256 is not None and sha256.lower() != opened.sha256:
        raise BundleDamagedError(
            f"{path}: must have the sha256 {sha256}; it has {opened.sha256}. It is another bundle than you expect."
        )
    content = _content_of(opened)
    architecture = _allowed(content, limit, max_pixels, str(path))
    parameters = architecture.parameters
    weights = unpack_arrays(opened.read("weights.npz", limit=4 * parameters + 2**20), f"{path}, weights.npz")
    held = sum(array.size for array in weights.values())
    if held != parameters:
        raise BundleDamagedError(
            f"{path}: weights.npz must hold {parameters:,} values; it holds {held:,}. Get the bundle again."
        )
    arrays = (
        unpack_arrays(opened.read("reference.npz", limit=_REFERENCE_BYTES), f"{path}, reference.npz")
        if "reference.npz" in opened
        else {}
    )
    card = opened.read("MODEL_CARD.md", limit=_TEXT_BYTES)
    try:
        model = _model(architecture, weights, str(path))
        return _bundle_of(opened, content, arrays, model=model, card=card)
    except MedimgCnnError as error:
        if isinstance(error, ArgumentError):  # of one of our records, which names its field
            raise BundleDamagedError(f"{path}, bundle.json: {error}") from error
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise BundleDamagedError(
            f"{path}: bundle.json does not say what it must ({type(error).__name__}: {error}). Get it again."
        ) from error


def _content_of(opened: OpenBundle) -> dict[str, Any]:
    text = opened.read("bundle.json", limit=_TEXT_BYTES)
    try:
        content = open_envelope(
            json.loads(text.decode("utf-8")), kind=_FORMAT, version=opened.version, source=opened.name
        )
    except (ValueError, RecursionError) as error:
        raise BundleDamagedError(
            f"{opened.name}: bundle.json cannot be used ({error}). Get it again."
        ) from error
    if not isinstance(content.get("architecture"), Mapping):
        raise BundleArchitectureError(f"{opened.name}: bundle.json must say the architecture; it says none.")
    return content


def _allowed(content: Mapping[str, Any], limit: int, max_pixels: int, path: str) -> ArchitectureConfig:
    try:
        architecture = ArchitectureConfig.from_dict(content["architecture"])
    except BundleArchitectureError as error:
        raise BundleArchitectureError(f"{path}: {error}") from error
    _check_pixels(content, architecture, max_pixels, path)  # before a network of that size is laid out
    asked = architecture.least_parameters
    if asked <= limit:
        try:
            asked = architecture.parameters
        except (ArgumentError, ValueError) as error:
            raise BundleArchitectureError(f"{path}: its network cannot be built: {error}") from error
    if asked > limit:
        raise BundleTooLargeError(
            f"{path}: its network would have {asked:,} parameters or more; at most {limit:,} are allowed. "
            "If you trust it, pass a larger max_parameters."
        )
    return architecture


def _check_pixels(
    content: Mapping[str, Any], architecture: ArchitectureConfig, limit: int, path: str
) -> None:
    """Refuse a bundle that would have images decoded, or computed with, that are larger than is allowed here."""
    try:
        decoded = int(content["preprocessing"]["read"]["max_pixels"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BundleDamagedError(
            f"{path}: bundle.json must say how images are read ({type(error).__name__}: {error}). Get it again."
        ) from error
    height, width, _ = architecture.image_shape
    asked = max(decoded, height * width)
    if asked > limit:
        raise BundleTooLargeError(
            f"{path}: it asks for images of up to {asked:,} pixels; at most {limit:,} are allowed. "
            "If you trust it, pass a larger max_pixels."
        )


def _model(architecture: ArchitectureConfig, weights: Mapping[str, NDArray[Any]], path: str) -> Any:
    model = architecture.build()
    expected = weights_by_name(model)
    if expected.keys() != weights.keys():
        odd = min(expected.keys() ^ weights.keys())
        raise BundleDamagedError(
            f"{path}: weights.npz must hold the arrays of the network; {odd!r} does not fit."
        )
    for name, weight in expected.items():
        value = weights[name]
        if value.shape != tuple(weight.shape) or value.dtype != np.float32:
            raise BundleDamagedError(
                f"{path}: {name} must be float32 of the shape {tuple(weight.shape)}; got {value.dtype}, {value.shape}."
            )
        if not np.isfinite(value).all():
            raise BundleDamagedError(f"{path}: {name} must be finite; it holds NaN or infinities.")
        weight.assign(value)
    return model


def _bundle_of(
    opened: OpenBundle,
    content: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    *,
    model: Any,
    card: bytes,
) -> Bundle:
    architecture = ArchitectureConfig.from_dict(content["architecture"])
    preprocessing = Preprocessing.from_dict(content["preprocessing"])
    if preprocessing.image_shape != architecture.image_shape:
        raise ValueError("preprocessing does not give the network's image shape")
    result = FitResult.from_dict(content["result"])
    point = result.operating_point
    for field, text in (
        ("operating_point.rule", point.rule),
        ("operating_point.chosen_on", point.chosen_on),
        ("calibration.fitted_on", result.calibration.fitted_on),
    ):
        printable(field, text)
    negative, positive = (printable("classes", name) for name in content["classes"])
    if not negative or not positive or negative == positive:
        raise ValueError("classes must be two different names")
    reference = None
    if content["reference"] is not None:
        stored = {
            name.removeprefix("scope/"): value for name, value in arrays.items() if name.startswith("scope/")
        }
        width = int(model.get_layer("features").output.shape[-1])
        reference = Reference.from_arrays(
            stored, part=printable("reference.part", content["reference"]["part"]), features=width
        )
    return Bundle(
        run=Run(model, replace(result, preprocessing=content["preprocessing"])),
        architecture=architecture,
        classes=(negative, positive),
        preprocessing=preprocessing,
        reference=reference,
        development=_development(content["development"], arrays),
        abstention=checked_band(content["abstention"], result.operating_point.threshold),
        name=printable("name", content["name"]),
        intended_use=str(content["intended_use"]),
        out_of_scope=str(content["out_of_scope"]),
        model_card=card.decode("utf-8", errors="replace"),
        versions={str(name): str(value) for name, value in content["versions"].items()},
        recalibrated=_recalibrated(content["recalibrated"]),
        format_version=opened.version,
        sha256=opened.sha256,
    )


def printable(field: str, value: object) -> str:
    """Return a name that terminals and pages can show: control characters could hide or forge what they say.

    Raises:
        ArgumentError: it is no text, too long, or holds such characters.
    """
    if not isinstance(value, str) or not value.isprintable() or len(value) > _NAME:
        raise ArgumentError(
            explain(
                field, f"must be text of at most {_NAME} characters, none of them a control character", value
            )
        )
    return value


def _recalibrated(content: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if content is not None:
        printable("recalibrated", content["on"])
    return content


def _described_arrays(
    reference: Reference | None, development: Development | None
) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    if reference is not None:
        arrays |= {f"scope/{name}": value for name, value in reference.to_arrays().items()}
    if development is not None:
        arrays |= {"development/y": development.y, "development/logit": development.logit}
        if development.cluster is not None:
            arrays["development/cluster"] = development.cluster
    return arrays


def _development(content: Mapping[str, Any] | None, arrays: Mapping[str, NDArray[Any]]) -> Development | None:
    if content is None:
        return None
    y, logit = arrays["development/y"], arrays["development/logit"]
    cluster = arrays.get("development/cluster")
    fits = y.shape == logit.shape and y.ndim == 1 and (cluster is None or cluster.shape == y.shape)
    if not fits or not np.isin(y, (0, 1)).all() or not np.isfinite(logit).all():
        raise ValueError("the development outcomes and logits do not fit each other")
    return Development(part=printable("development.part", content["part"]), y=y, logit=logit, cluster=cluster)


def checked_band(band: Sequence[float] | None, threshold: float) -> tuple[float, float] | None:
    """Return the abstention band, which must enclose the threshold."""
    if band is None:
        return None
    if len(band) != 2:
        raise ArgumentError(explain("abstain_between", "must be (low, high)", band))
    low, high = (check_fraction("abstain_between", value) for value in band)
    if not low <= threshold <= high:
        raise ArgumentError(
            explain("abstain_between", f"must enclose the operating point {threshold:.4g}", tuple(band))
        )
    return low, high
