"""The audit of a dataset, as far as a report shows it: from a live report or from its saved JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from medimg_cnn._validation import explain
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation import Estimate

__all__ = ["AuditFacts", "AuditSource", "read_audit"]

_FORMAT, _VERSION = "medimg_cnn.audit", 1


@runtime_checkable
class HasDict(Protocol):
    """An audit's report, as far as this needs it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as JSON values."""
        ...


AuditSource: TypeAlias = HasDict | Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFacts:
    """What a report says of an audit.

    Attributes:
        images: how many were looked at.
        findings: (code, severity, title and detail, what to do) of each.
        shortcuts: (feature, AUROC) of each.
        not_checked: one sentence each.
    """

    images: int
    findings: tuple[tuple[str, str, str, str], ...]
    shortcuts: tuple[tuple[str, Estimate], ...]
    not_checked: tuple[str, ...]


def read_audit(value: AuditSource | None) -> AuditFacts | None:
    """Return what a report says of an audit; None where none was given.

    Raises:
        ArgumentError: the value is not an audit's report, nor what its ``to_dict`` gave.
    """
    if value is None:
        return None
    step = "Pass data.audit, or the dict of its to_dict()."
    content: object = value.to_dict() if isinstance(value, HasDict) else value
    if not isinstance(content, Mapping) or content.get("format") != _FORMAT:
        raise ArgumentError(explain("audit", "must be the report of an audit", value, step))
    if content.get("version") != _VERSION:
        rule = f"must be of version {_VERSION}"
        raise ArgumentError(
            explain("audit", rule, content.get("version"), "Use the medimg-cnn that wrote it.")
        )
    try:
        return AuditFacts(
            images=int(content["images"]),
            findings=tuple(
                (
                    str(item["code"]),
                    str(item["severity"]),
                    f"{item['title']}. {item['detail']}",
                    str(item["what_to_do"]),
                )
                for item in content["findings"]
            ),
            shortcuts=tuple(
                (str(item["feature"]), Estimate.from_dict(item["auroc"])) for item in content["shortcuts"]
            ),
            not_checked=tuple(str(text) for text in content["not_checked"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        rule = "must be whole, as to_dict() gave it"
        raise ArgumentError(explain("audit", rule, repr(error), step)) from error
