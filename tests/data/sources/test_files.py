from __future__ import annotations

import os
from pathlib import Path

import pytest

from medimg_cnn.data.sources._files import Folder, choose_images, is_inside
from medimg_cnn.errors import ImageReadError


def touch(path: Path, content: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_images_are_found_and_the_rest_is_counted(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/deep/er/2.JPG", "b/3.nii.gz", "b/empty.png"):
        touch(tmp_path / name, b"" if "empty" in name else b"x")
    for name in ("a/Thumbs.db", "notes.txt", "labels.csv", "DICOMDIR", "b/x.nothing"):
        touch(tmp_path / name)
    touch(tmp_path / ".hidden/4.png")
    touch(tmp_path / "a/.DS_Store")
    touch(tmp_path / "__MACOSX/5.png")
    found = choose_images(Folder(tmp_path))
    assert found.paths == ["a/1.png", "a/deep/er/2.JPG", "b/3.nii.gz", "b/empty.png"]
    assert found.ignored == {"hidden files or folders": 2, "files that are not images": 5}
    assert found.notes() == (
        "Passed over files that are not images: 5.",
        "Passed over hidden files or folders: 2.",
    )


def test_a_file_without_a_telling_name_is_looked_at(tmp_path: Path, shared: Path) -> None:
    touch(tmp_path / "IM0001", (shared / "data/odd_images/dcm__CT_small.dcm").read_bytes())
    touch(tmp_path / "IM0002", b"not DICOM")
    assert choose_images(Folder(tmp_path)).paths == ["IM0001"]


def test_links_that_leave_are_passed_over(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(root / "a/1.png")
    touch(tmp_path / "outside/2.png")
    (root / "a/inside.png").symlink_to(root / "a/1.png")
    (root / "a/leaves.png").symlink_to(tmp_path / "outside/2.png")
    (root / "a/broken.png").symlink_to(root / "nowhere.png")
    (root / "b").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root)
    found = choose_images(Folder(root))
    assert found.paths == ["a/1.png", "a/inside.png"]
    assert sum(found.ignored.values()) == 4


@pytest.mark.parametrize("name", ["a/leaves.png", "b/2.png"])
def test_a_link_that_leaves_is_not_opened_by_name(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    touch(root / "a/1.png")
    touch(tmp_path / "outside/2.png")
    (root / "a/inside.png").symlink_to(root / "a/1.png")
    (root / "a/leaves.png").symlink_to(tmp_path / "outside/2.png")
    (root / "b").symlink_to(tmp_path / "outside")
    (tmp_path / "link").symlink_to(root)
    for folder in (Folder(root), Folder(tmp_path / "link")):
        for allowed in ("a/1.png", "a/inside.png"):
            with folder.open(allowed) as stream:
                assert stream.read() == b"x"
        with pytest.raises(ImageReadError, match=r"symbolic link that leads out.*root="):
            folder.open(name)


def test_paths_that_have_nothing_in_common_are_not_inside() -> None:
    assert not is_inside("relative/1.png", "/data")  # commonpath raises, as it does for two drives
    assert not is_inside("/database/1.png", "/data")


def test_a_link_as_root_is_fine(tmp_path: Path) -> None:
    touch(tmp_path / "real/a/1.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert choose_images(Folder(tmp_path / "link")).paths == ["a/1.png"]


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert choose_images(Folder(tmp_path)).paths == []
    with pytest.raises(ImageReadError, match=r"a\.png: must be a file; got a folder, pipe or device"):
        Folder(tmp_path).open("a.png")


@pytest.mark.parametrize("name", ["gone.png", "nul\0l.png"])
def test_what_cannot_be_opened_is_our_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageReadError, match="must be a readable file"):
        Folder(tmp_path).open(name)


def test_equal_files_have_equal_digests(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        touch(tmp_path / name, b"same" * 1_000_000)
    touch(tmp_path / "c.png", b"other")
    pixels = Folder(tmp_path).pixels(["a.png", "b.png", "c.png"])
    assert pixels.digest(0) == pixels.digest(1) != pixels.digest(2)
    assert len(pixels) == 3
