"""``clinical_report``: scores in, a document out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from numpy.typing import ArrayLike

from medimg_cnn._vectors import Missing
from medimg_cnn._version import __version__
from medimg_cnn.artifacts import OperatingPoint, Predictions
from medimg_cnn.errors import ArgumentError
from medimg_cnn.reporting._audit import AuditSource
from medimg_cnn.reporting._cautions import with_cautions
from medimg_cnn.reporting._document import Document, SectionContent
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import plural
from medimg_cnn.reporting._inputs import HasResult, ImageSource, read_inputs
from medimg_cnn.reporting._report import ClinicalReport
from medimg_cnn.reporting.sections import DEFAULT_SECTIONS, Section

__all__ = ["clinical_report"]

_FOOTER = (
    f"Made with medimg-cnn {__version__}. Research use only: not a medical device, not for decisions about "
    "the care of patients."
)


def clinical_report(
    y_true: Predictions | ArrayLike,
    probability: ArrayLike | None = None,
    *,
    positive: object = None,
    operating_point: OperatingPoint | float | Sequence[OperatingPoint | float] | None = None,
    patients: ArrayLike | None = None,
    subgroups: Mapping[str, ArrayLike] | None = None,
    prevalences: float | Sequence[float] = (),
    intended_prevalence: float | None = None,
    condition: str | None = None,
    missing: Missing = "raise",
    level: float = 0.95,
    bootstrap: int = 2000,
    seed: int = 0,
    title: str | None = None,
    facts: Mapping[str, str] | None = None,
    run: HasResult | None = None,
    images: ImageSource | None = None,
    calibration: Predictions | None = None,
    case_names: bool = False,
    audit: AuditSource | None = None,
    sections: Sequence[Section] = DEFAULT_SECTIONS,
) -> ClinicalReport:
    """Judge a two-class model by its probabilities, from any framework, and make a document of it.

    A case is called positive if and only if its probability is at least the threshold. Nothing is ever
    turned round, and what is undefined is said to be so, with the reason.

    Args:
        y_true: Predictions; or (n,) outcomes 0/1 or boolean (1 = has the condition); or two labels, with
            ``positive``.
        probability: (n,) probabilities of the positive class, 0 to 1; not with Predictions.
        positive: the label that has the condition, where labels are not 0/1.
        operating_point: the threshold with its origin; a bare number has an unknown origin, which a check
            flags. By default that of ``run``, else 0.5, chosen on nothing. Of several, the first is the main
            one, on which the report rests; the others are compared with it in a table.
        patients: (n,) patient ids; intervals then allow for several images of a patient.
        subgroups: column name -> (n,) groups, or a pandas table; Predictions bring their own as well. More than 10
            different numbers are cut at their quartiles; ``data.bands`` cuts elsewhere.
        prevalences: one or several at which PPV and NPV are also given, each above 0 and below 1.
        intended_prevalence: of the setting where the model is meant to be used.
        condition: what the positive class is called in sentences, such as "pneumonia"; by default its
            class name, where it has one.
        missing: "raise" where a score is NaN, or "drop" these cases and count them.
        level: of every interval, above 0 and below 1.
        bootstrap: resamples for figures without a closed form, at least 100.
        seed: of the resampling.
        title: the heading.
        facts: what stands under the heading, such as {"Model": "...", "Date": "..."}.
        run: what ``Trainer.fit`` returned, or anything whose ``.result`` is a ``FitResult``; adds the
            training section. With its ``model`` and ``images`` wrong cases get class-activation maps.
        images: (n, height, width, 1 or 3) float32 in 0-1, row by row as ``y_true``, or an object with
            ``read(indices)`` such as a ``Split``; shows the wrong cases.
        calibration: predictions of other cases, such as ``run.predict(data.validation)``; calibrates the
            conformal prediction sets.
        case_names: show sample ids of wrong cases; by default only row numbers, because a file name can give
            away who a patient is.
        audit: of the dataset, ``data.audit`` or the dict of its ``to_dict()``; adds the section "Audit of the
            dataset".
        sections: what the document holds, in order; add your own with
            ``sections=(*DEFAULT_SECTIONS, mine)``.

    Returns:
        The report. It always completes: one class, one case, constant scores and ties included.

    Raises:
        ArgumentError: an argument breaks its rule; the message names it, the value and the next step.

    Example:
        >>> report = clinical_report([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], bootstrap=200)
        >>> round(report.auroc.value, 2), report.counts.tp
        (0.75, 1)
        >>> report.operating_point.chosen_on
        'not chosen on data (default 0.5)'
    """
    inputs = read_inputs(
        y_true,
        probability,
        positive=positive,
        operating_point=operating_point,
        patients=patients,
        subgroups=subgroups,
        prevalences=prevalences,
        intended_prevalence=intended_prevalence,
        condition=condition,
        missing=missing,
        level=level,
        bootstrap=bootstrap,
        seed=seed,
        run=run,
        images=images,
        calibration=calibration,
        case_names=case_names,
        audit=audit,
    )
    evidence = Evidence(inputs)
    heading = title or (
        f"Diagnostic accuracy: {inputs.condition}" if inputs.condition else "Diagnostic accuracy report"
    )
    patients_text = "" if inputs.n_patients is None else f" of {plural(inputs.n_patients, 'patient')}"
    subtitle = (
        plural(inputs.n, "image") + patients_text + f", {inputs.positives:,} with the condition, judged at "
        f"threshold {inputs.operating_point.threshold:.4g}"
    )
    document = Document(
        title=heading,
        subtitle=subtitle,
        facts=tuple((str(name), str(value)) for name, value in (facts or {}).items()),
        sections=_built(sections, evidence),
        footer=_FOOTER,
    )
    return ClinicalReport(heading, evidence, document)


def _built(sections: Sequence[Section], evidence: Evidence) -> tuple[SectionContent, ...]:
    keys = [section.key for section in sections]
    repeated = {key for key in keys if keys.count(key) > 1}
    if repeated:
        raise ArgumentError(f"sections: each key must occur once; {sorted(repeated)} repeat.")
    built = [SectionContent(s.key, s.title, tuple(s.build(evidence))) for s in sections]
    return with_cautions(section for section in built if section.blocks)
