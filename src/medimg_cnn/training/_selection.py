"""Which epoch's weights are kept, and when training stops."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Selection"]


@dataclass(slots=True)
class Selection:
    """Keeps the best epoch of the second half of those planned, by a figure of validation of which more is better.

    In the first half the learning rate is high, and a peak there is more luck than learning; the best of it
    is kept only for as long as there is nothing later. Among equal figures the lower validation loss wins.
    Where there is none (an AUROC of one class) the lower validation loss decides alone; without
    validation the last epoch is kept. See docs/decisions/0005-which-epoch.md.

    Attributes:
        patience: epochs after the kept one before ``stop`` is True, counted in the second half only.
        first: the first epoch of the second half, counted from 1.
        kept_epoch: counted from 1; 0 before the first epoch.
        epoch: how many were judged.
        best: the kept epoch's figure, and its loss with the sign turned.
    """

    patience: int
    first: int = 1
    kept_epoch: int = 0
    epoch: int = 0
    best: tuple[float, float] = (-math.inf, -math.inf)

    @classmethod
    def of(cls, *, epochs: int, patience: int) -> Self:
        """Return the selection at the start of a run of so many planned epochs."""
        return cls(patience=patience, first=epochs // 2 + 1)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Build it from its fields as JSON values, infinities as texts."""
        figure, loss = (float(value) for value in content["best"])
        return cls(**(dict(content) | {"best": (figure, loss)}))

    def update(self, figure: float, loss: float) -> bool:
        """Take one epoch's figure and validation loss; return True where its weights are the ones to keep."""
        self.epoch += 1
        judged = (-math.inf if math.isnan(figure) else figure, -loss)
        keep = math.isnan(loss) or self.epoch == self.first or judged > self.best
        if keep:
            self.best, self.kept_epoch = judged, self.epoch
        return keep

    @property
    def stop(self) -> bool:
        """Whether the second half has begun and ``patience`` epochs have passed since the best one."""
        return self.epoch >= self.first and self.epoch - self.kept_epoch >= self.patience
