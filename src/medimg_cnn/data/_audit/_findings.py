"""From a scan and a division to coded findings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import IntVector, StrVector
from medimg_cnn.data._audit._material import Material
from medimg_cnn.data._audit._report import AuditReport, Finding, PairTable, Severity
from medimg_cnn.data._audit._scan import Scan
from medimg_cnn.data._audit._shortcuts import Shortcut
from medimg_cnn.data._groups import shared_patients

__all__ = ["report_of"]

_SAMPLES = 20
_PLAIN_SHORTCUT = 0.75
"""Mean brightness only warns above this: disease itself may brighten an image, a file format it cannot change."""

_PREVALENCE_GAP = 0.05
_PREVALENCE_P = 0.001
_ONE_CLASS_SITE = 20


def report_of(material: Material, scan: Scan, parts: StrVector) -> AuditReport:
    """Return the report for the division in which image i is in ``parts[i]``; "" is in none."""
    pairs = _pairs(material, scan, parts)
    case = _Case(material, scan, parts, pairs)
    order = ("error", "warning", "info")
    findings = [
        *_patients(case), *_exact(case), *_near(case), *_blank(case), *map(_shortcut, _firing(scan)), *_balance(case),
        *_unreadable(material),
    ]  # fmt: skip
    without_patients = (
        ("Patients in two parts: patients are not known.",) if material.patients is None else ()
    )
    return AuditReport(
        findings=tuple(sorted(findings, key=lambda item: (order.index(item.severity), item.code))),
        shortcuts=scan.shortcuts,
        not_checked=without_patients + scan.not_checked,
        images=material.n,
        limit=scan.near.limit,
        usual=scan.near.usual,
        origin=material.origin,
        _material=material,
        _pairs=pairs,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    material: Material
    scan: Scan
    parts: StrVector
    pairs: PairTable

    def samples(self, chosen: NDArray[np.bool_]) -> tuple[tuple[str, str], ...]:
        """Return the sample ids of chosen pairs, the most similar first."""
        rows = np.flatnonzero(chosen)
        first, second = np.sort(self.material.sample_ids[self.pairs.rows[rows]], axis=1).T
        order = np.lexsort((second, first, -np.round(self.pairs.similarity[rows], 3)))[:_SAMPLES]
        return tuple(zip(first[order].tolist(), second[order].tolist(), strict=True))

    def images(self, chosen: NDArray[np.bool_]) -> IntVector:
        """Return the images of chosen pairs."""
        return np.unique(self.pairs.rows[chosen])

    def differ(self, values: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Return the pairs of which the two images have another value."""
        return np.asarray(values[self.pairs.rows[:, 0]] != values[self.pairs.rows[:, 1]])

    @property
    def crossing(self) -> NDArray[np.bool_]:
        """The pairs that lie in two parts."""
        placed = self.parts != ""
        return np.asarray(self.differ(self.parts) & placed[self.pairs.rows].all(axis=1), dtype=np.bool_)


def _pairs(material: Material, scan: Scan, parts: StrVector) -> PairTable:
    """Return each image with the first of equal pixels, and near duplicates with each other's first and copies."""
    order = np.lexsort((material.sample_ids, parts == ""))
    first_of = np.full(scan.content.max() + 1, -1, dtype=np.int64)
    first_of[scan.content[order][::-1]] = order[::-1]
    first = first_of[scan.content]
    copies = np.flatnonzero((first != np.arange(material.n)) & ~scan.blank)
    exact = np.stack([first[copies], copies], axis=1)
    near = first[scan.near.pairs].reshape(-1, 2)
    # A copy of one side beside the other side's first image, so that no crossing of parts goes unseen.
    extra: list[tuple[int, int]] = []
    similar: list[float] = []
    if len(copies) and len(near):
        members: dict[int, list[int]] = {}
        for copy in copies.tolist():
            members.setdefault(int(first[copy]), []).append(copy)
        for (one, other), value in zip(near.tolist(), scan.near.similarity.tolist(), strict=True):
            found = [(one, copy) for copy in members.get(other, [])] + [
                (copy, other) for copy in members.get(one, [])
            ]
            extra += found
            similar += [value] * len(found)
    rows = np.concatenate([exact, near, np.array(extra, dtype=np.int64).reshape(-1, 2)])
    similarity = np.concatenate([np.ones(len(exact)), scan.near.similarity, similar])
    return PairTable(
        rows=rows.astype(np.int64),
        exact=np.arange(len(rows)) < len(exact),
        similarity=similarity.astype(np.float32),
        parts=parts,
    )


def _patients(case: _Case) -> Iterator[Finding]:
    patients = case.material.patients
    crossing = [] if patients is None else shared_patients(patients, case.parts)
    if patients is None or not crossing:
        return
    images = np.isin(patients, crossing) & (case.parts != "")
    yield Finding(
        code="M001",
        severity="error",
        title="Patients in two parts",
        detail=f"{_many(len(crossing), 'patient')} with {_many(int(images.sum()), 'image')}"
        f"{_in_parts(case.parts[images])}. What is measured on them flatters the model.",
        count=int(images.sum()),
        what_to_do="Pass split=None to split anew by patient.",
    )


def _exact(case: _Case) -> Iterator[Finding]:
    content, parts = case.scan.content, case.parts
    exact = case.pairs.exact
    seen = ~case.scan.blank
    crossing = np.isin(content, _mixed(content[seen], parts[seen])) & (parts != "") & seen
    if crossing.any():
        yield Finding(
            code="M002",
            severity="error",
            title="Identical images in two parts",
            detail=f"{_many(np.unique(content[crossing]).size, 'content')} with "
            f"{_many(int(crossing.sum()), 'image')}{_in_parts(parts[crossing])}. What is measured on them flatters "
            "the model.",
            count=int(crossing.sum()),
            what_to_do="Remove the copies, or pass split=None to split anew, which keeps copies together.",
            samples=case.samples(exact & case.crossing),
        )
    within = exact & ~case.crossing
    if within.any():
        images = case.images(within)
        yield Finding(
            code="M003",
            severity="info",
            title="Identical images in one part",
            detail=f"{_many(np.unique(content[images]).size, 'content')} with {_many(images.size, 'image')}"
            f"{_between_patients(case, within)}.",
            count=images.size,
            what_to_do="Remove the copies: they count twice.",
            samples=case.samples(within),
        )
    opposite = np.isin(content, _mixed(content[seen], case.material.labels[seen].astype(np.str_))) & seen
    if opposite.any():
        yield Finding(
            code="M006",
            severity="error",
            title="Identical images with contradictory labels",
            detail=f"{_many(int(opposite.sum()), 'image')} of {_many(np.unique(content[opposite]).size, 'content')}. "
            "At least one label of each is wrong.",
            count=int(opposite.sum()),
            what_to_do="Check these labels at their source; leave out what cannot be settled.",
            samples=case.samples(exact & case.differ(case.material.labels)),
        )


def _near(case: _Case) -> Iterator[Finding]:
    near, crossing = ~case.pairs.exact, case.crossing
    opposite = case.differ(case.material.labels)
    look = "Look at them with plot_pairs; "
    wanted: tuple[tuple[str, Severity, str, NDArray[np.bool_], str], ...] = (
        ("M004", "warning", "Near duplicates in two parts", near & crossing,
         f"{look}pass split=None to split anew, which keeps them together, or remove one of each pair."),
        ("M005", "info", "Near duplicates in one part", near & ~crossing,
         f"{look}if they are copies, or frames of one film, remove all but one or give them one patient id."),
        ("M007", "warning", "Near duplicates with opposite labels", near & opposite,
         f"{look}where both show the same, at least one label is wrong."),
    )  # fmt: skip
    for code, severity, title, chosen, step in wanted:
        if not chosen.any():
            continue
        images = case.images(chosen)
        where = _in_parts(case.parts[images]) if code == "M004" else ""
        about = _between_patients(case, chosen)
        yield Finding(
            code=code,
            severity=severity,
            title=title,
            detail=f"{_many(int(chosen.sum()), 'pair')} of {_many(images.size, 'image')}{where}{about}, alike at "
            f"{case.scan.near.limit:.2f} or more"
            + ("" if math.isnan(case.scan.near.usual) else f" (unlike images: {case.scan.near.usual:.2f})")
            + ".",
            count=images.size,
            what_to_do=step,
            samples=case.samples(chosen),
        )


def _blank(case: _Case) -> Iterator[Finding]:
    blank = int(case.scan.blank.sum())
    if blank:
        yield Finding(
            code="M008",
            severity="warning",
            title="Blank images",
            detail=f"In {_many(blank, 'image')} every pixel has the same value.",
            count=blank,
            what_to_do="Look for what went wrong with them (frame, window, export); leave them out.",
        )


def _firing(scan: Scan) -> Iterator[Shortcut]:
    return (item for item in scan.shortcuts if item.fires)


def _shortcut(item: Shortcut) -> Finding:
    brightness = item.code == "M014"
    weak = brightness and item.auroc.lower <= _PLAIN_SHORTCUT
    step = (
        "Disease may itself change brightness. Look whether the classes come from other machines or settings; test "
        "on another site."
        if brightness
        else "Bring the classes to one form at their source, or collect both from everywhere; test on another site."
    )
    return Finding(
        code=item.code,
        severity="info" if weak else "warning",
        title=f"The label can be told from the {item.feature} alone",
        detail=f"AUROC {item.auroc}. A model may learn this in place of the disease.",
        count=item.auroc.n,
        what_to_do=step,
    )


def _balance(case: _Case) -> Iterator[Finding]:
    placed = case.parts != ""
    labels, groups = case.material.labels, case.scan.groups
    columns = [("part", "M020", np.where(placed, case.parts, ""))]
    columns += [
        (item.feature, "M021", case.material.columns[item.feature])
        for item in case.scan.shortcuts
        if item.code == "M015"
    ]
    for name, code, values in columns:
        names, counts, positives = _counts(values[placed], labels[placed])
        single = (counts >= _ONE_CLASS_SITE) & ((positives == 0) | (positives == counts))
        if code == "M021" and single.any():
            images = int(counts[single].sum())
            yield Finding(
                code=code,
                severity="warning",
                title=f"Only one class in a {name}",
                detail=f"{_many(int(single.sum()), 'value')} of {name} with {_many(images, 'image')}.",
                count=images,
                what_to_do="What sets that part of the images apart stands for the label: find the other class there.",
            )
        elif _apart(names, counts, positives, groups[placed]):
            shares = ", ".join(
                f"{text} {y / n:.1%}" for text, n, y in zip(names, counts, positives, strict=True)
            )
            yield Finding(
                code=code,
                severity="info",
                title=f"Prevalence differs between {name}s",
                detail=f"Positive: {shares if len(names) <= 8 else f'{_range(positives / counts)}'}.",
                count=int(counts.sum()),
                what_to_do="Predictive values and calibration do not carry over from one to the other.",
            )


def _counts(values: StrVector, labels: NDArray[np.int8]) -> tuple[list[str], IntVector, IntVector]:
    names, number = np.unique(values, return_inverse=True)
    counts = np.bincount(number, minlength=names.size)
    return names.tolist(), counts, np.bincount(number, labels, names.size).astype(np.int64)


def _apart(names: list[str], counts: IntVector, positives: IntVector, groups: StrVector) -> bool:
    from scipy.stats import chi2_contingency

    shares = positives / counts
    if (
        len(names) < 2
        or shares.max() - shares.min() < _PREVALENCE_GAP
        or shares.max() == 0
        or shares.min() == 1
    ):
        return False
    # Images of one patient are not independent: the table is scaled down to the number of patients.
    scale = np.unique(groups).size / counts.sum()
    table = np.stack([positives, counts - positives]) * scale
    return bool(chi2_contingency(table, correction=False).pvalue < _PREVALENCE_P)


def _unreadable(material: Material) -> Iterator[Finding]:
    if material.unreadable:
        yield Finding(
            code="M030",
            severity="info",
            title="Unreadable images",
            detail=f"{_many(material.unreadable, 'image')} could not be read and were left out.",
            count=material.unreadable,
            what_to_do="Dataset.unreadable lists them with the reasons; repair them where one class has more.",
        )


def _mixed(content: IntVector, values: StrVector) -> IntVector:
    """Return the contents that have two different values; "" is none."""
    known = values != ""
    pairs = np.unique(np.rec.fromarrays([content[known], values[known]]))
    names, counts = np.unique(pairs["f0"], return_counts=True)
    return np.asarray(names[counts > 1], dtype=np.int64)


def _between_patients(case: _Case, chosen: NDArray[np.bool_]) -> str:
    patients = case.material.patients
    if patients is None:
        return ""
    return f", {_many(int((case.differ(patients) & chosen).sum()), 'pair')} between patients"


def _in_parts(parts: StrVector) -> str:
    names = [name for name in np.unique(parts).tolist() if name]
    return f" in more than one part ({' and '.join(names)})"


def _range(values: NDArray[np.float64]) -> str:
    return f"{values.min():.1%} to {values.max():.1%}"


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
