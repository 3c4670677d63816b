"""Tuning by Optuna: options chosen by validation AUROC, on training and validation images only."""

from __future__ import annotations

import inspect
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, Never

import numpy as np
from rich.console import Console

from medimg_cnn._keras import keras
from medimg_cnn._types import PathLike
from medimg_cnn._validation import check_integer, check_seed, explain, import_optional
from medimg_cnn.artifacts import EpochRecord, FitResult
from medimg_cnn.artifacts._files import to_json_text
from medimg_cnn.errors import ArgumentError, DataError, MedimgCnnError, TrainingError
from medimg_cnn.training._config import TrainerConfig, check_config
from medimg_cnn.training._identity import describe_source
from medimg_cnn.training._loop import Loop
from medimg_cnn.training._observers import Observer
from medimg_cnn.training._outcome import describe
from medimg_cnn.training._search_space import Between, SearchSpace, label
from medimg_cnn.training._source import ImageSource, check_development, check_together
from medimg_cnn.training._trainer import Trainer
from medimg_cnn.training._tuning import Trial, Tuning
from medimg_cnn.training._tuning_file import file_errors, open_journal
from medimg_cnn.training._unknown import refuse_options_of_config

__all__ = ["tune"]

_NAME, _FACTS = "medimg_cnn", "facts"


def tune(
    train: ImageSource,
    validation: ImageSource,
    build_model: Callable[..., Any],
    *,
    space: SearchSpace,
    trials: int = 20,
    config: TrainerConfig | None = None,
    augment: Any = None,
    pruning: bool = True,
    seed: int = 0,
    storage: PathLike | None = None,
    progress: bool = True,
    **unknown: Never,
) -> Tuning:
    """Try options, and find those with the highest validation AUROC. Test images are never seen.

    Optuna's TPE proposes each trial from the outcomes of those before; a trial whose validation AUROC is below the
    median of the others' at the same epoch is given up. The same seed gives the same trials, also where it was stopped
    in between. Needs the extra ``tune``.

    Args:
        train: the training split.
        validation: the split by which options are chosen; both classes must occur. The highest of many validation
            AUROCs is too high by luck: judge the final model on the test split.
        build_model: takes the options that ``space.model`` names as keywords, and returns a new model.
        space: what may be changed.
        trials: in all, at least 1; where ``storage`` holds some, those count.
        config: all that is not in ``space``; None: the defaults.
        augment: see ``Trainer``.
        pruning: whether trials are given up early: after a third of the epochs, and from the sixth trial on.
        seed: of the proposals, 0 to 2**31 - 1. That of the training is ``config.seed``, the same in every trial.
        storage: a file; where it exists, the tuning goes on. None: nothing is written.
        progress: whether to print a line a trial.
        **unknown: none; another keyword is refused, with what to pass instead.

    Raises:
        ArgumentError: an argument breaks its rule, or ``storage`` holds another tuning.
        TrainingError: no trial came to its end.
        DataError, OSError, MemoryError: images cannot be read, or the machine gives out. That trial counts as not
            begun; with the same ``storage`` a later call goes on.
        MissingDependencyError: Optuna is not installed.
    """
    refuse_options_of_config(tune, unknown)
    optuna = import_optional("optuna", extra="tune", why="tune")
    settings = check_config(config)
    _check(train, validation, build_model, space, augment)
    space.check_config(settings)
    trials, seed = check_integer("trials", trials, low=1), check_seed("seed", seed)
    facts = {
        "space": {name: _plain(choices) for name, choices in space.items().items()},
        "config": settings.to_dict(),
        "augment": describe(augment),
        "pruning": pruning,
        "seed": seed,
        "train": describe_source(train),
        "validation": describe_source(validation),
    }
    console = Console(stderr=True, quiet=not progress)
    with _quiet(optuna):
        study = _open(optuna, storage, facts, pruning)
        while (done := len(_finished(optuna, study))) < trials:
            # Of the outcomes and of this alone, so that a tuning that was stopped goes on as it would have.
            own = np.random.SeedSequence([seed, done]).generate_state(1)[0]
            study.sampler = optuna.samplers.TPESampler(seed=int(own))
            trial = study.ask()
            chosen = {name: _suggest(trial, name, choices) for name, choices in space.items().items()}

            def fit(observer: Observer, chosen: dict[str, Any] = chosen) -> FitResult:
                trainer = _trainer(chosen, build_model, settings, augment)
                trainer._more = (observer,)  # noqa: SLF001 - for this package alone
                return trainer.fit(train, validation).result

            outcome = _run(optuna, study, trial, fit)
            words = ", ".join(f"{name} {_short(value)}" for name, value in chosen.items())
            console.print(f"trial {done + 1}/{trials}  {outcome}  {words}", highlight=False, soft_wrap=True)
        return _tuning(_finished(optuna, study), space, build_model, settings, augment)


class _Pruning:
    """Reports validation AUROC to Optuna after each epoch, and ends a trial that is not worth going on with."""

    def __init__(self, optuna: Any, trial: Any) -> None:
        self._optuna, self._trial = optuna, trial

    def begin(self, loop: Loop) -> None:
        """See ``Observer``, as for the others."""

    def step(self, loop: Loop) -> None:
        """Nothing."""

    def epoch(self, loop: Loop, record: EpochRecord) -> None:
        """Report it."""
        self._trial.report(record.validation_auroc, record.epoch)
        # Of the trial's own epochs: they may be an option, and hang on the batch size where none are given.
        if not loop.done and 3 * record.epoch >= loop.epochs and self._trial.should_prune():
            raise self._optuna.TrialPruned(f"below the median after epoch {record.epoch}")

    def finish(self, result: FitResult) -> None:
        """Nothing."""

    def fail(self, reason: str) -> None:
        """Nothing."""


def _check(
    train: ImageSource, validation: ImageSource, build_model: Any, space: SearchSpace, augment: Any
) -> None:
    for name, source in (("train", train), ("validation", validation)):
        check_development(name, source)
    check_together(train, validation)
    if np.unique(validation.labels).size < 2:
        raise ArgumentError(
            "validation: must hold both classes, because AUROC is what chooses. Load the dataset with a larger "
            "share of validation."
        )
    if isinstance(build_model, keras.Model) or not callable(build_model):
        rule = "must be a function from the options of space.model to a new model"
        raise ArgumentError(explain("build_model", rule, build_model))
    if not isinstance(space, SearchSpace):
        raise ArgumentError(explain("space", "must be a SearchSpace", space))
    _check_builder(build_model, list(space.model))
    if space.augment_strength is not None and not callable(getattr(augment, "scaled", None)):
        hint = "Pass for example augment=medimg_cnn.augmentations.preset('chest_xray')."
        rule = "must be an augmentation that can be scaled, because space.augment_strength is given"
        raise ArgumentError(explain("augment", rule, augment, hint))


def _check_builder(build_model: Callable[..., Any], names: list[str]) -> None:
    try:
        signature = inspect.signature(build_model)
    except (TypeError, ValueError):  # of some functions that are not written in Python
        return
    try:
        signature.bind(**dict.fromkeys(names))
    except TypeError as error:
        rule = f"must take the options of space.model, and only these, as keywords: {names} ({error})"
        hint = "What is not tuned gets a default, or is named in the function."
        raise ArgumentError(explain("build_model", rule, str(signature), hint)) from error


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _open(optuna: Any, storage: PathLike | None, facts: dict[str, Any], pruning: bool) -> Any:
    with file_errors(storage):
        journal = None if storage is None else open_journal(optuna, storage)
    median = optuna.pruners.MedianPruner(n_startup_trials=5)
    now = json.loads(to_json_text(facts))
    with file_errors(storage):
        study = optuna.create_study(
            storage=journal,
            study_name=_NAME,
            direction="maximize",
            load_if_exists=True,
            pruner=median if pruning else optuna.pruners.NopPruner(),
        )
        before = study.user_attrs.get(_FACTS)
    if before is None:
        study.set_user_attr(_FACTS, now)
    elif changed := [name for name, value in now.items() if before.get(name) != value]:
        raise ArgumentError(
            f"storage: {storage} holds a tuning with another {' and another '.join(changed)}. Pass what it began with, "
            "or another file."
        )
    # Those that a kill left behind are tried again.
    for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _finished(optuna: Any, study: Any) -> list[Any]:
    states = optuna.trial.TrialState
    found: list[Any] = study.get_trials(deepcopy=False, states=[states.COMPLETE, states.PRUNED])
    return found


def _suggest(trial: Any, name: str, choices: Any) -> Any:
    if isinstance(choices, Between):
        if choices.whole:
            return trial.suggest_int(name, choices.low, choices.high, log=choices.log)
        return trial.suggest_float(name, choices.low, choices.high, log=choices.log)
    labels = [label(value) for value in choices]
    return choices[labels.index(trial.suggest_categorical(name, labels))]


def _trainer(
    chosen: dict[str, Any],
    build_model: Callable[..., Any],
    config: TrainerConfig,
    augment: Any,
    **options: Any,
) -> Trainer:
    model = {
        name.removeprefix("model."): value for name, value in chosen.items() if name.startswith("model.")
    }
    mine = {name: value for name, value in chosen.items() if "." not in name}
    if "augment.strength" in chosen:
        augment = augment.scaled(chosen["augment.strength"])
    options = {"progress": False} | options
    return Trainer(build_model(**model), augment=augment, **replace(config, **mine).to_dict(), **options)


def _run(optuna: Any, study: Any, trial: Any, fit: Callable[[Observer], FitResult]) -> str:
    """Train one trial, tell the study, and return the outcome in words."""
    states, started = optuna.trial.TrialState, time.perf_counter()
    value, kept, reason = None, 0, ""
    try:
        result = fit(_Pruning(optuna, trial))
        kept = result.kept_epoch
        value = result.history[kept - 1].validation_auroc
        outcome, state = "complete", states.COMPLETE
    except optuna.TrialPruned:
        outcome, state = "pruned", states.PRUNED
    except (
        DataError,
        OSError,
        MemoryError,
    ):  # of the images, the disk or the machine: no options can mend it
        study.tell(trial, state=states.FAIL)
        raise
    except Exception as error:  # noqa: BLE001 - of build_model, Keras or JAX; the next options may do
        # To Optuna a trial that diverged, or could not be begun, is one that was given up at once: the worst there is.
        own = isinstance(error, MedimgCnnError)
        reason = (str(error) if own else f"{type(error).__name__}: {error}")[:500]
        outcome, state = "refused" if isinstance(error, ArgumentError) else "failed", states.PRUNED
    except BaseException:
        study.tell(trial, state=states.FAIL)
        raise
    trial.set_user_attr("kept_epoch", kept)
    trial.set_user_attr("seconds", time.perf_counter() - started)
    trial.set_user_attr("outcome", outcome)
    trial.set_user_attr("reason", reason)
    study.tell(trial, value, state=state)
    if value is not None:
        return f"validation AUROC {value:.4f}"
    return f"{outcome} ({reason})" if reason else outcome


def _tuning(
    trials: list[Any],
    space: SearchSpace,
    build_model: Callable[..., Any],
    config: TrainerConfig,
    augment: Any,
) -> Tuning:
    found = []
    for trial in trials:
        curve = trial.intermediate_values
        chosen = {name: _value(choices, trial.params[name]) for name, choices in space.items().items()}
        found.append(
            Trial(
                outcome=trial.user_attrs["outcome"],
                validation_auroc=math.nan if trial.user_attrs["kept_epoch"] == 0 else trial.value,
                kept_epoch=trial.user_attrs["kept_epoch"],
                curve=tuple(curve[epoch] for epoch in sorted(curve)),
                seconds=trial.user_attrs["seconds"],
                options=chosen,
                reason=trial.user_attrs.get("reason", ""),
            )
        )
    if all(math.isnan(trial.validation_auroc) for trial in found):
        outcomes = Counter(trial.outcome for trial in found)
        words = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        raise TrainingError(
            f"No trial came to its end ({words}). The last one: {found[-1].reason or 'given up early'}"
        )
    return Tuning(
        trials=tuple(found),
        build=lambda chosen, options: _trainer(dict(chosen), build_model, config, augment, **options),
    )


def _value(choices: Any, stored: Any) -> Any:
    if isinstance(choices, Between):
        return stored
    return choices[[label(value) for value in choices].index(stored)]


def _plain(choices: Any) -> Any:
    return asdict(choices) if isinstance(choices, Between) else [label(value) for value in choices]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
