"""Which epoch's weights are kept, and when training stops."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import FloatVector, StrVector
from medimg_cnn.evaluation import compare_auroc

__all__ = ["Selection"]


@dataclass(slots=True)
class Selection:
    """Keeps the latest epoch whose validation AUROC cannot be told from the best one.

    The best of many epochs on a small validation set is partly luck, and the later of two alike was
    trained for longer at a lower rate. So an epoch is kept if it is the best so far, or falls short of
    it by no more than ``tolerance`` standard errors of their difference (DeLong, paired, by patient
    where patients are known): the one-standard-error rule of Breiman et al. 1984.

    Where validation has one class the lower loss decides; without validation the last epoch is kept.

    Attributes:
        labels: (n,) outcomes of validation, or None without validation.
        patients: (n,) patients of validation, or None.
        patience: epochs in a row that are not kept before ``stop`` is True.
        tolerance: in standard errors; 0 keeps the best epoch itself.
        kept_epoch: counted from 1; 0 before the first epoch.
    """

    labels: NDArray[np.int8] | None
    patients: StrVector | None
    patience: int
    tolerance: float
    epoch: int = 0
    kept_epoch: int = 0
    _best: tuple[float, float] = (-math.inf, -math.inf)
    _best_logit: FloatVector | None = field(default=None, repr=False)

    def update(self, logit: FloatVector | None, auroc: float, loss: float) -> bool:
        """Take one epoch's validation logits and figures; return True where its weights are to be kept."""
        self.epoch += 1
        keep = self._is_best(logit, auroc, loss) or self._is_alike(logit, auroc)
        if keep:
            self.kept_epoch = self.epoch
        return keep

    @property
    def stop(self) -> bool:
        """Whether the last ``patience`` epochs were each worse than the best one, beyond the tolerance."""
        return self.epoch - self.kept_epoch >= self.patience

    def _is_best(self, logit: FloatVector | None, auroc: float, loss: float) -> bool:
        if logit is None:
            return True
        figure = (-math.inf if math.isnan(auroc) else auroc, -loss)
        if figure <= self._best:
            return False
        self._best, self._best_logit = figure, logit
        return True

    def _is_alike(self, logit: FloatVector | None, auroc: float) -> bool:
        if self.tolerance == 0.0 or self.labels is None or self._best_logit is None or logit is None:
            return False
        if math.isnan(auroc):
            return False
        comparison = compare_auroc(self.labels, self._best_logit, logit, patients=self.patients)
        # At perfect separation the error is 0 or undefined, and only an equal AUROC is alike.
        error = np.nan_to_num(comparison.difference.standard_error)
        return bool(self._best[0] - auroc <= self.tolerance * error)
