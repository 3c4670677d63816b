from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.data._records import SourceOptions
from medimg_cnn.data.sources import open_source
from medimg_cnn.data.sources._tables import read_table
from medimg_cnn.errors import ArgumentError, DataError, SplitError

GOOD = "path,label,patient,split,sex\na/1.png,ill,P1,train,f\na/2.png,well,P2,val,m\nb/3.png,ill,P3,test,\n"


def manifest(folder: Path, text: str, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_manifest_is_read(tmp_path: Path) -> None:
    records = open_source(manifest(tmp_path, GOOD), SourceOptions(patients="patient", subgroups=("sex",)))
    assert records.sample_ids == ["a/1.png", "a/2.png", "b/3.png"]
    assert records.labels == ["ill", "well", "ill"]
    assert records.patients == ["P1", "P2", "P3"]
    assert records.parts == ["train", "validation", "test"]
    assert records.columns == {"sex": ["f", "m", ""]}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("m.csv", {}),
        ("m.csv", {",": ";"}),
        ("m.tsv", {",": "\t"}),
        ("m.csv", {"path": "\ufeffpath"}),
        ("m.csv", {"\n": "\r\n"}),
        ("m.csv", {"a/": "./a/"}),
        ("m.csv", {"a/": "a\\"}),
        ("m.csv", {"\n": "\n\n"}),
    ],
)
def test_spellings_of_tables(tmp_path: Path, name: str, change: dict[str, str]) -> None:
    text = GOOD
    for old, new in change.items():
        text = text.replace(old, new)
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8"))
    records = open_source(path, SourceOptions(patients="patient"))
    assert records.sample_ids == ["a/1.png", "a/2.png", "b/3.png"]
    assert records.patients == ["P1", "P2", "P3"]


def test_parquet_gives_the_same(tmp_path: Path) -> None:
    import pandas as pd

    pd.DataFrame(
        {
            "path": ["a/1.png", "a/2.png"],
            "label": [1.0, 0.0],
            "patient": [17, 18],
            "sex": ["f", None],
            "ill": [True, False],
        }
    ).to_parquet(tmp_path / "m.parquet")
    records = open_source(tmp_path / "m.parquet", SourceOptions(patients="patient", subgroups=("sex",)))
    assert records.labels == ["1", "0"]
    assert records.patients == ["17", "18"]
    assert records.columns == {"sex": ["f", ""]}
    assert open_source(tmp_path / "m.parquet", SourceOptions(label="ill")).label_kind == "boolean"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "lable"}, r"label: m.csv has no column 'lable'. Did you mean 'label'"),
        ({"path": "pth"}, r"path: m.csv has no column 'pth'"),
        ({"patients": "pid"}, r"patients: m.csv has no column 'pid'.*'sex'"),
        ({"split": "part"}, r"split: m.csv has no column 'part'"),
        ({"subgroups": ("age",)}, r"subgroups: m.csv has no column 'age'"),
    ],
)
def test_misspelt_columns_are_answered_with_the_columns(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        open_source(manifest(tmp_path, GOOD), SourceOptions(**options))
    assert "'path', 'label', 'patient', 'split', 'sex'" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",ill,P1", ",,P1", r"column 'label'; 1 of 3 have none \(the first is data row 1\)"),
        ("P2", "NaN", r"column 'patient'; 1 of 3"),
        ("a/1.png", "", "column 'path'"),
        ("a/1.png", "../x/1.png", r"data row 1: a path must stay inside .*'../x/1.png'.*root="),
        ("a/1.png", "/etc/passwd", r"must stay inside"),
        ("a/2.png", "a/./1.png", r"each image must occur in one row; got 'a/1.png'"),
        ("P1,train,f", "P1,train,f,x", r"line 2: a row must have the 5 cells"),
        ("patient", "label", "'label' occurs more than once"),
    ],
)
def test_manifests_that_cannot_be(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source(manifest(tmp_path, GOOD.replace(old, new, 1)), SourceOptions(patients="patient"))


def test_unknown_parts_are_listed(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match=r"got 'holdout' \(1 rows\).*split=None"):
        open_source(manifest(tmp_path, GOOD.replace("test", "holdout")), SourceOptions())
    records = open_source(manifest(tmp_path, GOOD.replace("test", "holdout")), SourceOptions(split=None))
    assert records.parts is None


@pytest.mark.parametrize("text", ["", "path,label\n", "\n"])
def test_empty_tables(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="at least one row"):
        open_source(manifest(tmp_path, text), SourceOptions())


def test_what_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"path,label\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_table(tmp_path / "m.csv")
    (tmp_path / "m.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match="Parquet"):
        read_table(tmp_path / "m.parquet")


def test_booleans_are_told(tmp_path: Path) -> None:
    records = open_source(manifest(tmp_path, "path,label\n1.png,TRUE\n2.png,false\n"), SourceOptions())
    assert records.label_kind == "boolean"
    assert records.labels == ["True", "False"]


def test_none_is_a_label_and_no_patient(tmp_path: Path) -> None:
    text = GOOD.replace("well", "None")
    assert open_source(manifest(tmp_path, text), SourceOptions()).labels == ["ill", "None", "ill"]
    with pytest.raises(DataError, match="column 'patient'; 1 of 3"):
        open_source(manifest(tmp_path, GOOD.replace("P2", "None")), SourceOptions(patients="patient"))


def test_a_root_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "data").mkdir()
    path = manifest(tmp_path / "tables", GOOD)
    assert open_source(path, SourceOptions(root=str(tmp_path / "data"))).sample_ids[0] == "a/1.png"
    absolute = GOOD.replace("a/1.png", str(tmp_path / "data/a/1.png"))
    records = open_source(manifest(tmp_path / "tables", absolute), SourceOptions(root=str(tmp_path / "data")))
    assert records.sample_ids[0] == "a/1.png"
    with pytest.raises(ArgumentError, match="root: must exist"):
        open_source(path, SourceOptions(root=str(tmp_path / "gone")))
    with pytest.raises(ArgumentError, match="root: must be a folder or an archive"):
        open_source(path, SourceOptions(root=str(path)))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_our_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("t") / "m.csv"
    path.write_bytes(content)
    with contextlib.suppress(DataError, ArgumentError):
        open_source(path, SourceOptions())


def test_a_patient_written_as_a_float_in_some_rows_is_one_patient(tmp_path: Path) -> None:
    text = GOOD.replace("P1", "12").replace("P2", "12.0").replace("P3", "012")
    records = open_source(manifest(tmp_path, text), SourceOptions(patients="patient"))
    assert records.patients == ["12", "12", "012"]
