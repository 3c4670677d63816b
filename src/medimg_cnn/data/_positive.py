"""Which of two labels is the positive class: named by the user, or unmistakable, and never a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from medimg_cnn._validation import explain
from medimg_cnn.data._records import LabelKind
from medimg_cnn.errors import ArgumentError, LabelError

__all__ = ["choose_classes", "label_text", "others_left_out", "says_absence"]

_ABSENCE = frozenset(
    {
        "absence", "absent", "benign", "control", "controls", "disease free", "false", "healthy",
        "neg", "negative", "negatives", "no", "none", "nonmalignant", "normal", "normals", "unaffected",
        "uninfected", "unremarkable",
    }
)  # fmt: skip
_DENIALS = frozenset({"no", "non", "not", "without"})
_FINDINGS = frozenset(
    {
        "abnormalities", "abnormality", "cancer", "disease", "finding", "findings", "lesion", "lesions",
        "malignancy", "pathology", "tumor", "tumors", "tumour", "tumours",
    }
)  # fmt: skip
"""What "no" denies beyond doubt; "no response" and "no contrast" are not about having a condition."""

_ASKED = frozenset(
    {
        "contrast", "hodgkin", "hodgkin lymphoma", "hodgkin s lymphoma", "hodgkins", "invasive", "response",
        "responder", "seminoma", "small cell", "small cell lung cancer", "st elevation",
    }
)  # fmt: skip
"""Words whose denial is a condition of its own, or that are none."""


def others_left_out(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Return a sentence about images of other labels than these two, nothing where there are none."""
    return (f"Left out images of other labels than {names[0]!r} and {names[1]!r}: {count}.",) if count else ()


def says_absence(label: str, other: str = "") -> bool:
    """Return whether a label says that the condition is not there.

    Args:
        label: the label.
        other: the other label; "non_x" denies only where it is "x", and not for conditions such as non-Hodgkin.

    Example:
        >>> [says_absence(name) for name in ("NORMAL", "no_lesion", "non-Hodgkin", "Pneumonia", "0")]
        [True, True, False, False, False]
        >>> says_absence("non-COVID", "COVID")
        True
        >>> says_absence("non_hodgkin", "hodgkin")
        False
    """
    words = _words(label)
    denial, _, denied = words.partition(" ")
    if words in _ABSENCE or (denial == "no" and denied in _FINDINGS):
        return True
    return denial in _DENIALS and denied == _words(other) != "" and denied not in _ASKED


def _words(label: str) -> str:
    return re.sub(r"[\s_\-]+", " ", label).strip().casefold()


def label_text(value: object) -> str:
    """Return a label as the text under which labels are compared: True is "True", 1 and "1" are "1"."""
    item = value.item() if hasattr(value, "item") and not isinstance(value, (str, bytes)) else value
    if isinstance(item, float) and item.is_integer():
        item = int(item)
    return str(item).strip()


def choose_classes(
    counts: Mapping[str, int],
    *,
    positive: object = None,
    kind: LabelKind = "text",
    origin: str = "the source",
) -> tuple[str, str]:
    """Return (negative, positive) for the labels found.

    Args:
        counts: label -> number of images with it.
        positive: the user's word for the positive class, or None.
        kind: "boolean" where the labels are true booleans.
        origin: the source in words, for messages.

    Raises:
        LabelError: there are not exactly two labels, or which of them is positive is not known.
        ArgumentError: ``positive`` is not one of the labels.

    Example:
        >>> choose_classes({"pneumonia": 30, "normal": 20})
        ('normal', 'pneumonia')
        >>> choose_classes({"0": 30, "1": 20}, positive=0)
        ('1', '0')
    """
    listed = _listed(counts)
    if len(counts) > 2:
        raise LabelError(
            f"{origin}: a two-class dataset is needed; found {len(counts)} labels: {listed}. {_spellings(counts)}"
            "Pass classes=(negative, positive) to keep the images of two of them, for example "
            f"classes={_example(tuple(counts))}, or write a column with two labels and name it with label=."
        )
    if len(counts) < 2:
        raise LabelError(
            f"{origin}: a two-class dataset is needed; found "
            f"{'only the label ' + listed if counts else 'no labelled image'}. "
            "Check that the source points at both classes."
        )
    first, second = counts
    if positive is not None:
        if kind == "boolean" and label_text(positive) in {"0", "1"}:
            positive = label_text(positive) == "1"
        chosen = _match(positive, tuple(counts), listed)
        return (second, chosen) if chosen == first else (first, chosen)
    if kind == "boolean":
        return ("False", "True")
    absent = (says_absence(first, second), says_absence(second, first))
    if absent == (True, False):
        return first, second
    if absent == (False, True):
        return second, first
    raise LabelError(
        f"{origin}: which label is positive is not known; the labels are {listed}. "
        f"Name the one that has the condition: positive={first!r} or positive={second!r}."
    )


def _spellings(counts: Mapping[str, int]) -> str:
    """Return a sentence about labels that differ in capitals only, "" where there are none."""
    by_word: dict[str, list[str]] = {}
    for label in counts:
        by_word.setdefault(_words(label), []).append(label)
    alike = [" and ".join(map(repr, labels)) for labels in by_word.values() if len(labels) > 1]
    return f"Is one meant by {'; '.join(alike)}? Then spell it in one way. " if alike else ""


def _example(labels: tuple[str, ...]) -> tuple[str, str]:
    negative = next((label for label in labels if says_absence(label)), labels[0])
    return negative, next(label for label in labels if label != negative)


def _match(positive: object, labels: tuple[str, ...], listed: str) -> str:
    wanted = label_text(positive)
    if wanted in labels:
        return wanted
    folded = [label for label in labels if label.casefold() == wanted.casefold()]
    if len(folded) == 1:
        return folded[0]
    close = get_close_matches(wanted.casefold(), [label.casefold() for label in labels], n=1)
    meant = [label for label in labels if close and label.casefold() == close[0]]
    if isinstance(positive, bool) and set(labels) == {"0", "1"}:
        meant = [str(int(positive))]
    step = f"Did you mean {meant[0]!r}? " if meant else ""
    raise ArgumentError(explain("positive", f"must be one of the labels, {listed}", positive, step.strip()))


def _listed(counts: Mapping[str, int], limit: int = 12) -> str:
    items = [f"{label!r} ({count} image{'' if count == 1 else 's'})" for label, count in counts.items()]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more
