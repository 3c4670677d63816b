"""Which epoch's weights are kept, and when training stops."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Selection"]


@dataclass(slots=True)
class Selection:
    """Keeps the best epoch by validation AUROC.

    Among equal AUROCs the lower validation loss wins. Where no AUROC can be computed (one class in
    validation) the lower validation loss decides alone; without validation the last epoch is kept.

    Attributes:
        patience: epochs without a better one before ``stop`` is True.
        kept_epoch: counted from 1; 0 before the first epoch.
    """

    patience: int
    kept_epoch: int = 0
    epoch: int = 0
    _best: tuple[float, float] = (-math.inf, -math.inf)

    def update(self, auroc: float, loss: float) -> bool:
        """Take one epoch's figures; return True where its weights are the ones to keep."""
        self.epoch += 1
        if math.isnan(loss):
            self.kept_epoch = self.epoch
            return True
        figure = (-math.inf if math.isnan(auroc) else auroc, -loss)
        if figure > self._best:
            self._best, self.kept_epoch = figure, self.epoch
            return True
        return False

    @property
    def stop(self) -> bool:
        """Whether ``patience`` epochs have passed since the best one."""
        return self.epoch - self.kept_epoch >= self.patience
