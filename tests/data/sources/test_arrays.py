from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medimg_cnn.data import ReadOptions
from medimg_cnn.data._records import Records, SourceOptions
from medimg_cnn.data.sources import open_source
from medimg_cnn.errors import ArgumentError, DataError, LabelError, MedimgCnnError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1, 1, 0])


def read(records: Records, index: int) -> np.ndarray:
    return records.pixels.decode(index, ReadOptions(), None).pixels


@pytest.mark.parametrize(
    ("images", "depth"),
    [
        (IMAGES, 8),
        (IMAGES[..., None], 8),
        (np.stack([IMAGES] * 3, axis=-1), 8),
        (IMAGES.astype(np.uint16) * 257, 16),
        (IMAGES / 255, 32),
        ((IMAGES / 255).astype(np.float32), 32),
        (IMAGES.astype(">u2") * 257, 16),
    ],
)
def test_arrays_are_scaled_by_their_type(images: np.ndarray, depth: int) -> None:
    records = open_source((images, LABELS), SourceOptions())
    decoded = records.pixels.decode(2, ReadOptions(), None)
    assert decoded.bit_depth == depth
    assert decoded.pixels.dtype == np.float32
    assert decoded.pixels[..., 0] == pytest.approx(IMAGES[2] / 255, abs=1e-7)
    assert records.pixels.native_size == (4, 5)
    assert records.labels == ["0", "1", "0", "1", "1", "0"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES.astype(np.float32), r"lie in 0 to 1; got 0 to 255.*divide|Divide"),
        (np.full((6, 4, 5), np.nan), "finite"),
        (IMAGES - 0.5, "lie in 0 to 1"),
        (IMAGES.astype(np.int64), "uint8, uint16, or float from 0 to 1; got int64"),
        (IMAGES[0], "shape"),
        (np.zeros((6, 4, 5, 4), np.uint8), "shape"),
        (np.zeros((0, 4, 5), np.uint8), "shape"),
    ],
)
def test_ranges_are_never_guessed(images: np.ndarray, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        open_source((images, LABELS), SourceOptions())


@pytest.mark.parametrize("labels", [LABELS[:5], np.zeros((6, 2)), np.linspace(0, 1, 6), np.array([1j] * 6)])
def test_labels_are_checked(labels: np.ndarray) -> None:
    with pytest.raises(LabelError, match="labels"):
        open_source((IMAGES, labels), SourceOptions())


def test_kinds_of_labels() -> None:
    assert open_source((IMAGES, LABELS.astype(bool)), SourceOptions()).label_kind == "boolean"
    assert open_source((IMAGES, LABELS.astype(float)), SourceOptions()).labels[1] == "1"
    assert open_source((IMAGES, LABELS[:, None]), SourceOptions()).labels[1] == "1"
    assert open_source((IMAGES, list("ababba")), SourceOptions()).labels[1] == "b"


def test_patients_and_subgroups_are_values() -> None:
    options = SourceOptions(patients=np.arange(6) // 2, subgroups={"site": list("xxyyzz")})
    records = open_source((IMAGES, LABELS), options)
    assert records.patients == ["0", "0", "1", "1", "2", "2"]
    assert records.columns == {"site": list("xxyyzz")}
    for wrong in ({"patients": "patient"}, {"subgroups": ("site",)}, {"subgroups": {"site": [1]}}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            open_source((IMAGES, LABELS), SourceOptions(**wrong))


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, "", " NaN "])
def test_a_missing_id_or_label_is_no_patient_and_no_class(missing: object) -> None:
    ids = np.array([*"abcde", missing], dtype=object)
    with pytest.raises(DataError, match="1 of 6 have none"):
        open_source((IMAGES, LABELS), SourceOptions(patients=ids))
    with pytest.raises(LabelError, match=r"source\[1\].*1 of 6 have none"):
        open_source((IMAGES, np.array([*"ababa", missing], dtype=object)), SourceOptions())


def test_missing_among_numbers_and_the_word_none() -> None:
    with pytest.raises(LabelError, match="2 of 6 have none"):
        open_source((IMAGES, np.array([0, 1, np.nan, 1, 0, np.nan])), SourceOptions())
    records = open_source((IMAGES, ["none", "nodule"] * 3), SourceOptions())
    assert set(records.labels) == {"none", "nodule"}


@pytest.mark.parametrize(
    "patients", [set("abcdef"), (name for name in "abcdef"), dict.fromkeys("abcdef").keys(), list("abcde")]
)
def test_patients_of_arrays_are_in_the_order_of_the_images(patients: object) -> None:
    with pytest.raises(ArgumentError, match="patients: must"):
        open_source((IMAGES, LABELS), SourceOptions(patients=patients))
    with pytest.raises(DataError, match="6 of 6 are not in it, for example '0'"):
        open_source((IMAGES, LABELS), SourceOptions(patients=dict.fromkeys("abcdef", 1)))
    records = open_source((IMAGES, LABELS), SourceOptions(patients=pd.Series(range(6), index=list("fedcba"))))
    assert records.patients == list("012345")


def save(path: Path, **changes: object) -> Path:
    content = {
        "train_images": IMAGES[:3], "train_labels": LABELS[:3, None], "train_patient": np.array([1, 1, 2]),
        "val_images": IMAGES[3:4], "val_labels": LABELS[3:4, None], "val_patient": np.array([3]),
        "test_images": IMAGES[4:], "test_labels": LABELS[4:, None], "test_patient": np.array([4, 5]),
    } | changes  # fmt: skip
    np.savez(path, **{key: value for key, value in content.items() if value is not None})
    return path


def test_an_npz_in_the_style_of_medmnist(tmp_path: Path) -> None:
    records = open_source(save(tmp_path / "a.npz"), SourceOptions(patients="patient"))
    assert records.parts == ["train"] * 3 + ["validation"] + ["test"] * 2
    assert records.labels == ["0", "1", "0", "1", "1", "0"]
    assert records.patients == ["1", "1", "2", "3", "4", "5"]
    assert records.sample_ids == ["train/0", "train/1", "train/2", "validation/0", "test/0", "test/1"]
    assert [int(read(records, index)[0, 0, 0] * 255 + 0.5) for index in range(6)] == IMAGES[:, 0, 0].tolist()
    assert open_source(save(tmp_path / "a.npz"), SourceOptions(split=None)).parts is None


def test_an_npz_without_parts(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS, site=np.array(list("xxyyzz")))
    records = open_source(tmp_path / "a.npz", SourceOptions(subgroups=("site",)))
    assert records.parts is None
    assert records.columns == {"site": list("xxyyzz")}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"val_labels": None}, DataError, "must have the key 'val_labels'"),
        ({"train_labels": np.array([1])}, LabelError, "train_labels"),
        ({"train_images": IMAGES[:3].astype(float)}, ArgumentError, "train_images: float values"),
        ({"train_labels": np.array([object()] * 3)}, DataError, "without pickled objects"),
    ],
)
def test_npz_files_that_cannot_be(
    tmp_path: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        open_source(save(tmp_path / "a.npz", **changes), SourceOptions())


def test_npz_keys_are_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES, y=LABELS)
    with pytest.raises(DataError, match="it has x, y"):
        open_source(tmp_path / "a.npz", SourceOptions())
    with pytest.raises(ArgumentError, match=r"no key 'train_pid'.*train_patient"):
        open_source(save(tmp_path / "b.npz"), SourceOptions(patients="pid"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"\x93NUMPY"])
def test_damaged_npz(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz: must be an npz file"):
        open_source(tmp_path / "a.npz", SourceOptions())


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", b"text")
        archive.writestr("labels.npy", b"text")
    with pytest.raises(DataError, match=r"a\.npz"):
        open_source(tmp_path / "a.npz", SourceOptions())


def test_damage_within_an_npz_is_our_error(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, images=IMAGES, labels=LABELS)
    content = stream.getvalue()
    for place in range(0, len(content), 11):
        for value in (0, 9, 255):
            (tmp_path / "a.npz").write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
            with contextlib.suppress(MedimgCnnError):
                open_source(tmp_path / "a.npz", SourceOptions())


@pytest.mark.parametrize(
    "header", [b"{'descr': ((('|u1', ", b"{'descr': '|u1', 'fortran_order': False, 'shape': (10**9"]
)
def test_headers_that_do_not_parse(tmp_path: Path, header: bytes) -> None:
    padded = header.ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("images", "labels"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded)
    with pytest.raises(DataError, match="must be an npz file"):
        open_source(tmp_path / "a.npz", SourceOptions())


def test_digests_follow_values_and_type() -> None:
    twice = np.concatenate([IMAGES, IMAGES])
    pixels = open_source((twice, np.tile(LABELS, 2)), SourceOptions()).pixels
    assert pixels.digest(0) == pixels.digest(6) != pixels.digest(1)
    wide = open_source((IMAGES.astype(np.uint16), LABELS), SourceOptions()).pixels
    assert wide.digest(0) != pixels.digest(0)
