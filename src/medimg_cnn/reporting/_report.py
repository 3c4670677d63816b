"""``ClinicalReport``: every figure by name, and the document in every format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from medimg_cnn._version import __version__
from medimg_cnn.artifacts import OperatingPoint
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation import ConfusionCounts, Estimate, OperatingCharacteristics
from medimg_cnn.reporting._document import Check, Document
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._model_card import model_card
from medimg_cnn.reporting._origins import origin_status
from medimg_cnn.reporting._written import Written
from medimg_cnn.reporting.charts import draw_figure
from medimg_cnn.reporting.checklists import Checklist, GuidelineName, make_checklist
from medimg_cnn.reporting.render import (
    block_to_dict,
    csv_text,
    render_html_summary,
    render_markdown,
)
from medimg_cnn.reporting.sections._calibration import reliability_figure
from medimg_cnn.reporting.sections._decision import decision_figure
from medimg_cnn.reporting.sections._discrimination import roc_figure
from medimg_cnn.reporting.sections._operating import FIGURES, confusion_figure
from medimg_cnn.reporting.sections._scores import score_figure
from medimg_cnn.reporting.sections._summary import key_figures, sentences

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["FORMAT", "VERSION", "ClinicalReport"]

FORMAT = "medimg_cnn.clinical_report"
VERSION = 1


@dataclass(frozen=True, eq=False)
class ClinicalReport(Written):
    """A diagnostic-accuracy report: every figure an ``Estimate``, and a document made of them.

    Made by ``clinical_report``. ``str(report)`` is its text, a notebook shows its main figures, and
    ``save`` writes it as HTML, JSON, Markdown, text, LaTeX tables or CSV.

    Attributes:
        title: the heading.
        evidence: the checked inputs with every statistic.
        document: the report as neutral blocks, what the renderers read.
    """

    title: str
    evidence: Evidence
    document: Document

    @property
    def operating_point(self) -> OperatingPoint:
        """The threshold, with its rule and where it was chosen."""
        return self.evidence.inputs.operating_point

    @property
    def operating_points(self) -> tuple[tuple[OperatingPoint, OperatingCharacteristics], ...]:
        """Every threshold that was given with its figures, the main one first."""
        return self.evidence.points

    @property
    def counts(self) -> ConfusionCounts:
        """True and false positives and negatives at the operating point."""
        return self.evidence.operating.counts

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check, in the order of their codes."""
        return self.evidence.checks

    @property
    def auroc(self) -> Estimate:
        """Area under the ROC curve."""
        return self.evidence.auroc

    @property
    def auprc(self) -> Estimate:
        """Average precision."""
        return self.evidence.auprc

    @property
    def log_loss(self) -> Estimate:
        """Mean binary cross-entropy, in nats."""
        return self.evidence.log_loss

    @property
    def brier_score(self) -> Estimate:
        """Mean squared error of the probabilities."""
        return self.evidence.brier_score

    @property
    def prevalence(self) -> Estimate:
        """Share of cases with the condition."""
        return self.evidence.operating.prevalence

    @property
    def sensitivity(self) -> Estimate:
        """Share of cases with the condition that are called positive; also called recall."""
        return self.evidence.operating.sensitivity

    @property
    def specificity(self) -> Estimate:
        """Share of cases without the condition that are called negative."""
        return self.evidence.operating.specificity

    @property
    def recall(self) -> Estimate:
        """Another name for sensitivity."""
        return self.sensitivity

    @property
    def ppv(self) -> Estimate:
        """Share of positive calls that are right; also called precision."""
        return self.evidence.operating.ppv

    @property
    def precision(self) -> Estimate:
        """Another name for PPV."""
        return self.ppv

    @property
    def npv(self) -> Estimate:
        """Share of negative calls that are right."""
        return self.evidence.operating.npv

    @property
    def accuracy(self) -> Estimate:
        """Share of calls that are right."""
        return self.evidence.operating.accuracy

    @property
    def f1(self) -> Estimate:
        """Harmonic mean of precision and recall."""
        return self.evidence.operating.f1

    @cached_property
    def estimates(self) -> Mapping[str, Estimate]:
        """Every figure of the whole data by its stable name, in reading order."""
        operating = self.evidence.operating
        return {
            "prevalence": self.prevalence,
            "auroc": self.auroc,
            "auprc": self.auprc,
            **{name: getattr(operating, name) for name, _ in FIGURES},
            **self.evidence.calibration_estimates,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as JSON values; ``schema()`` says what is where."""
        inputs = self.evidence.inputs
        return {
            "format": FORMAT,
            "version": VERSION,
            "library": {"name": "medimg-cnn", "version": __version__},
            "title": self.title,
            "data": {
                "n": inputs.n,
                "positives": inputs.positives,
                "negatives": inputs.negatives,
                "patients": inputs.n_patients,
                "dropped": inputs.dropped,
                "part": inputs.part,
                "classes": list(inputs.classes),
            },
            "settings": {
                "level": inputs.level,
                "bootstrap": inputs.bootstrap,
                "seed": inputs.seed,
                "prevalences": list(inputs.prevalences),
                "intended_prevalence": inputs.intended_prevalence,
            },
            "operating_point": inputs.operating_point.to_dict(),
            "operating_points": [
                {
                    **point.to_dict(),
                    "status": origin_status(point, inputs.part),
                    "counts": row.counts.to_dict(),
                    **{
                        name: getattr(row, name).to_dict()
                        for name in ("sensitivity", "specificity", "ppv", "npv")
                    },
                }
                for point, row in self.evidence.points
            ],
            "counts": self.counts.to_dict(),
            "estimates": {name: estimate.to_dict() for name, estimate in self.estimates.items()},
            "checks": [
                {
                    "code": check.code,
                    "title": check.title,
                    "outcome": check.outcome,
                    "severity": check.severity,
                    "finding": check.finding,
                    "action": check.action,
                }
                for check in self.checks
            ],
            "sections": [
                {
                    "key": section.key,
                    "title": section.title,
                    "blocks": [block_to_dict(block) for block in section.blocks],
                }
                for section in self.document.sections
            ],
        }

    def to_csv(self) -> str:
        """Return ``to_frame()`` as CSV text in which no cell can run as a formula."""
        header = ["figure", "value", "lower", "upper", "level", "method", "n", "reason"]
        return csv_text(header, ([name, *row] for name, row in self._rows()))

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas table of every figure: value, lower, upper, level, method, n, reason."""
        import pandas as pd

        columns = ["value", "lower", "upper", "level", "method", "n", "reason"]
        rows = self._rows()
        index = pd.Index([name for name, _ in rows], name="figure")
        return pd.DataFrame([row for _, row in rows], columns=columns, index=index)

    def checklist(self, name: GuidelineName) -> Checklist:
        """Return the draft of a reporting checklist: what the run knows filled in, the rest as questions.

        Args:
            name: "stard-2015", "stard-ai", "claim-2024" or "tripod-ai".

        Raises:
            ArgumentError: no such guideline.

        Example:
            >>> from medimg_cnn import clinical_report
            >>> draft = clinical_report([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).checklist("stard-2015")
            >>> [entry.item.number for entry in draft.entries if entry.status == "filled"]
            ['14', '23', '24']
        """
        return make_checklist(self.evidence, name)

    def model_card(
        self,
        *,
        name: str = "",
        developers: str = "",
        licence: str = "",
        intended_use: str = "",
        out_of_scope: str = "",
        reference_standard: str = "",
        ethics: str = "",
    ) -> str:
        """Return a model card in Markdown from the report's facts; what is not given is asked as a question.

        Args:
            name: of the model, with its version.
            developers: who made it, and whom to ask.
            licence: under which it may be used.
            intended_use: for whom, on which patients, for which decision.
            out_of_scope: what it must not be used for.
            reference_standard: how it was known who has the condition.
            ethics: risks and harms that were considered.

        Returns:
            Markdown with the parts of M. Mitchell et al. 2019, doi:10.1145/3287560.3287596.

        Example:
            >>> from medimg_cnn import clinical_report
            >>> card = clinical_report([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).model_card(name="Demo 0.1")
            >>> card.splitlines()[0]
            '# Model card: Demo 0.1'
            >>> "For whom, on which patients" in card  # asked, because it was not given
            True
        """
        answers = {
            "developers": developers,
            "licence": licence,
            "intended_use": intended_use,
            "out_of_scope": out_of_scope,
            "reference_standard": reference_standard,
            "ethics": ethics,
        }
        return render_markdown(model_card(self.evidence, name, answers))

    def plot_roc(self) -> Figure:
        """Return the ROC curve with the operating point as a matplotlib Figure.

        Raises:
            ArgumentError: there are cases of one class only.
        """
        self._need_both("ROC curve")
        return draw_figure(roc_figure(self.evidence).chart, title=f"AUROC {self.auroc}")

    def plot_calibration(self) -> Figure:
        """Return the reliability diagram, with the distribution under it, as a matplotlib Figure."""
        return draw_figure(reliability_figure(self.evidence).chart)

    def plot_confusion_matrix(self) -> Figure:
        """Return the confusion matrix as a matplotlib Figure."""
        return draw_figure(confusion_figure(self.evidence).chart)

    def plot_score_histogram(self) -> Figure:
        """Return the histograms of the scores by class as a matplotlib Figure."""
        return draw_figure(score_figure(self.evidence).chart)

    def plot_decision_curve(self) -> Figure:
        """Return the decision curve as a matplotlib Figure.

        Raises:
            ArgumentError: there are cases of one class only.
        """
        self._need_both("decision curve")
        return draw_figure(decision_figure(self.evidence).chart)

    def __repr__(self) -> str:
        return f"<ClinicalReport: {self._subtitle()}, AUROC {self.auroc}>"

    def _repr_html_(self) -> str:
        return render_html_summary(
            self.title, self._subtitle(), key_figures(self.evidence), sentences(self.evidence)[1]
        )

    def _writers(self) -> Mapping[str, Callable[[], str]]:
        return {**super()._writers(), ".csv": self.to_csv}

    def _subtitle(self) -> str:
        return self.document.subtitle

    def _rows(self) -> list[tuple[str, list[object]]]:
        return [
            (name, [e.value, e.lower, e.upper, e.level, e.method, e.n, e.reason])
            for name, e in self.estimates.items()
        ]

    def _need_both(self, what: str) -> None:
        if not self.evidence.both_classes:
            raise ArgumentError(f"{what}: needs cases of both classes; this data has one.")
