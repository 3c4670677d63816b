"""The published schema of the report's JSON."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

__all__ = ["schema"]


def schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of what ``ClinicalReport.to_json`` writes.

    Within one version keys may be added; none is removed or changes its meaning.

    Example:
        >>> schema()["title"]
        'medimg_cnn.clinical_report, version 1'
    """
    path = resources.files(__package__).joinpath("clinical_report-1.schema.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
