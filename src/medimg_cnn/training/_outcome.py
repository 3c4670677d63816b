"""What follows the last epoch: calibration and operating point, both from validation, and the record of the run."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from medimg_cnn._types import FloatVector
from medimg_cnn.artifacts import Calibration, FitResult, OperatingPoint
from medimg_cnn.errors import MedimgCnnWarning
from medimg_cnn.evaluation import choose_operating_point, fit_calibration
from medimg_cnn.training._config import TrainerConfig
from medimg_cnn.training._loop import Kept, Loop
from medimg_cnn.training._source import ImageSource

__all__ = ["describe", "fit_result"]


def fit_result(
    loop: Loop, kept: Kept, *, said: Mapping[str, Any], environment: Mapping[str, str]
) -> FitResult:
    """Return the record of a run that kept these weights; ``said`` are further entries of its configuration."""
    calibration = _calibrate(loop, kept.logit)
    return FitResult(
        history=tuple(loop.records),
        kept_epoch=loop.selection.kept_epoch,
        operating_point=_choose_point(loop.config, kept.logit, loop.validation, calibration),
        calibration=calibration,
        config=loop.config.to_dict() | {"epochs": loop.epochs} | dict(said),
        fingerprint=loop.train.fingerprint,
        preprocessing=describe(getattr(loop.train, "preprocessing", None)),
        environment=environment,
    )


def describe(value: Any) -> Any:
    """Return an augmentation, or the preprocessing, as JSON values; else its ``repr``, the same in every process."""
    if value is None:
        return None
    to_dict = getattr(value, "to_dict", None)
    return to_dict() if callable(to_dict) else re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _calibrate(loop: Loop, logit: FloatVector | None) -> Calibration:
    """Return the prior correction, followed by what is fitted on validation after it."""
    correction = loop.imbalance.correction()
    method = loop.config.calibration
    if method == "none" or logit is None or loop.validation is None:
        return correction
    labels, part = loop.validation.labels, loop.validation.part
    fitted = fit_calibration(correction.logit(logit), labels, method=method, fitted_on=part)
    return correction.then(fitted)


def _choose_point(
    config: TrainerConfig, logit: FloatVector | None, validation: ImageSource | None, calibration: Calibration
) -> OperatingPoint:
    target = config.operating_target
    if config.operating_point == "fixed" and target is not None:
        return OperatingPoint(threshold=target, rule="fixed", chosen_on="the configuration")
    if logit is None or validation is None or np.unique(validation.labels).size < 2:
        warnings.warn(
            "No validation images of both classes: the operating point is 0.5, not chosen on data. "
            "Pass a validation split to choose it.",
            MedimgCnnWarning,
            stacklevel=4,
        )
        return OperatingPoint(threshold=0.5, rule="fixed", chosen_on="not chosen on data (default 0.5)")
    return choose_operating_point(
        validation.labels,
        calibration.apply(logit),
        rule=config.operating_point,
        target=target if config.operating_point in {"sensitivity", "specificity"} else None,
        cost_ratio=target if config.operating_point == "cost" else None,
        chosen_on=validation.part,
    )
