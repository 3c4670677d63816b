"""A folder to run snippets in, with the images that they speak of."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from medimg_cnn.data.phantoms import make_phantoms


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """``phantoms/`` as it is made, and ``chest_xray/``: the same images under the names of real ones."""
    folder = tmp_path_factory.mktemp("snippets")
    made = make_phantoms(folder / "phantoms", patients=60, image_size=32, seed=1)
    names = {"lesion": "pneumonia", "no_lesion": "normal"}
    with (made / "labels.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        file = row["path"].split("/")[1]
        target = folder / "chest_xray" / names[row["label"]] / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made / row["path"], target)
        row |= {"path": f"{names[row['label']]}/{file}", "label": names[row["label"]]}
    with (folder / "chest_xray" / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def workplace(images, tmp_path, monkeypatch) -> Path:
    """An own copy of that folder, and the current one."""
    shutil.copytree(images, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"
