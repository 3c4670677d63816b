"""A map from logit to calibrated probability that travels with the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy.special import expit, logit

from medimg_cnn._types import FloatVector
from medimg_cnn._validation import check_choice, check_number, explain
from medimg_cnn.errors import ArgumentError

__all__ = ["Calibration", "Parameter"]

Method = Literal["identity", "temperature", "platt", "focal", "isotonic"]
Parameter: TypeAlias = float | tuple[float, ...]
_PARAMETERS: dict[Method, tuple[str, ...]] = {
    "identity": (),
    "temperature": ("temperature",),
    "platt": ("slope", "intercept"),
    "focal": ("gamma", "offset", "slope", "intercept"),
    "isotonic": ("logits", "probabilities"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How a logit z becomes a probability.

    Attributes:
        method: "identity": expit(z); "temperature": expit(z / temperature); "platt": expit(slope * z + intercept);
            "focal": expit(slope * f(z + offset) + intercept), where f undoes what the focal loss does to the
            probabilities (Charoenphakdee et al. 2021, doi:10.1109/CVPR46437.2021.00516); "isotonic": straight lines
            between the points (logits, probabilities), and constant beyond them.
        parameters: (name, value) pairs of the method, finite; the temperature is above 0. Of "isotonic" tuples,
            each in rising order, the probabilities in [0, 1].
        fitted_on: the data it was fitted on, for example "validation".

    Example:
        >>> Calibration(method="temperature", parameters=(("temperature", 2.0),)).apply([0.0]).tolist()
        [0.5]
    """

    method: Method = "identity"
    parameters: tuple[tuple[str, Parameter], ...] = ()
    fitted_on: str = "none"

    def __post_init__(self) -> None:
        check_choice("method", self.method, list(_PARAMETERS))
        names = tuple(name for name, _ in self.parameters)
        if names != _PARAMETERS[self.method]:
            raise ArgumentError(
                f"parameters: must be {_PARAMETERS[self.method]} for method {self.method!r}; got {names}."
            )
        if self.method == "isotonic":
            _check_points(dict(self.parameters))
            return
        low = {"temperature": 0.0, "gamma": 0.0}
        for name, value in self.parameters:
            check_number(name, value, low=low.get(name, -np.inf), low_open=name != "gamma")

    def apply(self, logit: FloatVector) -> FloatVector:
        """Return probabilities, (n,) float64 in [0, 1], for logits (n,)."""
        if self.method == "isotonic":
            points: dict[str, Any] = dict(self.parameters)
            values = np.asarray(logit, dtype=np.float64)
            probability: FloatVector = np.interp(values, points["logits"], points["probabilities"])
        else:
            probability = expit(self.logit(logit))
        return probability

    def logit(self, logit: FloatVector) -> FloatVector:
        """Return the logits, (n,) float64, of the calibrated probabilities; infinite where one is 0 or 1."""
        values = np.asarray(logit, dtype=np.float64)
        if self.method == "isotonic":
            return _logit(self.apply(values))
        if self.method == "focal":
            values = _undo_focal(values + self._number("offset"), self._number("gamma"))
        if self.method == "identity":
            return values
        if self.method == "temperature":
            return values / self._number("temperature")
        slope, intercept = self._line
        return slope * values + intercept

    def then(self, other: Calibration) -> Calibration:
        """Return this map followed by another one, which was fitted on its logits.

        Raises:
            ArgumentError: one of the two cannot be followed, or preceded, by something else.

        Example:
            >>> shift = Calibration(method="platt", parameters=(("slope", 1.0), ("intercept", -2.0)))
            >>> halve = Calibration(method="temperature", parameters=(("temperature", 2.0),))
            >>> shift.then(halve).parameters
            (('slope', 0.5), ('intercept', -1.0))
        """
        if self.method == "identity":
            return other
        if other.method == "identity":
            return self
        if self.method == "isotonic" or other.method == "focal":
            raise ArgumentError(
                explain("other", "cannot be joined with this one", (self.method, other.method))
            )
        fitted_on = f"{other.fitted_on}, after {self.fitted_on}"
        if other.method == "isotonic":
            points: dict[str, Any] = dict(other.parameters)
            before = self.inverse(np.asarray(points["logits"]))
            parameters: tuple[tuple[str, Parameter], ...] = (
                ("logits", tuple(before.tolist())),
                ("probabilities", points["probabilities"]),
            )
            return replace(other, parameters=parameters, fitted_on=fitted_on)
        (a, b), (c, d) = self._line, other._line
        line = (("slope", c * a), ("intercept", c * b + d))
        if self.method == "focal":
            return replace(self, parameters=(*self.parameters[:2], *line), fitted_on=fitted_on)
        return Calibration(method="platt", parameters=line, fitted_on=fitted_on)

    @property
    def description(self) -> str:
        """The method and its parameters in words; of many points only how many."""
        values = ", ".join(
            f"{len(value)} {name}" if isinstance(value, tuple) else f"{name} {value:.4g}"
            for name, value in self.parameters
        )
        return f"{self.method} ({values})" if values else self.method

    def _number(self, name: str) -> float:
        value = dict(self.parameters)[name]
        assert isinstance(value, (int, float))  # noqa: S101 - the constructor saw to it
        return float(value)

    @property
    def _line(self) -> tuple[float, float]:
        if self.method == "temperature":
            return 1.0 / self._number("temperature"), 0.0
        if self.method == "identity":
            return 1.0, 0.0
        return self._number("slope"), self._number("intercept")

    def inverse(self, values: FloatVector) -> FloatVector:
        """Return the logits, (n,) float64, that ``logit`` takes to ``values``.

        Raises:
            ArgumentError: the map is isotonic or does not rise, so that there are none or many.
        """
        if self.method == "isotonic":
            raise ArgumentError(explain("method", "must not be 'isotonic' here", self.method))
        slope, intercept = self._line
        if slope <= 0:
            raise ArgumentError(explain("slope", "must be above 0 here", slope))
        line = (values - intercept) / slope
        if self.method != "focal":
            return line
        gamma, offset = self._number("gamma"), self._number("offset")
        high = np.abs(line) + 1.0  # f rises, and is never nearer to 0 than its argument
        low = -high
        for _ in range(80):
            middle = (low + high) / 2
            above = _undo_focal(middle, gamma) > line
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return (low + high) / 2 - offset

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        parameters = {
            name: list(value) if isinstance(value, tuple) else value for name, value in self.parameters
        }
        return {"method": self.method, "parameters": parameters, "fitted_on": self.fitted_on}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Calibration:
        """Build the record from what ``to_dict`` gave."""
        return cls(
            method=content["method"],
            parameters=tuple(
                (name, tuple(value) if isinstance(value, list) else value)
                for name, value in content["parameters"].items()
            ),
            fitted_on=content["fitted_on"],
        )


def _check_points(parameters: dict[str, Any]) -> None:
    logits, probabilities = parameters["logits"], parameters["probabilities"]
    for name, values in parameters.items():
        rule = "must be a tuple of finite numbers in rising order, as many logits as probabilities"
        if not isinstance(values, tuple) or not values or len(logits) != len(probabilities):
            raise ArgumentError(explain(name, rule, values))
        if not np.isfinite(values).all() or (np.diff(values) < 0).any():
            raise ArgumentError(explain(name, rule, values))
    if probabilities[0] < 0 or probabilities[-1] > 1:
        raise ArgumentError(explain("probabilities", "must lie in [0, 1]", probabilities))


def _logit(probability: FloatVector) -> FloatVector:
    values: FloatVector = logit(probability)
    return values


def _undo_focal(z: FloatVector, gamma: float) -> FloatVector:
    """Return the log odds of the truth where the focal loss is least at the logit z.

    With q = expit(z) the derivative of eta (1 - q)^g (-log q) + (1 - eta) q^g (-log(1 - q)) is zero where
    log odds(eta) = (g + 1) z + log(1 + g t(-z)) - log(1 + g t(z)), t(z) = -q log(q) / (1 - q).
    """
    bent: FloatVector = (gamma + 1.0) * z + np.log1p(gamma * _entropy(-z)) - np.log1p(gamma * _entropy(z))
    return bent


def _entropy(z: FloatVector) -> FloatVector:
    """Return -q log(q) / (1 - q) for q = expit(z); 1 at infinity, 0 at minus infinity."""
    small = np.exp(-np.abs(z))
    with np.errstate(invalid="ignore", divide="ignore"):
        above = np.where(small > 1e-12, np.log1p(small) / small, 1.0)
    return np.where(z >= 0, above, small * (np.log1p(small) - np.minimum(z, 0.0)))
