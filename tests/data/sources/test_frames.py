"""A pandas DataFrame as a source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medimg_cnn.data import load_dataset, load_external
from medimg_cnn.data._records import SourceOptions
from medimg_cnn.data.sources import open_source
from medimg_cnn.errors import ArgumentError, DataError


@pytest.fixture
def root(make_folder: Callable[..., Path]) -> Path:
    return make_folder({"normal": 20, "tumour": 20})


@pytest.fixture
def frame(root: Path) -> pd.DataFrame:
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    return pd.DataFrame(
        {
            "path": paths,
            "label": [path.split("/")[0] for path in paths],
            "patient": pd.array([index // 2 for index in range(40)], dtype="Int64"),
            "age": [30.0 + index for index in range(40)],
            "sex": pd.Categorical(["f", "m"] * 20),
        },
        index=range(100, 140),
    )


def test_a_frame_is_as_good_as_the_table_that_it_would_be_saved_as(root: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(root / "labels.csv", index=False)
    given = {"patients": "patient", "subgroups": ("sex", "age"), "image_size": 8}
    saved = load_dataset(root / "labels.csv", **given)
    data = load_dataset(frame, root=root, **given)
    assert data.fingerprint == saved.fingerprint
    pd.testing.assert_frame_equal(data.table, saved.table)


def test_paths_without_a_root(root: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_dataset(frame, root=root, patients="patient", image_size=8).fingerprint
    monkeypatch.chdir(root.parent)
    relative = frame.assign(path=[f"images/{path}" for path in frame["path"]])
    data = load_dataset(relative, patients="patient", image_size=8)
    assert data.fingerprint == expected
    monkeypatch.chdir("/")
    absolute = frame.assign(path=[root / path for path in frame["path"]])
    data = load_dataset(absolute, patients="patient", image_size=8)
    assert data.fingerprint == expected
    assert set(data.table["sample_id"]) == set(frame["path"])


def test_paths_that_lead_nowhere(root: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    elsewhere = frame.assign(path=[f"gone/{path}" for path in frame["path"]])
    with pytest.raises(
        ArgumentError, match=r"source: must exist; got '.*gone'.*Pass root= if they are relative"
    ):
        load_dataset(elsewhere, patients="patient")
    with pytest.raises(
        DataError, match=r"(?s)40 of 40 are.*root= is the folder that they are relative to"
    ) as caught:
        load_dataset(frame, root=root.parent, patients="patient")
    assert "DataFrame: at most" in str(caught.value)
    with pytest.raises(DataError, match=r"DataFrame, data row 1: a path must stay inside"):
        load_dataset(frame.assign(path=[f"../{path}" for path in frame["path"]]), root=root)


def test_missing_cells_are_missing(frame: pd.DataFrame, root: Path) -> None:
    frame.loc[101, "patient"] = pd.NA
    with pytest.raises(DataError, match=r"DataFrame: every row .* 'patient'; 1 of 40 have none .*data row 2"):
        load_dataset(frame, root=root, patients="patient")
    frame["label"] = [np.nan, *frame["label"][1:]]
    with pytest.raises(DataError, match=r"'label'; 1 of 40"):
        load_dataset(frame, root=root)


def test_labels_may_be_booleans(frame: pd.DataFrame, root: Path) -> None:
    records = open_source(frame.assign(label=frame["label"] == "tumour"), SourceOptions(root=str(root)))
    assert records.label_kind == "boolean"
    assert records.patient_hint == "DataFrame has a column 'patient': pass patients=\"patient\"."


@pytest.mark.parametrize("rows", [0, 40])
def test_frames_without_content(frame: pd.DataFrame, rows: int) -> None:
    empty = frame.iloc[:0] if rows == 0 else frame[[]]
    with pytest.raises(DataError, match="DataFrame: the table must have a header and at least one row"):
        load_dataset(empty)


def test_a_column_that_occurs_twice(frame: pd.DataFrame, root: Path) -> None:
    with pytest.raises(DataError, match="DataFrame: each column must have its own name; 'label' occurs"):
        load_dataset(pd.concat([frame, frame[["label"]]], axis=1), root=root)


def test_sites_and_external_sets_may_be_frames(frame: pd.DataFrame, root: Path) -> None:
    data = load_dataset({"a": frame[::2], "b": frame[1::2]}, root=root, patients="patient", image_size=8)
    assert set(data.table["site"]) == {"a", "b"}
    external = load_external(
        frame, root=root, preprocessing=data.preprocessing, classes=data.classes, patients="patient"
    )
    assert external.n == 40


def test_dicom_identifiers_need_a_root(frame: pd.DataFrame) -> None:
    with pytest.raises(ArgumentError, match="root: must name the folder of the DICOM files for a DataFrame"):
        load_dataset(frame, dicom_key="PatientID", path="patient")
