from __future__ import annotations

import json
import math

import pytest

from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation import ConfusionCounts, Estimate, lr_positive, ppv


def test_text_says_what_is_known() -> None:
    assert str(Estimate(value=0.5, lower=0.25, upper=0.75, method="m", n=4)) == "0.500 (0.250 to 0.750)"
    assert str(Estimate(value=0.5, method="m", n=1, reason="one image")) == "0.500 (no interval: one image)"
    twice = Estimate(value=0.5, method="m", n=1, reason="no interval: nothing varies")
    assert str(twice) == "0.500 (no interval: nothing varies)"
    assert str(ppv(ConfusionCounts(tp=0, fp=0, fn=1, tn=1))) == "undefined (no image was called positive)"


@pytest.mark.parametrize(
    "fields",
    [
        {"value": 0.5, "lower": 0.6, "upper": 0.7},
        {"value": 0.5, "lower": 0.4},
        {"value": math.nan},
        {"value": math.nan, "lower": 0.1, "upper": 0.2, "reason": "x"},
        {"value": 0.5, "level": 95.0},
        {"value": 0.5, "n": -1},
    ],
)
def test_an_estimate_is_never_half_valid(fields: dict[str, float]) -> None:
    with pytest.raises(ArgumentError):
        Estimate(**({"method": "m", "n": 4} | fields))  # type: ignore[arg-type]


def test_json_is_strict_and_comes_back() -> None:
    for item in (
        lr_positive(ConfusionCounts(tp=3, fp=0, fn=1, tn=4)),
        ppv(ConfusionCounts(tp=0, fp=0, fn=1, tn=1)),
    ):
        text = json.dumps(item.to_dict(), allow_nan=False)
        assert Estimate.from_dict(json.loads(text)).to_dict() == item.to_dict()
    assert lr_positive(ConfusionCounts(tp=3, fp=0, fn=1, tn=4)).to_dict()["upper"] == "inf"
