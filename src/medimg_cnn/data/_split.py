"""Which image goes to training, validation and test: grouped and stratified at once."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import StrVector
from medimg_cnn._validation import check_fraction, check_integer, check_number, explain, suggest
from medimg_cnn.data._balance import deal_groups
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning, SplitError

__all__ = [
    "PARTS",
    "Assignment",
    "Cases",
    "HoldOut",
    "KFold",
    "LeaveOneSiteOut",
    "NestedKFold",
    "Splitter",
    "check_fractions",
]

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cases:
    """What a splitter may know of n images.

    Attributes:
        labels: (n,) int8, 1 = positive.
        groups: (n,) texts; images with the same text stay together. Patient ids, as a rule.
        columns: further columns, name -> (n,) texts, for example {"site": ...}.

    Raises:
        ArgumentError: lengths differ, or a label is neither 0 nor 1.
    """

    labels: NDArray[np.int8]
    groups: StrVector
    columns: Mapping[str, StrVector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        labels, groups = np.asarray(self.labels), np.asarray(self.groups, dtype=np.str_)
        if labels.ndim != 1 or labels.size == 0 or not np.isin(labels, (0, 1)).all():
            raise ArgumentError(explain("labels", "must be a vector of 0 and 1", labels))
        columns = {name: np.asarray(values, dtype=np.str_) for name, values in self.columns.items()}
        for name, values in {"groups": groups, **columns}.items():
            if values.shape != labels.shape:
                raise ArgumentError(
                    f"{name}: must have the shape {labels.shape} of labels; got {values.shape}."
                )
        object.__setattr__(self, "labels", labels.astype(np.int8))
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "columns", columns)

    def select(self, mask: NDArray[np.bool_]) -> Cases:
        """Return the images where ``mask`` is True."""
        columns = {name: values[mask] for name, values in self.columns.items()}
        return Cases(labels=self.labels[mask], groups=self.groups[mask], columns=columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assignment:
    """One way to divide the images.

    Attributes:
        name: which of the splitter's ways it is, for example "fold 1 of 5".
        parts: (n,) "train", "validation", "test", or "" for an image that takes no part.
    """

    name: str
    parts: StrVector


class Splitter(Protocol):
    """Divides images into parts, in one or more ways. Write one's own to divide otherwise.

    The same seed must give the same parts under any permutation of the images.
    """

    def assign(self, cases: Cases, *, seed: int) -> Iterator[Assignment]:
        """Yield each way to divide the images.

        Raises:
            SplitError: the images cannot be divided so.
        """
        ...


@dataclass(frozen=True, slots=True)
class HoldOut:
    """One division by shares, grouped and stratified at once.

    Attributes:
        fractions: shares of training, validation and test; a part with share 0 is left out. They sum to 1.

    Raises:
        ArgumentError: the shares break these rules.

    Example:
        >>> import numpy as np
        >>> cases = Cases(labels=np.arange(20) % 2, groups=np.arange(20) // 2)
        >>> parts = next(HoldOut((0.6, 0.2, 0.2)).assign(cases, seed=1)).parts
        >>> [int((parts == part).sum()) for part in ("train", "validation", "test")]
        [12, 4, 4]
    """

    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fractions", check_fractions("fractions", self.fractions))

    def assign(self, cases: Cases, *, seed: int) -> Iterator[Assignment]:
        """Yield the one division."""
        named = [(part, share) for part, share in zip(PARTS, self.fractions, strict=True) if share > 0]
        parts = _deal(cases, [share for _, share in named], [part for part, _ in named], seed)
        yield Assignment(name="hold-out", parts=parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class KFold:
    """k divisions; each image is tested once. Validation is taken from what is not tested.

    Attributes:
        k: number of folds, at least 2.
        validation: share of the images not tested that becomes validation, 0 for none.

    Example:
        >>> import numpy as np
        >>> cases = Cases(labels=np.arange(40) % 2, groups=np.arange(40))
        >>> folds = list(KFold(k=4, validation=0.2).assign(cases, seed=1))
        >>> [int((fold.parts == "test").sum()) for fold in folds]
        [10, 10, 10, 10]
    """

    k: int = 5
    validation: float = 0.15

    def __post_init__(self) -> None:
        check_integer("k", self.k, low=2)
        check_number("validation", self.validation, low=0.0, high=1.0, high_open=True)

    def assign(self, cases: Cases, *, seed: int) -> Iterator[Assignment]:
        """Yield the k divisions."""
        names = [f"fold {fold + 1}" for fold in range(self.k)]
        folds = _deal(cases, [1 / self.k] * self.k, names, seed)
        for name in names:
            title = f"{name} of {self.k}"
            parts = _with_validation(cases, folds == name, self.validation, seed, within=title)
            yield Assignment(name=title, parts=parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedKFold:
    """Outer folds for testing and, inside each, inner folds for choosing: outer x inner divisions.

    Attributes:
        outer: number of outer folds; each image is tested in one of them.
        inner: number of inner folds; each image not tested is validation in one of them.
    """

    outer: int = 5
    inner: int = 4

    def __post_init__(self) -> None:
        check_integer("outer", self.outer, low=2)
        check_integer("inner", self.inner, low=2)

    def assign(self, cases: Cases, *, seed: int) -> Iterator[Assignment]:
        """Yield the divisions, inner folds fastest."""
        outer_names = [f"outer fold {fold + 1}" for fold in range(self.outer)]
        inner_names = [f"inner fold {fold + 1}" for fold in range(self.inner)]
        folds = _deal(cases, [1 / self.outer] * self.outer, outer_names, seed)
        for outer, outer_name in enumerate(outer_names):
            rest = folds != outer_name
            inner_folds = _deal(
                cases.select(rest),
                [1 / self.inner] * self.inner,
                inner_names,
                seed + outer + 1,
                within=f"{outer_name} of {self.outer}",
            )
            for inner, inner_name in enumerate(inner_names):
                parts = np.full(len(folds), "test", dtype="<U10")
                parts[rest] = np.where(inner_folds == inner_name, "validation", "train")
                name = f"outer {outer + 1} of {self.outer}, inner {inner + 1} of {self.inner}"
                yield Assignment(name=name, parts=parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOneSiteOut:
    """One division for each value of a column: its images are the test, all others train and validate.

    Images, elsewhere, of patients who also have images at the tested site take no part in that division. A site
    without images of both classes is not tested, which warns.

    Attributes:
        column: the column of sites; it must be among the dataset's subgroups.
        validation: share of the other sites' images that becomes validation, 0 for none.
    """

    column: str = "site"
    validation: float = 0.15

    def __post_init__(self) -> None:
        check_number("validation", self.validation, low=0.0, high=1.0, high_open=True)

    def assign(self, cases: Cases, *, seed: int) -> Iterator[Assignment]:
        """Yield one division for each site, by name.

        Raises:
            SplitError: there is no such column, fewer than two sites, or none to test; or sites share so many patients
                that too few images are left to train on.

        Warns:
            MedimgCnnWarning: a site has images of one class only.
        """
        if self.column not in cases.columns:
            raise SplitError(
                f"column: there is no subgroup column {self.column!r}. {suggest(self.column, list(cases.columns))} "
                "Name it in subgroups= of load_dataset."
            )
        sites = cases.columns[self.column]
        names = np.unique(sites)
        if names.size < 2:
            raise SplitError(
                f"column: {self.column!r} must name at least two sites; it has {names.tolist()}."
            )
        whole = [site for site in names if set(cases.labels[sites == site].tolist()) == {0, 1}]
        if len(whole) < names.size:
            lacking = ", ".join(repr(str(site)) for site in names if site not in whole)
            text = f"Sites without images of both classes are not tested: {lacking}."
            if not whole:
                raise SplitError(f"column: {self.column!r}: {text} Give another column.")
            warnings.warn(text, MedimgCnnWarning, stacklevel=2)
        for site in whole:
            tested = sites == site
            shared = np.isin(cases.groups, cases.groups[tested]) & ~tested
            kept = ~shared
            if set(cases.labels[kept & ~tested].tolist()) != {0, 1}:
                self._explain_overlap(cases, site, tested, shared)
            parts = np.full(len(sites), "", dtype="<U10")
            title = f"{self.column} {site}"
            parts[kept] = _with_validation(
                cases.select(kept), tested[kept], self.validation, seed, within=title
            )
            yield Assignment(name=title, parts=parts)

    def _explain_overlap(
        self, cases: Cases, site: str, tested: NDArray[np.bool_], shared: NDArray[np.bool_]
    ) -> None:
        patients = np.unique(cases.groups[shared]).size
        raise SplitError(
            f"{self.column} {str(site)!r}: the other sites must have images of both classes to train on; "
            f"{int((~tested & ~shared).sum())} of their {int((~tested).sum())} images are left without those of "
            f"{patients} patients (or identical images) that are also at this site. If sites number their patients "
            "themselves put the site into the patient id, or pass the sites as a mapping, which does so."
        )


def check_fractions(argument: str, value: Sequence[float]) -> tuple[float, float, float]:
    """Return three shares that sum to 1, the first above 0.

    Raises:
        ArgumentError: they do not.
    """
    rule = "must be three shares, of training, validation and test, that sum to 1"
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise ArgumentError(explain(argument, rule, value, "For example (0.7, 0.15, 0.15)."))
    names = [f"{argument}[{index}] ({part})" for index, part in enumerate(PARTS)]
    train, validation, test = (check_fraction(name, share) for name, share in zip(names, value, strict=True))
    if abs(train + validation + test - 1) > 1e-6 or train == 0:
        raise ArgumentError(explain(argument, f"{rule}, with training above 0", value))
    return train, validation, test


def _with_validation(
    cases: Cases, tested: NDArray[np.bool_], share: float, seed: int, *, within: str
) -> StrVector:
    parts = np.full(len(tested), "test", dtype="<U10")
    if share == 0:
        parts[~tested] = "train"
    else:
        shares = [1 - share, share]
        parts[~tested] = _deal(
            cases.select(~tested),
            shares,
            ["train", "validation"],
            seed,
            within=f"{within}, what is not tested",
        )
    return parts


def _deal(
    cases: Cases, shares: Sequence[float], names: Sequence[str], seed: int, *, within: str = ""
) -> StrVector:
    groups, group_of = np.unique(cases.groups, return_inverse=True)
    counts = np.stack([np.bincount(group_of, cases.labels == label, groups.size) for label in (0, 1)], axis=1)
    order = np.argsort([_key(seed, group) for group in groups], kind="stable")
    fractions = np.asarray(shares, dtype=np.float64)
    dealt = deal_groups(counts.astype(np.int64), order, fractions / fractions.sum())
    parts = np.asarray(names)[dealt][group_of]
    _check_both_classes(cases, parts, names, counts, within)
    return np.asarray(parts, dtype=np.str_)


def _check_both_classes(
    cases: Cases, parts: StrVector, names: Sequence[str], counts: NDArray[Any], within: str
) -> None:
    for label, word in enumerate(("negative", "positive")):
        lacking = [name for name in names if not ((parts == name) & (cases.labels == label)).any()]
        if lacking:
            holders = int((counts[:, label] > 0).sum())
            step = (
                "Ask for fewer folds"
                if "fold" in names[0]
                else "Ask for fewer parts (a share of 0 leaves one out)"
            )
            raise SplitError(
                f"{f'{within}: ' if within else ''}{_named(lacking)} must have images of both classes, as every "
                f"part must, but there are only {int((cases.labels == label).sum())} {word} images, of {holders} "
                f"patients or groups, for {len(names)} parts. {step}, or add images."
            )


def _named(parts: Sequence[str]) -> str:
    if len(parts) <= 4:
        return " and ".join(parts)
    return f"{', '.join(parts[:3])} and {len(parts) - 3} others"


def _key(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}\x1f{group}".encode()).hexdigest()
