from __future__ import annotations

import re
from pathlib import Path

import pytest

from medimg_cnn.data._records import SourceOptions
from medimg_cnn.data.sources import open_source
from medimg_cnn.errors import ArgumentError, DataError

FILES = ("normal/p1_a.png", "normal/p2_a.png", "tumour/p1_b.png", "tumour/p3_a.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "root"


def write_table(root: Path, text: str, name: str = "labels.csv") -> None:
    (root / name).write_text(text)


TABLE = "path,patient,sex\n" + "".join(f"{name},P{name[-7]},f\n" for name in FILES)


def test_labels_are_the_first_folders(root: Path) -> None:
    records = open_source(root, SourceOptions())
    assert records.sample_ids == list(FILES)
    assert records.labels == ["normal", "normal", "tumour", "tumour"]
    assert records.patients is None
    assert records.parts is None


def test_patients_from_the_table_in_the_folder(root: Path) -> None:
    write_table(root, TABLE)
    records = open_source(root, SourceOptions(patients="patient", subgroups=("sex",)))
    assert records.patients == ["P1", "P2", "P1", "P3"]
    assert records.columns == {"sex": ["f"] * 4}
    assert records.notes == ("From labels.csv: sex, patient.",)  # a table that is used is not passed over


@pytest.mark.parametrize("column", ["file", "filename", "Image"])
def test_usual_names_of_the_path_column(root: Path, column: str) -> None:
    write_table(root, TABLE.replace("path", column, 1))
    assert open_source(root, SourceOptions(patients="patient")).patients == ["P1", "P2", "P1", "P3"]


def test_of_two_tables_the_one_with_the_column(root: Path) -> None:
    write_table(root, TABLE)
    write_table(root, "path,other\n", "other.csv")
    write_table(root, "path,other\nx,y\n", "other.csv")
    assert open_source(root, SourceOptions(patients="patient")).patients == ["P1", "P2", "P1", "P3"]
    write_table(root, TABLE, "again.csv")
    with pytest.raises(
        ArgumentError, match=r"more than one table has the columns 'patient'.*labels.csv has path"
    ):
        open_source(root, SourceOptions(patients="patient"))


def test_a_misspelt_column_is_answered_with_the_columns(root: Path) -> None:
    write_table(root, TABLE)
    with pytest.raises(
        ArgumentError, match=r"no column 'pateint'. Did you mean 'patient'.*'path', 'patient', 'sex'"
    ):
        open_source(root, SourceOptions(patients="pateint"))


def test_a_column_without_a_table(root: Path) -> None:
    with pytest.raises(ArgumentError, match="'patient' need a CSV table"):
        open_source(root, SourceOptions(patients="patient"))


def test_the_table_must_have_every_image(root: Path) -> None:
    write_table(root, "path,patient\nnormal/p1_a.png,P1\n")
    with pytest.raises(DataError, match=r"3 of 4 have none, for example 'normal/p2_a.png'"):
        open_source(root, SourceOptions(patients="patient"))
    write_table(root, TABLE.replace("P3", ""))
    with pytest.raises(DataError, match=r"'patient' of the table; 1 have none"):
        open_source(root, SourceOptions(patients="patient"))


@pytest.mark.parametrize("again", ["tumour/p3_a.png,P9,f\n", "./tumour/p3_a.png,P3,f\n"])
def test_a_row_that_occurs_twice_is_refused(root: Path, again: str) -> None:
    write_table(root, TABLE + again)
    with pytest.raises(DataError, match=r"row 5: each image must occur in one row; 'tumour/p3_a.png'"):
        open_source(root, SourceOptions(patients="patient"))


def test_patients_by_pattern_function_and_values(root: Path) -> None:
    expected = ["p1", "p2", "p1", "p3"]
    for patients in (
        re.compile(r"(p\d)_"),
        re.compile(r"(normal|tumour)/(?P<patient>p\d)_"),
        lambda path: path.split("/")[1][:2],
        {"./" + name: name.split("/")[1][:2] for name in reversed(FILES)},
    ):
        assert open_source(root, SourceOptions(patients=patients)).patients == expected


@pytest.mark.parametrize(
    ("patients", "error", "message"),
    [
        (re.compile(r"(q\d)_"), DataError, r"does not fit 4 of 4, for example 'normal/p1_a.png'"),
        (re.compile(r"p\d"), ArgumentError, "must have one group"),
        (lambda path: "", DataError, "4 of 4 have none"),
        (["p1", "p2", "p1", "p3"], ArgumentError, "no order in which values could be given.*mapping"),
        ({FILES[0]: "p1"}, DataError, "3 of 4 are not in it, for example 'normal/p2_a.png'"),
        (dict.fromkeys(FILES, float("nan")), DataError, "4 of 4 have none"),
        (lambda path: None, DataError, "4 of 4 have none"),
        ({"p1", "p2", "p3", "p4"}, ArgumentError, "must be a column name"),
        ((name for name in FILES), ArgumentError, "must be a column name"),
        (7, ArgumentError, "must be a column name, a compiled pattern"),
    ],
)
def test_patients_that_cannot_be(root: Path, patients: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_source(root, SourceOptions(patients=patients))


def test_parts_by_folder(tmp_path: Path) -> None:
    for part in ("Training", "valid", "TEST"):
        for label in ("a", "b"):
            path = tmp_path / part / label / "x" / "1.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(b"x")
    (tmp_path / "valid/stray.png").write_bytes(b"x")
    records = open_source(tmp_path, SourceOptions())
    assert sorted(set(records.parts)) == ["test", "train", "validation"]
    assert sorted(set(records.labels)) == ["a", "b"]
    assert len(records.labels) == 6
    assert any("images outside the folders of the classes: 1" in note for note in records.notes)
    assert open_source(tmp_path, SourceOptions(split=None)).parts is None


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "found no image"),
        (["notes.txt"], "found no image. Passed over files that are not images: 1"),
        (["1.png", "2.png"], "2 lie in the folder itself"),
        ([], r"It is empty. Check the path; images are PNG"),
        (["only/a/1.png", "only/b/1.png"], "lie in 'only'. If the classes are 'a', 'b' inside it, pass that"),
        (
            ["only/1.png"],
            "all 1 images lie in 'only'. Put the images of the other class into a folder beside",
        ),
        (["only/1.png", "ill/a.txt", "ill/b.txt"], "'ill' has 2 files, none of them an image"),
    ],
)
def test_folders_without_classes(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    with pytest.raises(DataError, match=message):
        open_source(tmp_path, SourceOptions())


@pytest.mark.parametrize("source", ["nowhere", 7, ("one",), None])
def test_what_is_no_source(source: object) -> None:
    with pytest.raises(ArgumentError, match="source: must"):
        open_source(source, SourceOptions())
