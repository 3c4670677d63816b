"""Argument checks shared by every package: one wording, one place."""

from __future__ import annotations

import importlib
import math
import numbers
import os
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from medimg_cnn.errors import ArgumentError, MissingDependencyError

__all__ = [
    "check_choice",
    "check_flag",
    "check_fraction",
    "check_image_size",
    "check_integer",
    "check_number",
    "check_path",
    "check_seed",
    "explain",
    "import_optional",
    "suggest",
]

T = TypeVar("T", bound=str)

_LONGEST_NAME = 255
"""Bytes of a file's name, on the file systems in use."""


def explain(argument: str, rule: str, value: object, next_step: str = "") -> str:
    """Return a message in the library's one form: argument, rule, value, next step."""
    text = f"{argument}: {rule}; got {_shorten(value)}."
    return f"{text} {next_step}" if next_step else text


def suggest(name: str, known: Collection[str]) -> str:
    """Return "Did you mean ...?" and the known names, for a name that is not among them."""
    close = get_close_matches(name, list(known), n=1)
    listed = ", ".join(repr(item) for item in known)
    return (f"Did you mean {close[0]!r}? " if close else "") + f"Known: {listed}."


def check_choice(argument: str, value: object, known: Collection[T]) -> T:
    """Return ``value`` if it is one of ``known``; raise ArgumentError otherwise."""
    for item in known:
        if isinstance(value, str) and value == item:
            return item
    rule = "must be one of " + ", ".join(repr(item) for item in known)
    close = get_close_matches(value, list(known), n=1) if isinstance(value, str) else []
    raise ArgumentError(explain(argument, rule, value, f"Did you mean {close[0]!r}?" if close else ""))


def check_integer(argument: str, value: object, *, low: int, high: int | None = None) -> int:
    """Return ``value`` as an int within [low, high]; booleans are not integers here."""
    rule = f"must be a whole number of at least {low}" + ("" if high is None else f" and at most {high}")
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ArgumentError(explain(argument, rule, value))
    number = int(value)
    if number < low or (high is not None and number > high):
        raise ArgumentError(explain(argument, rule, value))
    return number


def check_number(
    argument: str,
    value: object,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return ``value`` as a finite float within the bounds, each closed unless said to be open."""
    rule = (
        f"must be a finite number in {'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"
    )
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ArgumentError(explain(argument, rule, value))
    try:
        number = float(value)
    except OverflowError:  # an integer beyond the largest float
        number = math.inf
    if (
        not math.isfinite(number)
        or number < low
        or number > high
        or (low_open and number == low)
        or (high_open and number == high)
    ):
        raise ArgumentError(explain(argument, rule, value))
    return number


def check_fraction(argument: str, value: object, *, open_ends: bool = False) -> float:
    """Return ``value`` as a float from 0 to 1, without the ends if ``open_ends``."""
    return check_number(argument, value, low=0.0, high=1.0, low_open=open_ends, high_open=open_ends)


def check_flag(argument: str, value: object) -> bool:
    """Return ``value`` if it is True or False; words and numbers that Python would take for either are refused."""
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(explain(argument, "must be True or False", value))
    return bool(value)


def check_path(argument: str, value: object, *, example: str = "runs/first") -> Path:
    """Return ``value`` as a path; what is empty, or can be the name of no file, is refused."""
    rule, hint = "must be a path: a text or a pathlib.Path", f"Pass for example {argument}={example!r}."
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(text, str):
        raise ArgumentError(explain(argument, rule, value, hint))
    if not text.strip():
        raise ArgumentError(explain(argument, "must be a path that is not empty", value, hint))
    if "\0" in text:
        raise ArgumentError(explain(argument, "must be a path without the character NUL", value, hint))
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in Path(text).parts):
        rule = f"must be a path of names of at most {_LONGEST_NAME} bytes"
        raise ArgumentError(explain(argument, rule, value, hint))
    return Path(text)


def check_seed(argument: str, value: object) -> int:
    """Return ``value`` as a seed: a whole number from 0 to 2**31 - 1."""
    return check_integer(argument, value, low=0, high=2**31 - 1)


def check_image_size(argument: str, value: object) -> tuple[int, int]:
    """Return ``value`` as (height, width); one whole number stands for a square."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = (value, value)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ArgumentError(
            explain(
                argument,
                "must be (height, width) in whole pixels, or one whole number for a square",
                value,
                f"Pass for example {argument}=(128, 128).",
            )
        )
    height, width = value
    return (
        check_integer(f"{argument}[0] (height)", height, low=1, high=65_535),
        check_integer(f"{argument}[1] (width)", width, low=1, high=65_535),
    )


def import_optional(module: str, *, extra: str, why: str) -> ModuleType:
    """Import a package of an extra; where it is missing, say how to install it.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{why} needs the package {module.split('.', maxsplit=1)[0]!r}, which is not installed. "
            f'Install it with: pip install "medimg-cnn[{extra}]"'
        ) from error


def _shorten(value: Any, limit: int = 120) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists in lists without end
        text = f"{type(value).__name__} too long to show"
    return text if len(text) <= limit else text[: limit - 3] + "..."
