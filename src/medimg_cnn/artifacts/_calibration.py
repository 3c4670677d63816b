"""A map from logit to calibrated probability that travels with the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import expit

from medimg_cnn._types import FloatVector
from medimg_cnn._validation import check_choice, check_number
from medimg_cnn.errors import ArgumentError

__all__ = ["Calibration"]

Method = Literal["identity", "temperature", "platt"]
_PARAMETERS: dict[Method, tuple[str, ...]] = {
    "identity": (),
    "temperature": ("temperature",),
    "platt": ("slope", "intercept"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How a logit becomes a probability: ``expit(slope * logit + intercept)``.

    Attributes:
        method: "identity"; "temperature" (slope = 1 / temperature, intercept 0); or "platt".
        parameters: (name, value) pairs of the method, finite; the temperature is above 0.
        fitted_on: the data it was fitted on, for example "validation".

    Example:
        >>> Calibration(method="temperature", parameters=(("temperature", 2.0),)).apply([0.0]).tolist()
        [0.5]
    """

    method: Method = "identity"
    parameters: tuple[tuple[str, float], ...] = ()
    fitted_on: str = "none"

    def __post_init__(self) -> None:
        check_choice("method", self.method, list(_PARAMETERS))
        names = tuple(name for name, _ in self.parameters)
        if names != _PARAMETERS[self.method]:
            raise ArgumentError(
                f"parameters: must be {_PARAMETERS[self.method]} for method {self.method!r}; got {names}."
            )
        for name, value in self.parameters:
            check_number(name, value, low=0.0 if name == "temperature" else -np.inf, low_open=True)

    def apply(self, logit: FloatVector) -> FloatVector:
        """Return probabilities, (n,) float64 in [0, 1], for logits (n,)."""
        values = np.asarray(logit, dtype=np.float64)
        parameters = dict(self.parameters)
        if self.method == "temperature":
            values = values / parameters["temperature"]
        elif self.method == "platt":
            values = parameters["slope"] * values + parameters["intercept"]
        probability: FloatVector = expit(values)
        return probability

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {"method": self.method, "parameters": dict(self.parameters), "fitted_on": self.fitted_on}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Calibration:
        """Build the record from what ``to_dict`` gave."""
        return cls(
            method=content["method"],
            parameters=tuple(content["parameters"].items()),
            fitted_on=content["fitted_on"],
        )
