"""Drafts of reporting checklists: what the run knows is filled in, what only the author knows is asked."""

from medimg_cnn.reporting.checklists._checklist import GUIDELINES, Checklist, GuidelineName, make_checklist
from medimg_cnn.reporting.checklists._items import Entry, Guideline, Item, Status

__all__ = [
    "GUIDELINES",
    "Checklist",
    "Entry",
    "Guideline",
    "GuidelineName",
    "Item",
    "Status",
    "make_checklist",
]
