"""The trainer's options: one set of defaults, checked, saved."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.errors import ArgumentError
from medimg_cnn.training import Trainer, TrainerConfig


def test_the_trainer_and_its_record_have_the_same_options_and_defaults() -> None:
    signature = inspect.signature(Trainer.__init__).parameters
    for name, value in TrainerConfig().to_dict().items():
        assert signature[name].default == value, name


@given(
    epochs=st.integers(1, 500),
    learning_rate=st.floats(1e-6, 1.0),
    class_weight=st.one_of(st.none(), st.just("balanced"), st.tuples(st.floats(0.1, 10), st.floats(0.1, 10))),
    seed=st.integers(0, 2**31 - 1),
)
def test_json_round_trip(epochs: int, learning_rate: float, class_weight: object, seed: int) -> None:
    config = TrainerConfig(epochs=epochs, learning_rate=learning_rate, class_weight=class_weight, seed=seed)
    assert TrainerConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_numbers_of_numpy_become_json() -> None:
    config = TrainerConfig(
        epochs=np.int64(3), learning_rate=np.float32(0.5), class_weight=(np.float64(1.0), np.int32(2))
    )
    assert json.loads(json.dumps(config.to_dict()))["class_weight"] == [1.0, 2.0]
    assert TrainerConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "epochs: must be a whole number of at least 1"),
        ({"epochs": 2.0}, "epochs"),
        ({"batch_size": True}, "batch_size"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"average": 1.0}, "average"),
        ({"label_smoothing": 0.5}, "label_smoothing"),
        ({"class_weight": "balance"}, "class_weight"),
        ({"class_weight": (1.0, 0.0)}, r"class_weight\[1\]"),
        ({"operating_point": "yuden"}, "Did you mean 'youden'"),
        ({"class_weight": np.array([1.0, 2.0])}, r"class_weight: .*Pass a tuple"),
        ({"class_weight": [1.0, 2.0]}, "Pass a tuple"),
        ({"operating_point": "sensitivity"}, r"operating_target: must be given.* 0\.95\."),
        ({"operating_point": "cost"}, r"example 10\."),
        ({"operating_point": "fixed"}, r"example 0\.2\."),
        ({"operating_point": "sensitivity", "operating_target": 1.5}, "operating_target"),
        ({"operating_target": 0.9}, "must be None for the rule 'youden'"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        TrainerConfig(**options)


def test_a_misspelt_option_is_not_swallowed() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'epochs'"):
        TrainerConfig.from_dict({"epoch": 3})
    with pytest.raises(ArgumentError, match="1 is not an option"):
        TrainerConfig.from_dict({1: 2})
    for content in ([1], None, "epochs"):
        with pytest.raises(ArgumentError, match="content: must be a mapping"):
            TrainerConfig.from_dict(content)
