from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn.data import Dataset, Split, load_dataset
from medimg_cnn.errors import ArgumentError


@pytest.fixture
def data(make_arrays: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Dataset:
    images, labels = make_arrays(100)
    images[:, 0, 0] = np.arange(100)  # the first pixel tells which image it is
    return load_dataset((images, labels), positive=1, patients=np.arange(100), batch_size=16, seed=5)


def identities(x: np.ndarray) -> list[int]:
    return np.rint(x[:, 0, 0, 0] * 255).astype(int).tolist()


def small_model() -> keras.Model:
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential(layers)
    model.compile(optimizer="sgd", loss="binary_crossentropy", metrics=["accuracy"])
    return model


def test_batches_have_the_promised_shapes_and_range(data: Dataset) -> None:
    assert len(data.train) == 5
    batches = [data.train[index] for index in range(5)]
    assert [x.shape for x, _ in batches] == [(16, 8, 8, 1)] * 4 + [(6, 8, 8, 1)]
    assert all(x.dtype == np.float32 and y.dtype == np.float32 and y.shape == (len(x), 1) for x, y in batches)
    assert 0 <= min(x.min() for x, _ in batches) < max(x.max() for x, _ in batches) <= 1
    with pytest.raises(IndexError):
        data.train[5]


def test_labels_ids_and_pixels_belong_together(data: Dataset) -> None:
    for split in data.parts:
        x, y = split.arrays()
        assert identities(x) == [int(name) for name in split.sample_ids]
        assert [int(name) % 2 for name in split.sample_ids] == y.tolist() == split.labels.tolist()
        assert split.patient_ids.tolist() == [str(int(name)) for name in split.sample_ids]
        seen = [(image, int(label)) for index in range(len(split)) for image, label in pairs(split, index)]
        assert sorted(seen) == sorted(zip(identities(x), y.tolist(), strict=True))


def pairs(split: Split, index: int) -> list[tuple[int, float]]:
    x, y = split[index]
    return list(zip(identities(x), y[:, 0].tolist(), strict=True))


def test_every_split_knows_its_preprocessing(data: Dataset) -> None:
    derived = data.train.ordered().with_batch_size(3).select(np.arange(4))
    for split in (*data.parts, derived, pickle.loads(pickle.dumps(data.test))):
        assert split.preprocessing == data.preprocessing
        assert split.preprocessing.image_shape == split.image_shape


def test_order_is_a_permutation_that_follows_from_seed_and_epoch(data: Dataset) -> None:
    orders = [data.train.order(epoch) for epoch in range(5)]
    assert all(sorted(order.tolist()) == list(range(70)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 5
    assert (data.train.order(2) == data.train.with_batch_size(3).order(2)).all()
    assert (data.validation.order(3) == np.arange(data.validation.n)).all()
    assert (data.train.ordered().order(3) == np.arange(70)).all()


def test_the_order_is_the_same_in_every_process_and_version(data: Dataset) -> None:
    assert data.train.order(0)[:6].tolist() == [66, 38, 58, 29, 36, 37]


def test_fit_takes_the_splits_and_sees_another_order_each_epoch(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[int, int]] = []
    plain = Split.batch

    def recording(self: Split, index: int, *, epoch: int) -> object:
        if self.part == "train":
            served.append((epoch, index))
        return plain(self, index, epoch=epoch)

    monkeypatch.setattr(Split, "batch", recording)
    model = small_model()
    history = model.fit(data.train, validation_data=data.validation, epochs=3, verbose=0)
    assert len(history.history["val_loss"]) == 3
    assert data.train.epoch == 3
    for epoch in range(3):
        assert {index for seen, index in served if seen == epoch} == set(range(5))
    assert len(served) == 15 + 1  # Keras looks at one batch before it begins
    assert model.predict(data.test, verbose=0).shape == (data.test.n, 1)
    assert model.evaluate(data.test, verbose=0)[0] > 0
    served.clear()
    model.fit(data.train, epochs=1, verbose=0)
    assert {seen for seen, _ in served} == {3}
    data.train.restart()
    assert data.train.epoch == 0


def test_predict_keeps_the_order_of_the_table(data: Dataset) -> None:
    first_pixel = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Lambda(lambda x: x[:, 0, 0, :] * 255)]
    )
    predicted = np.rint(first_pixel.predict(data.test, verbose=0)[:, 0]).astype(int)
    assert predicted.tolist() == [int(name) for name in data.test.sample_ids]


def test_an_epoch_that_was_not_finished_is_not_counted(data: Dataset) -> None:
    data.train[0]
    data.train.on_epoch_end()
    assert data.train.epoch == 0


def test_workers_that_repeat_batches_are_refused(data: Dataset) -> None:
    with pytest.raises(ArgumentError, match=r"workers.*must be 1"):
        data.train.workers = 2


def test_reading_from_many_threads_gives_the_same_pixels(data: Dataset) -> None:
    expected = data.train.arrays()[0]
    with ThreadPoolExecutor(8) as pool:
        for image, index in zip(
            pool.map(lambda i: data.train.read([i])[0], range(70)), range(70), strict=True
        ):
            assert (image == expected[index]).all()


def test_an_iterator_goes_on_from_its_state(data: Dataset) -> None:
    batches = data.train.iterate()
    seen = [identities(next(batches)[0]) for _ in range(7)]
    assert sorted(itertools.chain(*seen[:5])) == sorted(int(name) for name in data.train.sample_ids)
    assert batches.state == {"epoch": 1, "batch": 2}
    again = data.train.iterate(**batches.state)
    assert [identities(next(again)[0]) for _ in range(6)] == [identities(next(batches)[0]) for _ in range(6)]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_of_processes_are_equal_and_apart(data: Dataset, count: int) -> None:
    shares = [data.train.shard(index, count) for index in range(count)]
    assert len({len(share) for share in shares}) == 1
    for epoch in range(3):
        orders = [share.order(epoch).tolist() for share in shares]
        assert {len(order) for order in orders} == {70 // count}
        together = list(itertools.chain(*orders))
        assert len(set(together)) == len(together)
    assert sum(len(shares[0][index][0]) for index in range(len(shares[0]))) == 70 // count


def test_only_a_shuffled_split_is_shared(data: Dataset) -> None:
    with pytest.raises(ArgumentError, match="shuffled"):
        data.test.shard(0, 2)
    with pytest.raises(ArgumentError, match="index"):
        data.train.shard(2, 2)


def test_select_keeps_rows_together(data: Dataset) -> None:
    chosen = data.test.select(np.array([3, 1]))
    assert chosen.sample_ids.tolist() == [data.test.sample_ids[3], data.test.sample_ids[1]]
    assert identities(chosen.arrays()[0]) == [int(name) for name in chosen.sample_ids]
    assert chosen.table["y"].tolist() == chosen.labels.tolist()
    with pytest.raises(ArgumentError, match="at least one"):
        data.test.select([])


def test_a_split_survives_pickling(data: Dataset) -> None:
    again = pickle.loads(pickle.dumps(data.train))
    assert (again.arrays()[0] == data.train.arrays()[0]).all()
    assert (again.order(1) == data.train.order(1)).all()


def test_the_table_has_a_row_for_each_image(data: Dataset) -> None:
    table = data.train.table
    assert len(table) == 70
    assert list(table.columns)[:5] == ["sample_id", "part", "label", "y", "patient_id"]
    assert table["bit_depth"].unique().tolist() == [8]
    assert "70 images of 8 x 8 x 1" in repr(data.train)


@pytest.mark.parametrize("batch_size", [0, 1.5, True])
def test_batch_size_is_checked(data: Dataset, batch_size: object) -> None:
    with pytest.raises(ArgumentError, match="batch_size"):
        data.train.with_batch_size(batch_size)
