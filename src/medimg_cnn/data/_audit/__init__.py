"""The audit of a dataset: copies, contradictory labels, shortcuts to the label, and how they are reported."""

from medimg_cnn.data._audit._audit import AuditMode, audit, enforce
from medimg_cnn.data._audit._findings import report_of
from medimg_cnn.data._audit._material import Material, of_split, of_table
from medimg_cnn.data._audit._report import AuditReport, Finding
from medimg_cnn.data._audit._scan import Scan, scan
from medimg_cnn.data._audit._shortcuts import Shortcut

__all__ = [
    "AuditMode",
    "AuditReport",
    "Finding",
    "Material",
    "Scan",
    "Shortcut",
    "audit",
    "enforce",
    "of_split",
    "of_table",
    "report_of",
    "scan",
]
