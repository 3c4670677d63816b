"""How a run trains, as a frozen record that is checked when it is built and saved with the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from medimg_cnn._validation import (
    check_choice,
    check_integer,
    check_number,
    check_seed,
    explain,
    suggest,
)
from medimg_cnn.errors import ArgumentError

__all__ = [
    "CalibrationMethod",
    "Loss",
    "Monitor",
    "Precision",
    "Rule",
    "Sampling",
    "TrainerConfig",
    "check_config",
]

Rule: TypeAlias = Literal["youden", "sensitivity", "specificity", "cost", "fixed"]
Sampling: TypeAlias = Literal["natural", "balanced"]
Loss: TypeAlias = Literal["cross_entropy", "focal"]
Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]
CalibrationMethod: TypeAlias = Literal["none", "temperature", "platt", "isotonic"]
Monitor: TypeAlias = Literal[
    "auroc",
    "auprc",
    "log_loss",
    "brier_score",
    "accuracy",
    "balanced_accuracy",
    "f1",
    "kappa",
    "mcc",
]


_EXAMPLES = {"cost": 10, "fixed": 0.2}
"""Of ``operating_target``, where a share is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerConfig:
    """Every choice of a training run.

    Attributes:
        epochs: passes over the training images at most, at least 1; None: 40, or fewer, down to 15, where
            that makes 1,000 steps.
        batch_size: images a step, at least 1; cut to the number of training images.
        learning_rate: AdamW's peak rate, above 0. It rises from a twentieth over the first tenth of the run (200
            steps at most) and falls to a hundredth along a cosine.
        weight_decay: decoupled decay of kernels, 0 or more; biases, norms and other vectors are left out.
        clip_norm: the gradient's global norm is cut to this, above 0.
        average: decay of the moving average of the weights, 0 (no average) to below 1; after t steps it is
            (1 + t) / (10 + t) at most. The averaged weights are the ones that are judged and kept.
        label_smoothing: s, 0 to below 0.5: the targets are s and 1 - s. What the network learns is p (1 - 2 s) + s
            in place of p, for rare positives several times too much (1% becomes 5.9% at 0.05); unlike the next four
            this is not undone, because the inverse has none for what lies outside s to 1 - s. Fit a ``calibration``
            with it ("platt", or "isotonic" of many images); without one there is a warning.
        monitor: the figure of ``evaluation`` on validation by which the epoch is chosen and training stops: "auroc",
            "auprc"; "log_loss", "brier_score" (less is better), of the probabilities; or "accuracy",
            "balanced_accuracy", "f1", "kappa", "mcc", of the decisions at a probability of 0.5. Among equals the lower
            validation loss wins.
        patience: epochs without a better one before training stops, at least 1; counted in the second half of the
            planned epochs, from which the kept epoch comes.
        precision: in which training computes: "float32", which is as the model was built; "bfloat16" or "float16" from
            float32 weights, with a float32 head, and a scaled loss in float16. Validation, the kept model and
            predictions are in float32 always.
        progressive: share of the epochs, the first ones, that train on images of half the height and width, 0 (none)
            to 0.5: the kept epoch comes from the second half. Refused where the model's weights depend on the size.
        class_weight: None; "balanced" (each class the same weight in sum); or (weight of the
            negatives, weight of the positives), each above 0. The probabilities are corrected for this and
            for the next three.
        sampling: "natural": each image once an epoch; "balanced": as many images of each class, the rarer
            class repeated, of the other one a part that changes from epoch to epoch.
        loss: "cross_entropy" or "focal".
        focal_gamma: of the focal loss, 0 (which is cross-entropy) to 10.
        logit_adjustment: how much of the classes' log odds is added to the logit inside the loss, 0 or more.
        calibration: a map from logit to probability fitted on validation: "none", "temperature", "platt" or
            "isotonic". The operating point is chosen on the calibrated probabilities.
        operating_point: the rule that chooses the threshold on validation: "youden"; "sensitivity"
            or "specificity" (the best other one at the target); "cost" (target: the cost of a missed
            positive over that of a false alarm); "fixed" (target: the threshold).
        operating_target: the rule's target; None for "youden".
        seed: of shuffling and augmentation, 0 to 2**31 - 1.

    Raises:
        ArgumentError: a value breaks its rule.

    Example:
        >>> TrainerConfig(epochs=5).batch_size
        32
        >>> TrainerConfig.from_dict(TrainerConfig(epochs=5).to_dict()) == TrainerConfig(epochs=5)
        True
    """

    epochs: int | None = None
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    average: float = 0.99
    label_smoothing: float = 0.0
    monitor: Monitor = "auroc"
    patience: int = 15
    precision: Precision = "float32"
    progressive: float = 0.0
    class_weight: Literal["balanced"] | tuple[float, float] | None = None
    sampling: Sampling = "natural"
    loss: Loss = "cross_entropy"
    focal_gamma: float = 2.0
    logit_adjustment: float = 0.0
    calibration: CalibrationMethod = "none"
    operating_point: Rule = "youden"
    operating_target: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs is not None:
            check_integer("epochs", self.epochs, low=1)
        check_integer("batch_size", self.batch_size, low=1)
        check_number("learning_rate", self.learning_rate, low=0.0, low_open=True)
        check_number("weight_decay", self.weight_decay, low=0.0)
        check_number("clip_norm", self.clip_norm, low=0.0, low_open=True)
        check_number("average", self.average, low=0.0, high=1.0, high_open=True)
        check_number("label_smoothing", self.label_smoothing, low=0.0, high=0.5, high_open=True)
        check_choice("monitor", self.monitor, get_args(Monitor))
        check_integer("patience", self.patience, low=1)
        check_choice("precision", self.precision, ["float32", "bfloat16", "float16"])
        check_number("progressive", self.progressive, low=0.0, high=0.5)
        self._check_class_weight()
        check_choice("sampling", self.sampling, ["natural", "balanced"])
        if self.sampling == "balanced" and self.class_weight == "balanced":
            rule = "must not be 'balanced' where sampling is: each makes the classes count the same"
            raise ArgumentError(explain("class_weight", rule, self.class_weight, "Pass one of the two."))
        check_choice("loss", self.loss, ["cross_entropy", "focal"])
        check_number("focal_gamma", self.focal_gamma, low=0.0, high=10.0)
        check_number("logit_adjustment", self.logit_adjustment, low=0.0)
        check_choice("calibration", self.calibration, ["none", "temperature", "platt", "isotonic"])
        self._check_operating_point()
        check_seed("seed", self.seed)

    def planned_epochs(self, steps_per_epoch: int) -> int:
        """Return how many epochs are trained at most, where an epoch has so many steps.

        Example:
            >>> TrainerConfig().planned_epochs(18), TrainerConfig().planned_epochs(148)
            (40, 15)
        """
        if self.epochs is not None:
            return self.epochs
        return min(40, max(15, math.ceil(1000 / steps_per_epoch)))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        content = asdict(self)
        if isinstance(self.class_weight, tuple):
            content["class_weight"] = tuple(map(float, self.class_weight))
        return {
            name: value.item() if isinstance(value, np.generic) else value for name, value in content.items()
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TrainerConfig:
        """Build the record from what ``to_dict`` gave.

        Raises:
            ArgumentError: it is no mapping, or a name is not one of the fields.
        """
        given: object = content
        if not isinstance(given, Mapping):
            rule = "must be a mapping from names of fields to values, as to_dict gives it"
            raise ArgumentError(explain("content", rule, given))
        known = [field.name for field in fields(cls)]
        for name in content:
            if name not in known:
                raise ArgumentError(f"{name!r} is not an option of the trainer. {suggest(str(name), known)}")
        values = dict(content)
        if isinstance(values.get("class_weight"), list):
            values["class_weight"] = tuple(values["class_weight"])
        return cls(**values)

    def _check_class_weight(self) -> None:
        value: object = self.class_weight
        if value is None or (isinstance(value, str) and value == "balanced"):
            return
        if not isinstance(value, tuple) or len(value) != 2:
            rule = "must be None, 'balanced' or (weight of negatives, weight of positives)"
            raise ArgumentError(
                explain("class_weight", rule, value, "Pass a tuple, for example class_weight=(1.0, 5.0).")
            )
        for index, weight in enumerate(value):
            check_number(f"class_weight[{index}]", weight, low=0.0, low_open=True)

    def _check_operating_point(self) -> None:
        rule = check_choice(
            "operating_point", self.operating_point, ["youden", "sensitivity", "specificity", "cost", "fixed"]
        )
        target = self.operating_target
        if rule == "youden":
            if target is not None:
                raise ArgumentError(explain("operating_target", "must be None for the rule 'youden'", target))
        elif target is None:
            raise ArgumentError(
                explain(
                    "operating_target",
                    f"must be given for the rule {rule!r}",
                    target,
                    f"Pass for example {_EXAMPLES.get(rule, 0.95)}.",
                )
            )
        elif rule == "cost":
            check_number("operating_target", target, low=0.0, low_open=True)
        else:
            # A target of 0 asks for nothing; as a fixed threshold it calls every image positive.
            check_number("operating_target", target, low=0.0, high=1.0, low_open=rule != "fixed")


def check_config(value: object) -> TrainerConfig:
    """Return ``value`` where it is a configuration; the defaults for None.

    Raises:
        ArgumentError: it is something else.
    """
    if value is None:
        return TrainerConfig()
    if not isinstance(value, TrainerConfig):
        hint = "Pass for example config=TrainerConfig(epochs=20), from medimg_cnn.training."
        raise ArgumentError(explain("config", "must be a TrainerConfig or None", value, hint))
    return value
