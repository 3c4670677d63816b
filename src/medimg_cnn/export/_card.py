"""The model card of a bundle whose test results were not given: what is known, and questions for the rest."""

from __future__ import annotations

from collections.abc import Mapping

from medimg_cnn._version import __version__
from medimg_cnn.training import Run

__all__ = ["short_card"]

_QUESTIONS = {
    "developers": ("Developers", "Who made the model, when, and whom can a user ask?"),
    "licence": ("Licence", "Under which licence may it be used?"),
    "intended_use": ("Intended use", "For whom, on which patients, and for which decision is it meant?"),
    "out_of_scope": ("Not meant for", "What must it not be used for?"),
}


def short_card(run: Run, *, name: str, classes: tuple[str, str], answers: Mapping[str, str]) -> str:
    """Return Markdown."""
    point, calibration = run.operating_point, run.result.calibration
    lines = [f"# Model card: {name or run.model.name}", "", "Research use only: not a medical device.", ""]
    for key, (heading, question) in _QUESTIONS.items():
        said = answers.get(key, "").strip()
        lines += [f"## {heading}", "", said or f"To answer: {question}", ""]
    lines += ["## Output", ""]
    lines += [
        f"The probability of {classes[1]!r} against {classes[0]!r} (calibration: {calibration.method}). "
    ]
    lines += [
        f"{classes[1]!r} from {point.threshold:.4g} on; chosen by {point.rule} on {point.chosen_on}.",
        "",
    ]
    fingerprint = run.result.fingerprint
    if fingerprint is not None:
        lines += ["## Data", ""]
        lines += [
            f"- {part}: {images} images, {positives} {classes[1]}"
            for part, images, positives in fingerprint.counts
        ]
        lines += [""]
    lines += ["## Performance", "", "No test results were given when this bundle was saved.", ""]
    lines += [f"Made with medimg-cnn {__version__}.", ""]
    return "\n".join(lines)
