from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn.data import LeaveOneSiteOut, load_dataset
from medimg_cnn.data._records import SourceOptions
from medimg_cnn.data.sources import open_source
from medimg_cnn.errors import ArgumentError, SplitError

BY_NAME = re.compile(r"(p\d+)_")


def test_sites_are_put_together(make_folder: Callable[..., Path]) -> None:
    classes = {"normal": 20, "tumour": 20}
    sources = {"north": make_folder(classes, root="n"), "south": make_folder(classes, root="s", seed=1)}
    data = load_dataset(sources, patients=BY_NAME, image_size=8)
    table = data.table
    assert len(table) == 80
    assert table["site"].value_counts().to_dict() == {"north": 40, "south": 40}
    assert all(
        name.startswith(site + "/") for name, site in zip(table["sample_id"], table["site"], strict=True)
    )
    assert [fold.name for fold in data.folds(LeaveOneSiteOut())] == ["site north", "site south"]


def test_pixels_of_each_site_are_its_own() -> None:
    images = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
    labels = np.arange(6) % 2
    records = open_source({"a": (images[:2], labels[:2]), "b": (images[2:], labels[2:])}, SourceOptions())
    assert [int(records.pixels.decode(i, None, None).pixels[0, 0, 0] * 255 + 0.5) for i in range(6)] == [
        0,
        4,
        8,
        12,
        16,
        20,
    ]
    assert len({records.pixels.digest(index) for index in range(6)}) == 6
    assert records.columns == {"site": ["a"] * 2 + ["b"] * 4}
    assert records.sample_ids == ["a/0", "a/1", "b/0", "b/1", "b/2", "b/3"]


def test_an_id_at_two_sites_is_one_patient_only_where_that_is_said(tmp_path: Path) -> None:
    for site in "ab":
        (tmp_path / site).mkdir()
        (tmp_path / site / "m.csv").write_text("path,label,patient\n1.png,x,P1\n2.png,y,P2\n")
    sources = {site: tmp_path / site / "m.csv" for site in "ab"}
    records = open_source(sources, SourceOptions(patients="patient"))
    assert records.patients == ["a/P1", "a/P2", "b/P1", "b/P2"]
    assert any("more than one site, taken for different patients: 2" in note for note in records.notes)
    said = open_source(sources, SourceOptions(patients="patient", shared_patient_ids=True))
    assert said.patients == ["P1", "P2", "P1", "P2"]
    assert said.notes == ()


def test_sites_that_number_their_patients_alike_can_be_left_out(make_folder: Callable[..., Path]) -> None:
    sources = {site: make_folder({"normal": 20, "ill": 20}, root=site, seed=n) for n, site in enumerate("ab")}

    def number(path: str) -> str:
        return str(int(path.split("/p")[1].split("_", maxsplit=1)[0]) % 1000)

    data = load_dataset(sources, patients=number, positive="ill", image_size=8)
    assert [fold.test.n for fold in data.folds(LeaveOneSiteOut())] == [40, 40]
    shared = load_dataset(sources, patients=number, positive="ill", image_size=8, shared_patient_ids=True)
    with pytest.raises(SplitError, match=r"site 'a'.*0 of their 40 images.*20 patients.*put the site into"):
        list(shared.folds(LeaveOneSiteOut()))


def test_values_of_patients_at_several_sites_are_a_mapping() -> None:
    images, labels = np.zeros((2, 2, 2), np.uint8), np.arange(2)
    sources = {"a": (images, labels), "b": (images, labels)}
    with pytest.raises(ArgumentError, match="no common order"):
        open_source(sources, SourceOptions(patients=["x", "y"]))
    ids = {"a/0": "x", "a/1": "y", "b/0": "z", "b/1": "w"}
    assert len(set(open_source(sources, SourceOptions(patients=ids)).patients)) == 4


def test_sites_must_agree_on_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("path,label,split\n1.png,x,train\n")
    (tmp_path / "b.csv").write_text("path,label\n2.png,y\n")
    with pytest.raises(
        ArgumentError, match=r"split: either all sites or none must give parts; 'b' give none"
    ):
        open_source({"a": tmp_path / "a.csv", "b": tmp_path / "b.csv"}, SourceOptions())
    with pytest.raises(ArgumentError, match="at least two sites"):
        open_source({"a": tmp_path / "a.csv"}, SourceOptions())
    with pytest.raises(ArgumentError, match="must be names where sites are joined"):
        open_source({"a": tmp_path / "a.csv", "b": tmp_path / "b.csv"}, SourceOptions(subgroups={"age": [1]}))
