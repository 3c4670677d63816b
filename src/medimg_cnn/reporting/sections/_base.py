"""What a section is."""

from __future__ import annotations

from typing import Protocol

from medimg_cnn.reporting._document import Block
from medimg_cnn.reporting._evidence import Evidence

__all__ = ["Section"]


class Section(Protocol):
    """One part of the report.

    Implement it to add a part of your own, and pass ``sections=(*DEFAULT_SECTIONS, Mine())``.

    Attributes:
        key: lower-case letters and hyphens; its anchor and its name in JSON, never changed.
        title: its heading.
    """

    @property
    def key(self) -> str:
        """Return the section's anchor and its name in JSON."""
        ...

    @property
    def title(self) -> str:
        """Return the section's heading."""
        ...

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return what there is to read; nothing where the section does not apply, and it is left out."""
        ...
