from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.data._audit import _near
from medimg_cnn.data._audit._look import Looks, looks_of
from medimg_cnn.data._audit._near import find_near, look_alike_limit


def with_copies(scenes: np.ndarray, copies: int, *, noise: float, seed: int = 0) -> Looks:
    """Return the looks of images of which the last ones are noisy copies of the first ones."""
    draw = np.random.default_rng(seed)
    again = scenes[:copies] + draw.normal(0, noise, scenes[:copies].shape)
    return looks_of((np.concatenate([scenes, np.clip(again, 0, 255)]) / 255).astype(np.float32))


@pytest.mark.parametrize("n", [10, 60, 400])
def test_copies_are_found_and_nothing_else(scenes, n: int) -> None:  # type: ignore[no-untyped-def]
    looks = with_copies(scenes(n), n // 5, noise=3.0)
    found = find_near(looks, np.arange(len(looks.norms)), None)
    assert found.pairs.tolist() == [[index, n + index] for index in range(n // 5)]
    assert (found.similarity >= found.limit).all()


def test_tiles_do_not_matter(scenes, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    looks = with_copies(scenes(300), 60, noise=3.0)
    rows = np.arange(len(looks.norms))
    whole = find_near(looks, rows, None)
    monkeypatch.setattr(_near, "_TILE", (37, 74))
    tiled = find_near(looks, rows, None)
    assert tiled.pairs.tolist() == whole.pairs.tolist()
    np.testing.assert_allclose(tiled.similarity, whole.similarity, atol=1e-5)


@given(st.permutations(range(48)))
def test_order_of_the_images_does_not_matter(order: list[int]) -> None:
    noise = np.random.default_rng(3).random((40, 24, 24)).astype(np.float32)
    images = np.concatenate([noise, noise[:8] * 0.9 + 0.01])
    before = find_near(looks_of(images), np.arange(48), None)
    after = find_near(looks_of(images[order]), np.argsort(order), None)
    place = np.array(order)
    assert sorted(map(sorted, place[after.pairs].tolist())) == before.pairs.tolist()
    assert after.limit == pytest.approx(before.limit, abs=1e-4)


@pytest.mark.parametrize("share", [0.1, 0.4, 1.0])
def test_the_limit_stands_where_many_images_have_copies(scenes, share: float) -> None:  # type: ignore[no-untyped-def]
    n = 300
    copies = int(share * n)
    looks = with_copies(scenes(n), copies, noise=2.0)
    found = find_near(looks, np.arange(len(looks.norms)), None)
    assert len(found.pairs) >= 0.95 * copies
    assert 0.75 <= found.limit <= 0.97


def test_images_of_one_patient_do_not_set_the_limit(scenes) -> None:  # type: ignore[no-untyped-def]
    looks = with_copies(scenes(100), 100, noise=10.0)
    rows, patients = np.arange(200), np.array([f"p{index % 100}" for index in range(200)])
    _, alone = look_alike_limit(looks, rows[:100], None)
    _, known = look_alike_limit(looks, rows, patients)
    _, unknown = look_alike_limit(looks, rows, None)
    assert known == pytest.approx(alone, abs=0.1)
    assert unknown > 0.6 > known


def test_few_images_get_a_fixed_limit(scenes) -> None:  # type: ignore[no-untyped-def]
    looks = looks_of((scenes(20) / 255).astype(np.float32))
    limit, usual = look_alike_limit(looks, np.arange(20), None)
    assert limit == 0.9
    assert np.isnan(usual)


def test_one_picture_many_times_gives_few_pairs_for_each(scenes) -> None:  # type: ignore[no-untyped-def]
    base = scenes(1).astype(float)
    draw = np.random.default_rng(0)
    images = np.clip(base + draw.normal(0, 1, (1500, 32, 32)), 0, 255) / 255
    found = find_near(looks_of(images.astype(np.float32)), np.arange(1500), None)
    assert len(found.pairs) <= 1500 * 16 * 2
    assert np.unique(found.pairs).size == 1500
