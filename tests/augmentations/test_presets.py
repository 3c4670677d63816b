"""Presets keep what carries the diagnosis."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medimg_cnn import augmentations as A  # noqa: N812 - short, and used on every line
from medimg_cnn.errors import ArgumentError

NO_SIDE_CHANGE = ["chest_xray", "ct"]


@pytest.mark.parametrize("name", list(A.PRESETS))
def test_a_preset_saves_says_its_reasons_and_scales(name: str) -> None:
    chain = A.preset(name)
    assert A.Augmentation.from_dict(json.loads(json.dumps(chain.to_dict()))) == chain
    told = A.PRESETS[name]
    assert len(told.choices) == len(chain.steps)
    assert all(len(reason) > 5 for reason in (*(c.reason for c in told.choices), *told.left_out.values()))
    assert all(str(choice.step) in str(told) for choice in told.choices)
    assert len(A.preset(name, strength=3).steps) == len(chain.steps)  # every range stays legal


@pytest.mark.parametrize(("name", "channels"), [("ct", 1)])
def test_at_strength_zero_images_stay_bit_for_bit(name: str, channels: int) -> None:
    images = jnp.asarray(np.random.default_rng(0).random((2, 10, 7, channels)), jnp.float32)
    still = A.preset(name, strength=0)
    params = still.params(jax.random.key(0), 2, (10, 7, channels))
    assert np.array_equal(jax.jit(still.apply)(params, images), images)


@pytest.mark.parametrize("name", NO_SIDE_CHANGE)
def test_where_organs_have_a_side_nothing_is_mirrored(name: str) -> None:
    """A bright mark on the left stays on the left, whatever is drawn."""
    chain = A.preset(name)
    marked = jnp.full((64, 16, 16, 1), 0.2).at[:, :, 1:5].set(0.9)
    result = jax.jit(chain.apply)(chain.params(jax.random.key(1), 64, (16, 16, 1)), marked)
    left, right = result[:, :, :8].mean(axis=(1, 2, 3)), result[:, :, 8:].mean(axis=(1, 2, 3))
    assert np.all(left > right)


def test_geometry_of_every_preset_is_one_resample() -> None:
    for name in A.PRESETS:
        spatial = [isinstance(step, A.SpatialAugmentation) for step in A.preset(name).steps]
        assert spatial == sorted(spatial, reverse=True)
        borders = {
            (step.border, step.fill)
            for step in A.preset(name).steps
            if isinstance(step, A.SpatialAugmentation) and step.needs_border
        }
        assert len(borders) <= 1


def test_unknown_names_and_strengths_are_refused() -> None:
    with pytest.raises(ArgumentError, match="chest_xray"):
        A.preset("chest_x_ray")
    for strength in (-0.1, 3.5, float("nan")):
        with pytest.raises(ArgumentError, match="strength"):
            A.preset("ct", strength=strength)
