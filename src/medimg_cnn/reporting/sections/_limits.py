"""The limits: what the figures do not say."""

from __future__ import annotations

from dataclasses import dataclass

from medimg_cnn.reporting._document import Block, Bullets, Paragraph
from medimg_cnn.reporting._evidence import Evidence

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that hold for every study of this kind, and those of this one."""

    key: str = "limits"
    title: str = "Limits"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the limits as short statements."""
        inputs = evidence.inputs
        items = [
            (
                "The intervals describe chance in drawing these cases from a population like theirs. They do not "
                "describe other scanners, hospitals, patient groups or years."
            ),
            "The reference labels are taken as true; errors in them are not counted.",
            (
                "PPV, NPV, accuracy, F1 and AUPRC depend on how common the condition is. Read them at the "
                "prevalence of the setting where the model would be used."
            ),
            "A figure of discrimination does not show that using the model helps patients.",
        ]
        if inputs.part != "external":
            items.append(
                "The cases come from the same source as the training data, or their source is not known; "
                "performance elsewhere is often lower."
            )
        if inputs.subgroups:
            items.append(
                "Intervals of differences between subgroups hold together within one column (Bonferroni), not across "
                "columns; with several columns some will differ by chance. Figures of single groups hold one by one."
            )
        return (
            Paragraph(
                "Research use only. This report is not a medical device, and it is not evidence enough to use "
                "the model in the care of patients."
            ),
            Bullets(tuple(items)),
        )
