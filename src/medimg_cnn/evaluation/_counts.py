"""The four counts of a two-by-two table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medimg_cnn._validation import check_integer
from medimg_cnn._vectors import Missing
from medimg_cnn.evaluation._inputs import Outcome, Scored, Threshold, as_scored, check_threshold

__all__ = ["ConfusionCounts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionCounts:
    """True and false positives and negatives, as whole numbers of images.

    Attributes:
        tp: diseased and called positive.
        fp: not diseased and called positive.
        fn: diseased and called negative.
        tn: not diseased and called negative.

    Raises:
        ArgumentError: a count is negative or not a whole number.

    Example:
        >>> counts = ConfusionCounts.from_scores([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.35)
        >>> counts.tp, counts.fp, counts.fn, counts.tn
        (2, 1, 0, 1)
    """

    tp: int
    fp: int
    fn: int
    tn: int

    def __post_init__(self) -> None:
        for name in ("tp", "fp", "fn", "tn"):
            object.__setattr__(self, name, check_integer(name, getattr(self, name), low=0))

    @property
    def n(self) -> int:
        """All images."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def positives(self) -> int:
        """Images with the condition."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Images without the condition."""
        return self.fp + self.tn

    @property
    def predicted_positives(self) -> int:
        """Images called positive."""
        return self.tp + self.fp

    @property
    def predicted_negatives(self) -> int:
        """Images called negative."""
        return self.fn + self.tn

    def to_dict(self) -> dict[str, int]:
        """Return the four counts by name."""
        return {"tp": self.tp, "fp": self.fp, "fn": self.fn, "tn": self.tn}

    @classmethod
    def from_scores(
        cls,
        y: Outcome,
        score: ArrayLike | None = None,
        threshold: Threshold = 0.5,
        *,
        positive: object = None,
        missing: Missing = "raise",
    ) -> ConfusionCounts:
        """Count; an image is called positive if and only if its score >= ``threshold``.

        Args:
            y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions.
            score: (n,) scores, higher = more likely diseased.
            threshold: an OperatingPoint, or a number on the scale of the scores; may be infinite.
            positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
            missing: "raise" or "drop" rows whose score is NaN.

        Raises:
            ArgumentError: malformed input; see ``auroc``.
        """
        data = as_scored(y, score, positive=positive, missing=missing)
        return count(data, check_threshold(threshold))


def count(data: Scored, threshold: float) -> ConfusionCounts:
    """Count checked data at a checked threshold."""
    called = data.score >= threshold
    tp = int(np.count_nonzero(called & data.y))
    called_all = int(np.count_nonzero(called))
    return ConfusionCounts(
        tp=tp,
        fp=called_all - tp,
        fn=data.positives - tp,
        tn=data.negatives - (called_all - tp),
    )
