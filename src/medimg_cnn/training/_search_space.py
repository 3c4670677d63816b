"""What a tuning may choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from medimg_cnn._validation import check_number, explain, suggest
from medimg_cnn.errors import ArgumentError
from medimg_cnn.training._config import TrainerConfig

__all__ = ["Between", "Choices", "SearchSpace", "label"]

_WITHOUT_EFFECT = {
    "seed": "the best of several seeds is luck",
    "calibration": "it does not change AUROC",
    "operating_point": "it does not change AUROC",
    "operating_target": "it does not change AUROC",
}


@dataclass(frozen=True, slots=True)
class Between:
    """A range: of whole numbers where both ends are, both ends included.

    Attributes:
        low: the least value.
        high: the greatest, above ``low``.
        log: whether ratios count rather than differences, as for learning rates; ``low`` is above 0 then.

    Raises:
        ArgumentError: an end breaks its rule.

    Example:
        >>> from medimg_cnn.training import Between
        >>> Between(1e-4, 1e-2, log=True).high
        0.01
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        check_number("low", self.low, low=0.0 if self.log else -1e300, low_open=self.log)
        check_number("high", self.high, low=self.low, low_open=True)

    @property
    def whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Choices: TypeAlias = Between | Sequence[Any]
"""A range, or a list of values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """What ``tune`` may change.

    Attributes:
        config: field of ``TrainerConfig`` -> a ``Between``, or a list of values. Two values in a tuple are two values:
            a range is ``Between(low, high)``.
        model: keyword of your ``build_model`` -> the same.
        augment_strength: of the augmentation, as ``Augmentation.scaled`` takes it; None leaves it as it is.

    Raises:
        ArgumentError: a name is not known, a list is empty or holds a value twice, the trainer does not take a value,
            or there is nothing to choose.

    Example:
        >>> from medimg_cnn.training import Between, SearchSpace
        >>> space = SearchSpace(
        ...     config={"learning_rate": Between(1e-4, 1e-2, log=True), "class_weight": [None, "balanced"]},
        ...     model={"width": [16, 32], "dropout": Between(0.0, 0.5)},
        ...     augment_strength=Between(0.0, 2.0),
        ... )
        >>> list(space.items())
        ['learning_rate', 'class_weight', 'model.width', 'model.dropout', 'augment.strength']
    """

    config: Mapping[str, Choices] = field(default_factory=dict)
    model: Mapping[str, Choices] = field(default_factory=dict)
    augment_strength: Choices | None = None

    def __post_init__(self) -> None:
        known = [each.name for each in fields(TrainerConfig) if each.name not in _WITHOUT_EFFECT]
        for name in self.config:
            if name in _WITHOUT_EFFECT:
                raise ArgumentError(
                    f"SearchSpace: config: {name!r} is not tuned: {_WITHOUT_EFFECT[name]}. Leave it out."
                )
            if name not in known:
                raise ArgumentError(
                    f"SearchSpace: config: {name!r} is not an option of the trainer. {suggest(name, known)}"
                )
        if not self.items():
            raise ArgumentError("SearchSpace: must name something to choose. Pass for example model=.")
        for name, choices in self.items().items():
            _check(f"SearchSpace: {name}", choices)
        try:
            self.check_config(TrainerConfig())
        except ArgumentError as error:
            raise ArgumentError(f"SearchSpace: config: {error}") from error

    def items(self) -> dict[str, Choices]:
        """Return all choices by name; those of the model and of the augmentation with a prefix."""
        found: dict[str, Choices] = dict(self.config)
        found |= {f"model.{name}": choices for name, choices in self.model.items()}
        if self.augment_strength is not None:
            found["augment.strength"] = self.augment_strength
        return found

    def check_config(self, config: TrainerConfig) -> None:
        """See that the trainer takes every value, each by itself.

        Raises:
            ArgumentError: it does not take one.
        """
        default = TrainerConfig().to_dict()
        base = config.to_dict() | {name: default[name] for name in self.config}
        for name, choices in self.config.items():
            ends = (choices.low, choices.high) if isinstance(choices, Between) else choices
            for value in ends:
                TrainerConfig.from_dict(base | {name: value})


def label(value: Any) -> Any:
    """Return what stands for a value in the study's file."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def _check(name: str, choices: Any) -> None:
    if isinstance(choices, Between):
        return
    rule = "must be Between(low, high) or a list of different values"
    if isinstance(choices, str) or not isinstance(choices, (list, tuple)) or not choices:
        raise ArgumentError(explain(name, rule, choices))
    if len({repr(value) for value in choices}) < len(choices):
        raise ArgumentError(explain(name, rule, choices))
