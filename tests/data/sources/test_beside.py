from __future__ import annotations

from pathlib import Path

import pytest

from medimg_cnn.data import load_dataset
from medimg_cnn.data._records import SourceOptions
from medimg_cnn.data.sources import open_source
from medimg_cnn.errors import ArgumentError, DataError, LabelError, MedimgCnnWarning, SplitError

FOLDERS = {"normal": 6, "tumour": 6}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder, count in FOLDERS.items():
        for index in range(count):
            path = tmp_path / "root" / folder / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    return tmp_path / "root"


def write(
    root: Path, labels: dict[str, str], more: dict[str, str] | None = None, name: str = "labels.csv"
) -> None:
    """Write a table; ``more`` gives further cells by the name of the column, {i} being the image's number."""
    more = more or {}
    rows = [
        ",".join([path, label, *(cell.format(i=index) for cell in more.values())])
        for index, (path, label) in enumerate(labels.items())
    ]
    (root / name).write_text("\n".join([",".join(["path", "label", *more]), *rows]) + "\n")


def by_folder(words: dict[str, str]) -> dict[str, str]:
    return {
        f"{folder}/{index}.png": words[folder] for folder, count in FOLDERS.items() for index in range(count)
    }


SAME = {"normal": "normal", "tumour": "tumour"}


@pytest.mark.parametrize(
    "words",
    [
        SAME,
        {"normal": "Normal", "tumour": "TUMOUR"},
        {"normal": "0", "tumour": "1"},
        {"normal": "", "tumour": "ill"},
    ],
    ids=["same", "case", "numbers", "missing"],
)
def test_labels_that_agree(root: Path, words: dict[str, str]) -> None:
    write(root, by_folder(words))
    assert open_source(root, SourceOptions()).labels == ["normal"] * 6 + ["tumour"] * 6


def test_labels_may_be_finer_or_coarser_than_the_folders(root: Path) -> None:
    finer = by_folder(SAME) | {f"tumour/{index}.png": f"grade {index % 3}" for index in range(6)}
    write(root, finer)
    open_source(root, SourceOptions())
    for index in range(6):
        (root / "cyst").mkdir(exist_ok=True)
        (root / f"cyst/{index}.png").write_bytes(b"x")
    coarser = by_folder({"normal": "benign", "tumour": "malignant"})
    write(root, coarser | {f"cyst/{index}.png": "benign" for index in range(6)})
    open_source(root, SourceOptions())


@pytest.mark.parametrize("patients", [None, "patient"])
def test_labels_that_contradict_the_folders(root: Path, patients: str | None) -> None:
    wrong = by_folder(SAME) | {"normal/1.png": "tumour", "tumour/0.png": "Normal"}
    write(root, wrong, {"patient": "P{i}"})
    with pytest.raises(LabelError) as caught:
        open_source(root, SourceOptions(patients=patients))
    said = str(caught.value)
    assert f"{root}/labels.csv: the column 'label' must agree with the folders" in said
    assert "2 of 12 rows do not: 'normal/1.png' is 'tumour' there; 'tumour/0.png' is 'Normal' there." in said
    assert "pass the table itself as the source" in said


def test_numbers_that_contradict_the_folders_say_what_they_mean_elsewhere(root: Path) -> None:
    write(root, by_folder({"normal": "0", "tumour": "1"}) | {"normal/1.png": "1"})
    with pytest.raises(
        LabelError, match=r"1 of 12 rows .*'normal/1.png' is '1' there, as most images of 'tumour' are"
    ):
        open_source(root, SourceOptions())


def test_a_table_of_other_images_says_nothing_about_these(root: Path) -> None:
    write(root, {"elsewhere/1.png": "normal", "elsewhere/2.png": "tumour"})
    (root / "codes.csv").write_text("label,meaning\nnormal,N\n")
    records = open_source(root, SourceOptions())
    assert records.notes == ("Passed over files that are not images: 2.",)


def test_parts_of_a_table_that_is_used_are_kept(root: Path) -> None:
    write(root, by_folder(SAME), {"patient": "P{i}", "split": "{i}"})
    text = (root / "labels.csv").read_text()
    parts = ["train", "train", "val", "val", "test", "test"] * 2
    for index, part in enumerate(parts):
        text = text.replace(f",P{index},{index}\n", f",P{index},{part}\n")
    (root / "labels.csv").write_text(text)
    records = open_source(root, SourceOptions(patients="patient"))
    assert records.parts == ["train", "train", "validation", "validation", "test", "test"] * 2
    assert records.notes == ("From labels.csv: patient, split.",)
    assert open_source(root, SourceOptions(patients="patient", split=None)).parts is None
    (root / "labels.csv").write_text(text.replace("split", "fold"))
    assert open_source(root, SourceOptions(patients="patient")).parts is None
    assert open_source(root, SourceOptions(patients="patient", split="fold")).parts == records.parts
    with pytest.raises(ArgumentError, match=r"split: labels.csv has no column 'folds'. Did you mean 'fold'"):
        open_source(root, SourceOptions(patients="patient", split="folds"))


def test_parts_that_were_not_used_are_told(root: Path) -> None:
    write(root, by_folder(SAME), {"split": "train"})
    records = open_source(root, SourceOptions())
    assert records.parts is None
    assert any(
        "parts in the column 'split' of labels.csv were not used. To keep them pass the table itself" in note
        for note in records.notes
    )
    assert not any("split" in note for note in open_source(root, SourceOptions(split=None)).notes)
    write(root, by_folder(SAME), {"split": "a word"})
    assert not any("split" in note for note in open_source(root, SourceOptions()).notes)


def test_parts_of_folders_and_table_must_agree(tmp_path: Path) -> None:
    names = [f"{part}/{label}/1.png" for part in ("train", "test") for label in SAME]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    write(tmp_path, {name: name.split("/")[1] for name in names}, {"patient": "P{i}", "split": "train"})
    options = SourceOptions(patients="patient")
    with pytest.raises(
        SplitError, match=r"2 of 4 are not, for example 'test/normal/1.png', which is train in the"
    ):
        open_source(tmp_path, options)
    write(tmp_path, {name: name.split("/")[1] for name in names}, {"patient": "P{i}"})
    assert open_source(tmp_path, options).parts == ["test", "test", "train", "train"]


@pytest.mark.parametrize("column", ["patient_id", "PatientID", "Subject ID", "mrn"])
def test_a_column_that_looks_like_patients_is_pointed_at(root: Path, column: str) -> None:
    write(root, by_folder(SAME), {"age": "{i}", column: "P{i}"})
    hint = f'labels.csv has a column {column!r}: pass patients="{column}".'
    assert open_source(root, SourceOptions()).patient_hint == hint
    assert open_source(root, SourceOptions(patients=column)).patient_hint == ""
    assert open_source(root / "labels.csv", SourceOptions()).patient_hint == hint


def test_a_hint_that_would_not_be_enough_is_not_given(root: Path) -> None:
    write(root, by_folder(SAME), {"patient": "P{i}"})
    write(root, by_folder(SAME), {"patient": "P{i}"}, "again.csv")
    assert open_source(root, SourceOptions()).patient_hint.endswith(
        'pass patients="patient", and the table itself as the source.'
    )
    (root / "again.csv").unlink()
    write(root, {"normal/0.png": "normal"}, {"patient": "P{i}"})
    assert open_source(root, SourceOptions()).patient_hint == ""


def test_the_hint_is_in_the_warning(make_folder: object) -> None:
    root = make_folder({"normal": 20, "tumour": 20})
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    write(root, {path: path.split("/")[0] for path in paths}, {"patient_id": "P{i}"})
    with pytest.warns(
        MedimgCnnWarning, match=r"labels\.csv has a column 'patient_id': pass patients="
    ) as caught:
        data = load_dataset(root, image_size=8)
    assert str(data.summary()).count("Patients are not known") == 1
    assert str(caught[0].message) in data.notes


def test_a_table_that_cannot_be_read_matters_where_it_is_wanted(root: Path) -> None:
    (root / "old.csv").write_bytes(b"path,name\na,\xff\xfe\n")
    assert (
        "old.csv cannot be read as a table and was not looked at." in open_source(root, SourceOptions()).notes
    )
    with pytest.raises(DataError, match=r"old\.csv: must be a CSV table in UTF-8"):
        open_source(root, SourceOptions(patients="patient"))
    write(root, by_folder(SAME), {"patient": "P{i}"})
    assert open_source(root, SourceOptions(patients="patient")).patients is not None


def test_images_of_classes_that_were_not_chosen_need_no_row(root: Path) -> None:
    (root / "cyst").mkdir()
    (root / "cyst/0.png").write_bytes(b"x")
    write(root, by_folder(SAME), {"patient": "P{i}"})
    options = SourceOptions(patients="patient", chosen=("normal", "tumour"))
    records = open_source(root, options)
    assert set(records.labels) == {"normal", "tumour"}
    assert records.patients == [f"P{index}" for index in range(12)]
    assert "Left out images of other labels than 'normal' and 'tumour': 1." in records.notes
    write(root, by_folder(SAME) | {"cyst/0.png": "normal"}, {"patient": "P{i}"})  # wrong, but not used
    assert open_source(root, options).sample_ids == records.sample_ids
    with pytest.raises(LabelError, match=r"cyst/0\.png"):
        open_source(root, SourceOptions(patients="patient"))
    with pytest.raises(LabelError, match=r"'normal' \(6\), 'tumour' \(6\)"):
        load_dataset(root, classes=("normal", "cysts"), patients=lambda path: path)


def test_rows_without_an_image_are_said(root: Path) -> None:
    gone = {f"tumour/gone{index}.png": "tumour" for index in range(5)}
    write(root, by_folder(SAME) | gone)
    (said,) = open_source(root, SourceOptions()).cautions
    assert said.startswith(
        f"{root}/labels.csv: 5 of 17 rows name no image in the folder: 'tumour/gone0.png', "
    )
    assert "gone2" in said
    assert "gone3" not in said
    two = open_source({"a": root, "b": root}, SourceOptions()).cautions
    assert [text.split(":")[0] for text in two] == ["a", "b"]
    write(root, {f"other/{index}.png": "x" for index in range(5)})  # of other images altogether
    assert open_source(root, SourceOptions()).cautions == ()
