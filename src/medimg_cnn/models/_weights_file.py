"""Weights from a file of the user's: hashed, checked before anything is read, and fitted to one channel."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from medimg_cnn._keras import keras
from medimg_cnn._types import PathLike
from medimg_cnn._validation import explain
from medimg_cnn._variables import blank, leaves
from medimg_cnn.errors import ArgumentError, ArtifactError
from medimg_cnn.models._keras_networks import DEVIATION, MEAN, KerasNetwork

__all__ = ["checked_file", "load_into"]

_SUFFIXES = (".weights.h5", ".h5")
_WITHOUT_TOP = (
    "Take the file whose name ends in _notop.h5, or save yours from a model built with include_top=False."
)
_NO_DOWNLOAD = "Nothing is downloaded: fetch the file first, as the guide 'Use pretrained weights' says."
_SLACK = 2**20
"""Numbers that a file may hold beyond the network's weights, such as an optimizer's counters."""

_DEPTH = 64
"""Groups within each other; Keras's own files have a few."""


def checked_file(path: PathLike, sha256: str | None) -> tuple[Path, str]:
    """Return the path and its sha256.

    Raises:
        ArgumentError: there is no such file, it is of another kind, or its hash is not the one stated.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentError(explain("weights", "must be the path of a file of weights", path, _NO_DOWNLOAD))
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", str(sha256)):
        raise ArgumentError(explain("weights_sha256", "must be 64 hexadecimal digits", sha256))
    file = Path(path)
    if not file.name.endswith(_SUFFIXES):
        raise ArgumentError(
            explain(
                "weights",
                "must be a file of weights that ends in .weights.h5 or .h5",
                str(path),
                _NO_DOWNLOAD,
            )
        )
    if not file.is_file():
        raise ArgumentError(explain("weights", "must be a file", str(path), _NO_DOWNLOAD))
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if sha256 is not None and str(sha256).lower() != found:
        raise ArgumentError(
            explain(
                "weights_sha256", f"must be that of {file.name}, which is {found}", sha256, "Fetch it again."
            )
        )
    return file, found


def load_into(model: Any, network: KerasNetwork, file: Path) -> None:
    """Give the "backbone" of ``model`` the weights in the file; for one channel the first kernel is summed.

    Raises:
        ArtifactError: the file holds something else than the weights of this network without its top.
    """
    backbone = model.get_layer("backbone")
    height, width, channels = backbone.input_shape[1:]
    whole = blank(lambda: network.whole(height, width))
    _check_content(file, limit=whole.count_params() + _SLACK)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # by which Keras says that it left a layer as it was
            whole.load_weights(file)
    except (ValueError, KeyError, TypeError, OSError, RuntimeError, AttributeError, UserWarning) as error:
        raise ArtifactError(
            f"weights: {file} does not hold the weights of {network.name} without its top ({_first_line(error)}). "
            f"{_WITHOUT_TOP}"
        ) from error
    own = {
        id(v)
        for layer in leaves(whole)
        if isinstance(layer, keras.layers.Normalization)
        for v in layer.weights
    }
    last = [model.get_layer("features")] if network.normalised else []
    given = [variable for variable in whole.weights if id(variable) not in own]
    wanted = [*backbone.weights, *(variable for layer in last for variable in layer.weights)]
    _check_normalisation(whole, file)
    for index, (source, target) in enumerate(zip(given, wanted, strict=True)):
        value = np.asarray(source.value, dtype=np.float32)
        if not np.isfinite(value).all():
            raise ArtifactError(f"weights: {file} must hold finite weights; {source.path} does not.")
        if index == 0:
            value = _first_kernel(value, channels=channels, blue_first=network.mode == "caffe")
        target.assign(value)


def _first_kernel(kernel: np.ndarray, *, channels: int, blue_first: bool) -> np.ndarray:
    if channels == 1:
        summed: np.ndarray = kernel.sum(axis=2, keepdims=True)
        return summed
    return kernel[:, :, ::-1] if blue_first else kernel


def _check_normalisation(whole: Any, file: Path) -> None:
    """Refuse an EfficientNet whose own normalisation, which is left out, was not ImageNet's.

    Keras's files hold the deviation where the variance should be, and Keras divides by its root twice; files of
    other people hold the variance. Both come to what "torch" does.
    """
    for layer in leaves(whole):
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            mean, variance = (np.asarray(weight.value).ravel() for weight in layer.weights[:2])
            spread = (np.array(DEVIATION), np.array(DEVIATION) ** 2)
            usual = np.allclose(mean, MEAN, atol=0.01) and any(
                np.allclose(variance, s, atol=0.01) for s in spread
            )
            if not usual:
                raise ArtifactError(
                    f"weights: {file} is for images normalised by the mean {mean.tolist()} and variance "
                    f"{variance.tolist()}; build_cnn normalises by those of ImageNet only. Build that model with Keras "
                    "and give it to Trainer."
                )


def _check_content(file: Path, *, limit: int) -> None:
    """Refuse links, references to other files, objects, and more numbers than the network has."""
    import h5py

    total = 0
    try:
        with h5py.File(file, "r") as content:
            for path, item in _walk(h5py, content):
                if item is None:
                    raise ArtifactError(f"weights: {file} must hold plain arrays; {path!r} is a link.")
                if isinstance(item, h5py.Dataset):
                    if item.external or item.is_virtual or item.dtype.kind not in "fiub":
                        raise ArtifactError(
                            f"weights: {file} must hold plain arrays of numbers; {path!r} is not one."
                        )
                    total += item.size
    except ArtifactError:
        raise
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"weights: {file} is not an intact HDF5 file ({_first_line(error)}). Fetch it again."
        ) from error
    if total > limit:
        raise ArtifactError(
            f"weights: {file} must hold at most {limit:,} numbers for this network without its top; it holds "
            f"{total:,}. {_WITHOUT_TOP}"
        )


def _walk(h5py: Any, root: Any) -> Iterator[tuple[str, Any]]:
    """Yield each object once, with its path; None in its place where it is a link to elsewhere."""
    groups, seen = [("", root)], set[int]()
    while groups:
        prefix, group = groups.pop()
        if prefix.count("/") > _DEPTH:
            raise ValueError(f"groups within each other, more than {_DEPTH} deep")
        for name in group:
            path = f"{prefix}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                yield path, None
                continue
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            yield path, item
            if isinstance(item, h5py.Group):
                groups.append((path, item))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
