"""Keywords that are none, refused with the one that was meant."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields

from medimg_cnn._validation import suggest
from medimg_cnn.errors import ArgumentError
from medimg_cnn.training._config import TrainerConfig

__all__ = [
    "refuse_fit_options",
    "refuse_options_of_config",
    "refuse_resume_options",
    "refuse_trainer_options",
    "refuse_tuning_options",
]

_TRAINER = {
    "lr": "Did you mean 'learning_rate'?",
    "optimizer": "The optimizer is AdamW: pass learning_rate=, weight_decay= and clip_norm=.",
    "dropout": "It is an option of the model: build_cnn(..., dropout=0.3).",
    "architecture": "It is an option of the model: build_cnn(..., architecture='medcnn-s').",
    "metrics": "AUROC is followed; clinical_report(run.predict(data.test)) has the others.",
    "verbose": "Did you mean 'progress'? progress=False shows nothing.",
    "augmentation": "Did you mean 'augment'?",
    "random_state": "Did you mean 'seed'?",
    "early_stopping": "Did you mean 'patience'?",
    "ema": "Did you mean 'average'?",
    "mixed_precision": "Did you mean 'precision'?",
    "config": "Pass its fields: Trainer(model, **config.to_dict()).",
}
_FIT = {
    "validation_data": "Pass the validation split as the second argument: fit(data.train, data.validation).",
    "validation_split": "Pass the validation split as the second argument: fit(data.train, data.validation).",
    "x": "Pass a split: fit(data.train, data.validation), where data = load_dataset((x, y), positive=...).",
    "y": "Labels come with the split: fit(data.train, data.validation), where data = load_dataset((x, y), ...).",
    "verbose": "Pass progress= to Trainer(...).",
    "initial_epoch": "A run goes on with Trainer.resume(directory).fit(data.train, data.validation).",
    "sample_weight": "Pass class_weight= to Trainer(...).",
}


def refuse_trainer_options(unknown: Mapping[str, object], known: Collection[str]) -> None:
    """Refuse what ``Trainer`` does not know.

    Raises:
        ArgumentError: there is something.
    """
    for name in unknown:
        hint = _TRAINER.get(name) or suggest(name, known)
        raise ArgumentError(f"{name!r} is not an option of Trainer. {hint}")


def refuse_fit_options(unknown: Mapping[str, object], options: Collection[str]) -> None:
    """Refuse what ``Trainer.fit`` does not know; ``options`` are those of the trainer.

    Raises:
        ArgumentError: there is something.
    """
    for name in unknown:
        hint = _FIT.get(name)
        if hint is None and name in options:
            hint = f"It belongs to the trainer: Trainer(model, {name}=...)."
        raise ArgumentError(
            f"{name!r} is not an option of Trainer.fit. {hint or suggest(name, ['train', 'validation'])}"
        )


def refuse_resume_options(unknown: Mapping[str, object], options: Collection[str]) -> None:
    """Refuse what ``Trainer.resume`` does not know; ``options`` are those of the trainer.

    Raises:
        ArgumentError: there is something.
    """
    known = ["model", "augment", "devices", "trackers", "callbacks", "progress"]
    for name in unknown:
        hint = suggest(name, known)
        if name in options:
            hint = (
                "A run goes on with the options it began with. To train on with others, begin a new run from its "
                f"weights: Trainer(load_run(directory).model, {name}=..., directory=...)."
            )
        raise ArgumentError(f"{name!r} is not an option of Trainer.resume. {hint}")


def refuse_tuning_options(unknown: Mapping[str, object]) -> None:
    """Refuse what ``Tuning.trainer`` does not know.

    Raises:
        ArgumentError: there is something.
    """
    for name in unknown:
        hint = suggest(name, ["directory", "overwrite", "progress"])
        raise ArgumentError(f"{name!r} is not an option of Tuning.trainer. {hint}")


def refuse_options_of_config(function: Callable[..., object], unknown: Mapping[str, object]) -> None:
    """Refuse what a function does not know that takes ``config=``.

    Raises:
        ArgumentError: there is something.
    """
    known = [name for name in inspect.signature(function).parameters if name != "unknown"]
    options = [field.name for field in fields(TrainerConfig)]
    for name in unknown:
        hint = suggest(name, known)
        if name in options:
            hint = f"It belongs to the training: pass config=TrainerConfig({name}=...)."
        raise ArgumentError(f"{name!r} is not an option of {function.__name__}. {hint}")
