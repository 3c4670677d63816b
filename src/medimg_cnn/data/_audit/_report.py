"""What an audit found, as records that can be printed, tabled, drawn and saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._validation import check_integer
from medimg_cnn.data._audit._material import Material
from medimg_cnn.data._audit._shortcuts import Shortcut
from medimg_cnn.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["AuditReport", "Finding", "PairTable", "Severity"]

Severity: TypeAlias = Literal["error", "warning", "info"]
_FORMAT, _VERSION = "medimg_cnn.audit", 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that an audit found.

    Attributes:
        code: stable for ever, for example "M002"; a retired code is not used again.
        severity: "error": results would be wrong; "warning": they may be; "info": worth knowing.
        title: what was found, in a few words.
        detail: with the numbers.
        count: images concerned.
        what_to_do: the next step.
        samples: some pairs of sample ids, the most similar first; empty where a finding is not about pairs.

    Example:
        >>> finding = Finding(
        ...     code="M008",
        ...     severity="warning",
        ...     title="Blank images",
        ...     detail="In 1 image every pixel has the same value.",
        ...     count=1,
        ...     what_to_do="Leave it out.",
        ... )
        >>> print(finding)
        M008 warning: Blank images. In 1 image every pixel has the same value. Leave it out.
    """

    code: str
    severity: Severity
    title: str
    detail: str
    count: int
    what_to_do: str
    samples: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.code} {self.severity}: {self.title}. {self.detail} {self.what_to_do}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairTable:
    """Pairs of copies: of equal pixels, and near duplicates.

    Attributes:
        rows: (m, 2) int64 positions in the material.
        exact: (m,) bool, equal pixels.
        similarity: (m,) -1 to 1; 1 for equal pixels.
        parts: (n,) the part of each image of the material.
    """

    rows: NDArray[np.int64]
    exact: NDArray[np.bool_]
    similarity: NDArray[np.float32]
    parts: NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditReport:
    """What an audit found; made by ``load_dataset`` (as ``Dataset.audit``) and by ``audit``.

    Attributes:
        findings: the worst first.
        shortcuts: how well single features that are not disease tell the label, whether they fire or not.
        not_checked: what could not be looked at, and why, one sentence each.
        images: number of images.
        limit: similarity from which two images count as near duplicates, 0 to 1; NaN where none were looked for.
        usual: median similarity of an image to its most similar one (of another patient); NaN if not measured.
        origin: the source in words.

    Example:
        >>> import numpy as np
        >>> from medimg_cnn.data import load_dataset
        >>> images = np.random.default_rng(0).integers(0, 256, (60, 32, 32), dtype=np.uint8)
        >>> images[7] = images[3]
        >>> data = load_dataset((images, np.arange(60) % 2), positive=1, patients=np.arange(60))
        >>> [(finding.code, finding.samples) for finding in data.audit.findings]
        [('M003', (('03', '07'),))]
        >>> data.audit.passed
        True
    """

    findings: tuple[Finding, ...]
    shortcuts: tuple[Shortcut, ...]
    not_checked: tuple[str, ...]
    images: int
    limit: float
    usual: float
    origin: str
    _material: Material = field(repr=False)
    _pairs: PairTable = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether there is no finding of severity "error" or "warning"."""
        return not self.troubles

    @property
    def troubles(self) -> tuple[Finding, ...]:
        """The findings of severity "error" or "warning"."""
        return tuple(item for item in self.findings if item.severity != "info")

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings, each once."""
        return tuple(dict.fromkeys(item.code for item in self.findings))

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas table with a row for each finding: code, severity, title, detail, count, what_to_do."""
        import pandas as pd

        names = ["code", "severity", "title", "detail", "count", "what_to_do"]
        rows = [[getattr(item, name) for name in names] for item in self.findings]
        return pd.DataFrame(rows, columns=names)

    def pairs(self) -> pd.DataFrame:
        """Return a pandas table of all pairs of copies that were found, the most similar first.

        Of several equal images each is paired with the first of them. Columns: sample_id, part, label and
        patient_id (where known) of both, ``kind`` ("exact" or "near") and ``similarity``.
        """
        import pandas as pd

        material, pairs = self._material, self._pairs
        columns: dict[str, Any] = {}
        for number, rows in enumerate(pairs.rows.T, start=1):
            columns[f"sample_id_{number}"] = material.sample_ids[rows]
            columns[f"part_{number}"] = pairs.parts[rows]
            columns[f"label_{number}"] = np.asarray(material.classes)[material.labels[rows]]
            if material.patients is not None:
                columns[f"patient_id_{number}"] = material.patients[rows]
        columns["kind"] = np.where(pairs.exact, "exact", "near")
        columns["similarity"] = pairs.similarity
        return pd.DataFrame(columns).sort_values(
            "similarity", ascending=False, ignore_index=True, kind="stable"
        )

    def plot_pairs(self, code: str | None = None, *, most: int = 12) -> Figure:
        """Return a matplotlib figure of offending pairs side by side, each with its parts, labels and similarity.

        Args:
            code: of a finding about pairs, for example "M004"; by default all pairs that were found, those that
                cross parts or labels first; where there are none the figure says so.
            most: pairs shown at most.

        Raises:
            ArgumentError: the finding is not there, or is not about pairs.
        """
        from medimg_cnn.data._audit._plot import plot_pairs

        check_integer("most", most, low=1)
        material, pairs = self._material, self._pairs
        if code is None:
            labels = material.labels[pairs.rows]
            worst = (labels[:, 0] != labels[:, 1]) | (
                pairs.parts[pairs.rows[:, 0]] != pairs.parts[pairs.rows[:, 1]]
            )
            chosen = np.lexsort((-pairs.similarity, ~worst))
        else:
            found = {pair for item in self.findings if item.code == code for pair in item.samples}
            names = [tuple(sorted(pair)) for pair in material.sample_ids[pairs.rows].tolist()]
            chosen = np.array([index for index, pair in enumerate(names) if pair in found], dtype=np.int64)
            chosen = chosen[np.argsort(-pairs.similarity[chosen], kind="stable")]
        if chosen.size == 0 and code is not None:
            raise ArgumentError(
                f"code: no finding {code!r} is about pairs; the findings are {', '.join(self.codes) or 'none'}."
            )
        near = "near duplicates were not looked for" if math.isnan(self.limit) else "no near duplicates"
        return plot_pairs(material, pairs, chosen[:most], none=f"No pairs to show:\nno copies, {near}.")

    def to_dict(self, *, samples: bool = False) -> dict[str, Any]:
        """Return the report as JSON values, with a format version.

        Args:
            samples: with the sample ids of pairs; left out by default, because a file name can give away who a
                patient is.
        """
        findings = [
            {
                "code": item.code,
                "severity": item.severity,
                "title": item.title,
                "detail": item.detail,
                "count": item.count,
                "what_to_do": item.what_to_do,
            }
            | ({"samples": [list(pair) for pair in item.samples]} if samples else {})
            for item in self.findings
        ]
        shortcuts = [
            {
                "code": item.code,
                "feature": item.feature,
                "categories": item.categories,
                "fires": item.fires,
                "auroc": item.auroc.to_dict(),
            }
            for item in self.shortcuts
        ]
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "images": self.images,
            "passed": self.passed,
            "findings": findings,
            "shortcuts": shortcuts,
            "near_duplicate_limit": None if math.isnan(self.limit) else self.limit,
            "usual_similarity": None if math.isnan(self.usual) else self.usual,
            "not_checked": list(self.not_checked),
        }

    def __str__(self) -> str:
        lines = [self._title(), ""]
        for item in self.findings:
            lines += [
                f"{item.code}  {item.severity:<7}  {item.title}. {item.detail}",
                f"      {item.what_to_do}",
            ]
        if not self.findings:
            lines.append("Nothing was found.")
        lines += ["", "The label told from one feature alone, AUROC (0.5 says nothing):"]
        lines += [f"  {item.feature}: {item.auroc}" for item in self.shortcuts]
        if self.not_checked:
            lines += ["", "Not checked:", *(f"  {text}" for text in self.not_checked)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
            head = "".join(f"<th>{name}</th>" for name in header)
            body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
            return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

        found = [
            (item.code, item.severity, f"{item.title}. {item.detail}", item.what_to_do)
            for item in self.findings
        ]
        told = [(item.feature, str(item.auroc)) for item in self.shortcuts]
        rest = "".join(f"<li>{escape(text)}</li>" for text in self.not_checked)
        return (
            f"<div><p><strong>{escape(self._title())}</strong></p>"
            + (
                table(("code", "severity", "finding", "what to do"), found)
                if found
                else "<p>Nothing was found.</p>"
            )
            + table(("the label told from", "AUROC (95% interval)"), told)
            + (f"<p>Not checked:</p><ul>{rest}</ul>" if rest else "")
            + "</div>"
        )

    def _title(self) -> str:
        counts = [
            f"{sum(item.severity == kind for item in self.findings)} {word}"
            for kind, word in (("error", "errors"), ("warning", "warnings"), ("info", "remarks"))
        ]
        return f"Audit of {self.origin}: {self.images:,} images; {', '.join(counts)}"
