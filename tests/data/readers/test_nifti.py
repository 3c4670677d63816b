"""Slices of NIfTI volumes, whatever way the volume is stored."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn.data.readers import is_image_file, read_decoded, read_image
from medimg_cnn.errors import ImageReadError

nibabel = pytest.importorskip("nibabel")

RIGHT, ANTERIOR, SUPERIOR = 4, 5, 6


def position() -> np.ndarray:
    """A volume with axes right, anterior, superior, whose values tell the place: x + 10 y + 100 z."""
    x, y, z = np.mgrid[: RIGHT + 1, : ANTERIOR + 1, : SUPERIOR + 1]
    return (x + 10 * y + 100 * z).astype(np.int16)


def save(
    path: Path, voxels: np.ndarray, codes: str = "RAS", *, kind: str = "Nifti1Image", **header: object
) -> Path:
    from nibabel import orientations

    image = getattr(nibabel, kind)(voxels, np.eye(4))
    turn = orientations.ornt_transform(
        orientations.axcodes2ornt("RAS"), orientations.axcodes2ornt(tuple(codes))
    )
    image = image.as_reoriented(turn)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SAR", "PIL", "IRP"])
@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_slices_look_the_same_however_the_volume_is_stored(tmp_path: Path, codes: str, name: str) -> None:
    path = save(tmp_path / name, position(), codes)

    def corners(plane: str) -> list[int]:
        image = read_image(path, frame=2, plane=plane, value_range=(0, 1000))[..., 0] * 1000
        return [round(float(image[row, column])) for row, column in ((0, 0), (0, -1), (-1, 0))]

    # The patient's right at the left and the front above; then the head above.
    assert corners("axial") == [4 + 50 + 200, 0 + 50 + 200, 4 + 0 + 200]
    assert corners("coronal") == [4 + 20 + 600, 0 + 20 + 600, 4 + 20 + 0]
    assert corners("sagittal") == [2 + 50 + 600, 2 + 0 + 600, 2 + 50 + 0]


@pytest.mark.parametrize("kind", ["Nifti1Image", "Nifti2Image"])
def test_facts(tmp_path: Path, kind: str) -> None:
    from medimg_cnn.data.readers import ReadOptions

    path = save(tmp_path / "v.nii", position(), kind=kind)
    assert is_image_file(path)
    decoded = read_decoded(path, ReadOptions(frame=0, plane="coronal"))
    assert (decoded.format, decoded.frames, decoded.bit_depth, decoded.mode) == ("NIFTI", 6, 16, "int16")
    assert decoded.pixels.shape == (7, 5, 1)


def test_windows_and_ranges(tmp_path: Path) -> None:
    units = np.array([-1000, -160, 40, 239, 1000], dtype=np.int16).reshape(5, 1, 1)
    path = save(tmp_path / "ct.nii", units, "LAS")
    # One slice: no frame needed. Stored from right to left, shown from the right.
    np.testing.assert_allclose(
        read_image(path, window=(40, 400))[0, ::-1, 0], [0, 0, 200 / 399, 1, 1], atol=1e-6
    )
    assert read_image(path, window=("lung", "mediastinum", "bone")).shape == (1, 5, 3)
    full = (np.array([-1000, -160, 40, 239, 1000]) + 32768) / 65535
    np.testing.assert_allclose(read_image(path)[0, ::-1, 0], full, atol=1e-6)


def test_scaling_of_the_header_is_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.array([0, 100, 200], np.uint8).reshape(3, 1, 1), np.diag([-1, 1, 1, 1]))
    image.header.set_slope_inter(2, -100)
    nibabel.save(image, tmp_path / "s.nii")
    pixels = read_image(tmp_path / "s.nii", value_range=(-100, 300))[0, :, 0]
    np.testing.assert_allclose(np.sort(pixels), [0, 0.5, 1], atol=1e-6)


def test_float_beyond_0_to_1_needs_a_range(tmp_path: Path) -> None:
    path = save(tmp_path / "f.nii", np.linspace(-1000, 1000, 8, dtype=np.float32).reshape(2, 2, 2))
    with pytest.raises(ImageReadError, match="must lie in 0 to 1"):
        read_image(path, frame=0)
    assert read_image(path, frame=0, window="lung").shape == (2, 2, 1)


def test_a_slice_must_be_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path / "v.nii", position())
    with pytest.raises(ImageReadError, match=r"v\.nii: frame must be given for a volume; got 7 slices"):
        read_image(path)
    with pytest.raises(ImageReadError, match="below the number of slices, 7; got 7"):
        read_image(path, frame=7)
    assert read_image(path, frame="all").shape == (7, 6, 5, 1)


@pytest.mark.parametrize(
    ("voxels", "rule"),
    [
        (np.zeros((2, 2, 2, 3), np.int16), "one volume of three dimensions"),
        (np.zeros((2, 2), np.int16), "one volume of three dimensions"),
        (np.zeros((2, 2, 2), np.complex64), "plain numbers"),
    ],
)
def test_other_volumes_are_refused(tmp_path: Path, voxels: np.ndarray, rule: str) -> None:
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "v.nii")
    with pytest.raises(ImageReadError, match=rule):
        read_image(tmp_path / "v.nii", frame=0)


def test_damaged_volumes_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "v.nii", position())
    whole = path.read_bytes()
    path.write_bytes(whole[:400])
    with pytest.raises(ImageReadError, match=r"v\.nii: "):
        read_image(path, frame=6)
    packed = tmp_path / "w.nii.gz"
    packed.write_bytes(gzip.compress(whole)[:300])
    with pytest.raises(ImageReadError, match=r"w\.nii\.gz: "):
        read_image(packed, frame=6)
    huge = bytearray(whole)
    huge[40:48] = np.array([3, 30000, 30000, 30000], dtype="<i2").tobytes()
    path.write_bytes(bytes(huge))
    with pytest.raises(ImageReadError, match="a volume may have at most"):
        read_image(path, frame=0)


def test_other_gzip_files_are_no_volumes(tmp_path: Path) -> None:
    path = tmp_path / "notes.gz"
    path.write_bytes(gzip.compress(b"notes" * 200))
    assert not is_image_file(path)
