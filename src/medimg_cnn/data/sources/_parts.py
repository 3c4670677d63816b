"""The three parts of a dataset and the spellings under which sources name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from medimg_cnn.data._split import PARTS
from medimg_cnn.errors import SplitError

__all__ = ["canonical_part", "canonical_parts"]

_SPELLINGS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


def canonical_part(name: str) -> str | None:
    """Return "train", "validation" or "test" for one of its spellings, else None.

    Example:
        >>> canonical_part("VALID"), canonical_part("normal")
        ('validation', None)
    """
    return _SPELLINGS.get(name.strip().casefold())


def canonical_parts(values: Sequence[str], *, where: str) -> list[str]:
    """Return the part of every row.

    Raises:
        SplitError: a value is not a spelling of a part; the message lists the values.
    """
    parts = [canonical_part(value) for value in values]
    unknown = Counter(value for value, part in zip(values, parts, strict=True) if part is None)
    if unknown:
        listed = ", ".join(f"{value!r} ({count} rows)" for value, count in unknown.most_common(8))
        raise SplitError(
            f"{where}: a part must be one of {', '.join(PARTS)} (or val, valid, dev, training, testing); "
            f"got {listed}. Rename the values, or pass split=None to split anew."
        )
    return [part or "" for part in parts]
