"""Choosing a reader by content, one's own readers, and what an error says."""

from __future__ import annotations

import io
import os
import stat
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medimg_cnn.data.readers import (
    DecodedImage,
    Reader,
    ReadOptions,
    _read,
    is_image_file,
    read_decoded,
    read_image,
    register_reader,
)
from medimg_cnn.errors import ArgumentError, DataError, ImageReadError, MissingDependencyError


@pytest.fixture
def own_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered readers are forgotten after the test."""
    monkeypatch.setattr(_read, "_READERS", list(_read._READERS))


class Raw:
    """Eight bytes after a mark."""

    name = "raw"

    def accepts(self, head: bytes) -> bool:
        return head.startswith(b"RAW!")

    def read(self, stream, options, *, minimum_size=None):
        values = np.frombuffer(stream.read()[4:], dtype=np.uint8)
        return DecodedImage(
            pixels=values.reshape(2, 4, 1) / np.float32(255), bit_depth=8, format="RAW", mode="L"
        )


def picture(path: Path, value: int = 51) -> Path:
    Image.new("L", (4, 3), value).save(path)
    return path


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.dcm", "a", "a.txt"):
        Image.new("L", (4, 3), 51).save(tmp_path / name, "PNG")
        assert read_decoded(tmp_path / name).format == "PNG"
        assert is_image_file(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64), "Windows thumbnail cache"),
        (".DS_Store", b"\0\0\0\x01Bud1" + bytes(64), "macOS folder record"),
        (
            "a.png",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
            "Git LFS pointer.*git lfs pull",
        ),
        ("a.npy", b"\x93NUMPY\x01\0", "NumPy array"),
        ("a.zip", b"PK\x03\x04", "zip archive"),
        ("a.pdf", b"%PDF-1.7", "PDF"),
        ("a.html", b"<!DOCTYPE html>", "web page"),
        ("empty.png", b"", "an empty file"),
        ("a.csv", b"path,label\n", "register_reader"),
    ],
)
def test_junk_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert not is_image_file(path)
    with pytest.raises(ImageReadError, match=f"{name}: .*{said}"):
        read_image(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.png", "no such file"), (tmp_path, "a folder")):
        assert not is_image_file(path)
        with pytest.raises(ImageReadError, match=said):
            read_image(path)
    with pytest.raises(ImageReadError, match="must be readable"):
        read_image("a\0b.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert stat.S_ISFIFO((tmp_path / "pipe.png").stat().st_mode)
    with pytest.raises(ImageReadError, match="pipe"):
        read_image(tmp_path / "pipe.png")


def test_a_broken_link_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    assert not is_image_file(tmp_path / "link.png")
    with pytest.raises(ImageReadError, match="no such file"):
        read_image(tmp_path / "link.png")


def test_streams_and_members_of_archives(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    expected = read_image(path)
    with path.open("rb") as stream:
        np.testing.assert_array_equal(read_image(stream), expected)
        assert not stream.closed
    stream = io.BytesIO(path.read_bytes())
    stream.read()
    np.testing.assert_array_equal(read_image(stream), expected)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(path, "inside/a.png")
        archive.writestr("inside/b.png", b"junk")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        with archive.open("inside/a.png") as member:
            np.testing.assert_array_equal(read_image(member), expected)
        with archive.open("inside/b.png") as member, pytest.raises(ImageReadError, match=r"inside/b\.png"):
            read_image(member)


@pytest.mark.usefixtures("own_readers")
def test_own_reader(tmp_path: Path) -> None:
    path = tmp_path / "scan.raw"
    path.write_bytes(b"RAW!" + bytes(range(8)))
    assert not is_image_file(path)
    assert isinstance(Raw(), Reader)
    register_reader(Raw())
    register_reader(Raw())
    assert [reader.name for reader in _read._READERS].count("raw") == 1
    assert is_image_file(path)
    np.testing.assert_allclose(read_image(path, channels=3)[1, 3], 7 / 255)
    path.write_bytes(b"RAW!" + bytes(3))
    with pytest.raises(ImageReadError, match=r"scan\.raw: .*ValueError \(cannot reshape"):
        read_image(path)


@pytest.mark.usefixtures("own_readers")
def test_own_reader_comes_before_the_known_ones(tmp_path: Path) -> None:
    class Png(Raw):
        name = "own-png"

        def accepts(self, head: bytes) -> bool:
            return head.startswith(b"\x89PNG")

        def read(self, stream, options, *, minimum_size=None):
            raise MissingDependencyError("needs the package 'x'")

    register_reader(Png())
    with pytest.raises(MissingDependencyError, match=r"a\.png: needs the package 'x'"):
        read_image(picture(tmp_path / "a.png"))


@pytest.mark.parametrize("value", [None, Raw, object(), "raw"])
def test_what_is_no_reader(value: object) -> None:
    with pytest.raises(ArgumentError, match="reader"):
        register_reader(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((2, 2), np.float32), "shape"),
        (np.zeros((2, 2, 2), np.float32), "shape"),
        (np.zeros((0, 2, 1), np.float32), "shape"),
        (np.zeros((2, 2, 1)), "float32"),
        (np.full((2, 2, 1), 1.5, np.float32), "0 to 1"),
        (np.full((2, 2, 1), np.nan, np.float32), "0 to 1"),
    ],
)
def test_a_decoded_image_is_never_half_valid(pixels: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        DecodedImage(pixels=pixels, bit_depth=8, format="RAW", mode="L")


@pytest.mark.parametrize("channels", [0, 2, 4, "3"])
def test_channels_are_1_or_3(tmp_path: Path, channels: object) -> None:
    with pytest.raises(ArgumentError, match="channels"):
        read_image(picture(tmp_path / "a.png"), channels=channels)  # type: ignore[call-overload]


def test_frame_is_a_number_or_all(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="frame"):
        read_image(picture(tmp_path / "a.png"), frame="every")  # type: ignore[call-overload]
    assert read_image(picture(tmp_path / "a.png"), frame="all").shape == (1, 3, 4, 1)


def test_the_file_is_closed_after_reading(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        read_image(path)
        (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
        with pytest.raises(ImageReadError):
            read_image(tmp_path / "b.png")
    if Path("/proc/self/fd").is_dir():
        assert str(path) not in [
            str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.exists()
        ]


def test_reading_in_threads_gives_the_same(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{value}.png", value) for value in range(32)]
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda path: read_decoded(path, ReadOptions()).pixels, paths * 4))
    for index, image in enumerate(images):
        assert image.max() == pytest.approx(index % 32 / 255)
