"""Reports of diagnostic accuracy, for scores from any framework; imports neither Keras nor JAX."""

from medimg_cnn.reporting._clinical_report import clinical_report
from medimg_cnn.reporting._comparison import ComparisonReport, compare_report
from medimg_cnn.reporting._document import (
    Bullets,
    Check,
    Checks,
    Column,
    Document,
    Facts,
    Figure,
    KeyFigure,
    KeyFigures,
    Note,
    Paragraph,
    Picture,
    Pictures,
    SectionContent,
    Table,
)
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._plots import (
    plot_calibration,
    plot_confusion_matrix,
    plot_decision_curve,
    plot_roc,
    plot_score_histogram,
)
from medimg_cnn.reporting._report import ClinicalReport
from medimg_cnn.reporting._schema import schema
from medimg_cnn.reporting.checklists import Checklist
from medimg_cnn.reporting.sections import DEFAULT_SECTIONS, Section

__all__ = [
    "DEFAULT_SECTIONS",
    "Bullets",
    "Check",
    "Checklist",
    "Checks",
    "ClinicalReport",
    "Column",
    "ComparisonReport",
    "Document",
    "Evidence",
    "Facts",
    "Figure",
    "KeyFigure",
    "KeyFigures",
    "Note",
    "Paragraph",
    "Picture",
    "Pictures",
    "Section",
    "SectionContent",
    "Table",
    "clinical_report",
    "compare_report",
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_decision_curve",
    "plot_roc",
    "plot_score_histogram",
    "schema",
]
