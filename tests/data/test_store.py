from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medimg_cnn.data._store import PixelStore, Shard, dequantise, quantise
from medimg_cnn.errors import DataError


@given(hnp.arrays(np.uint8, (3, 4, 3)))
def test_eight_bits_come_back_as_they_were(values: np.ndarray) -> None:
    image = values / np.float32(255)
    stored = quantise(image, 8)
    out = np.empty((3, 4, 3), np.float32)
    dequantise(stored, out)
    assert stored.dtype == np.uint8
    assert (out == image).all()


@given(hnp.arrays(np.uint16, (3, 4, 1)))
def test_sixteen_bits_come_back_as_they_were(values: np.ndarray) -> None:
    image = values / np.float32(65_535)
    stored = quantise(image, 16)
    assert stored.dtype == np.uint16
    assert (stored == values).all()


@given(st.floats(0, 1, width=32), st.sampled_from([8, 16, 32]))
def test_rounding_costs_half_a_step(value: float, depth: int) -> None:
    out = np.empty((1, 1, 1), np.float32)
    dequantise(quantise(np.full((1, 1, 1), value, np.float32), depth), out)
    step = 1 / 255 if depth == 8 else 1 / 65_535
    assert abs(float(out[0, 0, 0]) - value) <= step / 2 + 1e-7


def test_equal_channels_become_one() -> None:
    assert quantise(np.full((2, 2, 3), 0.25, np.float32), 8).shape == (2, 2, 1)
    assert quantise(np.array([[[0.0, 0.5, 1.0]]], np.float32), 8).shape == (1, 1, 3)


def make_store(folder: Path, *, budget: int, in_files: int) -> tuple[PixelStore, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (8, 5, 4, 4, 1), dtype=np.uint8)
    shards = []
    for number, pixels in enumerate(images):
        if number < in_files:
            np.save(folder / f"{number}.npy", pixels)
            shards.append(Shard(folder / f"{number}.npy", pixels.nbytes))
        else:
            shards.append(Shard(pixels, pixels.nbytes))
    places = np.array([(shard, row) for shard in range(8) for row in range(5)])
    store = PixelStore(shards, places, (4, 4, 1), memory_budget=budget)
    return store, images.reshape(40, 4, 4, 1) / np.float32(255)


@pytest.mark.parametrize("in_files", [0, 3, 8])
@pytest.mark.parametrize("budget", [0, 200, 10_000])
def test_images_are_the_same_from_memory_and_from_files(tmp_path: Path, in_files: int, budget: int) -> None:
    store, expected = make_store(tmp_path, budget=budget, in_files=in_files)
    rows = np.random.default_rng(1).integers(0, 40, 100)
    assert (store.read(rows) == expected[rows]).all()


def test_files_beyond_the_budget_are_let_go(tmp_path: Path) -> None:
    store, _ = make_store(tmp_path, budget=200, in_files=8)
    store.read(np.arange(40))
    assert store._mapped_bytes <= 200
    assert len(store._mapped) == 2


def test_one_channel_is_read_as_three(tmp_path: Path) -> None:
    grey = np.full((1, 2, 2, 1), 51, np.uint8)
    store = PixelStore([Shard(grey, 4)], np.array([[0, 0]]), (2, 2, 3), memory_budget=0)
    assert store.read(np.array([0])).tolist() == np.full((1, 2, 2, 3), np.float32(0.2)).tolist()


@given(
    st.lists(st.tuples(st.sampled_from(["uint8", "uint16"]), st.sampled_from([1, 3])), min_size=1, max_size=4)
)
def test_integers_of_one_kind_stand_for_the_same_images(kinds: list[tuple[str, int]]) -> None:
    rng = np.random.default_rng(0)
    shards = [
        Shard(rng.integers(0, np.iinfo(kind).max, (3, 4, 5, channels), dtype=kind, endpoint=True), 0)
        for kind, channels in kinds
    ]
    places = np.array([(shard, row) for shard in range(len(kinds)) for row in range(3)])
    store = PixelStore(shards, places, (4, 5, 3), memory_budget=0)
    rows = rng.integers(0, len(places), 7)
    stored = store.read_stored(rows)
    wide, colour = any(kind == "uint16" for kind, _ in kinds), any(channels == 3 for _, channels in kinds)
    assert stored.dtype == (np.uint16 if wide else np.uint8)
    assert stored.shape == (7, 4, 5, 3 if colour else 1)
    values = np.divide(stored, np.float32(np.iinfo(stored.dtype).max), dtype=np.float32)
    assert (np.broadcast_to(values, (7, 4, 5, 3)) == store.read(rows)).all()


@pytest.mark.parametrize("how", ["gone", "altered"])
def test_a_file_that_goes_while_it_is_in_use_is_told(tmp_path: Path, how: str) -> None:
    store, _ = make_store(tmp_path, budget=0, in_files=8)
    path = tmp_path / "0.npy"
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(DataError, match=r"0\.npy.*Call load_dataset again"):
        store.read(np.array([0]))
