"""What a run can say of itself, sentence by sentence; "" where it does not know."""

from __future__ import annotations

from collections.abc import Callable

from medimg_cnn._version import __version__
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import estimate_text, percent_text, plural

__all__ = ["FACTS"]


def _counts(evidence: Evidence) -> str:
    inputs = evidence.inputs
    patients = "patients not known" if inputs.n_patients is None else plural(inputs.n_patients, "patient")
    return (
        f"{plural(inputs.n, 'image')} ({patients}), {inputs.positives:,} with the condition, "
        f"{inputs.negatives:,} without; {plural(inputs.dropped, 'case')} left out for a missing score."
    )


def _cross_tabulation(evidence: Evidence) -> str:
    counts = evidence.operating.counts
    return (
        f"At threshold {evidence.inputs.operating_point.threshold:.4g}: {counts.tp:,} true positives, "
        f"{counts.fn:,} false negatives, {counts.fp:,} false positives, {counts.tn:,} true negatives."
    )


def _accuracy(evidence: Evidence) -> str:
    operating, level = evidence.operating, f"{100 * evidence.inputs.level:g}%"
    return (
        f"With {level} intervals: AUROC {estimate_text(evidence.auroc)}, sensitivity "
        f"{estimate_text(operating.sensitivity)}, specificity {estimate_text(operating.specificity)}, PPV "
        f"{estimate_text(operating.ppv)}, NPV {estimate_text(operating.npv)}."
    )


def _methods(evidence: Evidence) -> str:
    operating = evidence.operating
    return (
        f"AUROC: {evidence.auroc.method}. Sensitivity and specificity: {operating.sensitivity.method}. "
        f"Level {100 * evidence.inputs.level:g}%; bootstrap of {evidence.inputs.bootstrap:,} resamples, seed "
        f"{evidence.inputs.seed}. All methods with their sources stand in the report under Methods."
    )


def _threshold(evidence: Evidence) -> str:
    point = evidence.inputs.operating_point
    return f"Threshold {point.threshold:.4g}, rule {point.rule}, chosen on: {point.chosen_on}."


def _missing(evidence: Evidence) -> str:
    dropped = evidence.inputs.dropped
    if dropped:
        return f"{plural(dropped, 'case')} without a score left out; nothing was imputed."
    return "Every case that was given had a score; nothing was imputed."


def _indeterminate(_: Evidence) -> str:
    return "Every case was called positive or negative; the model gave no indeterminate result."


def _sample_size(evidence: Evidence) -> str:
    inputs, operating = evidence.inputs, evidence.operating
    widths = [
        f"{name} {estimate.width:.3f}"
        for name, estimate in (
            ("sensitivity", operating.sensitivity),
            ("specificity", operating.specificity),
            ("AUROC", evidence.auroc),
        )
        if estimate.has_interval
    ]
    reached = f" Width of the intervals reached: {', '.join(widths)}." if widths else ""
    return f"{inputs.positives:,} cases with and {inputs.negatives:,} without the condition.{reached}"


def _subgroups(evidence: Evidence) -> str:
    if not evidence.inputs.subgroups:
        return ""
    check = next(check for check in evidence.checks if check.code == "R008")
    return f"Subgroups by {', '.join(evidence.inputs.subgroups)}. {check.finding}"


def _clusters(evidence: Evidence) -> str:
    inputs = evidence.inputs
    if inputs.n_patients is None:
        return "Patients are not known; images were treated as independent."
    if inputs.clustered:
        return f"{plural(inputs.n, 'image')} of {plural(inputs.n_patients, 'patient')}; intervals are by patient."
    return "One image per patient."


def _measures(_: Evidence) -> str:
    return (
        "Discrimination (AUROC, AUPRC, ROC and precision-recall curves), calibration (slope, intercepts, O:E, "
        "Brier score, reliability diagram), clinical utility (decision curve), and every figure of the "
        "two-by-two table at the threshold."
    )


def _calibration(evidence: Evidence) -> str:
    result = evidence.inputs.result
    if result is None:
        return ""
    if result.calibration.method == "identity":
        return "The probabilities were not recalibrated."
    return f"Recalibrated ({result.calibration.method}), fitted on {result.calibration.fitted_on}."


def _prevalence(evidence: Evidence) -> str:
    intended = evidence.inputs.intended_prevalence
    here = f"Prevalence in these cases {estimate_text(evidence.operating.prevalence)}"
    return f"{here}." if intended is None else f"{here}; {percent_text(intended)} in the intended use."


def _errors(evidence: Evidence) -> str:
    counts = evidence.operating.counts
    return (
        f"{counts.fn:,} false negatives and {counts.fp:,} false positives; the surest of each are listed in the "
        "report under Errors."
    )


def _evaluated_on(evidence: Evidence) -> str:
    part = evidence.inputs.part
    return f"Judged on the {part} part." if part else ""


def _partitions(evidence: Evidence) -> str:
    result = evidence.inputs.result
    if result is None or result.fingerprint is None:
        return ""
    parts = ", ".join(
        f"{part} {images:,} ({positives:,} with the condition)"
        for part, images, positives in result.fingerprint.counts
    )
    return f"Images by part: {parts}. Dataset content sha256 {result.fingerprint.content[:16]}..."


def _preprocessing(evidence: Evidence) -> str:
    result = evidence.inputs.result
    if result is None or result.fingerprint is None:
        return ""
    height, width, channels = result.fingerprint.image_shape
    return (
        f"Images resized to {height} by {width} pixels, {plural(channels, 'channel')}, scaled to 0-1; "
        f"preprocessing sha256 {result.fingerprint.preprocessing[:16]}..."
    )


def _software(evidence: Evidence) -> str:
    result = evidence.inputs.result
    versions = {} if result is None else dict(result.environment)
    listed = ", ".join(f"{name} {value}" for name, value in versions.items())
    return f"medimg-cnn {__version__}" + (f"; {listed}." if listed else ".")


def _training(evidence: Evidence) -> str:
    result = evidence.inputs.result
    if result is None:
        return ""
    return (
        f"{plural(len(result.history), 'epoch')}; weights of epoch {result.kept_epoch} kept. The whole "
        "configuration stands in the report under Training."
    )


def _threshold_and_output(evidence: Evidence) -> str:
    return f"A probability from 0 to 1 of the condition. {_threshold(evidence)}"


FACTS: dict[str, Callable[[Evidence], str]] = {
    "accuracy": _accuracy,
    "calibration": _calibration,
    "clusters": _clusters,
    "counts": _counts,
    "cross-tabulation": _cross_tabulation,
    "errors": _errors,
    "evaluated-on": _evaluated_on,
    "indeterminate": _indeterminate,
    "measures": _measures,
    "methods": _methods,
    "missing": _missing,
    "output": _threshold_and_output,
    "partitions": _partitions,
    "preprocessing": _preprocessing,
    "prevalence": _prevalence,
    "sample-size": _sample_size,
    "software": _software,
    "subgroups": _subgroups,
    "threshold": _threshold,
    "training": _training,
}
"""Name of a fact -> the sentence that states it."""
