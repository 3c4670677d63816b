"""The threshold that turns a probability into a decision, and where it came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from medimg_cnn._types import PathLike
from medimg_cnn._validation import check_number
from medimg_cnn.artifacts._files import read_json, write_json
from medimg_cnn.errors import ArgumentError

__all__ = ["OperatingPoint"]

_FORMAT = "medimg_cnn.operating_point"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """A decision threshold on the probability scale: positive if and only if probability >= threshold.

    Attributes:
        threshold: on the probability scale, 0 to 1; slightly above 1 means "never positive".
        rule: how it was chosen, for example "youden", "sensitivity >= 0.95" or "fixed".
        chosen_on: the data it was chosen on, for example "validation"; "unknown" where not said.
            A report flags a point that was chosen on the very data it judges.

    Raises:
        ArgumentError: the threshold is not a finite number, or a text is empty.

    Example:
        >>> OperatingPoint(threshold=0.31, rule="youden", chosen_on="validation").threshold
        0.31
    """

    threshold: float
    rule: str = "fixed"
    chosen_on: str = "unknown"

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", check_number("threshold", self.threshold))
        for name in ("rule", "chosen_on"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise ArgumentError(f"{name}: must be a text that is not empty; got {value!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> OperatingPoint:
        """Build the record from what ``to_dict`` gave."""
        return cls(**content)

    def save(self, path: PathLike) -> None:
        """Write the record as JSON, atomically."""
        write_json(path, kind=_FORMAT, version=_VERSION, content=self.to_dict())

    @classmethod
    def load(cls, path: PathLike) -> OperatingPoint:
        """Read a record that ``save`` wrote."""
        return cls.from_dict(read_json(path, kind=_FORMAT, version=_VERSION))
