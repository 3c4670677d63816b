"""Several runs at once: cross-validation, ensembles, and the scikit-learn classifier."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from scipy.special import expit, logit

import medimg_cnn as mc
from medimg_cnn._keras import keras
from medimg_cnn.data import KFold, LeaveOneSiteOut, NestedKFold
from medimg_cnn.errors import ArgumentError, ArtifactError, MedimgCnnWarning, SplitError
from medimg_cnn.reporting import schema
from medimg_cnn.training import (
    CNNClassifier,
    CrossValidation,
    Ensemble,
    Run,
    Trainer,
    TrainerConfig,
    cross_validate,
)
from medimg_cnn.training._cross_validation import _folder_name
from medimg_cnn.training._recipe import recipe

CONFIG = TrainerConfig(epochs=2, batch_size=16)


def build(data: Any, dropout: float = 0.0) -> Any:
    image = keras.layers.Input(data.image_shape)
    x = keras.layers.Dropout(dropout, seed=1)(keras.layers.Flatten()(image))
    x = keras.layers.Dense(1, kernel_initializer="zeros", name="logit")(x)
    return keras.Model(image, keras.layers.Activation("sigmoid")(x))


def arrays(n: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images brighter to the right where positive, three of each patient."""
    rng = np.random.default_rng(0)
    patients = np.arange(n) // 3
    y = patients % 2
    slope = (2 * y[:, None, None] - 1) * np.linspace(-0.2, 0.2, 8)
    return np.clip(rng.normal(0.5 + slope, 0.2, (n, 8, 8)), 0, 1).astype(np.float32), y, patients


@pytest.fixture(scope="module")
def data() -> mc.Dataset:
    x, y, patients = arrays()
    return mc.load_dataset((x, y), positive=1, patients=patients.astype(str), audit="off", progress=False)


@pytest.fixture(scope="module")
def runs(data: mc.Dataset) -> list[Run]:
    options = CONFIG.to_dict() | {"progress": False}
    return [
        Trainer(build(data), **(options | {"seed": seed})).fit(data.train, data.validation) for seed in (1, 2)
    ]


def test_each_image_is_predicted_by_a_run_that_has_not_seen_its_patient(
    data: mc.Dataset, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "config": CONFIG,
        "splitter": KFold(k=3, validation=0.2),
        "seed": 4,
        "directory": tmp_path,
        "progress": False,
    }
    found = cross_validate(data, build, **options)
    pooled = found.predictions
    assert sorted(pooled.sample_id) == sorted(data.pool.table.sample_ids)
    for run, fold in zip(found.runs, data.folds(options["splitter"], seed=4), strict=True):
        mine = pooled.select(pooled.subgroups["fold"] == fold.name)
        assert not set(mine.patient_id) & set(fold.train.patient_ids)
        np.testing.assert_array_equal(mine.probability, run.predict(fold.test).probability)
    assert 0 < found.operating_point.threshold < 1
    assert found.operating_point.chosen_on == "validation of each fold"
    assert len(found.ensemble().runs) == 3
    # A second call loads what is there.
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    again = cross_validate(data, build, **options)
    np.testing.assert_array_equal(again.predictions.probability, pooled.probability)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")} == times
    assert len(times) == 3
    # But not for what another recipe would have given.
    others: list[tuple[str, dict[str, Any]]] = [
        ("config", {"config": TrainerConfig(epochs=1, batch_size=16)}),
        ("augment", {"augment": mc.augmentations.preset("chest_xray")}),
        ("build_model", {"build_model": lambda fold: mc.build_cnn((*fold.image_shape[:2], 1))}),
        ("build_model", {"build_model": lambda fold: build(fold, dropout=0.6)}),
        (r"another division of the images \(seed or splitter\)", {"seed": 5}),
    ]
    for name, changed in others:
        with pytest.raises(ArgumentError, match=name):
            cross_validate(data, **({"build_model": build} | options | changed))


def test_two_builds_of_one_function_are_one_recipe_and_settings_count() -> None:
    def made(**changed: Any) -> str:
        image = keras.layers.Input((8, 8, 1))
        x = keras.layers.RandomFlip()(image)
        x = keras.layers.Conv2D(2, 3, activation=changed.get("activation", "relu"))(x)
        inner = keras.Sequential(
            [keras.layers.Input((6, 6, 2)), keras.layers.Dropout(changed.get("rate", 0.1))]
        )
        x = keras.layers.Dense(1, name="logit")(keras.layers.Flatten()(inner(x)))
        model = keras.Model(image, keras.layers.Activation("sigmoid")(x))
        model.layers[2].trainable = changed.get("trainable", True)
        return recipe(model)

    first = made()
    assert made() == first
    for changed in ({"activation": "gelu"}, {"rate": 0.2}, {"trainable": False}):
        assert made(**changed) != first


def test_sites_of_any_name_have_folders_of_their_own() -> None:
    names = [
        "fold 1",
        "site A B",
        "site A-B",
        "site a/../../x",
        "site \N{GREEK SMALL LETTER ALPHA}",
        "site ..",
        "site ",
    ]
    folders = [_folder_name(name) for name in names]
    assert folders[:2] == ["fold-1", "site-A-B"]
    assert len(set(folders)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9-]+", folder) for folder in folders)


class Halved(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types
    """A layer that Keras does not find again by its name."""

    def call(self, x: Any) -> Any:
        return x / 2


def test_layers_of_ones_own_are_taken_from_the_function(data: mc.Dataset, tmp_path: Path) -> None:
    def build_own(fold: mc.Dataset) -> Any:
        image = keras.layers.Input(fold.image_shape)
        x = keras.layers.Dense(1, name="logit")(Halved()(keras.layers.Flatten()(image)))
        return keras.Model(image, keras.layers.Activation("sigmoid")(x))

    options: dict[str, Any] = {
        "config": TrainerConfig(epochs=1),
        "splitter": KFold(k=2, validation=0.2),
        "directory": tmp_path,
        "progress": False,
    }
    first, second = (cross_validate(data, build_own, **options) for _ in range(2))
    np.testing.assert_array_equal(first.predictions.probability, second.predictions.probability)
    folder = second.runs[0].directory
    with pytest.raises(ArtifactError, match=r"cannot be rebuilt .* load_run\(directory, model=\.\.\.\)"):
        mc.load_run(folder)
    model = build_own(data)
    before = model.get_weights()
    again = mc.load_run(folder, model=model)
    for mine, kept in zip(again.model.get_weights(), first.runs[0].model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, kept)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    image = keras.layers.Input(data.image_shape)
    x = keras.layers.Dense(1, name="logit")(keras.layers.Dense(3)(keras.layers.Flatten()(image)))
    other = keras.Model(image, keras.layers.Activation("sigmoid")(x))
    with pytest.raises(ArtifactError, match="weights are not those of the model"):
        mc.load_run(folder, model=other)


def test_what_the_report_of_pooled_folds_says(data: mc.Dataset) -> None:
    x, y, patients = arrays()
    site = np.array(["north", "south"])[(patients // 2) % 2]
    sites = mc.load_dataset(
        (x, y),
        positive=1,
        patients=patients.astype(str),
        subgroups={"site": site},
        audit="off",
        progress=False,
    )
    config = TrainerConfig(epochs=1)
    found = cross_validate(sites, build, config=config, splitter=LeaveOneSiteOut(), progress=False)
    assert list(found.predictions.subgroups) == ["site"]
    report = mc.clinical_report(found.predictions, operating_point=found.operating_point, bootstrap=100)
    jsonschema.validate(report.to_dict(), schema())
    check = report.checks[0]
    assert (check.code, check.outcome, check.severity) == ("R001", "warn", "minor")
    # A fixed threshold was chosen on no fold.
    config = TrainerConfig(epochs=1, operating_point="fixed", operating_target=0.3)
    found = cross_validate(sites, build, config=config, splitter=KFold(k=2), progress=False)
    assert list(found.predictions.subgroups) == ["site", "fold"]
    assert found.operating_point == found.runs[0].operating_point


def test_divisions_that_cannot_be_pooled_are_refused_before_the_first_run(data: mc.Dataset) -> None:
    def build_none(fold: Any) -> Any:
        raise AssertionError("no model is needed to see it")

    with pytest.raises(SplitError, match="tested at most once"):
        cross_validate(data, build_none, splitter=NestedKFold(outer=2, inner=2))


def test_what_cannot_be_pooled_is_refused(data: mc.Dataset) -> None:
    with pytest.raises(SplitError, match="tested at most once"):
        cross_validate(
            data,
            build,
            config=TrainerConfig(epochs=1),
            splitter=NestedKFold(outer=2, inner=2),
            progress=False,
        )
    with pytest.raises(ArgumentError, match="data: must be a Dataset"):
        cross_validate(data.train, build)
    with pytest.raises(ArgumentError, match="build_model: must be a function"):
        cross_validate(data, build(data))
    with pytest.raises(
        ArgumentError, match="build_model: must take the divided dataset, and need nothing else"
    ):
        cross_validate(data, lambda: build(data))
    with pytest.raises(ArgumentError, match="config: must be a TrainerConfig"):
        cross_validate(data, build, config={"epochs": 1})
    with pytest.raises(ArgumentError, match="splitter: must be a splitter"):
        cross_validate(data, build, splitter=5)
    with pytest.raises(SplitError, match=r"fold \d+, fold \d+, fold \d+ and \d+ others must have"):
        cross_validate(data, build, splitter=KFold(k=80))
    with pytest.raises(
        ArgumentError, match=r"'epochs' is not an option of cross_validate\. .* config=Trainer"
    ):
        cross_validate(data, build, epochs=2)
    with pytest.raises(ArgumentError, match="Did you mean 'splitter'"):
        cross_validate(data, build, split=KFold(k=2))


def test_an_ensemble_is_the_mean_of_its_runs(data: mc.Dataset, runs: list[Run]) -> None:
    each = [run.predict(data.test) for run in runs]
    probability = np.mean([one.probability for one in each], axis=0)
    found = Ensemble(runs).predict(data.test)
    np.testing.assert_allclose(found.probability, probability)
    np.testing.assert_allclose(expit(found.logit), probability)
    by_logit = Ensemble(runs, combine="logit")
    expected = expit(np.mean([logit(one.probability) for one in each], axis=0))
    np.testing.assert_allclose(by_logit.predict(data.test).probability, expected)
    images, _ = data.test.arrays()
    np.testing.assert_allclose(by_logit.probabilities(images), expected, atol=1e-6)
    np.testing.assert_array_equal(Ensemble(runs[:1]).predict(data.test).probability, each[0].probability)
    assert mc.clinical_report(found, bootstrap=100).auroc.value > 0.5


def test_images_that_one_of_the_runs_may_have_seen_are_of_no_known_part(
    data: mc.Dataset, runs: list[Run]
) -> None:
    x, y, patients = arrays()
    options: dict[str, Any] = {"patients": patients.astype(str), "audit": "off", "progress": False}
    anew = mc.load_dataset((x, y), positive=1, seed=9, **options)
    other = Trainer(build(anew), **(CONFIG.to_dict() | {"progress": False})).fit(anew.train, anew.validation)
    for order in ([runs[0], other], [other, runs[0]]):
        with pytest.warns(MedimgCnnWarning, match="divided otherwise"):
            assert Ensemble(order).predict(data.test).part == ""
    assert Ensemble(runs).predict(data.test).part == "test"


def test_runs_that_do_not_belong_together_are_refused(data: mc.Dataset, runs: list[Run]) -> None:
    with pytest.raises(ArgumentError, match="at least one"):
        Ensemble([])
    with pytest.raises(ArgumentError, match=r"runs\[1\]: must be a Run"):
        Ensemble([runs[0], "runs/b"])
    with pytest.raises(ArgumentError, match=r"runs: must be several runs.*Pass a list"):
        Ensemble(runs[0])
    folds = CrossValidation(runs=tuple(runs), folds=(), predictions=runs[0].predict(data.test))
    with pytest.raises(ArgumentError, match=r"runs: must be several runs.*found\.ensemble\(\)"):
        Ensemble(folds)
    with pytest.raises(ArgumentError, match="combine"):
        Ensemble(runs, combine="vote")


@pytest.mark.slow
@pytest.mark.slow
def test_the_classifier_is_one_of_scikit_learn() -> None:
    from sklearn.base import clone, is_classifier
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

    x, y, patients = arrays()
    names = np.where(y == 1, "cancer", "benign")
    classifier = CNNClassifier(width=4, config=TrainerConfig(epochs=2, learning_rate=0.01), positive="cancer")
    assert is_classifier(classifier)
    copy = clone(classifier).set_params(seed=3)
    assert copy.get_params()["width"] == 4
    copy.fit(x, names, groups=patients)
    assert copy.classes_.tolist() == ["benign", "cancer"]
    probability = copy.predict_proba(x)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    called = probability[:, 1] >= copy.run_.operating_point.threshold
    np.testing.assert_array_equal(copy.predict(x) == "cancer", called)
    scores = cross_val_score(
        clone(classifier),
        (x * 255).astype(np.uint8),
        names,
        groups=patients,
        cv=StratifiedGroupKFold(2),
        scoring="roc_auc",
    )
    assert scores.shape == (2,)
    with pytest.raises(ArgumentError, match="y: must have two different values"):
        classifier.fit(x, np.zeros(90))
    with pytest.raises(ArgumentError, match="positive: must be one of"):
        CNNClassifier(positive="malignant").fit(x, names)


def test_scikit_learn_scores_the_classifier_rightly_whichever_value_is_positive() -> None:
    from sklearn.metrics import get_scorer, roc_auc_score

    x, y, patients = arrays()
    names = np.where(y == 1, "abnormal", "normal")  # sorted, the positive one comes first
    config = TrainerConfig(epochs=2, learning_rate=0.01)
    found = CNNClassifier(width=4, config=config, positive="abnormal").fit(x, names, groups=patients)
    assert found.classes_.tolist() == ["abnormal", "normal"]
    of_positive = found.run_.probabilities(x[..., None])
    np.testing.assert_array_equal(found.predict_proba(x)[:, 0], of_positive)
    auroc = roc_auc_score(y, of_positive)
    assert get_scorer("roc_auc")(found, x, names) == pytest.approx(auroc)
    called = of_positive >= found.run_.operating_point.threshold
    np.testing.assert_array_equal(found.predict(x) == "abnormal", called)


def test_grey_in_three_channels_is_predicted_as_it_was_fitted() -> None:
    x, y, _ = arrays(60)
    colour = np.repeat(x[..., None], 3, axis=3)
    found = CNNClassifier(width=4, config=TrainerConfig(epochs=1)).fit(colour, y)
    assert found.predict_proba(colour).shape == (60, 2)


@pytest.mark.slow
def test_the_classifier_keeps_the_conventions_of_scikit_learn() -> None:
    """Those that make sense for images; the others of ``check_estimator`` feed it two-dimensional tables."""
    import pickle

    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.utils.estimator_checks import (
        check_get_params_invariance,
        check_no_attributes_set_in_init,
        check_parameters_default_constructible,
        check_set_params,
    )

    x, y, _ = arrays(60)
    classifier = CNNClassifier(width=4, config=TrainerConfig(epochs=1))
    for check in (
        check_get_params_invariance,
        check_no_attributes_set_in_init,
        check_parameters_default_constructible,
        check_set_params,
    ):
        check("CNNClassifier", CNNClassifier())
    assert classifier.get_params()["config__learning_rate"] == 1e-3
    changed = clone(classifier).set_params(config__learning_rate=0.02, dropout=0.1)
    assert (changed.config.learning_rate, changed.config.epochs, changed.dropout) == (0.02, 1, 0.1)
    assert classifier.config == TrainerConfig(epochs=1)
    with pytest.raises(ArgumentError, match="'lr' is not an option of the trainer"):
        classifier.set_params(config__lr=1.0)
    with pytest.raises(NotFittedError):
        classifier.predict(x)
    with pytest.raises(ArgumentError, match=r"y: must be \(n,\) .* take the column of the positive class"):
        classifier.fit(x, np.eye(2)[y])
    with pytest.raises(ArgumentError, match="one value for each of the 60 images"):
        classifier.fit(x, y[:50])

    steps = [("clip", FunctionTransformer(lambda images: np.clip(images, 0.0, 1.0))), ("cnn", classifier)]
    grid = {"cnn__config__learning_rate": [1e-6, 0.02]}
    search = GridSearchCV(Pipeline(steps), grid, scoring="roc_auc", cv=2).fit(x, y)
    assert search.best_params_["cnn__config__learning_rate"] in grid["cnn__config__learning_rate"]
    fitted = search.best_estimator_.named_steps["cnn"]
    assert fitted.config.learning_rate == search.best_params_["cnn__config__learning_rate"]
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))
