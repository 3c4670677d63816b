"""Training runs on small images, for real: learning, keeping, repeating, refusing."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    f1_score,
    log_loss,
    matthews_corrcoef,
    roc_auc_score,
)

from medimg_cnn._keras import keras
from medimg_cnn.artifacts import Calibration
from medimg_cnn.augmentations import Flip
from medimg_cnn.data import Split, load_dataset
from medimg_cnn.errors import ArgumentError, ArtifactError, MedimgCnnWarning, TrainingError
from medimg_cnn.evaluation import auroc
from medimg_cnn.models import build_cnn
from medimg_cnn.training import Run, Trainer, TrainerConfig, load_run
from medimg_cnn.training._config import Monitor
from medimg_cnn.training._imbalance import Imbalance
from medimg_cnn.training._loop import Loop
from medimg_cnn.training._monitor import monitored, turned
from medimg_cnn.training._observers import Observers
from medimg_cnn.training._source import reader

Make = Callable[..., Any]
SHAPE = (12, 12, 1)


class Brighten:
    """An augmentation of the smallest kind: one factor an image."""

    def params(self, key: Any, n: int, image_shape: tuple[int, int, int]) -> dict[str, Any]:
        import jax

        return {"factor": jax.random.uniform(key, (n, 1, 1, 1), minval=0.8, maxval=1.0)}

    def apply(self, params: dict[str, Any], images: Any) -> Any:
        return images * params["factor"]

    def apply_labels(self, params: dict[str, Any], labels: Any) -> Any:
        return labels


def model(*, prior: float = 0.5, dropout: float = 0.3) -> Any:
    """A network with a convolution, a norm and dropout, small so that it compiles in a second."""
    image = keras.layers.Input(SHAPE)
    x = keras.layers.Conv2D(8, 3, use_bias=False, kernel_initializer=keras.initializers.HeNormal(seed=1))(
        image
    )
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.Concatenate()(
        [keras.layers.GlobalAveragePooling2D()(x), keras.layers.GlobalMaxPooling2D()(x)]
    )
    x = keras.layers.Dropout(dropout, seed=2)(x)
    bias = keras.initializers.Constant(np.log(prior / (1 - prior)))
    x = keras.layers.Dense(1, kernel_initializer="zeros", bias_initializer=bias, name="logit")(x)
    return keras.Model(image, keras.layers.Activation("sigmoid")(x))


def weights(run: Run) -> list[np.ndarray]:
    return [np.asarray(variable.value) for variable in run.model.variables]


def test_it_learns_and_keeps_the_best_epoch(make_source: Make) -> None:
    train, validation = make_source(80), make_source(60, part="validation", seed=1)
    network = build_cnn(SHAPE, width=8)
    trainer = Trainer(network, epochs=12, learning_rate=3e-3, average=0.8, progress=False)
    run = trainer.fit(train, validation)
    history = run.history
    kept = history.loc[run.result.kept_epoch]
    assert kept["validation_auroc"] == history["validation_auroc"].max() > 0.95
    predictions = run.predict(validation)
    assert auroc(predictions.y_true, predictions.logit).value == pytest.approx(kept["validation_auroc"])
    np.testing.assert_allclose(
        predictions.probability, np.asarray(run.model(validation.images))[:, 0], atol=1e-6
    )
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


def test_the_operating_point_is_chosen_on_validation(make_source: Make) -> None:
    train, validation = make_source(80), make_source(60, part="validation", seed=1, signal=0.2)
    options: dict[str, Any] = {"epochs": 3, "average": 0.5, "progress": False}
    for rule, figure in (("sensitivity", 1), ("specificity", 0)):
        run = Trainer(model(), operating_point=rule, operating_target=0.9, **options).fit(train, validation)
        probability = run.predict(validation).probability
        share = ((probability >= run.operating_point.threshold) == (figure == 1))[
            validation.labels == figure
        ].mean()
        assert share >= 0.9
        assert run.operating_point.chosen_on == "validation"


@pytest.mark.skipif(
    jax.default_backend() != "cpu" and "deterministic" not in os.environ.get("XLA_FLAGS", ""),
    reason="a GPU adds in another order each time, unless XLA_FLAGS has --xla_gpu_deterministic_ops=true",
)
def test_the_same_seed_gives_the_same_weights_bit_for_bit(make_source: Make) -> None:
    train, validation = make_source(50), make_source(30, part="validation", seed=1)

    def fit(seed: int) -> list[np.ndarray]:
        trainer = Trainer(model(dropout=0.5), augment=Brighten(), epochs=3, seed=seed, progress=False)
        return weights(trainer.fit(train, validation))

    first, again, other = fit(3), fit(3), fit(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_the_integers_that_a_gpu_gets_train_as_floats_do(monkeypatch: Any, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (90, 12, 12), dtype=np.uint8)
    images[::2, 3:6, 3:6] //= 4
    data = load_dataset(
        (images, np.arange(90) % 2), positive=0, patients=np.arange(90), channels=channels, audit="off"
    )
    found = []
    for choose in (reader, lambda source: source.read_stored):
        monkeypatch.setattr("medimg_cnn.training._loop.reader", choose)
        monkeypatch.setattr("medimg_cnn.training._run.reader", choose)
        network = build_cnn((12, 12, channels), width=4, seed=0)
        run = Trainer(network, augment=Flip(), epochs=2, seed=0, progress=False).fit(
            data.train, data.validation
        )
        found.append((run.history["loss"], run.history["validation_loss"], run.predict(data.test).logit))
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)


def test_a_split_that_reads_otherwise_is_read_its_own_way(monkeypatch: Any) -> None:
    class Inverted(Split):
        def read(self, indices: Any) -> Any:
            return 1 - super().read(indices)

    images = np.random.default_rng(0).integers(0, 256, (40, 12, 12), dtype=np.uint8)
    train = load_dataset((images, np.arange(40) % 2), positive=1, patients=np.arange(40), audit="off").train
    own = Inverted(
        train._table, train._store, fingerprint=train.fingerprint, preprocessing=train.preprocessing
    )
    assert reader(train) == (train.read if jax.default_backend() == "cpu" else train.read_stored)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert reader(train) == train.read_stored
    assert reader(own) == own.read
    monkeypatch.setattr(train, "read", lambda rows: rows)
    assert reader(train) is train.read


def test_every_image_is_seen_once_an_epoch_in_another_order(make_source: Make) -> None:
    train = make_source(50)
    seen: list[list[int]] = []
    read = train.read
    train.read = lambda rows: (seen.append(list(rows)), read(rows))[1]
    with pytest.warns(MedimgCnnWarning, match="not chosen on data"):
        Trainer(model(), epochs=2, batch_size=16, progress=False).fit(train)
    assert [len(rows) for rows in seen] == [16] * 8
    epochs = [list(itertools.chain(*seen[start : start + 4]))[:50] for start in (0, 4)]
    assert [sorted(rows) for rows in epochs] == [list(range(50))] * 2
    assert epochs[0] != epochs[1]


def test_the_surplus_of_the_last_batch_counts_nothing(make_source: Make) -> None:
    train = make_source(20)
    # Seen on the step itself: labels under weight 0 may be anything; under weight 1 they matter.
    import jax

    from medimg_cnn.training._step import Batch, TrainState, logit_model, make_optimizer, make_train_step

    logits = logit_model(model(prior=0.2))
    config = TrainerConfig(epochs=1)
    optimizer = make_optimizer(config, 10)
    optimizer.build(logits.trainable_variables)
    plan = Imbalance.plan(config, train.labels)
    step = make_train_step(logits, optimizer, None, config, plan, rows=20)
    key = jax.random.key_data(jax.random.key(0))

    def loss(labels: np.ndarray, weight: np.ndarray) -> float:
        values = [np.asarray(v.value) for v in logits.trainable_variables]
        state = TrainState(
            values,
            [np.asarray(v.value) for v in logits.non_trainable_variables],
            [np.asarray(v.value) for v in optimizer.variables],
            values,
            [np.asarray(v.value) for v in logits.non_trainable_variables],
            [],
            np.float32(0),
        )
        return float(step(state, Batch(train.images, labels.astype(np.float32), weight, key))[1])

    weight = np.repeat([1.0, 0.0], 10).astype(np.float32)
    flipped = train.labels.copy()
    flipped[10:] = 1 - flipped[10:]
    assert loss(train.labels, weight) == loss(flipped, weight)
    assert loss(train.labels, np.ones(20, np.float32)) != loss(flipped, np.ones(20, np.float32))


@pytest.mark.slow
def test_class_weights_are_undone_in_the_probabilities(make_source: Make) -> None:
    # Nothing to learn and 5% positives, so that most batches have one class: the honest answer is 0.05.
    train = make_source(400, signal=0.0, positives=0.05)
    train.images[:] = 0.5
    validation = make_source(400, part="validation", signal=0.0, seed=2, positives=0.05)
    validation.images[:] = 0.5
    options: dict[str, Any] = {"epochs": 60, "learning_rate": 0.03, "weight_decay": 0.0}
    for class_weight in ("balanced", (1.0, 10.0)):
        run = Trainer(
            model(prior=0.3, dropout=0.0), class_weight=class_weight, progress=False, **options
        ).fit(train, validation)
        logit = run.predict(train).logit
        assert "class weights" in run.result.calibration.fitted_on
        assert run.result.calibration.apply(logit).mean() == pytest.approx(0.05, abs=0.012)
        assert (1 / (1 + np.exp(-logit))).mean() > 0.3


@pytest.mark.slow
def test_class_weights_are_mixed_with_the_images_they_belong_to(make_source: Make) -> None:
    import jax

    from medimg_cnn.augmentations import MixUp
    from medimg_cnn.training._step import Batch, TrainState, logit_model, make_optimizer, make_train_step

    logits = logit_model(model(prior=0.2, dropout=0.0))
    config = TrainerConfig(epochs=1)
    optimizer = make_optimizer(config, 10)
    optimizer.build(logits.trainable_variables)
    train = make_source(20)
    plan = Imbalance.plan(config, train.labels)
    step = make_train_step(logits, optimizer, MixUp(alpha=1.0), config, plan, rows=20)
    values = [np.asarray(v.value) for v in logits.trainable_variables]
    other = [np.asarray(v.value) for v in logits.non_trainable_variables]
    slots = [np.asarray(v.value) for v in optimizer.variables]
    weight = np.where(train.labels == 1, 3.0, 1.0).astype(np.float32)
    state = TrainState(values, other, slots, values, other, [], np.float32(0))
    key = jax.random.key(0)
    batch = Batch(train.images, train.labels.astype(np.float32), weight, jax.random.key_data(key))
    loss = float(step(state, batch)[1])
    # At the start the logit is the same for every image, so the loss can be had from the labels alone.
    draw = MixUp(alpha=1.0).params(key, 20, SHAPE)
    mixed_weight = np.asarray(MixUp(alpha=1.0).apply_labels(draw, weight))
    mixed_positive = np.asarray(MixUp(alpha=1.0).apply_labels(draw, weight * train.labels))
    z = np.log(0.2 / 0.8)
    assert loss == pytest.approx(np.mean(mixed_weight * np.logaddexp(0, z) - mixed_positive * z), rel=1e-5)


@pytest.mark.slow
def test_what_fills_the_last_batch_up_brings_its_label_where_it_is_mixed_into_an_image(
    make_source: Make,
) -> None:
    import jax

    from medimg_cnn.augmentations import CutMix
    from medimg_cnn.training._step import Batch, logit_model

    train, mix = make_source(35, positives=0.4), CutMix()
    config = TrainerConfig(epochs=1, batch_size=32, class_weight=(1.0, 3.0))
    loop = Loop(logit_model(model(prior=0.2, dropout=0.0)), mix, config, train, None)
    batches: list[Batch] = []
    step = loop._step
    loop._step = lambda state, batch: (state, batches.append(batch) or jax.numpy.zeros(()), None)
    watcher: Any = SimpleNamespace(step=lambda _: None)
    loop._train_epoch(watcher)
    whole, last = batches
    assert np.array_equal(whole.weights, whole.mixed_weights)
    assert np.count_nonzero(last.weights) == 3
    order = loop._order
    rows = np.concatenate([order[32:], order[:29]])
    np.testing.assert_array_equal(last.images, train.images[rows])
    np.testing.assert_array_equal(last.labels, train.labels[rows])
    weight = np.where(train.labels[rows] == 1, 3.0, 1.0) / (1.0 + 2.0 * train.labels.mean())
    # At the start the logit is the same for every image, the prior's with the weights in it.
    draw = mix.params(jax.random.wrap_key_data(last.key), 32, SHAPE)
    own, partner = np.asarray(draw["weight"])[:3], np.asarray(draw["partner"])[:3]
    assert (partner >= 3).any()
    z = np.log(3.0 * 0.2 / 0.8)
    loss_of = weight * np.where(train.labels[rows] == 1, np.logaddexp(0, -z), np.logaddexp(0, z))
    expected = np.mean(own * loss_of[:3] + (1 - own) * loss_of[partner])
    assert float(step(loop._state, last)[1]) == pytest.approx(expected, rel=1e-5)


def test_fit_leaves_the_model_as_it_was_so_that_folds_start_alike(make_source: Make) -> None:
    train, validation = make_source(50), make_source(30, part="validation", seed=1)
    network = model()
    before = [np.asarray(variable.value) for variable in network.variables]
    trainer = Trainer(network, epochs=2, progress=False)
    first = trainer.fit(train, validation)
    logit = first.predict(validation).logit
    second = trainer.fit(train, validation)
    assert all(np.array_equal(a, np.asarray(v.value)) for a, v in zip(before, network.variables, strict=True))
    np.testing.assert_array_equal(first.predict(validation).logit, logit)
    np.testing.assert_array_equal(second.predict(validation).logit, logit)


def test_validation_with_other_classes_or_the_same_patients_is_refused(make_source: Make) -> None:
    train, validation = make_source(20), make_source(20, part="validation", seed=1)
    validation.classes = ("yes", "no")
    with pytest.raises(
        ArgumentError, match=r"validation: must have the classes \(negative, positive\) = \('no', 'yes'\)"
    ):
        Trainer(model(), progress=False).fit(train, validation)
    validation.classes = train.classes
    train.patient_ids = np.array([f"p{i}" for i in range(20)])
    validation.patient_ids = np.array([f"p{i}" for i in range(15, 35)])
    with pytest.raises(ArgumentError, match="must not share patients with train; 5 are in both"):
        Trainer(model(), progress=False).fit(train, validation)


def test_training_stops_when_patience_is_at_its_end(make_source: Make) -> None:
    train = make_source(40, signal=0.0)
    validation = make_source(400, part="validation", signal=0.0, seed=5)
    run = Trainer(model(), epochs=40, patience=2, progress=False).fit(train, validation)
    assert len(run.history) == run.result.kept_epoch + 2 < 40


@given(data=st.data(), n=st.integers(4, 40))
def test_the_figures_that_may_choose_are_those_of_scikit_learn(data: st.DataObject, n: int) -> None:
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    labels[:2] = 0, 1
    logit = np.array(data.draw(st.lists(st.floats(-4, 4, width=32), min_size=n, max_size=n)))
    correction = Calibration(method="platt", parameters=(("slope", 1.0), ("intercept", -0.5)), fitted_on="x")
    probability = correction.apply(logit)
    called = probability >= 0.5
    expected = {
        "auroc": roc_auc_score(labels, logit),
        "auprc": average_precision_score(labels, logit),
        "log_loss": log_loss(labels, probability),
        "brier_score": brier_score_loss(labels, probability),
        "accuracy": accuracy_score(labels, called),
        "balanced_accuracy": balanced_accuracy_score(labels, called),
        "f1": f1_score(labels, called),
        "kappa": cohen_kappa_score(labels, called),
        # Of no association scikit-learn says 0, and so do we not where one column of the table is empty.
        "mcc": matthews_corrcoef(labels, called) if 0 < called.sum() < n else math.nan,
    }
    assert set(expected) == set(get_args(Monitor))
    for name, value in expected.items():
        assert monitored(name, labels, logit, correction) == pytest.approx(value, abs=1e-9, nan_ok=True), name
        assert turned(name, value) == (
            -value if name in ("log_loss", "brier_score") else value
        ) or math.isnan(value)


@pytest.mark.slow
def test_another_figure_can_choose_the_epoch(make_source: Make, tmp_path: Path) -> None:
    train, validation = make_source(60, signal=0.15), make_source(48, part="validation", seed=1, signal=0.15)
    options: dict[str, Any] = {"epochs": 8, "learning_rate": 0.03, "batch_size": 8, "average": 0.0}
    run = Trainer(model(), monitor="log_loss", directory=tmp_path, progress=False, **options).fit(
        train, validation
    )
    figures = run.history["validation_monitor"]
    assert figures.nunique() > 2
    assert run.result.kept_epoch == figures[4:].idxmin()
    predictions = run.predict(validation)
    assert figures[run.result.kept_epoch] == pytest.approx(
        log_loss(predictions.y_true, predictions.probability), abs=1e-6
    )
    with (tmp_path / "history.csv").open() as lines:
        assert next(lines).strip().endswith(",validation_monitor")
    assert (
        "validation_monitor" not in Trainer(model(), epochs=1, progress=False).fit(train, validation).history
    )


def test_the_loss_of_an_epoch_is_the_mean_over_images(make_source: Make) -> None:
    losses: list[float] = []
    told: list[float] = []

    class Steps(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            told.append(logs["loss"])

    class Each(Observers):
        def step(self, loop: Loop) -> None:
            losses.append(loop.last_loss)

    trainer = Trainer(model(prior=0.2), epochs=1, batch_size=32, callbacks=[Steps()], progress=False)
    trainer._more = (Each(),)
    with pytest.warns(MedimgCnnWarning, match="validation"):
        run = trainer.fit(make_source(33))
    mean = (32 * losses[0] + losses[1]) / 33
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)
    assert [*told, run.history["loss"].iloc[-1]] == pytest.approx([losses[0], mean, mean])


def test_an_augmentation_that_changes_the_shape_is_refused(make_source: Make) -> None:
    class Cut(Brighten):
        def apply(self, params: dict[str, Any], images: Any) -> Any:
            return images[:, :4]

    with pytest.raises(ArgumentError, match=r"Cut\.apply: must return images of the same shape"):
        Trainer(model(), augment=Cut(), epochs=1, batch_size=8, progress=False).fit(
            make_source(16), make_source(8, part="validation", seed=1)
        )


def test_a_loss_that_is_not_finite_names_the_batch(make_source: Make, tmp_path: Path) -> None:
    train, validation = make_source(40), make_source(20, part="validation", seed=1)
    train.images[7] = np.nan
    with pytest.raises(TrainingError, match=r"train_7.*Look at these images, or lower"):
        Trainer(model(), epochs=2, batch_size=4, directory=tmp_path / "run", progress=False).fit(
            train, validation
        )
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_validation_image_that_is_not_finite_is_named(make_source: Make, tmp_path: Path) -> None:
    train, validation = make_source(40), make_source(20, part="validation", seed=1)
    validation.images[7, 3, 3] = np.nan
    with pytest.raises(TrainingError, match=r"1 of the 20 validation images after epoch 1: validation_7\."):
        Trainer(model(), epochs=1, directory=tmp_path, progress=False).fit(train, validation)
    last = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])
    assert last["sample_ids"] == ["validation_7"]


def test_all_images_of_a_batch_that_fails_are_named_in_the_events(make_source: Make, tmp_path: Path) -> None:
    train, validation = make_source(80), make_source(20, part="validation", seed=1)
    train.images[:] = np.nan
    with pytest.raises(TrainingError, match="and 6 others") as caught:
        Trainer(model(), epochs=1, batch_size=70, directory=tmp_path, progress=False).fit(train, validation)
    named = set(re.findall(r"train_\d+", str(caught.value)))
    last = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], len(named), len(set(last["sample_ids"]))) == ("failed", 64, 70)
    assert named < set(last["sample_ids"]) < set(train.sample_ids)


def test_weights_that_are_not_finite_are_found_before_the_first_step(
    make_source: Make, tmp_path: Path
) -> None:
    broken = model()
    broken.layers[1].kernel.assign(broken.layers[1].kernel * np.inf)
    with pytest.raises(ArgumentError, match=r"finite before the first step; 72 of the 72 .*kernel' are inf"):
        Trainer(broken, directory=tmp_path, progress=False).fit(make_source(20), None)


def test_a_run_is_written_and_read_back(make_source: Make, tmp_path: Path) -> None:
    train, validation = make_source(40), make_source(30, part="validation", seed=1)
    folder = tmp_path / "runs" / "a"
    run = Trainer(model(), epochs=2, directory=folder, progress=False).fit(train, validation)
    assert sorted(path.name for path in folder.iterdir()) == [
        "events.jsonl",
        "history.csv",
        "model.keras",
        "result.json",
        "run.json",
    ]
    read = load_run(folder)
    assert read.operating_point == run.operating_point
    np.testing.assert_array_equal(read.predict(validation).logit, run.predict(validation).logit)
    assert json.loads((folder / "result.json").read_text())["config"]["epochs"] == 2

    with pytest.raises(ArgumentError, match="holds a finished run already"):
        Trainer(model(), epochs=1, directory=folder, progress=False).fit(train, validation)
    Trainer(model(), epochs=1, directory=folder, overwrite=True, progress=False).fit(train, validation)
    assert len(load_run(folder).history) == 1

    with pytest.raises(ArtifactError, match="does not exist"):
        load_run(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "flip", "other model", "other record", "field", "extra"])
def test_a_damaged_run_is_refused_by_name(make_source: Make, tmp_path: Path, damage: str) -> None:
    train, validation = make_source(20), make_source(20, part="validation", seed=1)
    Trainer(model(), epochs=1, directory=tmp_path, progress=False).fit(train, validation)
    weights_file, record = tmp_path / "model.keras", tmp_path / "result.json"
    content = weights_file.read_bytes()
    fields = json.loads(record.read_text())
    if damage == "cut":
        weights_file.write_bytes(content[:1000])
    elif damage == "flip":
        weights_file.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    elif damage == "other model":
        model(prior=0.1).save(weights_file)
    elif damage == "other record":
        record.write_text(json.dumps(fields | {"format": "something else"}))
    elif damage == "field":
        del fields["history"]
        record.write_text(json.dumps(fields))
    else:
        fields["operating_point"]["more"] = 1
        record.write_text(json.dumps(fields))
    with pytest.raises(ArtifactError, match=r"model\.keras|result\.json"):
        load_run(tmp_path)


def test_a_directory_that_cannot_be_written_is_found_before_the_first_step(
    make_source: Make, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArgumentError, match="cannot be written to"):
        Trainer(model(), directory=tmp_path / "file" / "run", progress=False).fit(make_source(), None)


def test_any_keras_model_with_a_logit_layer_trains(make_source: Make) -> None:
    images = keras.layers.Input(SHAPE)
    x = keras.layers.Flatten()(images)
    x = keras.layers.Dense(1, name="logit")(x)
    own = keras.Model(images, keras.layers.Activation("sigmoid")(x))
    run = Trainer(own, epochs=2, progress=False).fit(
        make_source(), make_source(30, part="validation", seed=1)
    )
    assert run.predict(make_source(10)).n == 10


def test_progress_is_one_plain_line_an_epoch_where_there_is_no_terminal(
    make_source: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    Trainer(model(), epochs=2, progress=True).fit(make_source(), make_source(30, part="validation", seed=1))
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2  loss ")
    assert "AUROC" in lines[1]


def test_the_history_has_a_picture(make_source: Make, tmp_path: Path) -> None:
    run = Trainer(model(), epochs=2, progress=False).fit(
        make_source(), make_source(30, part="validation", seed=1)
    )
    figure, history = run.plot_history(), run.history
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    for title, columns in {
        "Loss (nats)": ["loss", "validation_loss"],
        "Validation AUROC": ["validation_auroc"],
        "Learning rate, at the epoch's end": ["learning_rate"],
        "Training images a second": ["images_per_second"],
    }.items():
        axes = panels.pop(title)
        assert axes.get_xlabel() == "epoch"
        *lines, kept = axes.get_lines()
        for line, column in zip(lines, columns, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), [1, 2])
            np.testing.assert_array_equal(line.get_ydata(), history[column])
        assert kept.get_xdata()[0] == run.result.kept_epoch
    assert not panels
    figure.savefig(tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 5000


def test_what_does_not_fit_is_refused_in_words(make_source: Make) -> None:
    trainer = Trainer(model(), epochs=1, progress=False)
    with pytest.raises(ArgumentError, match=r"train: images must have the shape \(12, 12, 1\)"):
        trainer.fit(make_source(size=16))
    with pytest.raises(ArgumentError, match="train: must hold both classes"):
        trainer.fit(make_source(positives=0.0))
    with pytest.raises(ArgumentError, match="train: must be a Split"):
        trainer.fit((np.zeros((4, *SHAPE)), np.zeros(4)))
    with pytest.raises(ArgumentError, match='layer named "logit"'):
        Trainer(keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(1)]))
    layers = [keras.layers.Flatten(), keras.layers.Dense(1, name="logit"), keras.layers.Activation("sigmoid")]
    with pytest.raises(ArgumentError, match=r"model: must know .* Begin it with keras\.Input"):
        Trainer(keras.Sequential(layers))
    for augment, step in (
        (lambda key, images: images, "PerImage"),
        ("ultrasound", r"preset\('ultrasound'\)"),
        ([Flip()], r"Chain them: a \| b"),
        (Flip, r"an instance, Flip\("),
        (3, "Use medimg_cnn.augmentations"),
    ):
        with pytest.raises(ArgumentError, match=f"augment: must be an augmentation.*{step}"):
            Trainer(model(), augment=augment)
    with pytest.warns(MedimgCnnWarning):
        run = trainer.fit(make_source())
    with pytest.raises(ArgumentError, match=r"images: must have the shape"):
        run.predict(make_source(size=16))


def test_validation_on_the_training_images_is_refused() -> None:
    labels = np.arange(40) % 2
    images = np.random.default_rng(0).random((40, 12, 12), dtype=np.float32)
    data = load_dataset((images, labels), positive=1, patients=np.arange(40), audit="off")
    with pytest.raises(ArgumentError, match="validation: must hold other images than train"):
        Trainer(model(), progress=False).fit(data.train, data.train)


def test_patients_and_images_in_both_are_refused_also_within_one_part(make_source: Make) -> None:
    labels, patients = np.arange(80) % 2, np.arange(80) // 2
    images = np.random.default_rng(0).random((80, 12, 12), dtype=np.float32)
    data = load_dataset((images, labels), positive=1, patients=patients, audit="off", progress=False)
    split = data.train
    first = np.unique(split.patient_ids, return_index=True)[1]
    rest = np.setdiff1d(np.arange(split.n), first)
    with pytest.raises(ArgumentError, match="must not share patients with train; "):
        Trainer(model(), progress=False).fit(split.select(first), split.select(rest))
    source = make_source(20)  # of no fingerprint
    with pytest.raises(ArgumentError, match="other images than train; 20 are in both, such as 'train_0'"):
        Trainer(model(), progress=False).fit(source, source)


def test_parts_that_were_allowed_to_share_patients_are_trained_on(tmp_path: Path) -> None:
    for index in range(24):
        folder = tmp_path / ("train" if index < 16 else "val") / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 255, (12, 12), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{index % 20:02d}_{index}.png")
    options: dict[str, Any] = {
        "positive": "b",
        "image_size": 12,
        "channels": 1,
        "audit": "off",
        "progress": False,
    }
    with pytest.warns(MedimgCnnWarning, match="patient"):
        data = load_dataset(
            tmp_path, patients=lambda path: Path(path).name[:3], allow_shared_patients=True, **options
        )
    assert np.intersect1d(data.train.patient_ids, data.validation.patient_ids).size
    assert Trainer(model(), epochs=1, progress=False).fit(data.train, data.validation).history.shape[0] == 1


def test_the_test_split_is_not_trained_or_chosen_on(make_source: Make) -> None:
    train, test = make_source(20), make_source(20, part="test", seed=1)
    words = "must not be the test split, which judges what was chosen here"
    with pytest.raises(ArgumentError, match=f"validation: {words}"):
        Trainer(model(), progress=False).fit(train, test)
    with pytest.raises(ArgumentError, match=f"train: {words}"):
        Trainer(model(), progress=False).fit(test)


def test_exchanged_splits_are_refused(make_source: Make) -> None:
    train, validation = make_source(20), make_source(20, part="validation", seed=1)
    with pytest.raises(ArgumentError, match=r"are exchanged.* Pass data\.train, data\.validation"):
        Trainer(model(), progress=False).fit(validation, train)


def test_a_model_that_cannot_be_copied_is_refused_before_the_training(make_source: Make) -> None:
    class Odd(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types
        def __init__(self, power: float) -> None:
            super().__init__()
            self.power = power

        def call(self, x: Any) -> Any:
            return x**self.power

    image = keras.layers.Input((12, 12, 1))
    logit = keras.layers.Dense(1, name="logit")(keras.layers.Flatten()(Odd(2.0)(image)))
    odd = keras.Model(image, keras.layers.Activation("sigmoid")(logit))
    sources = make_source(20), make_source(20, part="validation", seed=1)
    with pytest.raises(ArgumentError, match="Keras must be able to copy it"):
        Trainer(odd, epochs=1, progress=False).fit(*sources)
