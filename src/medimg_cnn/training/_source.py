"""What the trainer needs of a set of images. ``medimg_cnn.data.Split`` has it; so may your own class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from medimg_cnn._types import Images, IntVector, StrVector
from medimg_cnn._validation import explain
from medimg_cnn.artifacts import DatasetFingerprint
from medimg_cnn.data import Dataset, Split
from medimg_cnn.errors import ArgumentError

__all__ = [
    "ImageSource",
    "check_augment",
    "check_development",
    "check_images",
    "check_source",
    "check_together",
    "reader",
]


@runtime_checkable
class ImageSource(Protocol):
    """Labelled images with random access.

    Attributes:
        n: number of images.
        labels: (n,) int8, 1 = positive.
        image_shape: (height, width, channels).
        sample_ids: (n,) texts, each its own.
        patient_ids: (n,) texts, or None where not known.
        subgroups: column name -> (n,) texts.
        classes: (negative, positive) names.
        part: "train", "validation", "test" or another name.
        fingerprint: of the dataset, or None.
    """

    @property
    def n(self) -> int: ...
    @property
    def labels(self) -> NDArray[np.int8]: ...
    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    @property
    def sample_ids(self) -> StrVector: ...
    @property
    def patient_ids(self) -> StrVector | None: ...
    @property
    def subgroups(self) -> Mapping[str, StrVector]: ...
    @property
    def classes(self) -> tuple[str, str]: ...
    @property
    def part(self) -> str: ...
    @property
    def fingerprint(self) -> DatasetFingerprint | None: ...

    def read(self, indices: IntVector) -> Images:
        """Return the images at ``indices``, (len(indices), height, width, channels) float32 in 0-1."""
        ...


def reader(source: ImageSource) -> Callable[[IntVector], NDArray[Any]]:
    """Return the function that reads a batch for the compiled step.

    A GPU waits for what is sent to it, and gets the integers that a ``Split`` keeps. A CPU gets NumPy's quotients: XLA
    multiplies by the inverse, which may differ in the last place.
    """
    own = (
        isinstance(source, Split) and getattr(source.read, "__func__", None) is Split.read
    )  # not a subclass's
    return source.read_stored if own and jax.default_backend() != "cpu" else source.read  # type: ignore[attr-defined]


def check_source(argument: str, value: object, *, example: str) -> None:
    """Refuse what is not a set of images, and say what to pass instead.

    Raises:
        ArgumentError: ``value`` has not the attributes of ``ImageSource``.
    """
    if isinstance(value, ImageSource):
        return
    kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}".removeprefix("builtins.")
    rule = f"{argument}: must be a Split, which is one part of a dataset"
    if isinstance(value, Dataset):
        raise ArgumentError(f"{rule}; got the whole Dataset. Pass {example}.")
    if isinstance(value, (str, PathLike)):
        raise ArgumentError(
            f"{rule}; got the path {str(value)!r}. Load it first, with medimg_cnn.load_dataset or "
            "medimg_cnn.data.load_external."
        )
    if isinstance(value, np.ndarray):
        raise ArgumentError(
            f"{rule}; got an array of shape {value.shape}. Labelled arrays become a dataset with "
            "medimg_cnn.load_dataset((images, labels), positive=...); for images without labels there is "
            "Run.probabilities(images)."
        )
    raise ArgumentError(f"{rule}; got {kind}. Load your images with medimg_cnn.load_dataset; pass {example}.")


def check_development(argument: str, source: object) -> None:
    """Refuse what is no set of images to develop on: nothing of the kind, or the test split.

    Raises:
        ArgumentError: see there.
    """
    check_source(argument, source, example="data.train, data.validation")
    if isinstance(source, ImageSource) and source.part == "test":
        raise ArgumentError(
            f"{argument}: must not be the test split, which judges what was chosen here. "
            "Pass data.train, data.validation."
        )


def check_together(train: ImageSource, validation: ImageSource) -> None:
    """Refuse validation that is exchanged with training, does not belong to it, or shares images or patients with it.

    Raises:
        ArgumentError: see there.
    """
    if train.part == "validation" and validation.part == "train":
        raise ArgumentError(
            "train, validation: are exchanged: the first is the validation split, the second the training split. Pass "
            "data.train, data.validation."
        )
    if tuple(validation.classes) != tuple(train.classes):
        raise ArgumentError(
            f"validation: must have the classes (negative, positive) = {tuple(train.classes)} of train; "
            f"got {tuple(validation.classes)}. Load both with the same positive=."
        )
    prints = train.fingerprint, validation.fingerprint
    same = None not in prints and prints[0] == prints[1]
    images = np.intersect1d(train.sample_ids, validation.sample_ids).tolist()
    if images and (same or None in prints):  # two datasets may have images of one name
        raise ArgumentError(
            f"validation: must hold other images than train; {len(images)} are in both, such as {images[0]!r}. Pass "
            "data.train and data.validation; in a source of your own, give each image an id of its own."
        )
    if train.patient_ids is None or validation.patient_ids is None:
        return
    # Two parts of one dataset share patients only where load_dataset was told allow_shared_patients=True, and warned.
    shared = np.intersect1d(train.patient_ids, validation.patient_ids)
    if shared.size and not (same and train.part != validation.part):
        raise ArgumentError(
            f"validation: must not share patients with train; {shared.size} are in both. "
            "Take both from one call of load_dataset, which divides by patient."
        )


def check_images(argument: str, value: ArrayLike, shape: tuple[int, int, int]) -> Images:
    """Return ``value`` as images (n, *shape), float32 in 0 to 1.

    Raises:
        ArgumentError: it has another shape, is not of floats, or lies outside 0 to 1.
    """
    array = np.asarray(value)
    rule = f"must be (n, {shape[0]}, {shape[1]}, {shape[2]}), the shape that the model was built for, with n at least 1"
    if array.ndim != 4 or array.shape[1:] != shape or not len(array):
        hint = "One image needs a first axis: image[None]." if array.shape == shape else ""
        raise ArgumentError(explain(argument, rule, array.shape, hint))
    if array.dtype.kind != "f":
        raise ArgumentError(
            explain(argument, "must be floats in 0 to 1", array.dtype, "8-bit values are divided by 255.")
        )
    finite = np.isfinite(array).all(axis=(1, 2, 3))
    if not finite.all():
        rule = f"must be finite; {int((~finite).sum())} of {len(array)} images are not, the first at index"
        raise ArgumentError(f"{argument}: {rule} {int(np.argmin(finite))}. Mend it or leave it out.")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 1.0):
        raise ArgumentError(explain(argument, "must lie in 0 to 1", f"{low:g} to {high:g}"))
    return array.astype(np.float32)


def check_augment(value: Any) -> Any:
    """Return ``value`` where it is None or can augment a batch.

    Raises:
        ArgumentError: it is something else; says what to pass instead.
    """
    methods = ("params", "apply", "apply_labels")
    if value is None or (
        not isinstance(value, type) and all(callable(getattr(value, name, None)) for name in methods)
    ):
        return value
    kind, step = type(value).__name__, "Use medimg_cnn.augmentations."
    if isinstance(value, type):
        kind, step = f"the class {value.__name__}", f"Pass an instance, {value.__name__}(...)."
    elif isinstance(value, str):
        kind, step = repr(value), f"Pass medimg_cnn.augmentations.preset({value!r})."
    elif isinstance(value, (list, tuple)):
        step = "Chain them: a | b."
    elif callable(value):
        step = "Pass medimg_cnn.augmentations.PerImage(function=...) for a function of your own."
    rule = "augment: must be an augmentation with the methods params, apply and apply_labels"
    raise ArgumentError(f"{rule}; got {kind}. {step}")
