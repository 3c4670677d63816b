"""Where a threshold comes from, as far as the words of its record tell."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from medimg_cnn.artifacts import OperatingPoint

__all__ = ["OriginStatus", "origin_status"]

OriginStatus: TypeAlias = Literal[
    "locked", "chosen within the folds", "chosen on these data", "chosen on training data", "not known"
]

_ELSEWHERE = frozenset(
    {
        "validation",
        "val",
        "tuning",
        "development",
        "dev",
        "calibration",
        "configuration",
        "literature",
        "default 0.5",
        "not chosen on data (default 0.5)",
    }
)
"""Origins that are taken at their word: other data than these, or no data at all."""

_HERE = re.compile(r"\b(test\w*|hold\w*|held|same|this|these|all|whole|entire)\b")
_TRAINING = re.compile(r"\btrain\w*")
_KIND = re.compile(r" (data|set|dataset|split|part|fold|cases|images|patients)$")


def origin_status(point: OperatingPoint, part: str) -> OriginStatus:
    """Return whether a threshold was fixed before these data were seen, as far as its origin tells.

    The origin is free text, so only words from a closed list count as "locked"; what is not understood is "not
    known".

    Args:
        point: the threshold with its origin.
        part: which data are judged, for example "test", or "" where not said.

    Example:
        >>> point = OperatingPoint(threshold=0.4, rule="youden", chosen_on="Test split")
        >>> origin_status(point, "external")
        'chosen on these data'
    """
    words = " ".join(re.sub(r"[-_]", " ", point.chosen_on.lower()).split()).strip(" .")
    origin = _KIND.sub("", words.removeprefix("the ").removeprefix("a "))
    if part and re.search(rf"\b{re.escape(part.lower())}\b", words):
        return "chosen on these data"
    if origin in _ELSEWHERE:
        return "locked"
    if words.removesuffix(" of each fold") in _ELSEWHERE:  # so says CrossValidation.operating_point
        return "chosen within the folds"
    if _HERE.search(words):
        return "chosen on these data"
    return "chosen on training data" if _TRAINING.search(words) else "not known"
