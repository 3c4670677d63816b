"""The sanity check of maps: a network without knowledge must not give the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from scipy.stats import rankdata

from medimg_cnn._types import Images
from medimg_cnn._validation import check_choice, check_seed, explain
from medimg_cnn._variables import duplicate
from medimg_cnn.errors import ArgumentError
from medimg_cnn.explain._grad_cam import grad_cam, grad_cam_plus_plus
from medimg_cnn.explain._integrated_gradients import integrated_gradients

__all__ = ["RandomisationCheck", "randomisation_check"]

Method: TypeAlias = Literal["grad_cam", "grad_cam_plus_plus", "integrated_gradients"]

_LIMIT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomisationCheck:
    """How like the maps of the trained network are to those of one whose weights were shuffled.

    Attributes:
        correlation: mean absolute Spearman correlation of the two maps over the images, 0 to 1; NaN where
            no image has two maps that vary.
        n: images that it rests on.
        passed: whether the correlation is below 0.5; None where it is not applicable.
    """

    correlation: float
    n: int
    passed: bool | None

    def __str__(self) -> str:
        if self.passed is None:
            return "randomisation check: not applicable, no image has two maps that vary"
        verdict = "passed" if self.passed else "failed: the maps do not depend on what was learned"
        return f"randomisation check: {verdict} (mean |rank correlation| {self.correlation:.2f} over {self.n} images)"


def randomisation_check(
    model: Any, images: Images, *, method: Method = "grad_cam", layer: str | None = None, seed: int = 0
) -> RandomisationCheck:
    """Compare the maps of ``model`` with those of a copy whose weights were shuffled.

    A map that survives the loss of all that was learned shows the image, not the decision (Adebayo et
    al. 2018, arXiv:1810.03292). Each weight array of the copy is permuted, which keeps its distribution.

    Args:
        model: as in ``grad_cam``.
        images: (n, height, width, channels) float32 in 0-1; ten or more give a steady figure.
        method: whose maps: "grad_cam", "grad_cam_plus_plus" or "integrated_gradients".
        layer: as in ``grad_cam``; not for integrated gradients, which have none.
        seed: of the permutation.

    Raises:
        ArgumentError: as in ``grad_cam``, or Keras cannot copy the model.

    Example:
        >>> import numpy as np
        >>> import medimg_cnn as mc
        >>> model = mc.build_cnn((16, 16, 1), width=4)
        >>> print(mc.explain.randomisation_check(model, np.zeros((2, 16, 16, 1), np.float32)))
        randomisation check: not applicable, no image has two maps that vary
    """
    rng = np.random.default_rng(check_seed("seed", seed))
    chosen = check_choice("method", method, get_args(Method))
    if chosen == "integrated_gradients" and layer is not None:
        raise ArgumentError(
            explain("layer", "has no meaning for integrated gradients", layer, "Leave it out.")
        )
    try:
        shuffled = duplicate(model)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ArgumentError(f"model: cannot be copied by keras.models.clone_model ({error}).") from error
    weights = {variable.path for variable in model.trainable_variables}
    for own, copy in zip(model.variables, shuffled.variables, strict=True):
        value = np.asarray(own.value)
        copy.assign(rng.permutation(value.ravel()).reshape(value.shape) if own.path in weights else value)
    pairs = zip(_maps(model, images, chosen, layer), _maps(shuffled, images, chosen, layer), strict=True)
    found = [_rank_correlation(a, b) for a, b in pairs if np.ptp(a) > 0 and np.ptp(b) > 0]
    if not found:
        return RandomisationCheck(correlation=float("nan"), n=0, passed=None)
    mean = float(np.mean(np.abs(found)))
    return RandomisationCheck(correlation=mean, n=len(found), passed=mean < _LIMIT)


def _maps(model: Any, images: Images, method: str, layer: str | None) -> Images:
    if method == "integrated_gradients":
        return integrated_gradients(model, images)
    return (grad_cam if method == "grad_cam" else grad_cam_plus_plus)(model, images, layer=layer)


def _rank_correlation(a: Images, b: Images) -> float:
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
