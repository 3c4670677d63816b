"""Which images a run trains on, in hashes, so that one that goes on finds out whether they changed."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn.artifacts import DatasetFingerprint
from medimg_cnn.training._source import ImageSource

__all__ = ["Digests", "changes", "describe_source", "image_digests"]

Digests = NDArray[np.uint32]

_MOST_IMAGES = 20_000
"""Above this many, images are not hashed one by one: a change is found by the dataset's fingerprint alone, where there
is one, and not named."""


def describe_source(source: ImageSource) -> dict[str, Any]:
    """Return what is known of a set of images, as JSON values; ids only as hashes."""
    fingerprint = source.fingerprint
    return {
        "n": source.n,
        "positives": int(source.labels.sum()),
        "ids": _hash_of(source.sample_ids),
        "labels": hashlib.sha256(np.asarray(source.labels, np.int8).tobytes()).hexdigest(),
        "fingerprint": None if fingerprint is None else fingerprint.to_dict(),
    }


def image_digests(source: ImageSource) -> Digests:
    """Return a checksum of each image, (n,) uint32; (0,) where there are too many to read them for this."""
    if source.n > _MOST_IMAGES:
        return np.zeros(0, np.uint32)
    found = np.zeros(source.n, np.uint32)
    for start in range(0, source.n, 128):
        rows = np.arange(start, min(start + 128, source.n))
        found[rows] = [zlib.crc32(np.ascontiguousarray(image).tobytes()) for image in source.read(rows)]
    return found


def changes(name: str, before: Mapping[str, Any], digests: Digests, source: ImageSource) -> list[str]:
    """Return in words what differs between a source and what was trained on; empty where nothing does."""
    now = describe_source(source)
    if now["n"] != before["n"]:
        return [f"{name}: {before['n']} images became {now['n']}"]
    found = []
    if now["ids"] != before["ids"]:
        found.append(f"{name}: other images, or another order of them")
    if now["labels"] != before["labels"]:
        found.append(f"{name}: labels changed ({before['positives']} positives became {now['positives']})")
    if found:
        return found
    known = before["fingerprint"] is not None and now["fingerprint"] is not None
    if (
        digests.size
    ):  # also where the fingerprint is the same: two files that changed places have the same one
        rows = np.flatnonzero(image_digests(source) != digests)
        if rows.size:
            names = ", ".join(source.sample_ids[rows][:8].tolist()) + (" and others" if rows.size > 8 else "")
            found.append(f"{name}: pixels of {rows.size} image(s) changed: {names}")
    if not found and known and now["fingerprint"] != _plain(before["fingerprint"]):
        old = DatasetFingerprint.from_dict(before["fingerprint"])
        found += [
            f"dataset, in another part or in images that are not used: {text}"
            for text in old.differences(DatasetFingerprint.from_dict(now["fingerprint"]))
        ]
    return found


def _hash_of(texts: NDArray[np.str_]) -> str:
    return hashlib.sha256("\x1f".join(texts.tolist()).encode()).hexdigest()


def _plain(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    return DatasetFingerprint.from_dict(dict(fingerprint)).to_dict()
