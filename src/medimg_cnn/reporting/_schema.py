"""The published schema of the report's JSON."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Literal, TypeAlias, get_args

from medimg_cnn._validation import check_choice

__all__ = ["SchemaName", "schema"]

SchemaName: TypeAlias = Literal["clinical_report", "comparison_report"]


def schema(name: SchemaName = "clinical_report") -> dict[str, Any]:
    """Return the JSON schema (2020-12) of what ``to_json`` of a report writes.

    Within one version keys may be added; none is removed or changes its meaning.

    Args:
        name: "clinical_report" or "comparison_report".

    Raises:
        ArgumentError: no such report.

    Example:
        >>> schema()["title"]
        'medimg_cnn.clinical_report, version 1'
    """
    check_choice("name", name, get_args(SchemaName))
    path = resources.files(__package__).joinpath(f"{name}-1.schema.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
