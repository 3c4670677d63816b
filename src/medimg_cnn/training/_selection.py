"""Which epoch's weights are kept, and when training stops."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Selection"]


@dataclass(slots=True)
class Selection:
    """Keeps the best epoch by validation AUROC.

    Among equal AUROCs the lower validation loss wins. Where no AUROC can be computed (one class in
    validation) the lower validation loss decides alone; without validation the last epoch is kept.

    Attributes:
        patience: epochs without a better one before ``stop`` is True.
        kept_epoch: counted from 1; 0 before the first epoch.
        epoch: how many were judged.
        best: the kept epoch's validation AUROC, and its loss with the sign turned.
    """

    patience: int
    kept_epoch: int = 0
    epoch: int = 0
    best: tuple[float, float] = (-math.inf, -math.inf)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Build it from its fields as JSON values, infinities as texts."""
        auroc, loss = (float(value) for value in content["best"])
        return cls(**(dict(content) | {"best": (auroc, loss)}))

    def update(self, auroc: float, loss: float) -> bool:
        """Take one epoch's figures; return True where its weights are the ones to keep."""
        self.epoch += 1
        if math.isnan(loss):
            self.kept_epoch = self.epoch
            return True
        figure = (-math.inf if math.isnan(auroc) else auroc, -loss)
        if figure > self.best:
            self.best, self.kept_epoch = figure, self.epoch
            return True
        return False

    @property
    def stop(self) -> bool:
        """Whether ``patience`` epochs have passed since the best one."""
        return self.epoch - self.kept_epoch >= self.patience
