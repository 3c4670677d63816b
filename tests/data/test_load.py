from __future__ import annotations

import csv
import inspect
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn.data import Dataset, ReadOptions, load_dataset
from medimg_cnn.errors import ArgumentError, DataError, LabelError, MedimgCnnWarning, SplitError

BY_NAME = re.compile(r"p(\d+)_\d+\.png$")
MakeFolder = Callable[..., Path]
MakeArrays = Callable[..., tuple[np.ndarray, np.ndarray]]


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def rows_of(root: Path) -> list[tuple[str, str, str]]:
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    return [(path, path.split("/")[0], "P" + BY_NAME.search(path).group(1)) for path in paths]


def ids(data: Dataset) -> dict[str, set[str]]:
    return {part.part: set(part.sample_ids.tolist()) for part in data.parts}


def test_a_folder_of_two_classes(make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 20, "tumour": 20})
    data = load_dataset(root, patients=BY_NAME, image_size=8)
    assert data.classes == ("normal", "tumour")
    assert data.image_shape == (8, 8, 1)
    assert [part.n for part in data.parts] == [28, 6, 6]
    assert [part.shuffle for part in data.parts] == [True, False, False]
    patients = [set(part.patient_ids.tolist()) for part in data.parts]
    assert not patients[0] & patients[1]
    assert not patients[0] & patients[2]
    assert not patients[1] & patients[2]
    labels = dict(zip(data.table["sample_id"], data.table["label"], strict=True))
    assert all(name.startswith(label + "/") for name, label in labels.items())


def test_nothing_depends_on_the_order_of_rows(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder({"normal": 20, "tumour": 20})
    rows = rows_of(root)
    header = ("path", "label", "patient")
    shuffled = [rows[index] for index in np.random.default_rng(0).permutation(len(rows))]
    first = load_dataset(write_csv(root / "a.csv", header, rows), patients="patient", image_size=8)
    second = load_dataset(write_csv(root / "b.csv", header, shuffled), patients="patient", image_size=8)
    assert ids(first) == ids(second)
    assert first.fingerprint == second.fingerprint
    other = load_dataset(root / "a.csv", patients="patient", image_size=8, seed=1)
    assert ids(first) != ids(other)
    assert first.fingerprint.differences(other.fingerprint)


@pytest.mark.parametrize("name", ["val", "valid", "validation", "VAL"])
def test_given_parts_in_folders(make_folder: MakeFolder, name: str) -> None:
    parts = {"train": 6, name: 4, "test": 4}
    root = make_folder({f"{part}/{label}": n for part, n in parts.items() for label in ("normal", "ill")})
    data = load_dataset(root, patients=lambda path: path, image_size=8)
    assert [part.n for part in data.parts] == [12, 8, 8]
    assert all(item.startswith(f"{name}/") for item in data.validation.sample_ids)


def test_a_missing_part_is_taken_from_training_by_patient(make_folder: MakeFolder) -> None:
    root = make_folder({f"{part}/{label}": 20 for part in ("train", "test") for label in ("normal", "ill")})
    data = load_dataset(root, patients=BY_NAME, image_size=8)
    assert all(item.startswith("test/") for item in data.test.sample_ids)
    assert data.test.n == 40
    assert data.validation.n == 8  # 0.15 / 0.85 of 40, by patients with two images
    assert not set(data.validation.patient_ids) & set(data.train.patient_ids)
    assert any("no validation part: taken from training, by patient" in note for note in data.notes)
    without = load_dataset(root, patients=BY_NAME, image_size=8, fractions=(0.8, 0.0, 0.2))
    assert without.validation is None


def test_a_source_without_training_says_what_to_do(make_folder: MakeFolder) -> None:
    root = make_folder({f"test/{label}": 4 for label in ("normal", "ill")})
    with pytest.raises(SplitError, match=r"gives test only.*split=None.*load_external"):
        load_dataset(root, patients=BY_NAME, image_size=8)


@pytest.mark.parametrize(
    "given",
    [{"root": "x"}, {"dicom_key": "PatientID"}, {"label": "dx"}, {"path": "file"}, {"split": "fold"}],
)
def test_arguments_about_tables_are_refused_elsewhere(
    make_folder: MakeFolder, make_arrays: MakeArrays, given: dict[str, str]
) -> None:
    for source in (make_folder({"normal": 2, "ill": 2}), make_arrays()):
        with pytest.raises(ArgumentError, match=f"{next(iter(given))}: is for a table"):
            load_dataset(source, positive=1, **given)


def test_given_parts_can_be_set_aside(make_folder: MakeFolder) -> None:
    root = make_folder({f"{part}/{label}": 10 for part in ("train", "test") for label in ("normal", "ill")})
    data = load_dataset(root, patients=BY_NAME, image_size=8, split=None)
    assert {name.split("/")[0] for name in data.train.sample_ids} == {"train", "test"}


def test_a_patient_in_two_given_parts_stops_the_load(make_arrays: MakeArrays, tmp_path: Path) -> None:
    images, labels = make_arrays(40)
    parts = {"train": slice(0, 20), "val": slice(20, 30), "test": slice(30, 40)}
    content = {
        f"{part}_{what}": values[rows]
        for part, rows in parts.items()
        for what, values in (("images", images), ("labels", labels), ("patient", np.arange(40) // 4))
    }
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(
        SplitError, match=r"1 of 10 patients, with 4 images.*\(test and validation\)"
    ) as caught:
        load_dataset(tmp_path / "a.npz", positive=1, patients="patient")
    assert "allow_shared_patients=True" in str(caught.value)
    with pytest.warns(MedimgCnnWarning, match="flatters"):
        data = load_dataset(tmp_path / "a.npz", positive=1, patients="patient", allow_shared_patients=True)
    assert any("flatters" in note for note in data.notes)


def test_identical_images_in_two_given_parts_warn_with_counts(
    make_arrays: MakeArrays, tmp_path: Path
) -> None:
    images, labels = make_arrays(40)
    images[30:33] = images[:3]
    labels[30] = 1 - labels[0]
    content = {
        f"{part}_{what}": values[rows]
        for part, rows in {"train": slice(0, 20), "val": slice(20, 30), "test": slice(30, 40)}.items()
        for what, values in (("images", images), ("labels", labels), ("patient", np.arange(40)))
    }
    np.savez(tmp_path / "a.npz", **content)
    with pytest.warns(MedimgCnnWarning) as caught:
        data = load_dataset(tmp_path / "a.npz", positive=1, patients="patient")
    said = [str(item.message) for item in caught]
    assert len(said) == 1
    assert "M006 Identical images with contradictory labels. 2 images of 1 content" in said[0]
    assert (
        "M002 Identical images in two parts. 3 contents with 6 images in more than one part (test and tr"
        in said[0]
    )
    assert all(item.filename == __file__ for item in caught)
    assert any(note.startswith("The audit found: M002") for note in data.notes)
    with pytest.warns(MedimgCnnWarning, match="contradictory"):
        data = load_dataset(tmp_path / "a.npz", positive=1, patients="patient", split=None)
    assert not any("M002" in note for note in data.notes)


def test_reference_split_of_nih(shared: Path) -> None:
    data = load_dataset(
        shared / "data/nih_cxr_pneumonia/reference_split.csv",
        path="file",
        label="label",
        patients="patient",
        split="split",
        positive=1,
        image_size=(128, 128),
    )
    assert [part.n for part in data.parts] == [704, 147, 149]
    assert data.classes == ("0", "1")
    assert data.image_shape == (128, 128, 1)
    assert all(
        name.startswith("pneumonia/") == bool(y)
        for name, y in zip(data.test.sample_ids, data.test.labels, strict=True)
    )


def test_nih_folder_with_the_patients_of_its_table(shared: Path) -> None:
    data = load_dataset(
        shared / "data/nih_cxr_pneumonia", positive="pneumonia", patients="patient_id", image_size=32, seed=7
    )
    prevalences = [part.prevalence for part in data.parts]
    assert max(prevalences) - min(prevalences) < 0.03
    table = data.table
    assert len(table) == 1000
    assert table["patient_id"].nunique() == 682
    assert (table.groupby("patient_id")["part"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("name", "positive", "counts", "copies"),
    [("breastmnist", 0, (546, 78, 156), 1), ("pneumoniamnist", 1, (4708, 524, 624), 8)],
)
def test_medmnist(shared: Path, name: str, positive: int, counts: tuple[int, ...], copies: int) -> None:
    with pytest.warns(MedimgCnnWarning) as caught:
        data = load_dataset(shared / f"data/{name}.npz", positive=positive)
    said = [str(item.message) for item in caught]
    assert "Patients are not known" in said[0]
    assert f"M002 Identical images in two parts. {copies} content" in said[-1]
    assert ("contradictory labels. 2 images" in said[-1]) == (name == "breastmnist")
    assert tuple(part.n for part in data.parts) == counts
    assert data.image_shape == (28, 28, 1)
    with np.load(shared / f"data/{name}.npz") as stored:
        x, y = data.test.arrays()
        assert (np.rint(x[..., 0] * 255) == stored["test_images"]).all()
        assert (y == (stored["test_labels"][:, 0] == positive)).all()


def test_the_positive_class_of_numbers_is_asked_for(shared: Path) -> None:
    with pytest.raises(LabelError, match=r"'0' \(\d+ images\), '1' \(\d+ images\)"):
        load_dataset(shared / "data/breastmnist.npz")


def test_positive_may_be_a_number_for_booleans(make_arrays: MakeArrays) -> None:
    images, labels = make_arrays()
    data = load_dataset((images, labels.astype(bool)), positive=1, patients=np.arange(60))
    assert data.classes == ("False", "True")


def test_unknown_patients_warn_once_and_are_noted(make_arrays: MakeArrays) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = load_dataset(make_arrays(), positive=1)
    assert [item.category for item in caught] == [MedimgCnnWarning]
    assert caught[0].filename == __file__
    assert "one patient may be in two parts" in str(caught[0].message)
    assert data.train.patient_ids is None
    assert "not known" in str(data.summary())


def test_two_labels_of_many_can_be_kept(make_folder: MakeFolder) -> None:
    root = make_folder({"cyst": 10, "normal": 20, "tumour": 20})
    with pytest.raises(LabelError, match=r"found 3 labels: 'cyst' \(10 images\).*classes="):
        load_dataset(root, patients=BY_NAME)
    data = load_dataset(root, patients=BY_NAME, classes=("normal", "tumour"), image_size=8)
    assert sum(part.n for part in data.parts) == 40
    assert any("of other labels than 'normal' and 'tumour': 10" in note for note in data.notes)
    with pytest.raises(LabelError, match="'tumor'"):
        load_dataset(root, patients=BY_NAME, classes=("normal", "tumor"))
    with pytest.raises(ArgumentError, match="then positive is not given"):
        load_dataset(root, patients=BY_NAME, classes=("normal", "tumour"), positive="tumour")


def test_few_unreadable_images_are_set_aside_and_listed(make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 100, "tumour": 100})
    (root / "normal/p9999_0.png").write_bytes(b"not an image")
    with pytest.warns(MedimgCnnWarning, match="1 of 201 images cannot be read"):
        data = load_dataset(root, patients=BY_NAME, image_size=8)
    assert data.unreadable["sample_id"].tolist() == ["normal/p9999_0.png"]
    assert "p9999_0.png" in data.unreadable["reason"][0]
    assert sum(part.n for part in data.parts) == 200
    with pytest.raises(DataError, match=r"max_unreadable.*1 of 201 are") as caught:
        load_dataset(root, patients=BY_NAME, image_size=8, max_unreadable=0.0)
    assert "p9999_0.png" in str(caught.value)


def test_missing_files_of_a_manifest_are_unreadable_images(make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 10, "tumour": 10})
    rows = [*rows_of(root), ("normal/gone.png", "normal", "P0")]
    path = write_csv(root / "a.csv", ("path", "label", "patient"), rows)
    with pytest.raises(DataError, match=r"gone\.png: must be a readable file"):
        load_dataset(path, patients="patient")
    with pytest.warns(MedimgCnnWarning, match=r"gone\.png"):
        data = load_dataset(path, patients="patient", max_unreadable=0.1, image_size=8)
    assert data.unreadable["label"].tolist() == ["normal"]


def test_images_written_to_the_users_cache_are_told(
    make_arrays: MakeArrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDIMG_CNN_CACHE", str(tmp_path / "usual"))
    given = {"positive": 1, "patients": np.arange(60), "memory_budget": 0}
    with pytest.warns(MedimgCnnWarning, match=r"were written to .*usual: [\d,]+ bytes.*cache=") as caught:
        data = load_dataset(make_arrays(), **given)
    assert len(caught) == 1
    assert str(caught[0].message) in data.notes
    assert list((tmp_path / "usual").rglob("*.npy"))
    load_dataset(make_arrays(), cache=tmp_path / "own", **given)  # asked for: no warning


def test_copies_stay_in_one_part(make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 30, "tumour": 30})
    original = root / "tumour/p15_0.png"
    assert original.exists()
    for number in range(5):
        (root / f"tumour/p{500 + number}_0.png").write_bytes(original.read_bytes())
    for seed in range(5):
        data = load_dataset(root, patients=BY_NAME, image_size=8, seed=seed)
        table = data.table.set_index("sample_id")["part"]
        copies = ["tumour/p15_0.png", *(f"tumour/p{500 + number}_0.png" for number in range(5))]
        assert table[copies].nunique() == 1
        assert any(
            "with the content of another one, kept in its part where parts are not given: 5" in note
            for note in data.notes
        )


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    from PIL import Image

    for index in range(12):
        label = "normal" if index % 2 else "ill"
        (tmp_path / label).mkdir(exist_ok=True)
        values = np.full((4, 4), 1000 + index, dtype=np.uint16)
        values[1, 1] = 0  # a blank image would warn
        Image.fromarray(values).save(tmp_path / label / f"{index:02d}.png")
    data = load_dataset(tmp_path, patients=lambda path: path, image_size=4, fractions=(0.5, 0.25, 0.25))
    x = np.concatenate([part.arrays()[0] for part in data.parts])
    assert sorted(np.rint(x[:, 0, 0, 0] * 65_535).astype(int).tolist()) == list(range(1000, 1012))
    assert data.table["bit_depth"].unique().tolist() == [16]


@pytest.mark.parametrize(
    ("colour", "channels", "expected"), [(False, None, 1), (True, None, 3), (False, 3, 3), (True, 1, 1)]
)
def test_channels(make_arrays: MakeArrays, colour: bool, channels: int | None, expected: int) -> None:
    images, labels = make_arrays()
    stacked = np.stack([images, images, 255 - images if colour else images], axis=-1)
    data = load_dataset((stacked, labels), positive=1, patients=np.arange(60), channels=channels)
    assert data.image_shape == (8, 8, expected)
    assert data.train[0][0].shape[-1] == expected
    assert data.preprocessing.channels == expected


def test_one_colour_image_makes_the_dataset_colour(make_folder: MakeFolder) -> None:
    from PIL import Image

    root = make_folder({"normal": 20, "tumour": 20})
    rgb = np.random.default_rng(9).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(root / "normal/p900_0.png")
    data = load_dataset(root, patients=BY_NAME, image_size=12)
    assert data.image_shape == (12, 12, 3)
    for part in data.parts:
        for image, name in zip(part.arrays()[0], part.sample_ids, strict=True):
            stored = np.asarray(Image.open(root / name))
            expected = stored if stored.ndim == 3 else np.stack([stored] * 3, axis=-1)
            assert (np.rint(image * 255) == expected).all()


def test_preprocessing_repeats_what_the_dataset_did(shared: Path) -> None:
    from medimg_cnn.data import read_decoded

    root = shared / "data/nih_cxr_pneumonia"
    data = load_dataset(root, positive="pneumonia", patients="patient_id", image_size=(64, 48))
    for index in range(5):
        how = data.preprocessing
        decoded = read_decoded(root / data.test.sample_ids[index], how.read, minimum_size=how.image_size)
        again = how.apply(decoded.pixels, extent=decoded.extent)
        assert np.abs(data.test.read([index])[0] - again).max() <= 0.5 / 255 + 1e-6


def test_frames_and_windows_reach_the_reader(tmp_path: Path, make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 10, "tumour": 10})
    with pytest.raises(DataError, match="window is for DICOM"):
        load_dataset(root, patients=BY_NAME, read=ReadOptions(window="lung"))


def test_folds_of_a_dataset(make_arrays: MakeArrays) -> None:
    from medimg_cnn.data import KFold, LeaveOneSiteOut

    sites = np.array(["a", "b", "c"] * 20)
    data = load_dataset(make_arrays(), positive=1, patients=np.arange(60), subgroups={"site": sites})
    folds = list(data.folds(KFold(k=3), seed=1))
    tested = [name for fold in folds for name in fold.test.sample_ids]
    assert sorted(tested) == sorted(data.pool.table.sample_ids)
    assert len({fold.fingerprint.content for fold in folds}) == 3
    by_site = list(data.folds(LeaveOneSiteOut()))
    assert [set(fold.test.subgroups["site"]) for fold in by_site] == [{"a"}, {"b"}, {"c"}]
    assert [fold.name for fold in by_site] == ["site a", "site b", "site c"]


def test_the_summary_says_what_matters(make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 20, "tumour": 20})
    (root / "notes.txt").write_text("x")
    data = load_dataset(root, patients=BY_NAME, image_size=8)
    text = str(data.summary())
    for expected in (
        "40 images",
        "train",
        "70.0%",
        "50.0%",
        "Positive is 'tumour'",
        "8 x 8, grey",
        "Passed over files that are not images: 1",
        "wanted 70.0% / 15.0% / 15.0%",
    ):
        assert expected in text
    html = data.summary()._repr_html_()
    assert "<table>" in html
    assert "Positive is &#x27;tumour&#x27;" in html


def test_the_summary_prints_with_rich(make_arrays: MakeArrays) -> None:
    import io

    from rich.console import Console

    data = load_dataset(make_arrays(), positive=1, patients=np.arange(60))
    console = Console(file=io.StringIO(), width=100)
    console.print(data.summary())
    assert "validation" in console.file.getvalue()


def test_sample_pictures_touch_no_global_state(make_arrays: MakeArrays) -> None:
    import matplotlib.pyplot as plt

    data = load_dataset(make_arrays(), positive=1, patients=np.arange(60))
    before = plt.get_fignums()
    figure = data.plot_samples("test", columns=3)
    assert plt.get_fignums() == before
    assert len(figure.axes) == 6
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles[0].startswith("0 (negative")
    assert titles[3].startswith("1 (positive")
    figure.savefig("/dev/null", format="png")
    with pytest.raises(ArgumentError, match=r"part.*'train', 'validation', 'test'"):
        data.plot_samples("tset")


def test_few_images_of_a_class_leave_places_empty(make_arrays: MakeArrays) -> None:
    images, labels = make_arrays(20)
    data = load_dataset((images, labels), positive=1, patients=np.arange(20), fractions=(0.8, 0.1, 0.1))
    assert len([axis for axis in data.plot_samples("test", columns=5).axes if axis.images]) == data.test.n


def test_a_dataset_cannot_be_changed(make_arrays: MakeArrays) -> None:
    data = load_dataset(make_arrays(), positive=1, patients=np.arange(60))
    with pytest.raises(AttributeError):
        data.train = None
    assert repr(data) == "<Dataset 0 / 1: train 42, validation 8, test 10; 8 x 8 x 1>" or "train 42" in repr(
        data
    )


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 0},
        {"seed": -1},
        {"image_size": (8,)},
        {"channels": 2},
        {"fit": "strech"},
        {"workers": 0},
        {"max_unreadable": 2},
        {"memory_budget": -1},
        {"fractions": (1, 1, 1)},
        {"channels": True},
    ],
)
def test_arguments_are_checked_and_named(make_arrays: MakeArrays, change: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(change))):
        load_dataset(make_arrays(), positive=1, patients=np.arange(60), **change)


def test_a_misspelt_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="image_sise"):
        load_dataset("x", image_sise=3)
    parameters = inspect.signature(load_dataset).parameters
    assert all(
        item.kind is item.KEYWORD_ONLY for name, item in parameters.items() if name not in {"source", "more"}
    )
