"""Resizing and channels: nothing is invented, nothing leaves the range."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medimg_cnn.data._preprocessing import Preprocessing
from medimg_cnn.data.readers import ReadOptions
from medimg_cnn.errors import ArgumentError

sides = st.integers(1, 24)
images = st.tuples(sides, sides, st.sampled_from([1, 3])).flatmap(
    lambda shape: hnp.arrays(np.float32, shape, elements=st.floats(0, 1, width=32))
)
settings_ = st.builds(
    Preprocessing,
    image_size=st.tuples(sides, sides),
    channels=st.sampled_from([1, 3]),
    fit=st.sampled_from(["stretch", "pad", "crop"]),
)


@given(images, settings_)
def test_any_image_gets_the_shape_and_stays_in_its_range(image: np.ndarray, prep: Preprocessing) -> None:
    before = image.copy()
    result = prep.apply(image)
    assert result.shape == prep.image_shape
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    low = 0.0 if prep.fit == "pad" else float(image.min())
    assert result.min() >= low - 1e-5
    assert result.max() <= image.max() + 1e-5
    assert 0 <= result.min() <= result.max() <= 1
    np.testing.assert_array_equal(image, before)


@given(st.tuples(sides, sides, st.sampled_from([1, 3])), st.floats(0, 1, width=32), settings_)
def test_a_constant_image_stays_constant(
    shape: tuple[int, int, int], value: float, prep: Preprocessing
) -> None:
    result = prep.apply(np.full(shape, value, dtype=np.float32))
    if prep.fit == "pad":
        assert ((np.abs(result - value) < 1e-5) | (result == 0)).all()
        assert np.abs(result - value).min() < 1e-5
    else:
        np.testing.assert_allclose(result, value, atol=1e-5)


@given(images, st.sampled_from(["stretch", "pad", "crop"]))
def test_an_image_of_the_wanted_shape_is_kept(image: np.ndarray, fit: str) -> None:
    prep = Preprocessing(image_size=image.shape[:2], channels=image.shape[2], fit=fit)
    np.testing.assert_array_equal(prep.apply(image), image)


@given(images, settings_)
def test_grey_becomes_three_equal_channels(image: np.ndarray, prep: Preprocessing) -> None:
    three = Preprocessing(image_size=prep.image_size, channels=3, fit=prep.fit)
    result = three.apply(image[..., :1])
    np.testing.assert_array_equal(result[..., 0], result[..., 1])
    np.testing.assert_array_equal(result[..., 0], result[..., 2])


def test_color_becomes_grey_by_rec_601_luma() -> None:
    color = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]], dtype=np.float32)
    result = Preprocessing(image_size=(1, 4), channels=1).apply(color)
    np.testing.assert_allclose(result[0, :, 0], [0.299, 0.587, 0.114, 1], atol=1e-6)


@given(images, settings_)
def test_mirrored_in_mirrored_out(image: np.ndarray, prep: Preprocessing) -> None:
    if prep.fit == "pad":  # an odd rest lies at one side
        return
    mirrored = prep.apply(np.ascontiguousarray(image[:, ::-1]))
    np.testing.assert_allclose(mirrored[:, ::-1], prep.apply(image), atol=2e-5)


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_reduction_keeps_the_mean_of_the_inside(factor: int) -> None:
    # Each target pixel is a weighted mean of what it covers: a fine checkerboard becomes even grey.
    board = (np.indices((24 * factor, 24 * factor)).sum(axis=0) % 2).astype(np.float32)[..., None]
    result = Preprocessing(image_size=24, channels=1).apply(board)
    np.testing.assert_allclose(result[2:-2, 2:-2], 0.5, atol=0.01 if factor % 2 == 0 else 0.1)


def test_16_bits_are_kept() -> None:
    steps = (np.arange(4096, dtype=np.float32) / 65535)[None, :, None].repeat(2, axis=0)
    result = Preprocessing(image_size=(2, 2048), channels=1).apply(steps)[0, :, 0]
    assert np.unique(result).size == 2048
    middle = (steps[0, 0::2, 0] + steps[0, 1::2, 0]) / 2
    np.testing.assert_allclose(result[2:-2], middle[2:-2], atol=1 / 65535 / 50)


def test_padding_is_even_and_black() -> None:
    result = Preprocessing(image_size=(8, 8), channels=1, fit="pad").apply(np.ones((2, 4, 1), np.float32))
    np.testing.assert_array_equal(result[:2], 0)
    np.testing.assert_array_equal(result[2:6], 1)
    np.testing.assert_array_equal(result[6:], 0)


def test_cropping_keeps_the_middle() -> None:
    wide = np.zeros((4, 12, 1), np.float32)
    wide[:, 4:8] = 1
    np.testing.assert_array_equal(
        Preprocessing(image_size=(4, 4), channels=1, fit="crop").apply(wide), np.ones((4, 4, 1))
    )
    tall = wide.transpose(1, 0, 2).copy()
    np.testing.assert_array_equal(
        Preprocessing(image_size=(4, 4), channels=1, fit="crop").apply(tall), np.ones((4, 4, 1))
    )


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((4, 4), np.float32), "shape"),
        (np.zeros((4, 4, 4), np.float32), "shape"),
        (np.zeros((0, 4, 1), np.float32), "shape"),
        (np.zeros((4, 4, 1), np.uint8), "float"),
        (np.full((4, 4, 1), 255.0), "0 to 1"),
        (np.full((4, 4, 1), np.nan), "0 to 1"),
    ],
)
def test_other_pixels_are_refused(pixels: np.ndarray, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        Preprocessing(image_size=4, channels=1).apply(pixels)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"image_size": 0, "channels": 1}, "image_size"),
        ({"image_size": (4, 4, 1), "channels": 1}, "image_size"),
        ({"image_size": 4, "channels": 2}, "channels"),
        ({"image_size": 4, "channels": True}, "channels"),
        ({"image_size": 4, "channels": 1, "fit": "padd"}, "Did you mean 'pad'"),
        ({"image_size": 4, "channels": 1, "read": {}}, "read"),
        (
            {"image_size": 4, "channels": 1, "read": ReadOptions(window=("lung", "bone", "liver"))},
            "three windows",
        ),
    ],
)
def test_broken_settings_are_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        Preprocessing(**arguments)  # type: ignore[arg-type]


@given(settings_, st.sampled_from([ReadOptions(), ReadOptions(frame=2, window=(40, 400), background=0.5)]))
def test_settings_survive_json(prep: Preprocessing, read: ReadOptions) -> None:
    prep = Preprocessing(image_size=prep.image_size, channels=prep.channels, fit=prep.fit, read=read)
    again = Preprocessing.from_dict(json.loads(json.dumps(prep.to_dict())))
    assert again == prep
    assert again.sha256() == prep.sha256()


def test_every_setting_enters_the_digest() -> None:
    base = {"image_size": (8, 9), "channels": 3}
    variants = [
        base,
        base | {"image_size": (9, 8)},
        base | {"channels": 1},
        base | {"fit": "pad"},
        base | {"read": ReadOptions(frame=0)},
        base | {"read": ReadOptions(window="lung")},
        base | {"read": ReadOptions(value_range=(0, 1))},
        base | {"read": ReadOptions(background=1)},
    ]
    assert len({Preprocessing(**variant).sha256() for variant in variants}) == len(variants)


def test_the_digest_is_the_same_in_another_process() -> None:
    script = (
        "from medimg_cnn.data._preprocessing import Preprocessing\n"
        "print(Preprocessing(image_size=(8, 9), channels=3).sha256())"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == Preprocessing(image_size=(8, 9), channels=3).sha256()


@pytest.mark.parametrize(
    ("change", "said"),
    [({"version": 99}, "version"), ({"sise": 3}, "has no 'sise'"), ({"fit": None}, "fit")],
)
def test_a_damaged_record_is_refused(change: dict[str, object], said: str) -> None:
    values = Preprocessing(image_size=8, channels=1).to_dict() | change
    with pytest.raises(ArgumentError, match=said):
        Preprocessing.from_dict(values)
    del values["channels"]
    with pytest.raises(ArgumentError, match=r"channels|has no|version"):
        Preprocessing.from_dict(values)


@given(images, settings_, st.floats(0.05, 1), st.floats(0.05, 1))
def test_a_last_row_and_column_that_are_not_full_keep_shape_and_range(
    image: np.ndarray, prep: Preprocessing, down: float, across: float
) -> None:
    height, width = image.shape[:2]
    result = prep.apply(image, extent=(height - 1 + down, width - 1 + across))
    assert result.shape == prep.image_shape
    assert 0 <= result.min() <= result.max() <= image.max() + 1e-5
    whole = prep.apply(image, extent=(float(height), float(width)))
    np.testing.assert_array_equal(whole, prep.apply(image))


def test_a_ramp_whose_last_column_is_half_full_ends_where_the_picture_ends() -> None:
    halves = (
        np.repeat(np.arange(8, dtype=np.float32), 2)[:15] / 8
    )  # 15 pixels, in pairs: the last one is alone
    prep = Preprocessing(image_size=(1, 5), channels=1)
    fine = prep.apply(np.tile(halves, (2, 1))[..., None])
    coarse = np.tile(np.arange(8, dtype=np.float32) / 8, (1, 1))[..., None]
    shifted = np.abs(prep.apply(coarse) - fine).max()
    assert np.abs(prep.apply(coarse, extent=(1.0, 7.5)) - fine).max() < shifted / 2
