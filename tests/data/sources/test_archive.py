from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.data import load_dataset
from medimg_cnn.data._records import SourceOptions
from medimg_cnn.data.sources import open_source
from medimg_cnn.data.sources._archive import Archive
from medimg_cnn.errors import DataError, ImageReadError, MedimgCnnError

SUFFIXES = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]
TAR_MODES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


def pack(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, TAR_MODES["".join(path.suffixes)]) as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_archive_is_as_good_as_its_folder(
    make_folder: Callable[..., Path], tmp_path: Path, suffix: str
) -> None:
    root = make_folder({"normal": 20, "tumour": 20})
    members = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.png"))}
    table = "path,patient\n" + "".join(f"{name},{name[:12]}\n" for name in members)
    archive = pack(tmp_path / f"images{suffix}", members | {"labels.csv": table.encode()})
    (root / "labels.csv").write_text(table)
    packed = load_dataset(archive, patients="patient", image_size=8)
    plain = load_dataset(root, patients="patient", image_size=8)
    assert packed.fingerprint == plain.fingerprint
    assert (packed.train.arrays()[0] == plain.train.arrays()[0]).all()


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_one_folder_around_all_is_passed_through(
    make_folder: Callable[..., Path], tmp_path: Path, suffix: str
) -> None:
    root = make_folder({"normal": 20, "tumour": 20})
    members = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.png"))}
    table = "path,patient\n" + "".join(f"{name},{name[:12]}\n" for name in members)
    wrapped = {f"chest/{name}": content for name, content in members.items()} | {
        "chest/labels.csv": table.encode(), "LICENSE": b"free", "chest/normal/.hidden": b""
    }  # fmt: skip
    packed = load_dataset(pack(tmp_path / f"x{suffix}", wrapped), patients="patient", image_size=8)
    assert set(packed.table["sample_id"]) == set(members)
    assert any("All images lie in the folder 'chest'" in note for note in packed.notes)
    assert any("hidden files or folders: 1" in note for note in packed.notes)
    (root / "labels.csv").write_text(table)
    assert packed.fingerprint == load_dataset(root, patients="patient", image_size=8).fingerprint


def test_folders_of_parts_and_classes_are_not_passed_through(tmp_path: Path) -> None:
    parts = {f"{part}/{label}/1.png": b"x" for part in ("train", "test") for label in "ab"}
    records = open_source(pack(tmp_path / "a.zip", parts), SourceOptions())
    assert records.parts == ["test", "test", "train", "train"]
    with pytest.raises(DataError, match="all 2 images lie in 'a'"):
        open_source(pack(tmp_path / "b.zip", {"a/1.png": b"x", "a/b/2.png": b"x"}), SourceOptions())


def test_a_manifest_beside_an_archive(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder({"normal": 20, "tumour": 20})
    members = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.png"))}
    archive = pack(tmp_path / "images.zip", members)
    rows = "".join(f"{name},{name.split('/')[0]},{name}\n" for name in members)
    (tmp_path / "m.csv").write_text("path,label,patient\n" + rows)
    data = load_dataset(tmp_path / "m.csv", root=archive, patients="patient", image_size=8)
    assert data.train.n == 28


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_the_one_folder_of_a_root_is_passed_through(tmp_path: Path, suffix: str) -> None:
    members = {"chest/ill/1.png": b"1", "chest/normal/2.png": b"2", "LICENSE": b"free"}
    archive = pack(tmp_path / f"x{suffix}", members)
    short, long = ("path,label\n" + "".join(f"{top}{name},x\n" for name in ("ill/1.png", "normal/2.png"))
                   for top in ("", "chest/"))  # fmt: skip
    table = tmp_path / "m.csv"
    table.write_text(short)
    passed = open_source(table, SourceOptions(root=str(archive)))
    assert passed.sample_ids == ["ill/1.png", "normal/2.png"]
    assert passed.notes == (f"All images lie in the folder 'chest' of {archive}; paths are relative to it.",)
    table.write_text(long)
    as_it_is = open_source(table, SourceOptions(root=str(archive)))
    assert as_it_is.sample_ids == ["chest/ill/1.png", "chest/normal/2.png"]
    assert as_it_is.notes == ()
    assert [passed.pixels.digest(row) for row in (0, 1)] == [as_it_is.pixels.digest(row) for row in (0, 1)]


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_members_that_lead_out_are_passed_over(tmp_path: Path, suffix: str) -> None:
    names = [
        "../evil.png",
        "/etc/evil.png",
        "a/../../evil.png",
        "c:/evil.png",
        "a/.hidden.png",
        "__MACOSX/1.png",
    ]
    archive = Archive(pack(tmp_path / f"x{suffix}", dict.fromkeys([*names, "a/1.png"], b"x")))
    found = archive.files()
    assert found.paths == ["a/1.png"]
    assert found.ignored["members with names that lead out of the archive"] == 4
    assert found.ignored["hidden files or folders"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"x{suffix}"]


def test_a_zip_from_windows_has_the_same_folders(tmp_path: Path) -> None:
    members = {"normal\\1.png": b"1", "ill\\deep\\2.png": b"22", "..\\evil.png": b"x", "empty\\": b""}
    archive = Archive(pack(tmp_path / "x.zip", members))
    found = archive.files()
    assert found.paths == ["ill/deep/2.png", "normal/1.png"]
    assert found.ignored["members with names that lead out of the archive"] == 1
    assert archive.open("ill/deep/2.png").read() == b"22"
    assert open_source(tmp_path / "x.zip", SourceOptions()).labels == ["ill", "normal"]


def test_links_and_devices_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, kind in (
            ("link.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("pipe.png", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    found = Archive(tmp_path / "x.tar").files()
    assert found.paths == []
    assert found.ignored["links and devices"] == 3


def test_a_member_that_unpacks_too_large_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medimg_cnn.data.sources._archive._LARGEST_MEMBER", 1000)
    archive = Archive(pack(tmp_path / "bomb.zip", {"a.png": b"0" * 1001, "b.png": b"0" * 1000}))
    assert len(archive.open("b.png").read()) == 1000
    with pytest.raises(
        ImageReadError, match=r"bomb.zip, a.png: a member may have at most 1,000 bytes; got 1,001"
    ):
        archive.open("a.png")


def test_a_size_that_the_header_hides_is_not_believed(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a.png": b"0" * 100_000})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = content.index(signature) + offset
        content[start : start + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ImageReadError, match=r"x.zip, a.png: must be intact"):
        Archive(path).open("a.png")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"nonsense" * 100])
def test_what_is_no_archive(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"x{suffix}").write_bytes(content)
    with pytest.raises(DataError, match=rf"x{suffix}"):
        open_source(tmp_path / f"x{suffix}", SourceOptions())


def test_a_member_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=r"has no member 'b\.png'"):
        Archive(pack(tmp_path / "x.zip", {"a.png": b"x"})).open("b.png")


def test_a_name_that_occurs_twice(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for content in (b"1", b"22"):
            info = tarfile.TarInfo("a.png")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with pytest.raises(DataError, match="some names occur twice"):
        Archive(tmp_path / "x.tar").files()


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_members_are_read_from_many_threads(tmp_path: Path, suffix: str) -> None:
    members = {f"{index}.png": bytes([index]) * (1000 + index) for index in range(50)}
    archive = Archive(pack(tmp_path / f"x{suffix}", members))
    with ThreadPoolExecutor(8) as pool:
        for name, content in zip(
            members, pool.map(lambda item: archive.open(item).read(), members), strict=True
        ):
            assert content == members[name]


@given(st.data())
def test_any_damage_is_our_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("a")
    path = pack(
        folder / data.draw(st.sampled_from(["x.zip", "x.tar", "x.tar.gz"])),
        {"a/1.png": b"12345", "b/2.png": b"6"},
    )
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        archive = Archive(path)
        for name in archive.files().paths:
            archive.open(name).read()
    except MedimgCnnError:
        pass
