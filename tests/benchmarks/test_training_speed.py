"""What the trainer adds to its own compiled step, and what checkpoints cost.

Run with ``pytest -m benchmark tests/benchmarks/test_training_speed.py -s`` to see the figures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn.training import Trainer, TrainerConfig
from medimg_cnn.training._checkpoints import Checkpoints
from medimg_cnn.training._imbalance import Imbalance
from medimg_cnn.training._loop import Loop
from medimg_cnn.training._memory import kept_memory
from medimg_cnn.training._step import Batch, logit_model, make_optimizer, make_train_step

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

IMAGES, SIDE, BATCH, EPOCHS, TURNS = 320, 64, 32, 5, 4


@pytest.fixture(scope="module")
def data() -> mc.Dataset:
    rng = np.random.default_rng(0)
    y = np.arange(IMAGES + 40) % 2
    x = rng.integers(0, 256, (IMAGES + 40, SIDE, SIDE), dtype=np.uint8)
    return mc.load_dataset(
        (x, y), positive=1, patients=np.arange(y.size).astype(str), fractions=(0.94, 0.06, 0.0), audit="off"
    )


def bare(data: mc.Dataset) -> list[float]:
    """Images a second of each epoch of a loop that does nothing but read, step and wait at its end."""
    config = TrainerConfig(batch_size=BATCH, epochs=EPOCHS)
    model = logit_model(mc.build_cnn(data.image_shape, seed=1))
    train = data.train
    loop = Loop(model, None, config, train, None)
    optimizer = make_optimizer(config, 100)
    optimizer.build(model.trainable_variables)
    step = make_train_step(model, optimizer, None, config, Imbalance.plan(config, train.labels), rows=BATCH)
    state, key = loop._state, np.asarray(jax.random.key_data(jax.random.key(0)))
    ones = np.ones(BATCH, np.float32)
    labels, rates = train.labels.astype(np.float32), []
    steps = train.n // BATCH
    for _ in range(EPOCHS):
        order = np.random.default_rng(0).permutation(train.n)
        started = time.perf_counter()
        for index in range(steps):
            rows = order[index * BATCH : (index + 1) * BATCH]
            state, loss, _ = step(state, Batch(train.read(rows), labels[rows], ones, key))
        loss.block_until_ready()
        rates.append(steps * BATCH / (time.perf_counter() - started))
    return rates[1:]


def ours(data: mc.Dataset, folder: Path | None, *, progress: bool = False) -> list[float]:
    train = data.train.select(np.arange(data.train.n // BATCH * BATCH))
    trainer = Trainer(
        mc.build_cnn(data.image_shape, seed=1),
        epochs=EPOCHS,
        batch_size=BATCH,
        progress=progress,
        directory=folder,
    )
    return trainer.fit(train, data.validation).history["images_per_second"].tolist()[1:]


@pytest.fixture(autouse=True, scope="module")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """So that the turns measure steps only, one soon after the other."""
    options = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: getattr(jax.config, name) for name in options}
    for name, value in options.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_trainer_is_as_fast_as_its_step(data: mc.Dataset, tmp_path: Path) -> None:
    # By turns, epochs of each soon after the other: the machine's speed drifts, and others use it too.
    rates: dict[str, list[float]] = {
        "bare loop": [],
        "Trainer": [],
        "Trainer with progress": [],
        "Trainer with a directory": [],
    }
    for turn in range(TURNS):
        with kept_memory():  # as in the Trainer
            rates["bare loop"] += bare(data)
        rates["Trainer"] += ours(data, None)
        rates["Trainer with progress"] += ours(data, None, progress=True)
        rates["Trainer with a directory"] += ours(data, tmp_path / str(turn))
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        ratio = middle[name] / middle["bare loop"]
        print(
            f"\n{name}: median {middle[name]:.1f} images/s of {len(values)} epochs ({min(values):.1f} to "
            f"{max(values):.1f}), {ratio:.3f} of the bare loop",
            end="",
        )
    print()
    # Checkpoints are written beside the training and take of it what the disk and the cores make of that.
    assert middle["Trainer"] / middle["bare loop"] >= 0.97
    assert middle["Trainer with progress"] / middle["bare loop"] >= 0.97


def test_what_a_checkpoint_costs(data: mc.Dataset, tmp_path: Path) -> None:
    model = logit_model(mc.build_cnn(data.image_shape, seed=1))
    loop = Loop(model, None, TrainerConfig(batch_size=BATCH, epochs=2), data.train, None)
    copy, write = [], []
    checkpoints = Checkpoints(tmp_path)
    for number in range(6):
        started = time.perf_counter()
        snapshot = loop.snapshot()
        copy.append(time.perf_counter() - started)
        object.__setattr__(snapshot, "number", number)
        started = time.perf_counter()
        checkpoints.save(snapshot, wait=True)
        write.append(time.perf_counter() - started)
    checkpoints.close()
    print(
        f"\n{snapshot.nbytes / 1e6:.1f} MB: training waits {1e3 * statistics.median(copy):.0f} ms for the copy; "
        f"{1e3 * statistics.median(write):.0f} ms are written beside it"
    )
    assert statistics.median(copy) < 0.2
