"""What a newcomer meets first: each error names the thing, the rule, the value and the next step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn.data import KFold, NestedKFold, load_dataset, load_external
from medimg_cnn.errors import ArgumentError, DataError, LabelError, MedimgCnnWarning, SplitError

MakeFolder = Callable[..., Path]
MakeArrays = Callable[..., tuple[np.ndarray, np.ndarray]]


@pytest.mark.parametrize("load", [load_dataset, load_external])
def test_two_arrays_go_into_one_tuple(make_arrays: MakeArrays, load: Callable[..., object]) -> None:
    images, labels = make_arrays()
    given = {} if load is load_dataset else {"preprocessing": None, "classes": ("0", "1")}
    with pytest.raises(
        ArgumentError, match=r"source: must be one argument, and two arrays one tuple: \(images, la"
    ):
        load(images, labels, **given)


@pytest.mark.parametrize(
    ("change", "got"),
    [(list, "list of 2"), (lambda pair: pair[0], "ndarray"), (lambda pair: (*pair, 1), "tuple of 3")],
)
def test_arrays_in_another_form(make_arrays: MakeArrays, change: Callable[..., object], got: str) -> None:
    with pytest.raises(ArgumentError, match=rf"got '{got}'\. Pass images and labels as one tuple"):
        load_dataset(change(make_arrays()))


def test_a_root_that_is_not_there(make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 2, "ill": 2})
    (root / "labels.csv").write_text("path,label\nnormal/1.png,normal\n")
    with pytest.raises(
        ArgumentError, match=r"root: must exist; got 'gone'\. The working folder is .* Pass the folder"
    ):
        load_dataset(root / "labels.csv", root="gone")


def test_a_root_that_is_the_wrong_one(make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 2, "ill": 2})
    (root / "labels.csv").write_text("path,label\nnormal/1.png,normal\nill/1.png,ill\n")
    with pytest.raises(DataError, match=r"(?s)2 of 2 are.*Check the paths; for a table root= is the folder"):
        load_dataset(root / "labels.csv", root=root.parent, patients=lambda path: path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            ("pixels", "y"),
            r"must have the keys train_images, .*it has pixels, y\. Write it again with these keys",
        ),
        (
            ("images", "y"),
            r"must have the key 'labels', the labels of images; it has images, y\. Write it again",
        ),
        (
            ("test_images", "y"),
            r"must have the key 'test_labels', the labels of test_images; it has test_images, y",
        ),
    ],
)
def test_an_npz_without_its_keys(
    make_arrays: MakeArrays, tmp_path: Path, keys: tuple[str, str], message: str
) -> None:
    np.savez(tmp_path / "a.npz", **dict(zip(keys, make_arrays(), strict=True)))
    with pytest.raises(DataError, match=rf"a\.npz: {message}"):
        load_dataset(tmp_path / "a.npz")


def test_patients_in_an_npz_are_pointed_at(make_arrays: MakeArrays, tmp_path: Path) -> None:
    images, labels = make_arrays()
    np.savez(tmp_path / "a.npz", images=images, labels=labels, patient_id=np.arange(60) // 2)
    with pytest.warns(
        MedimgCnnWarning, match=r"a\.npz has a key 'patient_id': pass patients=\"patient_id\"\."
    ):
        load_dataset(tmp_path / "a.npz", positive=1)


def test_rows_without_an_image_are_warned_of(make_folder: MakeFolder) -> None:
    root = make_folder({"normal": 20, "tumour": 20})
    rows = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.png"))]
    names = [*rows, "normal/gone.png"]
    (root / "t.csv").write_text("path,patient\n" + "".join(f"{name},{name}\n" for name in names))
    with pytest.warns(
        MedimgCnnWarning, match=r"1 of 41 rows name no image in the folder: 'normal/gone\.png'\."
    ):
        data = load_dataset(root, patients="patient", image_size=8)
    assert any("normal/gone.png" in note for note in data.notes)


def test_three_classes_are_listed_with_what_to_pass(make_folder: MakeFolder) -> None:
    root = make_folder({"cyst": 2, "normal": 3, "tumour": 4})
    with pytest.raises(LabelError) as caught:
        load_dataset(root, patients=lambda path: path)
    assert "'cyst' (2 images), 'normal' (3 images), 'tumour' (4 images)" in str(caught.value)
    assert "for example classes=('normal', 'cyst')" in str(caught.value)


def test_a_fold_without_a_class_is_named(make_arrays: MakeArrays) -> None:
    images, _ = make_arrays(20)
    data = load_dataset(
        (images, np.arange(20) < 4), positive=True, patients=np.arange(20), fractions=(1.0, 0.0, 0.0)
    )
    with pytest.raises(
        SplitError, match=r"^fold 5 must have images of both classes.*only 4 positive.*fewer folds"
    ):
        list(data.folds(KFold(k=5)))
    with pytest.raises(
        SplitError, match=r"^outer fold 1 of 4: inner fold 4 must have images of both classes"
    ):
        list(data.folds(NestedKFold(outer=4, inner=4)))
    with pytest.raises(
        SplitError, match=r"^fold 1 of 2, what is not tested: validation must .*only 1 positive"
    ):
        list(
            load_dataset(
                (images, np.arange(20) < 2), positive=True, patients=np.arange(20), fractions=(1.0, 0.0, 0.0)
            ).folds(KFold(k=2, validation=0.2))
        )
