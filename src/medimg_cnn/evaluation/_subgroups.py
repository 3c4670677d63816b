"""Figures by subgroup, and the differences between subgroups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medimg_cnn._types import BoolVector
from medimg_cnn._validation import check_choice, check_integer, explain, suggest
from medimg_cnn._vectors import Missing
from medimg_cnn.artifacts import Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation._auroc import auroc_of
from medimg_cnn.evaluation._clustered import class_units, clustered_share
from medimg_cnn.evaluation._differences import difference_of_independent
from medimg_cnn.evaluation._estimate import Estimate
from medimg_cnn.evaluation._inputs import Outcome, Scored, Threshold, as_scored, check_level, check_threshold
from medimg_cnn.evaluation._proportions import proportion

__all__ = ["SubgroupDifference", "SubgroupEstimate", "subgroup_differences", "subgroup_estimates"]

Figure: TypeAlias = Literal["auroc", "sensitivity", "specificity", "ppv", "npv"]
_FIGURES: tuple[Figure, ...] = ("auroc", "sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgroupEstimate:
    """The figures of one subgroup.

    Attributes:
        name: of the subgroup.
        n: images.
        positives: images with the condition.
        negatives: images without it.
        patients: patients, or None where they are not known.
        auroc: within the subgroup.
        sensitivity: at the common threshold.
        specificity: at the common threshold.
        ppv: at the common threshold and the prevalence of the subgroup.
        npv: likewise.
        too_small: whether it has fewer than ``minimum`` of a class: patients where they are known, else images.
        reason: how it is too small, or empty.
    """

    name: str
    n: int
    positives: int
    negatives: int
    patients: int | None
    auroc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    too_small: bool
    reason: str = ""

    def as_dict(self) -> dict[str, Estimate]:
        """Return the figures by name."""
        return {name: getattr(self, name) for name in _FIGURES}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgroupDifference:
    """One figure of a subgroup less that of the reference subgroup.

    Attributes:
        figure: "auroc", "sensitivity", "specificity", "ppv" or "npv".
        group: the subgroup.
        reference: what it is compared with.
        difference: group - reference, at the level that ``adjust`` led to.
        comparisons: how many differences were looked at together, over all ``columns``.
        too_small: whether either subgroup is too small.
    """

    figure: Figure
    group: str
    reference: str
    difference: Estimate
    comparisons: int
    too_small: bool


def subgroup_estimates(
    y: Outcome,
    score: ArrayLike | None,
    groups: ArrayLike | str,
    *,
    threshold: Threshold = 0.5,
    positive: object = None,
    patients: ArrayLike | None = None,
    minimum: int = 20,
    level: float = 0.95,
    missing: Missing = "raise",
) -> tuple[SubgroupEstimate, ...]:
    """Return the figures of each subgroup, in the order of their names.

    Args:
        y: (n,) outcomes 0/1 or boolean, texts with ``positive=``, or Predictions (``score`` None).
        score: (n,) scores, higher = more likely diseased.
        groups: (n,) subgroup of each image; or, with Predictions, the name of a subgroup column.
        threshold: one for all: an OperatingPoint, or a number on the scale of the scores.
        positive: the value of ``y`` that has the condition, where ``y`` is not 0/1.
        patients: (n,) patient of each image.
        minimum: a subgroup with fewer of a class is said to be too small; its figures are given. Patients
            are counted where they are known, because images of one patient are not so many cases.
        level: confidence level.
        missing: "raise" or "drop" rows whose score is NaN.

    Raises:
        ArgumentError: malformed input, or an unknown subgroup column.

    Example:
        >>> rows = subgroup_estimates([0, 1, 0, 1], [0.2, 0.9, 0.6, 0.7], ["a", "a", "b", "b"])
        >>> [(row.name, row.specificity.value, row.too_small) for row in rows]
        [('a', 1.0, True), ('b', 0.0, True)]
    """
    data, names = _with_groups(y, score, groups, positive=positive, patients=patients, missing=missing)
    return tuple(
        _estimate(
            str(name), _part(data, names == name), check_threshold(threshold), check_level(level), minimum
        )
        for name in np.unique(names)
    )


def subgroup_differences(
    y: Outcome,
    score: ArrayLike | None,
    groups: ArrayLike | str,
    *,
    threshold: Threshold = 0.5,
    reference: str | None = None,
    figures: Sequence[Figure] = ("auroc", "sensitivity", "specificity"),
    adjust: Literal["none", "bonferroni"] = "none",
    columns: int = 1,
    positive: object = None,
    patients: ArrayLike | None = None,
    minimum: int = 20,
    level: float = 0.95,
    missing: Missing = "raise",
) -> tuple[SubgroupDifference, ...]:
    """Return each subgroup's difference from the reference subgroup.

    Proportions by Newcombe's hybrid score interval (``proportion_difference``); with ``patients``, and for
    the AUROC, the limits of each subgroup are combined in the same way. Subgroups are taken as
    independent, which holds where no patient is in two of them; ``difference.reason`` says where not.

    Args:
        y: as in ``subgroup_estimates``.
        score: as there.
        groups: as there.
        threshold: as there.
        reference: name of the reference subgroup; by default the largest.
        figures: which figures to compare.
        adjust: "bonferroni" raises the level so that all intervals hold together with ``level``.
        columns: for "bonferroni": how many columns like this one (site, sex, age, ...) are looked at
            together; each is taken to bring as many comparisons as this one.
        positive: as in ``subgroup_estimates``.
        patients: as there.
        minimum: as there.
        level: confidence level, of each interval or ("bonferroni") of all together.
        missing: "raise" or "drop" rows whose score is NaN.

    Raises:
        ArgumentError: malformed input, or an unknown reference or figure.

    Example:
        >>> y, score, site = [0, 1, 0, 1, 0, 1], [0.2, 0.9, 0.6, 0.7, 0.1, 0.3], ["a"] * 4 + ["b"] * 2
        >>> for row in subgroup_differences(y, score, site, figures=["sensitivity"]):
        ...     print(row.group, "-", row.reference, row.difference)
        b - a -1.000 (-1.000 to 0.031)
    """
    data, names = _with_groups(y, score, groups, positive=positive, patients=patients, missing=missing)
    for figure in figures:
        check_choice("figures", figure, _FIGURES)
    check_choice("adjust", adjust, ("none", "bonferroni"))
    found, sizes = np.unique(names, return_counts=True)
    known = [str(name) for name in found]
    base = known[int(sizes.argmax())] if reference is None else reference
    if base not in known:
        raise ArgumentError(explain("reference", "must be a subgroup", base, suggest(str(base), known)))
    comparisons = (len(known) - 1) * len(figures) * check_integer("columns", columns, low=1)
    level = check_level(level)
    if adjust == "bonferroni" and comparisons:
        level = 1.0 - (1.0 - level) / comparisons
    cut = check_threshold(threshold)
    rows = {name: _estimate(name, _part(data, names == name), cut, level, minimum) for name in known}
    shared = "" if data.patients is None else _shared_patients(data, names)
    results = []
    for name in known:
        if name == base:
            continue
        for figure in figures:
            gap = difference_of_independent(
                getattr(rows[name], figure), getattr(rows[base], figure), low=-1.0, high=1.0
            )
            if shared:
                gap = replace(gap, reason=f"{gap.reason}; {shared}" if gap.reason else shared)
            results.append(
                SubgroupDifference(
                    figure=figure,
                    group=name,
                    reference=base,
                    difference=gap,
                    comparisons=comparisons,
                    too_small=rows[name].too_small or rows[base].too_small,
                )
            )
    return tuple(results)


def _with_groups(
    y: Outcome,
    score: ArrayLike | None,
    groups: ArrayLike | str,
    *,
    positive: object,
    patients: ArrayLike | None,
    missing: Missing,
) -> tuple[Scored, NDArray[np.str_]]:
    if isinstance(groups, str):
        if not isinstance(y, Predictions):
            raise ArgumentError("groups: a column name needs Predictions. Pass a vector of subgroup names.")
        if groups not in y.subgroups:
            hint = suggest(groups, list(y.subgroups)) if y.subgroups else "These Predictions have none."
            raise ArgumentError(explain("groups", "must be a subgroup column", groups, hint))
        groups = y.subgroups[groups]
    names = np.asarray(groups).astype(np.str_)
    values = score if score is not None else (y.probability if isinstance(y, Predictions) else None)
    data = as_scored(y, values, positive=positive, patients=patients, missing=missing)
    if names.shape != (data.n + data.dropped,):
        raise ArgumentError(
            f"groups: must have the length of y ({data.n + data.dropped}); got shape {names.shape}."
        )
    if data.dropped and values is not None:
        names = names[~np.isnan(np.asarray(values, dtype=np.float64).reshape(-1))]
    return data, names


def _part(data: Scored, inside: BoolVector) -> Scored:
    patients = None
    if data.patients is not None:
        patients = np.unique(data.patients[inside], return_inverse=True)[1].astype(np.int64)
    return Scored(y=data.y[inside], score=data.score[inside], patients=patients, dropped=0)


def _estimate(name: str, part: Scored, threshold: float, level: float, minimum: int) -> SubgroupEstimate:
    minimum = check_integer("minimum", minimum, low=0)
    called = part.score >= threshold
    ill, well = class_units(part)
    fewest = min(ill, well)
    small = fewest < minimum
    kind = f"{'images' if part.patients is None else 'patients'} {'with' if ill <= well else 'without'}"
    return SubgroupEstimate(
        name=name,
        n=part.n,
        positives=part.positives,
        negatives=part.negatives,
        patients=None if part.patients is None else int(part.patients.max()) + 1,
        auroc=auroc_of(part, level=level),
        sensitivity=_share(part, called, part.y, level, "no image has the condition"),
        specificity=_share(part, ~called, ~part.y, level, "every image has the condition"),
        ppv=_share(part, part.y, called, level, "no image was called positive"),
        npv=_share(part, ~part.y, ~called, level, "no image was called negative"),
        too_small=small,
        reason=f"too small: {fewest} {kind} the condition, fewer than {minimum}" if small else "",
    )


def _share(part: Scored, hit: BoolVector, among: BoolVector, level: float, why: str) -> Estimate:
    if part.patients is None:
        return proportion(
            int(np.count_nonzero(hit & among)),
            int(np.count_nonzero(among)),
            level=level,
            why_undefined=why,
        )
    return clustered_share(hit[among], part.patients[among], level=level, why_undefined=why)


def _shared_patients(data: Scored, names: NDArray[np.str_]) -> str:
    if data.patients is None:
        return ""
    pairs = np.unique(np.stack([data.patients, np.unique(names, return_inverse=True)[1]]), axis=1)
    several = int(pairs.shape[1] - np.unique(pairs[0]).size)
    return f"{several} patients are in more than one subgroup, which is not allowed for" if several else ""
