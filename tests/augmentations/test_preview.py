"""The picture of originals and augmentations."""

from __future__ import annotations

import io
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from medimg_cnn import augmentations as A  # noqa: N812 - short, and used on every line
from medimg_cnn.errors import ArgumentError

IMAGES = jnp.asarray(np.random.default_rng(0).random((6, 8, 6, 1)), jnp.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_originals_stand_first_and_draws_follow(channels: int) -> None:
    images = jnp.repeat(IMAGES, channels, axis=-1)
    figure = A.Brightness(amount=0.3).preview(images, images=2, draws=3, seed=5)
    assert len(figure.axes) == 2 * 4
    shown = [np.asarray(axis.images[0].get_array()) for axis in figure.axes]
    original = np.asarray(images[0] if channels == 3 else images[0, ..., 0])
    assert np.array_equal(shown[0], original)
    assert not np.array_equal(shown[1], shown[0])
    assert not np.array_equal(shown[1], shown[2])
    assert figure.axes[0].get_title() == "original"
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    assert stream.getvalue().startswith(b"\x89PNG")


def test_a_split_is_read_at_places_spread_over_it() -> None:
    asked: list[list[int]] = []

    def read(places: np.ndarray) -> np.ndarray:
        asked.append(places.tolist())
        return np.asarray(IMAGES)[places]

    split = SimpleNamespace(n=6, read=read)  # what a Split offers, without files
    figure = A.preview(A.Flip(), split, images=3, draws=1)
    assert asked == [[0, 2, 5]]
    assert len(figure.axes) == 6
    assert len(A.preview(A.Flip(), IMAGES, images=50, draws=1).axes) == 12


def test_options_are_checked() -> None:
    for options in ({"images": 0}, {"draws": 0}, {"seed": -1}):
        with pytest.raises(ArgumentError):
            A.preview(A.Flip(), IMAGES, **options)
    with pytest.raises(ArgumentError, match="data"):
        A.preview(A.Flip(), np.zeros((8, 8)))
    for none in (IMAGES[:0], SimpleNamespace(n=0, read=lambda places: np.asarray(IMAGES)[places])):
        with pytest.raises(ArgumentError, match="data: must hold at least one image; got 0"):
            A.preview(A.Flip(), none)
    with pytest.raises(ArgumentError, match=r"data\.train\.$"):
        A.preview(A.Flip(), SimpleNamespace(train=1, test=2))  # what a Dataset has
