"""Several runs as one predictor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from medimg_cnn._types import FloatVector
from medimg_cnn._validation import check_choice, explain
from medimg_cnn.artifacts import Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.training._run import Run
from medimg_cnn.training._source import ImageSource

__all__ = ["Combine", "Ensemble"]

Combine = Literal["probability", "logit"]

_LARGEST_LOGIT = 36.0
"""Beyond it a float64 probability is 1; a calibrated probability of exactly 0 or 1 has no finite logit."""


class Ensemble:
    """The runs of several seeds or folds, predicting together.

    Its operating point is not that of any of its runs. Choose one on images that none of them was trained on:
    ``choose_operating_point(ensemble.predict(data.validation), rule="youden")`` for runs of several seeds.

    Args:
        runs: at least one; of the same classes and image shape.
        combine: "probability": the mean of the calibrated probabilities; "logit": the probability of the mean of
            the calibrated logits, which is surer of itself.

    Raises:
        ArgumentError: the runs do not belong together.
    """

    def __init__(self, runs: Sequence[Run], *, combine: Combine = "probability") -> None:
        if isinstance(runs, Run) or not isinstance(runs, Iterable):
            hint = "Pass a list: Ensemble([first, second])."
            if callable(getattr(runs, "ensemble", None)):
                hint = "Of a cross-validation take its method: found.ensemble()."
            raise ArgumentError(explain("runs", "must be several runs", runs, hint))
        self.runs = tuple(runs)
        self.combine = check_choice("combine", combine, ["probability", "logit"])
        if not self.runs:
            raise ArgumentError(explain("runs", "must hold at least one run", runs))
        first = self.runs[0]
        for index, run in enumerate(self.runs):
            if not isinstance(run, Run):
                raise ArgumentError(explain(f"runs[{index}]", "must be a Run", run, "Load it with load_run."))
            if run.model.input_shape != first.model.input_shape:
                rule = f"must take images of the shape {first.model.input_shape[1:]} of runs[0]"
                raise ArgumentError(explain(f"runs[{index}]", rule, run.model.input_shape[1:]))
            mine, theirs = run.result.fingerprint, first.result.fingerprint
            if mine is not None and theirs is not None and mine.classes != theirs.classes:
                rule = f"must have the classes {theirs.classes} of runs[0]"
                raise ArgumentError(explain(f"runs[{index}]", rule, mine.classes))

    def predict(self, images: ImageSource, *, batch_size: int = 128) -> Predictions:
        """Predict every image of a split, in its order; see ``Run.predict``.

        Returns:
            ``Predictions``, whose logits are those of the combined probabilities. Where the images look like those of
            any of the runs divided otherwise, the part is said to be unknown, with a warning.

        Raises:
            ArgumentError: see ``Run.predict``.
        """
        found = [run.predict(images, batch_size=batch_size) for run in self.runs]
        probability = self._combined([each.probability for each in found])
        first = found[0]
        return Predictions(
            y_true=first.y_true,
            logit=finite_logit(probability),
            probability=probability,
            sample_id=first.sample_id,
            patient_id=first.patient_id,
            subgroups=first.subgroups,
            classes=first.classes,
            part=first.part if all(each.part == first.part for each in found) else "",
        )

    def probabilities(self, images: ArrayLike, *, batch_size: int = 128) -> FloatVector:
        """Return the combined probability, (n,) float64, for images without labels; see ``Run.probabilities``."""
        return self._combined([run.probabilities(images, batch_size=batch_size) for run in self.runs])

    def __repr__(self) -> str:
        return f"Ensemble({len(self.runs)} runs, mean {self.combine})"

    def _combined(self, probabilities: Sequence[FloatVector]) -> FloatVector:
        if self.combine == "probability":
            mean: FloatVector = np.stack(probabilities).mean(axis=0)
        else:
            mean = expit(np.stack([finite_logit(each) for each in probabilities]).mean(axis=0))
        return mean


def finite_logit(probability: FloatVector) -> FloatVector:
    """Return the logits of probabilities, those of 0 and 1 as the largest that differ from them."""
    values: FloatVector = np.clip(logit(probability), -_LARGEST_LOGIT, _LARGEST_LOGIT)
    return values
