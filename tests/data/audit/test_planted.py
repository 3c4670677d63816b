"""Planted copies among real chest films are found, and look-alikes are not taken for copies."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medimg_cnn.data import AuditReport, load_dataset

PLANTED = 200
FLIPPED = 100
KNOWN = {"no_finding/00002658_001.png", "no_finding/00002658_002.png"}
"""The one pair of equal images in the set as it is published, of one patient: looked at."""


def changed(image: Image.Image, kind: str) -> tuple[str, bytes]:
    """Return the ending and the bytes of the changed image."""
    stream = io.BytesIO()
    if kind == "jpeg":
        image.save(stream, "JPEG", quality=85)
        return ".jpg", stream.getvalue()
    if kind == "resized":
        image = image.resize((round(image.width * 0.9), round(image.height * 0.9)), Image.Resampling.BICUBIC)
    elif kind == "brighter":
        image = Image.fromarray(np.clip(np.asarray(image) * 1.05, 0, 255).round().astype(np.uint8))
    else:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image.save(stream, "PNG")
    return ".png", stream.getvalue()


def plant(source: Path, target: Path, *, seed: int) -> dict[str, str]:
    """Write a table of the NIH images and of changed copies, each of a patient of its own; return copy -> original."""
    with (source / "labels.csv").open() as stream:
        rows = [(row["file"], row["label"], row["patient_id"]) for row in csv.DictReader(stream)]
    chosen = np.random.default_rng(seed).permutation(len(rows))[: PLANTED + FLIPPED]
    copies = {}
    for number, index in enumerate(chosen.tolist()):
        file, label, _ = rows[index]
        kind = ("jpeg", "resized", "brighter")[number % 3] if number < PLANTED else "flipped"
        with Image.open(source / file) as image:
            ending, content = changed(image.convert("L"), kind)
        name = f"{kind}_{number}{ending}"
        (target / name).write_bytes(content)
        copies[name] = file
        rows.append((name, label, f"new{number}"))
    for file, _, _ in rows[:1000]:
        (target / file).parent.mkdir(exist_ok=True)
        (target / file).write_bytes((source / file).read_bytes())
    with (target / "table.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label", "patient"), *rows])
    return copies


def judged(report: AuditReport, copies: dict[str, str]) -> tuple[int, set[str]]:
    """Return how many planted copies were found with their originals, and the images that were flagged falsely."""
    table = report.pairs()
    pairs = [set(pair) for pair in table[["sample_id_1", "sample_id_2"]].to_numpy().tolist()]
    true = [{copy, original} for copy, original in copies.items() if not copy.startswith("flipped")]
    false: set[str] = set()
    for pair in pairs:
        # A copy of either of two equal films is a copy of the other.
        meant = {copies.get(name, name) if not name.startswith("flipped") else name for name in pair}
        if len(meant) > 1 and meant != KNOWN:
            false |= pair
    return sum(pair in pairs for pair in true), false


@pytest.mark.slow
@pytest.mark.parametrize("size", [128, 256])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_copies_are_found_and_look_alikes_are_not(
    shared: Path, tmp_path: Path, size: int, seed: int
) -> None:
    copies = plant(shared / "data/nih_cxr_pneumonia", tmp_path, seed=seed)
    data = load_dataset(
        tmp_path / "table.csv", positive="pneumonia", patients="patient", image_size=size, seed=seed
    )
    assert data.audit is not None
    found, false = judged(data.audit, copies)
    print(
        f"{size} px, seed {seed}: {found} of {PLANTED} found, {len(false)} flagged falsely, {data.audit.limit:.3f}"
    )
    assert found >= 190
    assert len(false) < 0.005 * 1000
    parts = dict(zip(data.table["sample_id"], data.table["part"], strict=True))
    apart = [copy for copy, original in copies.items() if parts[copy] != parts[original]]
    assert sum(not copy.startswith("flipped") for copy in apart) <= PLANTED - found
    assert any(copy.startswith("flipped") for copy in apart)


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_the_films_as_they_are_hold_one_pair_of_equals_and_no_near_duplicates(
    shared: Path, size: int
) -> None:
    data = load_dataset(
        shared / "data/nih_cxr_pneumonia", positive="pneumonia", patients="patient_id", image_size=size
    )
    assert data.audit is not None
    table = data.audit.pairs()
    assert table["kind"].tolist() == ["exact"]
    assert set(table.loc[0, ["sample_id_1", "sample_id_2"]]) == KNOWN
    assert data.audit.passed
