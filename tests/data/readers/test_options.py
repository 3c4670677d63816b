"""Options are checked when they are built, and survive being saved."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.data.readers import CT_WINDOWS, ReadOptions
from medimg_cnn.errors import ArgumentError

windows = st.sampled_from(sorted(CT_WINDOWS)) | st.tuples(st.floats(-3000, 3000), st.floats(1, 5000))
ranges = st.tuples(st.floats(-1e4, 0), st.floats(1, 1e4)) | st.just("image")
options = st.builds(
    ReadOptions,
    frame=st.none() | st.integers(0, 1000),
    window=st.none() | windows | st.tuples(windows, windows, windows),
    plane=st.sampled_from(["axial", "coronal", "sagittal"]),
    background=st.floats(0, 1),
    max_pixels=st.integers(1, 10**9),
) | st.builds(ReadOptions, value_range=ranges)


@given(options)
def test_options_survive_json(given_options: ReadOptions) -> None:
    assert ReadOptions.from_dict(json.loads(json.dumps(given_options.to_dict()))) == given_options


def test_windows() -> None:
    assert ReadOptions().window_bounds == ()
    assert ReadOptions(window="bone").window_bounds == ((400.0, 1800.0),)
    assert ReadOptions(window=(40, 400)).window_bounds == ((40.0, 400.0),)
    assert ReadOptions(window=["lung"]).window_bounds == ((-600.0, 1500.0),)  # type: ignore[arg-type]
    three = ReadOptions(window=("lung", (40, 400), "bone"))
    assert three.window_bounds == ((-600.0, 1500.0), (40.0, 400.0), (400.0, 1800.0))
    assert three.channels_by_window == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"frame": -1}, "frame"),
        ({"frame": 1.0}, "frame"),
        ({"window": "lungs"}, "Did you mean 'lung'"),
        ({"window": ("lung", "bone")}, "three of these"),
        ({"window": (40, 0)}, "width"),
        ({"window": (40, float("nan"))}, "width"),
        ({"window": (("lung", "bone", "liver"), "lung", "bone")}, "three of these"),
        ({"window": 40}, "must be a name"),
        ({"value_range": (5, 5)}, "value_range"),
        ({"value_range": "images"}, "value_range"),
        ({"value_range": (0, 1), "window": "lung"}, "together with window"),
        ({"plane": "oblique"}, "plane"),
        ({"background": 2}, "background"),
        ({"max_pixels": 0}, "max_pixels"),
    ],
)
def test_a_broken_rule_is_named(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        ReadOptions(**arguments)  # type: ignore[arg-type]


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'window'"):
        ReadOptions.from_dict({"windows": "lung"})
