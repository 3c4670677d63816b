"""The checks: what could make the figures mislead, looked for by rule."""

from __future__ import annotations

from dataclasses import dataclass

from medimg_cnn.reporting._document import Block, Checks, Paragraph
from medimg_cnn.reporting._evidence import Evidence

__all__ = ["ChecksSection"]

_ORDER = {"fail": 0, "warn": 1, "pass": 2, "not applicable": 3}


@dataclass(frozen=True, slots=True)
class ChecksSection:
    """Every check with its outcome, problems first."""

    key: str = "checks"
    title: str = "Checks"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the counts of each outcome and the findings."""
        checks = sorted(evidence.checks, key=lambda check: (_ORDER[check.outcome], check.code))
        count = {name: sum(check.outcome == name for check in checks) for name in _ORDER}
        return (
            Paragraph(
                f"{count['fail'] + count['warn']} of {len(checks)} checks need attention, {count['pass']} "
                f"passed, and {count['not applicable']} could not be made. A check that could not be made "
                "has not been passed."
            ),
            Checks(tuple(checks)),
        )
