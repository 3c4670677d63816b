"""Cross-validation: each image predicted by a run that has not seen its patient."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import numpy as np

from medimg_cnn._keras import keras
from medimg_cnn._types import PathLike, StrVector
from medimg_cnn._validation import check_path, explain
from medimg_cnn.artifacts import DatasetFingerprint, OperatingPoint, Predictions
from medimg_cnn.data import Dataset, KFold, Split, Splitter
from medimg_cnn.errors import ArgumentError, ArtifactError, SplitError
from medimg_cnn.training._config import TrainerConfig, check_config
from medimg_cnn.training._ensemble import Combine, Ensemble, finite_logit
from medimg_cnn.training._identity import describe_source
from medimg_cnn.training._recipe import recipe
from medimg_cnn.training._record import RunRecord
from medimg_cnn.training._run import RECORD_FILE, RESULT_FILE, Run, divided_again, lost
from medimg_cnn.training._trainer import Trainer
from medimg_cnn.training._unknown import refuse_options_of_config

__all__ = ["CrossValidation", "cross_validate"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrossValidation:
    """What ``cross_validate`` returns.

    Attributes:
        runs: one for each division, in their order.
        folds: the names of the divisions.
        predictions: of every tested image once, by the run that did not train on it, its fold among the
            subgroups unless one of them says the same (the site of ``LeaveOneSiteOut``). Probabilities are calibrated
            run by run; the logits are those of the probabilities.
    """

    runs: tuple[Run, ...]
    folds: tuple[str, ...]
    predictions: Predictions

    @property
    def operating_point(self) -> OperatingPoint:
        """The median of the runs' thresholds, each chosen on the validation part of its own division.

        Each image had a part in choosing it by way of the runs that it validated: figures at it may be somewhat too
        good, in simulations less than half as much as at one chosen on the pooled predictions (decision 0066).
        """
        points = [run.operating_point for run in self.runs]
        if {point.rule for point in points} == {"fixed"}:
            return points[0]
        return OperatingPoint(
            threshold=float(np.median([point.threshold for point in points])),
            rule=f"{points[0].rule} (median of {len(points)} folds)",
            chosen_on=f"{points[0].chosen_on} of each fold",
        )

    def ensemble(self, *, combine: Combine = "probability") -> Ensemble:
        """Return the runs as one predictor, for images that none of them was trained on."""
        return Ensemble(self.runs, combine=combine)

    def __repr__(self) -> str:
        return f"CrossValidation({len(self.runs)} runs, {self.predictions.n} images)"


def cross_validate(
    data: Dataset,
    build_model: Callable[[Dataset], Any],
    *,
    config: TrainerConfig | None = None,
    splitter: Splitter | None = None,
    augment: Any = None,
    seed: int = 0,
    directory: PathLike | None = None,
    progress: bool = True,
    **unknown: Never,
) -> CrossValidation:
    """Train on each division of a dataset and pool what the runs say of the images they were not trained on.

    All images of the dataset take part, whichever part they are in: keep those that a final judgement is to be made
    on out of it.

    Args:
        data: divided anew, grouped by patient and stratified.
        build_model: takes the divided dataset and returns a new model for it, for example
            ``lambda fold: mc.build_cnn(fold.image_shape, prior=fold.train.prevalence)``.
        config: of every run; None: the defaults.
        splitter: how to divide; None: ``KFold(k=5)``. Every image is to be tested at most once.
        augment: see ``Trainer``.
        seed: of the division, 0 to 2**31 - 1.
        directory: where to keep the runs, one folder each; None: nowhere. Where some are there already they are
            loaded, or gone on with, if they began with the same recipe.
        progress: see ``Trainer``.
        **unknown: none; another keyword is refused, with what to pass instead.

    Raises:
        ArgumentError: an argument breaks its rule, or ``directory`` holds runs of another recipe.
        ArtifactError: a run in ``directory`` has lost a file, or one is damaged.
        SplitError: the images cannot be divided so, or an image is tested twice.
    """
    refuse_options_of_config(cross_validate, unknown)
    if not isinstance(data, Dataset):
        raise ArgumentError(explain("data", "must be a Dataset of load_dataset", data))
    # A Keras model can be called, but makes no new model.
    if isinstance(build_model, keras.Model) or not callable(build_model):
        raise ArgumentError(
            explain("build_model", "must be a function from a Dataset to a model", build_model)
        )
    _check_builder(build_model, data)
    parent = None if directory is None else check_path("directory", directory, example="runs/folds")
    config = check_config(config)
    folds = tuple(data.folds(KFold(k=5) if splitter is None else splitter, seed=seed))
    tested = _tested(folds)
    runs: list[Run] = []
    parts: list[Predictions] = []
    for fold, test in zip(folds, tested, strict=True):
        folder = None if parent is None else parent / _folder_name(fold.name)
        model = build_model(fold)
        if folder is not None and ((folder / RECORD_FILE).exists() or (folder / RESULT_FILE).exists()):
            trainer = _gone_on_with(folder, fold, model, augment, config, progress=progress)
        else:
            trainer = Trainer(model, augment=augment, **config.to_dict(), directory=folder, progress=progress)
        run = trainer.fit(fold.train, fold.validation)
        runs.append(run)
        parts.append(run.predict(test))
    names = [fold.name for fold in folds]
    return CrossValidation(runs=tuple(runs), folds=tuple(names), predictions=_pool(parts, names))


def _check_builder(build_model: Callable[..., Any], data: Dataset) -> None:
    try:
        signature = inspect.signature(build_model)
    except (TypeError, ValueError):  # of some functions that are not written in Python
        return
    try:
        signature.bind(data)
    except TypeError as error:
        rule = f"must take the divided dataset, and need nothing else ({error})"
        hint = "Pass for example lambda fold: build_cnn(fold.image_shape)."
        raise ArgumentError(explain("build_model", rule, str(signature), hint)) from error


def _tested(folds: Sequence[Dataset]) -> list[Split]:
    """Return the test parts; refuse, before the first run, divisions that leave nothing to pool."""
    parts: list[Split] = []
    for fold in folds:
        if fold.test is None:
            raise SplitError(
                f"{fold.name}: has no test part. Pass a splitter that tests, for example KFold(k=5)."
            )
        parts.append(fold.test)
    ids = np.concatenate([part.sample_ids for part in parts])
    again = ids.size - np.unique(ids).size
    if again:
        raise SplitError(
            f"splitter: every image must be tested at most once; {again} are tested again. Use KFold or "
            "LeaveOneSiteOut; to choose by inner folds, take those of one outer fold from Dataset.folds."
        )
    return parts


def _gone_on_with(
    folder: Path, fold: Dataset, model: Any, augment: Any, config: TrainerConfig, *, progress: bool
) -> Trainer:
    """Return the trainer of a run that is there; refuse one of another recipe, or that has lost a file."""
    gone = lost(folder)
    if not (folder / RECORD_FILE).exists():
        gone = f"{folder / RECORD_FILE}: is gone from a finished run."
    if gone:
        raise ArtifactError(
            f"{gone} Restore it from a copy, or delete the folder {folder}: that fold is trained anew then."
        )
    try:
        trainer = Trainer.resume(folder, augment=augment, progress=progress)
    except (
        ArtifactError
    ):  # it has layers of the user's own; what is damaged is so for the second call as well
        trainer = Trainer.resume(folder, model=model, augment=augment, progress=progress)
    same = {
        "config": trainer.config == config,
        "augment": (trainer.augment is None) == (augment is None),
        "build_model": recipe(trainer.model) == recipe(model),
    }
    other = " and ".join(name for name, equal in same.items() if not equal)
    if not other and _of_another_division(folder, fold):
        other = "division of the images (seed or splitter)"
    if other:
        raise ArgumentError(
            explain(
                "directory",
                f"must hold runs of the same recipe; {folder.name} there began with another {other}",
                str(folder.parent),
                "Pass another directory, or the recipe of the runs that are there.",
            )
        )
    return trainer


def _of_another_division(folder: Path, fold: Dataset) -> bool:
    """Say whether a run was trained on as many images of a data set that looks the same, but on others of them."""
    before, now = RunRecord.load(folder).train, describe_source(fold.train)
    if before["fingerprint"] is None or before["ids"] == now["ids"]:
        return False
    return divided_again(DatasetFingerprint.from_dict(before["fingerprint"]), fold.train.fingerprint)


def _folder_name(fold: str) -> str:
    """Return a name for the folder of a fold: of sites as they were written, which may hold anything."""
    plain = fold.replace(" ", "-")
    if re.fullmatch(r"[A-Za-z0-9]+( [A-Za-z0-9]+)*", fold):
        return plain
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', plain).strip('-')[:60]}-{hashlib.sha256(fold.encode()).hexdigest()[:8]}"


def _pool(parts: list[Predictions], names: list[str]) -> Predictions:
    probability = np.concatenate([part.probability for part in parts])
    first = parts[0]
    columns = {
        name: np.concatenate([part.subgroups[name] for part in parts])
        for name in first.subgroups
        if all(name in part.subgroups for part in parts)
    }
    folds = np.repeat(names, [part.n for part in parts])
    if not any(_as_one(column, folds) for column in columns.values()):
        columns["fold"] = folds
    patients = [part.patient_id for part in parts if part.patient_id is not None]
    return Predictions(
        y_true=np.concatenate([part.y_true for part in parts]),
        logit=finite_logit(probability),
        probability=probability,
        sample_id=np.concatenate([part.sample_id for part in parts]),
        patient_id=np.concatenate(patients) if len(patients) == len(parts) else None,
        subgroups=columns,
        classes=first.classes,
        part="test",
    )


def _as_one(first: StrVector, second: StrVector) -> bool:
    """Say whether two columns divide the images alike, under other names."""
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    return len(pairs) == np.unique(first).size == np.unique(second).size
