"""What a dataset was, in a few hashes, so that a change is noticed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["DatasetFingerprint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFingerprint:
    """A dataset's identity: equal fingerprints mean the same pixels, labels, parts and preprocessing.

    Attributes:
        content: sha256 over every image's content hash, label and part, in a fixed order.
        preprocessing: sha256 of the preprocessing configuration.
        counts: (part, images, positives) for each part.
        classes: (negative, positive) names.
        image_shape: (height, width, channels) after preprocessing.
    """

    content: str
    preprocessing: str
    counts: tuple[tuple[str, int, int], ...]
    classes: tuple[str, str]
    image_shape: tuple[int, int, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> DatasetFingerprint:
        """Build the record from what ``to_dict`` gave."""
        height, width, channels = content["image_shape"]
        negative, positive = content["classes"]
        return cls(
            content=content["content"],
            preprocessing=content["preprocessing"],
            counts=tuple(
                (str(part), int(images), int(positives)) for part, images, positives in content["counts"]
            ),
            classes=(negative, positive),
            image_shape=(height, width, channels),
        )

    def differences(self, other: DatasetFingerprint) -> list[str]:
        """Return in words what differs between this and another fingerprint; empty where nothing does."""
        names = {
            "classes": "class names",
            "image_shape": "image shape",
            "counts": "number of images or positives in a part",
            "preprocessing": "preprocessing",
            "content": "pixels, labels or parts",
        }
        found = []
        for field, words in names.items():
            mine, theirs = getattr(self, field), getattr(other, field)
            if mine != theirs:
                found.append(f"{words}: {mine} became {theirs}")
        return found
