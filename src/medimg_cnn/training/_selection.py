"""Which epoch's weights are kept, and when training stops."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Selection"]


@dataclass(slots=True)
class Selection:
    """Keeps the latest epoch that validation cannot tell from the best one.

    That is the latest whose validation AUROC lies no more than the standard error of the highest AUROC
    below it. The learning rate falls from epoch to epoch, so that of epochs as good as each other the later
    is the better, and the highest of forty AUROCs on a small validation part is partly luck. Where no AUROC
    can be computed (one class in validation) the lowest validation loss decides; without validation the last
    epoch is kept. See docs/decisions/0005-which-epoch.md.

    Attributes:
        patience: epochs after the kept one before ``stop`` is True.
        kept_epoch: counted from 1; 0 before the first epoch.
        epoch: how many were judged.
        best: the highest validation AUROC so far; without AUROCs the lowest loss with the sign turned.
        error: standard error of that AUROC.
    """

    patience: int
    kept_epoch: int = 0
    epoch: int = 0
    best: float = -math.inf
    error: float = 0.0

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Build it from its fields as JSON values, infinities as texts."""
        return cls(**(dict(content) | {"best": float(content["best"])}))

    def update(self, auroc: float, loss: float, error: float = 0.0) -> bool:
        """Take one epoch's figures; return True where its weights are the ones to keep.

        Args:
            auroc: on validation; NaN where there is none.
            loss: on validation; NaN without validation.
            error: standard error of ``auroc``.
        """
        self.epoch += 1
        figure = -loss if math.isnan(auroc) else auroc
        if figure > self.best:
            self.best, self.error = figure, 0.0 if math.isnan(auroc) else error
        keep = math.isnan(loss) or figure >= self.best - self.error
        if keep:
            self.kept_epoch = self.epoch
        return keep

    @property
    def stop(self) -> bool:
        """Whether ``patience`` epochs have passed since the kept one."""
        return self.epoch - self.kept_epoch >= self.patience
