"""The audit of the dataset: copies, contradictory labels, and shortcuts to the label."""

from __future__ import annotations

from dataclasses import dataclass

from medimg_cnn.reporting._document import Block, Bullets, Column, Note, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import plural

__all__ = ["Audit"]


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found in the data before a model was trained; left out where no audit was given."""

    key: str = "audit"
    title: str = "Audit of the dataset"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the findings, what single features tell of the label, and what was not looked at."""
        audit = evidence.inputs.audit
        if audit is None:
            return ()
        counts = [
            plural(sum(row[1] == severity for row in audit.findings), word)
            for severity, word in (("error", "error"), ("warning", "warning"), ("info", "remark"))
        ]
        blocks: list[Block] = [
            Paragraph(
                f"Before training {plural(audit.images, 'image')} were looked through for copies, contradictory labels "
                f"and shortcuts: {counts[0]}, {counts[1]}, {counts[2]}."
            )
        ]
        if audit.findings:
            columns = (Column("Code"), Column("Severity"), Column("Finding"), Column("What to do"))
            blocks.append(Table("audit-findings", "Findings of the audit", columns, audit.findings))
        if audit.shortcuts:
            blocks.append(
                Table(
                    "audit-shortcuts",
                    "How well the label can be told from one feature that is not the picture",
                    (Column("Feature"), Column("AUROC", numeric=True)),
                    audit.shortcuts,
                    notes=("0.5 says nothing of the label. Cross-fitted, whole patients in one fold.",),
                )
            )
        if audit.not_checked:
            blocks += [Note("The audit did not look at:"), Bullets(audit.not_checked)]
        return tuple(blocks)
