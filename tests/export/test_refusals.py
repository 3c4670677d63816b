"""Bundles from elsewhere: what is wrong with one is found before anything large is allocated."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import medimg_cnn as mc
from medimg_cnn.errors import (
    ArtifactError,
    BundleArchitectureError,
    BundleDamagedError,
    BundleError,
    BundleTooLargeError,
    BundleUnsafeError,
    BundleVersionError,
)
from medimg_cnn.export._container import MANIFEST, _sealed, write_files


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST}


def rewritten(folder: Path, target: Path, **changes: object) -> Path:
    """A bundle with changed content whose hashes agree with it, as a forger would make it."""
    files = contents(folder)
    content = json.loads(files["bundle.json"]) | changes
    files["bundle.json"] = json.dumps(content).encode()
    write_files(target, files, overwrite=False)
    return target


def with_file(folder: Path, target: Path, name: str, content: bytes) -> Path:
    write_files(target, contents(folder) | {name: content}, overwrite=False)
    return target


def zipped(target: Path, files: dict[str, bytes], *, links: tuple[str, ...] = (), compress: int = 0) -> Path:
    with zipfile.ZipFile(target, "w", compress) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = compress
            info.external_attr = (0o120777 if name in links else 0o100644) << 16
            archive.writestr(info, content)
    return target


def flipped(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    whole = bytearray((target / "weights.npz").read_bytes())
    whole[len(whole) // 2] ^= 1
    (target / "weights.npz").write_bytes(whole)
    return target


def cut_off(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    with (target / "weights.npz").open("r+b") as stream:
        stream.truncate(1000)
    return target


def cut_off_archive(folder: Path, target: Path) -> Path:
    write_files(target.with_suffix(".zip"), contents(folder), overwrite=False)
    with target.with_suffix(".zip").open("r+b") as stream:
        stream.truncate(5000)
    return target.with_suffix(".zip")


def missing(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    (target / "weights.npz").unlink()
    return target


def climbing(folder: Path, target: Path) -> Path:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return zipped(target.with_suffix(".zip"), files | {"../../escaped.txt": b"x"})


def link(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    (target / "MODEL_CARD.md").unlink()
    (target / "MODEL_CARD.md").symlink_to("/etc/passwd")
    return target


def link_in_archive(folder: Path, target: Path) -> Path:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return zipped(
        target.with_suffix(".zip"), files | {"MODEL_CARD.md": b"/etc/passwd"}, links=("MODEL_CARD.md",)
    )


def bomb_in_archive(folder: Path, target: Path) -> Path:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return zipped(
        target.with_suffix(".zip"), files | {"weights.npz": bytes(2**28)}, compress=zipfile.ZIP_DEFLATED
    )


def overlapping(folder: Path, target: Path) -> Path:
    """A zip of which one member holds another, so that its members are larger together than itself."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("inner.npy"), bytes(2**20))
        archive.writestr(zipfile.ZipInfo("outer.npy"), b"")
        first, second = archive.infolist()
        second.header_offset, second.file_size, second.compress_size = 0, first.file_size, first.file_size
        second.CRC, second.filename, second.orig_filename = first.CRC, "outer.npy", "outer.npy"
    return with_file(folder, target, "weights.npz", buffer.getvalue())


def twice(folder: Path, target: Path) -> Path:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    files["MODEL_CARE.md"] = b"another"
    archive = zipped(target.with_suffix(".zip"), files)
    archive.write_bytes(archive.read_bytes().replace(b"MODEL_CARE.md", b"MODEL_CARD.md"))
    return archive


def architecture(folder: Path, **changes: object) -> dict[str, object]:
    return json.loads((folder / "bundle.json").read_bytes())["architecture"] | changes


def unknown(folder: Path, target: Path) -> Path:
    return rewritten(folder, target, architecture=architecture(folder, name="os.system"))


def trillion(folder: Path, target: Path) -> Path:
    return rewritten(folder, target, architecture=architecture(folder, width=333_334))


def billion(folder: Path, target: Path) -> Path:
    return rewritten(folder, target, architecture=architecture(folder, width=1024))


def long_lists(folder: Path, target: Path) -> Path:
    return rewritten(folder, target, architecture=architecture(folder, image_shape=[10**9, 10**9, 1]))


def pickled(folder: Path, target: Path) -> Path:
    return with_file(folder, target, "weights.npz", pickle.dumps(Bomb(target.parent / "exploded")))


def pickled_array(folder: Path, target: Path) -> Path:
    buffer = io.BytesIO()
    np.savez(buffer, **{"stem_conv/kernel": np.array([Bomb(target.parent / "exploded")], dtype=object)})
    with zipfile.ZipFile(buffer) as stored:
        arrays = {name: stored.read(name) for name in stored.namelist()}
    # As large as the weights would be, so that only the objects are wrong.
    archive = zipped(target.with_suffix(".part"), arrays | {"more.npy": bytes(100_000)})
    return with_file(folder, target, "weights.npz", archive.read_bytes())


def newer(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    content = json.loads((target / MANIFEST).read_bytes()) | {"version": 99}
    content.pop("sha256")
    (target / MANIFEST).write_bytes(_sealed(content))
    return target


def extra(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    (target / "setup.py").write_text("print('hello')")
    return target


def unlisted(folder: Path, target: Path) -> Path:
    files = contents(folder)
    del files["reference.npz"]
    write_files(target, files, overwrite=False)
    (target / "reference.npz").write_bytes(b"x")
    return target


def huge_manifest(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    with (target / MANIFEST).open("r+b") as stream:
        stream.truncate(2**31)  # a sparse file: it says two GiB
    return target


def nan_weights(folder: Path, target: Path) -> Path:
    from medimg_cnn.export._arrays import pack_arrays, unpack_arrays

    arrays = unpack_arrays((folder / "weights.npz").read_bytes(), "weights.npz")
    arrays["logit/bias"] = np.array([np.nan], np.float32)
    return with_file(folder, target, "weights.npz", pack_arrays(arrays))


def other_shapes(folder: Path, target: Path) -> Path:
    from medimg_cnn.export._arrays import pack_arrays, unpack_arrays

    arrays = unpack_arrays((folder / "weights.npz").read_bytes(), "weights.npz")
    arrays["logit/kernel"] = arrays["logit/kernel"].T
    return with_file(folder, target, "weights.npz", pack_arrays(arrays))


def bad_threshold(folder: Path, target: Path) -> Path:
    content = json.loads((folder / "bundle.json").read_bytes())
    content["result"]["operating_point"]["threshold"] = "high"
    return rewritten(folder, target, result=content["result"])


def not_json(folder: Path, target: Path) -> Path:
    return with_file(folder, target, "bundle.json", b"[" * 100_000)


def hidden_directory(folder: Path, target: Path) -> Path:
    """An archive whose 64-bit end record says another size of its directory than its end record."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    archive = zipped(target.with_suffix(".zip"), files)
    whole = archive.read_bytes()
    body, end = whole[:-22], whole[-22:]
    size, offset = struct.unpack("<2L", end[12:20])
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, len(files), len(files), size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(body), 1)
    archive.write_bytes(body + record + locator + end)
    return archive


def greedy_reading(folder: Path, target: Path) -> Path:
    content = json.loads((folder / "bundle.json").read_bytes())["preprocessing"]
    content["read"]["max_pixels"] = 10**12
    return rewritten(folder, target, preprocessing=content)


def vast_input(folder: Path, target: Path) -> Path:
    return rewritten(folder, target, architecture=architecture(folder, image_shape=[60_000, 60_000, 1]))


def endless_reading(folder: Path, target: Path) -> Path:
    content = json.loads((folder / "bundle.json").read_bytes())["preprocessing"]
    content["read"]["max_pixels"] = float("inf")
    return rewritten(folder, target, preprocessing=content)


def colours_of_a_terminal(folder: Path, target: Path) -> Path:
    return rewritten(folder, target, classes=["\x1b[2Jwell", "ill"])


def one_class(folder: Path, target: Path) -> Path:
    return rewritten(folder, target, classes=["ill", "ill"])


def many_lists(folder: Path, target: Path) -> Path:
    return with_file(folder, target, "bundle.json", b"[" + b"[]," * 5_000_000 + b"[]]")


def endless_size(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    content = json.loads((target / MANIFEST).read_bytes())
    content.pop("sha256")
    content["files"]["bundle.json"]["bytes"] = float("inf")
    (target / MANIFEST).write_text(json.dumps(content))
    return target


REFUSED = {
    flipped: (BundleDamagedError, "sha256"),
    cut_off: (BundleDamagedError, "cut off"),
    cut_off_archive: (BundleDamagedError, "cut off"),
    missing: (BundleDamagedError, "missing"),
    climbing: (BundleUnsafeError, "lead out"),
    link: (BundleUnsafeError, "plain files only"),
    link_in_archive: (BundleUnsafeError, "symbolic link"),
    bomb_in_archive: (BundleUnsafeError, "compressed"),
    twice: (BundleUnsafeError, "occurs twice"),
    overlapping: (BundleUnsafeError, "overlap"),
    unknown: (BundleArchitectureError, "os.system"),
    trillion: (BundleTooLargeError, "1,000,004,000,004 parameters or more"),
    billion: (BundleTooLargeError, "parameters or more"),
    long_lists: (BundleTooLargeError, "1,000,000,000,000,000,000 pixels"),
    pickled: (BundleUnsafeError, "pickle"),
    pickled_array: (BundleUnsafeError, "Python objects"),
    newer: (BundleVersionError, "version 99"),
    extra: (BundleUnsafeError, "setup.py"),
    unlisted: (BundleUnsafeError, "not one of them"),
    huge_manifest: (BundleTooLargeError, "manifest.json"),
    nan_weights: (BundleDamagedError, "finite"),
    other_shapes: (BundleDamagedError, "shape"),
    bad_threshold: (BundleDamagedError, "threshold"),
    not_json: (BundleDamagedError, "cannot be used"),
    hidden_directory: (BundleUnsafeError, "64-bit format"),
    greedy_reading: (BundleTooLargeError, "1,000,000,000,000 pixels"),
    vast_input: (BundleTooLargeError, "3,600,000,000 pixels"),
    endless_reading: (BundleDamagedError, "how images are read"),
    colours_of_a_terminal: (BundleDamagedError, "control character"),
    one_class: (BundleDamagedError, "two different names"),
    many_lists: (BundleTooLargeError, "bundle.json"),
    endless_size: (BundleDamagedError, "not whole"),
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_a_bad_bundle_is_refused_with_its_own_error(make, bundle_folder, tmp_path):
    kind, words = REFUSED[make]
    bad = make(bundle_folder, tmp_path / "bad")
    with pytest.raises(kind, match=words) as caught:
        mc.load_bundle(bad)
    assert type(caught.value) is kind
    assert "bad" in str(caught.value), "the message names the bundle"
    assert not (tmp_path / "exploded").exists()


def test_every_error_is_also_an_ordinary_one():
    for kind in {kind for kind, _ in REFUSED.values()}:
        assert issubclass(kind, (BundleError, ArtifactError, ValueError))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured by Linux's own account")
def test_a_refusal_takes_no_memory(bundle_folder, tmp_path):
    bad = [str(make(bundle_folder, tmp_path / f"bad_{make.__name__}")) for make in REFUSED]
    code = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "import medimg_cnn as mc\n"
        "mc.load_bundle(sys.argv[1])\n"  # what a good one takes, and the imports
        # ru_maxrss would not do: a process inherits it from the one that started it.
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "before = peak()\n"
        "for path in sys.argv[2:]:\n"
        "    try:\n"
        "        mc.load_bundle(path)\n"
        "    except mc.errors.BundleError:\n"
        "        continue\n"
        "    raise SystemExit(path)\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle_folder), *bad], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    print(f"\n{len(bad)} refusals: peak memory grew by {int(done.stdout) / 1024:.1f} MiB")
    assert int(done.stdout) < 30 * 1024, f"refusing took {int(done.stdout) // 1024} MiB"


@given(flip=st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), archive=st.booleans())
def test_no_flipped_bit_changes_what_is_loaded(flip, archive, bundle_zip, bundle_folder, tmp_path):
    """In a folder each is refused; in an archive some lie in what nobody reads, such as the time of a file."""
    place, bit = flip
    copy = tmp_path / ("copy.zip" if archive else "copy")
    if archive:
        target = Path(shutil.copyfile(bundle_zip, copy))
    else:
        shutil.copytree(bundle_folder, copy, dirs_exist_ok=True)
        files = sorted(copy.iterdir())
        target = files[int(place * 1e6) % len(files)]
    whole = bytearray(target.read_bytes())
    whole[int(place * len(whole))] ^= 1 << bit
    target.write_bytes(whole)
    if not archive:
        with pytest.raises(BundleError):
            mc.load_bundle(copy)
        return
    try:
        loaded = mc.load_bundle(copy)
    except BundleError:
        return
    assert loaded.sha256 == mc.load_bundle(bundle_zip).sha256


ODD = (None, True, -1, 10**30, 0.5, float("nan"), float("inf"), "", "x", [], [[]], {}, {"x": None})


def leaves(content: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Return the path of every value in JSON content, containers included."""
    inner = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    return [
        *([path] if path else []),
        *(leaf for key, value in inner for leaf in leaves(value, (*path, key))),
    ]


def replaced(content: object, path: tuple[object, ...], value: object) -> object:
    changed = json.loads(json.dumps(content))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_any_odd_value_is_refused_or_loads_and_predicts(bundle_folder, tmp_path):
    """Nothing but the library's own errors, whatever stands anywhere in a bundle's content."""
    files = contents(bundle_folder)
    content = json.loads(files["bundle.json"])
    images = np.zeros((1, 12, 12), np.uint8)
    cases = [(path, value) for path in leaves(content) for value in ODD]
    refused = 0
    for index in np.random.default_rng(0).permutation(len(cases))[:150]:
        path, value = cases[index]
        files["bundle.json"] = json.dumps(replaced(content, path, value)).encode()
        write_files(tmp_path / "odd", files, overwrite=True)
        try:
            loaded = mc.load_bundle(tmp_path / "odd")
        except BundleError:
            refused += 1
            continue
        except Exception as error:  # noqa: BLE001 - the error is reported with what caused it
            pytest.fail(f"{path} = {value!r}: {type(error).__name__}: {error}")
        assert mc.Predictor(loaded).predict(images)["probability"].between(0, 1).all(), (path, value)
        assert str(loaded).isprintable()
    print(f"\n{refused} of 150 odd values refused, of {len(cases)} possible ones")
    assert refused > 20


def test_a_user_who_trusts_it_may_allow_more(bundle_folder, tmp_path):
    large = greedy_reading(bundle_folder, tmp_path / "large")
    assert mc.load_bundle(large, max_pixels=10**12).preprocessing.read.max_pixels == 10**12


def test_a_file_that_is_no_bundle_is_said_to_be_none(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleDamagedError, match="not a bundle"):
        mc.load_bundle(tmp_path / "empty")
    (tmp_path / "picture.png").write_bytes(os.urandom(1000))
    with pytest.raises(BundleDamagedError, match="something else"):
        mc.load_bundle(tmp_path / "picture.png")
    with pytest.raises(mc.errors.ArgumentError, match="does not exist"):
        mc.load_bundle(tmp_path / "nowhere")
