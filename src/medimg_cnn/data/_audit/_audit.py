"""``audit``: what may be wrong with a dataset, before anything is trained on it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from medimg_cnn._validation import check_integer, explain
from medimg_cnn.data._audit._findings import report_of
from medimg_cnn.data._audit._material import of_split
from medimg_cnn.data._audit._report import AuditReport
from medimg_cnn.data._audit._scan import MOST_COMPARED, scan
from medimg_cnn.errors import ArgumentError, AuditError, MedimgCnnWarning

if TYPE_CHECKING:
    from medimg_cnn.data._batches import Split
    from medimg_cnn.data._dataset import Dataset

__all__ = ["AuditMode", "audit", "enforce"]

AuditMode: TypeAlias = Literal["warn", "error", "off"]
_SAID_BY_THE_LOAD = frozenset({"M001"})


def audit(data: Dataset | Split, *, most_compared: int = MOST_COMPARED) -> AuditReport:
    """Look for what makes results wrong: copies across parts, contradictory labels, shortcuts to the label.

    ``load_dataset`` has done this, and ``Dataset.audit`` is the report; call it for one part, for an external test
    set, or after ``audit="off"``. Every image is read once from decoded pixels.

    Args:
        data: a dataset, or one part, such as what ``load_external`` gives.
        most_compared: different images up to which near duplicates are looked for; all pairs are compared.

    Returns:
        Coded findings, each with what to do. They are listed in the how-to page "Audit a dataset".

    Raises:
        ArgumentError: ``data`` is something else.

    Example:
        >>> import numpy as np
        >>> from medimg_cnn.data import audit, load_dataset
        >>> images = np.random.default_rng(0).integers(0, 200, (80, 32, 32), dtype=np.uint8)
        >>> labels = np.arange(80) % 2
        >>> images[labels == 1] += 50
        >>> data = load_dataset((images, labels), positive=1, patients=np.arange(80), audit="off")
        >>> report = audit(data)
        >>> [(finding.code, finding.title) for finding in report.findings]
        [('M014', 'The label can be told from the mean brightness alone')]
    """
    from medimg_cnn.data._batches import Split
    from medimg_cnn.data._dataset import Dataset

    check_integer("most_compared", most_compared, low=2)
    if isinstance(data, Split):
        material, digests = of_split(data), data.sample_ids
        parts = np.full(material.n, data.part, dtype=np.str_)
    elif isinstance(data, Dataset):
        material, digests = data.pool.material(), data.pool.digests
        parts = np.full(material.n, "", dtype="<U10")
        for part in data.parts:
            parts[np.isin(material.sample_ids, part.sample_ids)] = part.part
    else:
        raise ArgumentError(explain("data", "must be a Dataset or a Split", data, "load_dataset makes one."))
    return report_of(material, scan(material, digests, most_compared=most_compared), parts)


def enforce(report: AuditReport, mode: AuditMode) -> None:
    """Warn of the findings that are more than information, once, or raise; called by what the user calls.

    Raises:
        AuditError: mode is "error" and there are such findings.
    """
    troubles = report.troubles
    if mode == "off" or not troubles:
        return
    listed = "\n".join(f"  {item}" for item in troubles)
    if mode == "error":
        raise AuditError(
            f'{report.origin}: the audit must pass (audit="error"); it found\n{listed}\nMend this at the source, or '
            'pass audit="warn" to go on and read Dataset.audit.'
        )
    fresh = [item for item in troubles if item.code not in _SAID_BY_THE_LOAD]
    if fresh:
        listed = "\n".join(f"  {item.code} {item.title}. {item.detail}" for item in fresh)
        warnings.warn(f"The audit of {report.origin} found:\n{listed}", MedimgCnnWarning, stacklevel=3)
