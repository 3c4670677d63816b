"""Options chosen on validation: the same trials for the same seed, given up early, gone on with, never on test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn._keras import keras
from medimg_cnn.errors import ArgumentError, ImageReadError, TrainingError
from medimg_cnn.training import Between, SearchSpace, TrainerConfig, tune

CONFIG = TrainerConfig(epochs=3, batch_size=16, average=0.0)
SPACE = SearchSpace(
    config={"learning_rate": Between(1e-4, 0.3, log=True), "class_weight": [None, "balanced", (1.0, 2.0)]},
    model={"units": [2, 4]},
)


def build(units: int = 2) -> Any:
    keras.utils.set_random_seed(3)
    image = keras.layers.Input((12, 12, 1))
    x = keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(units, 3)(image))
    x = keras.layers.Dense(1, name="logit")(x)
    return keras.Model(image, keras.layers.Activation("sigmoid")(x))


@pytest.fixture(scope="module")
def sources(make_source: Any) -> tuple[Any, Any]:
    return make_source(64), make_source(40, part="validation", seed=1)


def search(sources: tuple[Any, Any], **options: Any) -> Any:
    given: dict[str, Any] = {"space": SPACE, "trials": 5, "config": CONFIG, "seed": 1, "progress": False}
    return tune(*sources, build, **(given | options))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_trials_also_where_it_was_stopped(
    sources: tuple[Any, Any], tmp_path: Path
) -> None:
    whole = search(sources)
    path = tmp_path / "studies" / "a.log"
    search(sources, trials=2, storage=path)

    class Stop:
        """Validation images that are interrupted in the fourth trial."""

        def __init__(self) -> None:
            self.left = 5

        def __getattr__(self, name: str) -> Any:
            return getattr(sources[1], name)

        def read(self, rows: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return sources[1].read(rows)

    with pytest.raises(KeyboardInterrupt):
        search((sources[0], Stop()), storage=path)
    resumed = search(sources, storage=path)
    columns = ["outcome", "validation_auroc", "kept_epoch", *SPACE.items()]
    for one, other in ((whole, resumed), (resumed, search(sources, storage=path))):
        assert one.table[columns].astype(str).equals(other.table[columns].astype(str))
    assert whole.table.index.tolist() == [1, 2, 3, 4, 5]
    assert len({trial.options["learning_rate"] for trial in whole.trials}) == 5
    best = whole.table["validation_auroc"].max()
    assert whole.best.validation_auroc == best > 0.5
    # What the table says of the best trial is what a trainer with its options gives.
    run = whole.trainer(progress=False).fit(*sources)
    assert run.result.history[run.result.kept_epoch - 1].validation_auroc == best
    assert replace(whole.best_config, learning_rate=CONFIG.learning_rate, class_weight=None) == CONFIG
    assert whole.best_config.learning_rate == whole.best.options["learning_rate"]
    assert len(whole.plot().axes) == 6  # five panels in two rows of three
    with pytest.raises(ArgumentError, match=r"holds a tuning with another config and another seed\."):
        search(sources, storage=path, seed=2, config=replace(CONFIG, epochs=4))


@pytest.mark.slow
def test_a_trial_below_the_median_is_given_up(sources: tuple[Any, Any]) -> None:
    space = SearchSpace(config={"learning_rate": [0.05, 0.06, 1e-9]})
    options: dict[str, Any] = {"space": space, "trials": 9, "config": replace(CONFIG, epochs=4)}
    found = search(sources, **options)
    pruned = found.table[found.table["outcome"] == "pruned"]
    assert len(pruned)
    assert (pruned["epochs_trained"] < 4).all()
    assert pruned["validation_auroc"].isna().all()
    assert found.best.options["learning_rate"] > 1e-9
    whole = search(sources, **options, pruning=False)
    assert (whole.table["outcome"] == "complete").all()
    assert (whole.table["epochs_trained"] == 4).all()


def test_a_trial_that_diverges_is_the_worst_not_the_end(sources: tuple[Any, Any]) -> None:
    def broken(scale: float) -> Any:
        image = keras.layers.Input((12, 12, 1))
        x = keras.layers.GlobalMaxPooling2D()(keras.layers.Rescaling(scale)(image))
        x = keras.layers.Dense(1, kernel_initializer="ones", name="logit")(x)
        return keras.Model(image, keras.layers.Activation("sigmoid")(x))

    space = SearchSpace(model={"scale": [1.0, float("inf")]})
    found = tune(
        *sources, broken, space=space, trials=4, config=replace(CONFIG, epochs=1), seed=2, progress=False
    )
    outcomes = dict(zip(found.table["model.scale"], found.table["outcome"], strict=True))
    assert outcomes == {1.0: "complete", np.inf: "failed"}
    assert {bool(trial.reason) for trial in found.trials if trial.outcome == "failed"} == {True}
    with pytest.raises(TrainingError, match=r"No trial came to its end \(1 failed\)\. .* loss became nan"):
        tune(
            *sources,
            broken,
            space=SearchSpace(model={"scale": [float("inf")]}),
            trials=1,
            config=CONFIG,
            progress=False,
        )


def test_options_that_exclude_each_other_are_a_trial_not_the_end(
    sources: tuple[Any, Any], tmp_path: Path
) -> None:
    space = SearchSpace(
        config={"sampling": ["natural", "balanced"], "class_weight": [None, "balanced"], "epochs": [1, 2]}
    )
    options: dict[str, Any] = {"space": space, "trials": 6, "seed": 4, "storage": tmp_path / "a.log"}
    table = search(sources, **options).table
    both = (table["sampling"] == "balanced") & (table["class_weight"] == "balanced")
    assert 0 < both.sum() < 6
    assert (table.loc[both, "outcome"] == "refused").all()
    assert (table.loc[~both, "outcome"] != "refused").all()
    # An option does not hide a figure of the same name.
    assert set(table["epochs"]) == {1, 2}
    assert (table["epochs_trained"] <= table["epochs"]).all()
    found = search(sources, **options)
    assert found.table.astype(str).equals(table.astype(str))
    assert "class_weight: must not be 'balanced'" in next(
        trial.reason for trial in found.trials if trial.outcome == "refused"
    )
    never = SearchSpace(config={"sampling": ["balanced"], "class_weight": ["balanced"]})
    with pytest.raises(TrainingError, match=r"No trial .* \(2 refused\)\. The last one: class_weight: must"):
        search(sources, space=never, trials=2)
    # What is tuned does not depend on what the configuration has in its place.
    space.check_config(TrainerConfig(class_weight="balanced"))


def test_a_trial_that_cannot_be_built_is_a_trial_not_the_end(
    sources: tuple[Any, Any], tmp_path: Path
) -> None:
    def picky(units: int) -> Any:
        if units == 4:
            raise ValueError("no room for four")
        return build(units)

    options: dict[str, Any] = {"space": SearchSpace(model={"units": [2, 4]}), "trials": 5, "progress": False}
    options |= {"config": replace(CONFIG, epochs=1), "storage": tmp_path / "a.log", "seed": 3}
    found = tune(*sources, picky, **options)
    outcomes = dict(zip(found.table["model.units"], found.table["outcome"], strict=True))
    assert outcomes == {2: "complete", 4: "failed"}
    assert "ValueError: no room for four" in {trial.reason for trial in found.trials}
    assert tune(*sources, picky, **options).table.astype(str).equals(found.table.astype(str))


@pytest.mark.parametrize("error", [OSError("gone"), ImageReadError("damaged"), MemoryError("no more")])
def test_what_no_options_can_mend_ends_the_tuning_which_can_go_on(
    sources: tuple[Any, Any], tmp_path: Path, error: Exception
) -> None:
    left: list[Exception] = [error]

    def build_once_it_can(units: int) -> Any:
        if units == 4 and left:
            raise left.pop()
        return build(units)

    options: dict[str, Any] = {"space": SearchSpace(model={"units": [4]}), "trials": 1, "progress": False}
    options |= {"config": replace(CONFIG, epochs=1), "storage": tmp_path / "a.log"}
    with pytest.raises(type(error), match=str(error)):
        tune(*sources, build_once_it_can, **options)
    found = tune(*sources, build_once_it_can, **options)
    assert found.table["outcome"].tolist() == ["complete"]


class Darker:
    """An augmentation that does not say what it does."""

    def params(self, key: Any, n: int, image_shape: tuple[int, int, int]) -> dict[str, Any]:
        return {}

    def apply(self, params: Any, images: Any) -> Any:
        return images * 0.9

    def apply_labels(self, params: Any, labels: Any) -> Any:
        return labels


def test_a_tuning_goes_on_with_an_augmentation_of_the_users_own(
    sources: tuple[Any, Any], tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "trials": 1,
        "storage": tmp_path / "a.log",
        "config": replace(CONFIG, epochs=1),
    }
    first = search(sources, augment=Darker(), **options)
    assert search(sources, augment=Darker(), **options).table.equals(first.table)
    # A last line that was cut off is left out.
    with (tmp_path / "a.log").open("a") as stream:
        stream.write('{"op_code": 4, "wor')
    assert search(sources, augment=Darker(), **options).table.equals(first.table)
    with pytest.raises(ArgumentError, match="another augment"):
        search(sources, **options)


@pytest.mark.parametrize(
    "content", ["junk", "junk\n", '{"op_code": 0', "[1, 2]\n", '{"op_code": 0}\n', "\xff\n"]
)
def test_a_file_that_holds_no_tuning_is_left_alone(
    sources: tuple[Any, Any], tmp_path: Path, content: str
) -> None:
    path = tmp_path / "a.log"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ArgumentError, match=r"storage: .*a\.log does not hold a tuning"):
        search(sources, storage=path)
    assert path.read_text(encoding="latin-1") == content
    with pytest.raises(ArgumentError, match=r"storage: .* cannot be read or written to"):
        search(sources, storage=path / "b.log")


def test_a_function_with_other_keywords_is_found_at_once(sources: tuple[Any, Any]) -> None:
    for other in (lambda: build(2), lambda units, more: build(units + more), lambda unit: build(unit + 1)):
        with pytest.raises(ArgumentError, match=r"build_model: must take the options of space\.model.*units"):
            tune(*sources, other, space=SPACE, progress=False)


def test_test_images_are_never_seen(make_source: Any) -> None:
    train, test = make_source(40), make_source(20, part="test")
    x, y = np.linspace(0, 1, 40 * 64).reshape(40, 8, 8), np.arange(40) % 2
    data = mc.load_dataset(
        (x, y), positive=1, patients=np.arange(40).astype(str), audit="off", progress=False
    )
    with pytest.raises(ArgumentError, match="validation: must not be the test split"):
        search((train, test))
    with pytest.raises(ArgumentError, match=r"train: must not be the test split"):
        search((data.test, data.validation))
    with pytest.raises(
        ArgumentError, match=r"train: .* the whole Dataset\. Pass data\.train, data\.validation"
    ):
        search((data, None))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (SearchSpace, "must name something"),
        (lambda: SearchSpace(config={"lr": [1.0]}), "'lr' is not an option of the trainer"),
        (
            lambda: SearchSpace(config={"seed": [0, 1]}),
            "'seed' is not tuned: the best of several seeds is luck",
        ),
        (lambda: SearchSpace(model={"width": []}), r"model\.width: must be Between"),
        (lambda: SearchSpace(model={"width": [1, 1]}), "different values"),
        (lambda: SearchSpace(model={"width": 3}), "must be Between"),
        (lambda: SearchSpace(config={"average": [0.9, 1.5]}), "SearchSpace: config: average: must be"),
        (lambda: SearchSpace(config={"loss": ["focl"]}), "SearchSpace: config: loss: must be .*'focal'"),
        (lambda: SearchSpace(config={"learning_rate": Between(-1, 1)}), "config: learning_rate: must be"),
        (lambda: Between(0.0, 1.0, log=True), "low: must be a finite number in"),
        (lambda: Between(1.0, 1.0), "high: must be a finite number in"),
    ],
)
def test_a_wrong_space_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        make()


def test_wrong_arguments_are_refused(sources: tuple[Any, Any], make_source: Any, tmp_path: Path) -> None:
    for options, words in (
        ({"config": {"epochs": 1}}, "config: must be a TrainerConfig"),
        (
            {"space": SearchSpace(augment_strength=Between(0.0, 1.0))},
            "augment: must be an augmentation that can be",
        ),
        ({"space": {"learning_rate": [1.0]}}, "space: must be a SearchSpace"),
        ({"trials": 0}, "trials: must be"),
        ({"storage": tmp_path}, "storage: must be a file"),
        ({"storage": "sqlite:///x.db"}, "storage: must be a file; a tuning is not kept in a data base"),
        ({"storage": ""}, "storage: must be a path that is not empty"),
        ({"storage": 3}, "storage: must be a path: a text"),
    ):
        with pytest.raises(ArgumentError, match=words):
            search(sources, **options)
    with pytest.raises(ArgumentError, match="validation: must hold both classes"):
        search((sources[0], make_source(20, part="validation", positives=0.0)))
    with pytest.raises(ArgumentError, match="train, validation: are exchanged"):
        search(sources[::-1])
    with pytest.raises(ArgumentError, match="build_model: must be a function"):
        tune(*sources, build(), space=SPACE)


def test_options_of_the_training_are_asked_for_in_config(sources: tuple[Any, Any]) -> None:
    with pytest.raises(
        ArgumentError, match=r"'epochs' is not an option of tune\. .* config=TrainerConfig\(epochs"
    ):
        search(sources, epochs=3)
    with pytest.raises(ArgumentError, match="Did you mean 'trials'"):
        search(sources, trial=3)


def test_augmentation_is_scaled(sources: tuple[Any, Any]) -> None:
    augment = mc.augmentations.Noise(sigma=0.1)
    found = search(
        sources,
        space=SearchSpace(augment_strength=[0.5]),
        augment=augment,
        trials=1,
        config=replace(CONFIG, epochs=1),
    )
    assert found.trainer(progress=False).augment == augment.scaled(0.5)
    with pytest.raises(ArgumentError, match=r"not an option of Tuning\.trainer\..* Did you mean 'directory'"):
        found.trainer(directry="x")
    assert repr(found).endswith("augment.strength=0.5)")
