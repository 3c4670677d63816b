from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn.data import Dataset, load_dataset, load_external
from medimg_cnn.errors import ArgumentError, DataError, LabelError, MedimgCnnWarning

BY_NAME = re.compile(r"p(\d+)_\d+\.png$")
MakeFolder = Callable[..., Path]


@pytest.fixture
def data(make_folder: MakeFolder) -> Dataset:
    root = make_folder({"normal": 20, "tumour": 20}, root="home")
    return load_dataset(root, patients=BY_NAME, image_size=(8, 6), fit="pad", channels=1)


def read(source: object, data: Dataset, **given: object) -> object:
    options = {"preprocessing": data.preprocessing, "classes": data.classes, "patients": BY_NAME}
    return load_external(source, **(options | given))


def test_it_is_read_as_the_training_images(data: Dataset, make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 6, "tumour": 4, "other": 2}, root="away", seed=1)
    external = read(root, data, batch_size=4)
    assert external.part == "external"
    assert external.preprocessing == data.preprocessing
    assert external.fingerprint.preprocessing == data.fingerprint.preprocessing
    assert external.fingerprint.counts == (("external", 10, 4),)
    assert (external.n, external.classes, external.image_shape) == (10, ("normal", "tumour"), (8, 6, 1))
    assert not external.shuffle
    assert external.patient_ids is not None
    assert external.sample_ids.tolist() == sorted(external.sample_ids.tolist())
    assert [len(external[index][0]) for index in range(3)] == [4, 4, 2]
    again = read(root, data)
    assert again.fingerprint == external.fingerprint


def test_images_of_the_home_set_come_out_equal(data: Dataset, tmp_path: Path) -> None:
    external = read(tmp_path / "home", data)
    known = {
        name: image
        for part in data.parts
        for name, image in zip(part.sample_ids, part.arrays()[0], strict=True)
    }
    for name, image in zip(external.sample_ids, external.arrays()[0], strict=True):
        assert (image == known[name]).all()


def test_given_parts_are_not_looked_at(data: Dataset, make_folder: MakeFolder) -> None:
    only_test = make_folder({"test/normal": 4, "test/tumour": 4}, root="t", seed=1)
    assert read(only_test, data).n == 8
    assert read(only_test / "test", data).n == 8


@pytest.mark.parametrize("packed", [False, True])
def test_one_class_warns(data: Dataset, make_folder: MakeFolder, tmp_path: Path, packed: bool) -> None:
    source = make_folder({"normal/a": 4}, root="healthy", seed=1)
    if packed:
        with zipfile.ZipFile(tmp_path / "healthy.zip", "w") as archive:
            for path in source.rglob("*.png"):
                archive.write(path, path.relative_to(source).as_posix())
        source = tmp_path / "healthy.zip"
    with pytest.warns(MedimgCnnWarning, match="no image labelled 'tumour'"):
        external = read(source, data)
    assert (external.n, external.prevalence) == (4, 0.0)


def test_classes_are_never_guessed(data: Dataset, make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 4, "tumor": 4}, root="away", seed=1)
    with pytest.raises(LabelError, match=r"labels: .*'normal' \(4\), 'tumor' \(4\).*labels=\(neg"):
        read(root, data)
    external = read(root, data, labels=("normal", "tumor"))
    assert (external.classes, external.prevalence) == (data.classes, 0.5)
    swapped = read(root, data, labels=("tumor", "normal"))
    assert (swapped.labels == 1 - external.labels).all()
    for wrong in (("tumor",), ("tumor", "tumor"), "tumor", None):
        with pytest.raises(ArgumentError, match="classes"):
            read(root, data, classes=wrong)
    with pytest.raises(ArgumentError, match="labels"):
        read(root, data, labels=("tumor", "tumor"))
    with pytest.raises(LabelError, match="labels"):
        read((np.zeros((2, 8, 8), np.uint8), [0, 0]), data, patients=None)


def test_what_a_reader_should_know_warns(data: Dataset, make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 4, "tumour": 4}, root="away", seed=1)
    (root / "tumour/p9_0.png").write_bytes(next((root / "normal").glob("*.png")).read_bytes())
    (root / "tumour/p9_1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="1 of 10 are"):
        read(root, data)
    with pytest.warns(MedimgCnnWarning) as caught:
        external = read(root, data, patients=None, max_unreadable=0.2)
    assert external.n == 9
    said = [str(item.message) for item in caught]
    for text, words in zip(
        said, ("Patients are not known", "1 of 10 images cannot", "contradictory"), strict=True
    ):
        assert words in text
    assert {item.filename for item in caught} == {__file__}


def test_preprocessing_is_needed(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"preprocessing.*data\.preprocessing"):
        read(tmp_path / "home", data, preprocessing=data)
