"""A finished run: the model with its kept weights, and the record of what was done."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._types import FloatVector, PathLike
from medimg_cnn._validation import check_integer, check_number, check_path, check_seed, explain
from medimg_cnn._variables import duplicate, load_model, reason, settle
from medimg_cnn.artifacts import DatasetFingerprint, FitResult, OperatingPoint, Predictions
from medimg_cnn.artifacts._files import damage_as_artifact_error
from medimg_cnn.augmentations import _layer  # noqa: F401 - so that Keras knows it in files of models
from medimg_cnn.data import Preprocessing
from medimg_cnn.errors import ArgumentError, ArtifactError, MedimgCnnWarning
from medimg_cnn.training._config import TrainerConfig
from medimg_cnn.training._plots import plot_history
from medimg_cnn.training._predict import ReadImages, augmented_views, predict_logits
from medimg_cnn.training._source import ImageSource, check_augment, check_images, check_source, reader
from medimg_cnn.training._step import logit_model, make_logit_function

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "AGAIN",
    "CHECKPOINTS",
    "MODEL_FILE",
    "RECORD_FILE",
    "RESULT_FILE",
    "START_IMAGES",
    "Run",
    "divided_again",
    "load_run",
    "lost",
]

MODEL_FILE = "model.keras"
RECORD_FILE = "run.json"
RESULT_FILE = "result.json"
CHECKPOINTS, START_IMAGES = "checkpoints", "images.npz"


SAID = ("augment", "model")
"""Further entries of the configuration in a result, beside the fields of ``TrainerConfig``."""

AGAIN = (
    "Restore it from a copy, or begin again in this folder with Trainer(..., directory=..., overwrite=True)."
)
"""The next step where a run has lost a file."""


class Run:
    """What ``Trainer.fit`` returns.

    Attributes:
        model: the ``keras.Model`` with the kept weights.
        result: ``FitResult``: history, choices, configuration, environment.
        directory: where the run was written, or None.
    """

    def __init__(self, model: Any, result: FitResult, *, directory: Path | None = None) -> None:
        self.model = model
        self.result = result
        self.directory = directory
        self._logit_model = logit_model(model)
        self._logits = make_logit_function(self._logit_model)

    @property
    def operating_point(self) -> OperatingPoint:
        """The threshold that was chosen on validation."""
        return self.result.operating_point

    @property
    def preprocessing(self) -> Preprocessing | None:
        """How an image file became an input; pass it to ``load_external`` for images from elsewhere."""
        content = self.result.preprocessing
        return None if content is None else Preprocessing.from_dict(content)

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: losses, validation AUROC (and the figure of ``monitor``), learning rate, speed."""
        return self.result.to_frame()

    def plot_history(self) -> Figure:
        """Return a picture of loss, AUROC and learning rate by epoch."""
        return plot_history(self.result)

    def predict(
        self,
        images: ImageSource,
        *,
        batch_size: int = 128,
        augment: Any = None,
        draws: int = 8,
        seed: int = 0,
    ) -> Predictions:
        """Predict every image of a split, in its order.

        Args:
            images: a ``Split``, or anything with the attributes of ``ImageSource``.
            batch_size: images at a time; at least 1. It changes memory, speed and the last digits.
            augment: test-time augmentation: the logit is the mean over the image as it is and augmented copies. This
                is another score than the one that the operating point was chosen for: choose that anew, with
                ``evaluation.choose_operating_point``, on validation images predicted in the same way.
            draws: how many augmented copies, at least 1; all images get the same changes.
            seed: of the copies, 0 to 2**31 - 1.

        Returns:
            ``Predictions`` with the outcomes, logits and calibrated probabilities. Of images that look like the run's
            own divided otherwise, the part is said to be unknown, with a warning.

        Raises:
            ArgumentError: it is no split, or its images' shape or classes are not those of the run.
        """
        batch_size = check_integer("batch_size", batch_size, low=1)
        check_source("images", images, example="data.test")
        expected = tuple(self.model.input_shape[1:])
        if tuple(images.image_shape) != expected:
            raise ArgumentError(
                f"images: must have the shape {expected} that the model was built for; got {images.image_shape}. "
                f"Load them with image_size={expected[:2]}, channels={expected[2]}."
            )
        trained = self.result.fingerprint
        if trained is not None and tuple(images.classes) != trained.classes:
            raise ArgumentError(
                f"images: must have the classes (negative, positive) = {trained.classes} of the training data; "
                f"got {tuple(images.classes)}. Load them with positive={trained.classes[1]!r}."
            )
        read = images.fingerprint
        if trained is not None and read is not None and read.preprocessing != trained.preprocessing:
            warnings.warn(
                "These images were not preprocessed as the training images were (size, fit, window or frame "
                "differ). Load them with the options in run.preprocessing, unless that is meant.",
                MedimgCnnWarning,
                stacklevel=2,
            )
        again = divided_again(trained, read)
        if again and images.part:
            warnings.warn(
                "These look like the run's own images, divided otherwise (by another seed, say, or into folds): "
                "some may have been trained on, and what is measured on them would be too good. Predict parts "
                "of the division that the run was trained on.",
                MedimgCnnWarning,
                stacklevel=2,
            )
        reads: list[ReadImages] = [reader(images)]
        if augment is not None:
            if getattr(augment, "mixes", True):
                check_augment(augment)
                rule = "must be an augmentation that does not mix images of the batch"
                raise ArgumentError(explain("augment", rule, augment))
            draws, seed = check_integer("draws", draws, low=1), check_seed("seed", seed)
            reads = augmented_views(images.read, augment, expected, draws=draws, seed=seed)
        logit = np.mean([self._logits_of(read, images.n, batch_size) for read in reads], axis=0)
        return Predictions(
            y_true=images.labels,
            logit=logit,
            probability=self.result.calibration.apply(logit),
            sample_id=images.sample_ids,
            patient_id=images.patient_ids,
            subgroups=images.subgroups,
            classes=images.classes,
            part="" if again else images.part,
        )

    def probabilities(self, images: ArrayLike, *, batch_size: int = 128) -> FloatVector:
        """Return the calibrated probability of the positive class for images without labels.

        Args:
            images: (n, height, width, channels) floats in 0 to 1, prepared as the training images were.
            batch_size: images at a time; at least 1.

        Returns:
            (n,) float64 in 0 to 1. An image is called positive where it is at least
            ``run.operating_point.threshold``.

        Raises:
            ArgumentError: the array's shape, dtype or range is another.
        """
        batch_size = check_integer("batch_size", batch_size, low=1)
        array = check_images("images", images, tuple(self.model.input_shape[1:]))
        return self.result.calibration.apply(self._logits_of(array.__getitem__, len(array), batch_size))

    def _logits_of(self, read: ReadImages, n: int, batch_size: int) -> FloatVector:
        weights = [variable.value for variable in self._logit_model.trainable_variables]
        other = [variable.value for variable in self._logit_model.non_trainable_variables]
        return predict_logits(self._logits, weights, other, read, n, batch_size=batch_size)

    def __reduce__(self) -> tuple[Any, ...]:
        # What is compiled cannot be pickled, and is made again.
        return _unpickled, (self.model, self.result, self.directory)

    def __repr__(self) -> str:
        point = self.operating_point
        return (
            f"Run({self.model.name}, {len(self.result.history)} epochs, kept epoch {self.result.kept_epoch}, "
            f"threshold {point.threshold:.4f} by {point.rule} on {point.chosen_on})"
        )


def _unpickled(model: Any, result: FitResult, directory: Path | None) -> Run:
    return Run(model, result, directory=directory)


def load_run(directory: PathLike, *, model: Any = None) -> Run:
    """Load a run that ``Trainer(..., directory=...)`` wrote.

    Only load directories that you trust: Keras rebuilds the model from a file in it.

    Args:
        directory: the run's folder, or a file in it.
        model: built as before training; needed only where the file's cannot be rebuilt (it has layers of your own).
            A copy of it gets the kept weights.

    Raises:
        ArgumentError: ``directory`` is no path.
        ArtifactError: the run is not finished, a file is missing or damaged, or ``model`` is needed, or another one.
    """
    folder = check_path("directory", directory)
    if folder.is_file():
        folder = folder.parent
    if gone := lost(folder):
        raise ArtifactError(f"{gone} {AGAIN}")
    for name in (MODEL_FILE, RESULT_FILE):
        if (folder / name).is_file():
            continue
        if (folder / RECORD_FILE).is_file():
            raise ArtifactError(
                f"{folder / name}: does not exist, because this run is not finished. Finish it with "
                f"Trainer.resume({str(folder)!r}).fit(data.train, data.validation)."
            )
        raise ArtifactError(f"{folder / name}: does not exist. Pass the directory of a finished run.")
    result = FitResult.load(folder / RESULT_FILE)
    with damage_as_artifact_error(folder / RESULT_FILE, "a run's result"):
        _check(result)
    found = hashlib.sha256((folder / MODEL_FILE).read_bytes()).hexdigest()
    if found != result.model_sha256:
        raise ArtifactError(
            f"{folder / MODEL_FILE}: is not the file that {RESULT_FILE} was written with (its sha256 differs). "
            "Restore both from the same run."
        )
    return Run(_kept(folder / MODEL_FILE, model), result, directory=folder)


def _check(result: FitResult) -> None:
    """See that a record says what a run can have done.

    Raises:
        ArgumentError: it does not; also TypeError, where a value is of another kind.
    """
    check_integer("kept_epoch", result.kept_epoch, low=1, high=len(result.history))
    # Just above 1 means that no image is called positive.
    check_number(
        "operating_point.threshold", result.operating_point.threshold, low=0.0, high=np.nextafter(1, 2)
    )
    TrainerConfig.from_dict({name: value for name, value in result.config.items() if name not in SAID})
    for name in ("environment", "config"):
        if not isinstance(getattr(result, name), Mapping):
            raise ArgumentError(explain(name, "must be an object of names and values", getattr(result, name)))


def lost(folder: Path) -> str:
    """Return in words what a run's folder has lost, so that it can be neither loaded nor gone on with; else nothing."""
    model, result = (folder / name for name in (MODEL_FILE, RESULT_FILE))
    images = folder / CHECKPOINTS / START_IMAGES
    if result.is_file():
        return (
            ""
            if model.is_file()
            else f"{model}: is gone from a finished run; only its {RESULT_FILE} is there."
        )
    if images.is_file() or not (folder / RECORD_FILE).is_file():
        return ""
    if model.is_file() and not images.parent.exists():
        return f"{result}: is gone from a finished run; only its {MODEL_FILE} is there."
    what = images if images.parent.is_dir() else images.parent
    return f"{what}: is gone from a run that was not finished, which cannot go on without it."


def _kept(path: Path, model: Any) -> Any:
    """Return the model of a file that is what was written, or a copy of ``model`` with its weights."""
    if model is not None:
        copy = duplicate(model)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # so says Keras where a layer finds nothing in the file
                copy.load_weights(path)
        except Exception as error:
            raise ArtifactError(
                f"{path}: its weights are not those of the model {model.name!r} ({reason(error)}). Build the model as "
                "before training."
            ) from error
        settle(copy)
        return copy
    try:
        return load_model(path)
    except Exception as error:
        raise ArtifactError(
            f"{path}: cannot be rebuilt ({reason(error)}). Build the model as before training, and "
            "pass it: load_run(directory, model=...)."
        ) from error


def divided_again(trained: DatasetFingerprint | None, now: DatasetFingerprint | None) -> bool:
    """Say whether two data sets look like one that was divided twice: as many images and positives, in other parts."""
    if trained is None or now is None or now.content == trained.content:
        return False
    if all(part != "train" for part, _, _ in now.counts):  # nothing was divided: an external set
        return False

    def sums(found: DatasetFingerprint) -> tuple[int, int]:
        return sum(n for _, n, _ in found.counts), sum(positives for _, _, positives in found.counts)

    return sums(trained) == sums(now)
