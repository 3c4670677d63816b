"""Compiled programs are kept where they should be, change no result, and can be left out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from medimg_cnn import set_compilation_cache
from medimg_cnn._backend import _make_room
from medimg_cnn.errors import ArgumentError

OURS = f"medimg-cnn-xla-{metadata.version('jaxlib')}"
WHERE = "import medimg_cnn as mc; print(mc.environment()['compilation cache'])"
TRAIN = """
import hashlib
import numpy as np
import medimg_cnn as mc

x = np.random.default_rng(0).integers(0, 256, (96, 32, 32), dtype=np.uint8)
y, patients = np.arange(96) % 2, np.arange(96).astype(str)
data = mc.load_dataset((x, y), positive=1, patients=patients, audit="off")
model = mc.build_cnn(data.image_shape, width=8, seed=1)
augment = mc.augmentations.preset("chest_xray")
run = mc.Trainer(model, augment=augment, epochs=2, progress=False).fit(data.train, data.validation)
print(hashlib.sha256(b"".join(np.asarray(w).tobytes() for w in run.model.get_weights())).hexdigest())
"""


def run(code: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = {"MEDIMG_CNN_COMPILATION_CACHE", "JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME"}
    variables = {name: value for name, value in os.environ.items() if name not in ours}
    variables |= {"HOME": str(home)} | environment
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=variables,
        check=False,
    )


def test_a_variable_names_the_folder_or_none(tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    found = Path(run(WHERE, tmp_path, MEDIMG_CNN_COMPILATION_CACHE=str(folder)).stdout.strip())
    assert found == folder / OURS
    assert found.stat().st_mode & 0o777 == 0o700
    assert run(WHERE, tmp_path, MEDIMG_CNN_COMPILATION_CACHE="Off").stdout.strip() == "off"
    own = run(WHERE, tmp_path, MEDIMG_CNN_COMPILATION_CACHE="1").stdout.strip()
    assert own.endswith(f"medimg-cnn{os.sep}{OURS.removeprefix('medimg-cnn-')}")
    assert own.startswith(str(tmp_path))
    with pytest.raises(ArgumentError, match="folder: must be a path, or None for off; got False"):
        set_compilation_cache(False)  # type: ignore[arg-type]


def test_the_user_s_own_setting_of_jax_is_kept(tmp_path: Path) -> None:
    own = str(tmp_path / "own")
    assert run(WHERE, tmp_path, JAX_COMPILATION_CACHE_DIR=own).stdout.strip() == own


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(WHERE, tmp_path, MEDIMG_CNN_COMPILATION_CACHE=str(tmp_path / "file" / "folder"))
    assert (result.returncode, result.stdout.strip()) == (0, "off"), result.stderr
    assert "MEDIMG_CNN_COMPILATION_CACHE: must name a folder that can be made" in result.stderr


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="only POSIX has owners and modes")
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path / OURS, tmp_path / ".cache" / "medimg-cnn" / OURS.removeprefix("medimg-cnn-")):
        folder.mkdir(parents=True)
        folder.chmod(0o777)
    named = run(WHERE, tmp_path, MEDIMG_CNN_COMPILATION_CACHE=str(tmp_path))
    assert (named.returncode, named.stdout.strip()) == (0, "off"), named.stderr
    assert "nobody else may write to it" in named.stderr
    unnamed = run(WHERE, tmp_path)
    assert (unnamed.returncode, unnamed.stdout.strip(), unnamed.stderr) == (0, "off", "")
    with pytest.raises(ArgumentError, match=r"folder: .*nobody else may write to it"):
        set_compilation_cache(tmp_path / OURS)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    (folder := tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(folder, 12345, -1)
    with pytest.raises(ArgumentError, match=r"folder: .*must be your own"):
        set_compilation_cache(folder)


def test_a_program_that_another_process_took_away_meanwhile_is_no_matter(tmp_path: Path) -> None:
    class Vanishing(type(tmp_path)):  # type: ignore[misc]
        def iterdir(self) -> Iterator[Path]:
            yield self / "gone-cache"

    _make_room(Vanishing(tmp_path))


def test_it_can_be_set_and_taken_away_while_running(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    code = (
        f"import medimg_cnn as mc, jax; mc.set_compilation_cache({str(folder)!r})\n"
        "jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)\n"
        "jax.jit(lambda x: x * 2)(1.0); print(mc.environment()['compilation cache'])\n"
        "mc.set_compilation_cache(None); print(mc.environment()['compilation cache'])"
    )
    result = run(code, tmp_path, MEDIMG_CNN_COMPILATION_CACHE="0")
    assert result.stdout.split() == [str(folder), "off"], result.stderr
    assert list(folder.glob("*-cache"))


@pytest.mark.parametrize("first", ["jax", "keras"])
def test_programs_are_kept_also_where_jax_was_loaded_before(tmp_path: Path, first: str) -> None:
    code = (
        f"import os; os.environ['KERAS_BACKEND'] = 'jax'; import {first}, jax\n"
        "jax.jit(lambda x: x + 2)(1.0); import medimg_cnn as mc; mc.build_cnn\n"
        "jax.config.update('jax_persistent_cache_min_compile_time_secs', 0); jax.jit(lambda x: x * 2)(1.0)\n"
        "print(mc.environment()['compilation cache']); mc.set_compilation_cache(None)\n"
        "print(mc.environment()['compilation cache'])"
    )
    result = run(code, tmp_path, MEDIMG_CNN_COMPILATION_CACHE=str(tmp_path))
    assert result.stdout.split() == [str(tmp_path / OURS), "off"], result.stderr
    assert list((tmp_path / OURS).glob("*-cache"))


def test_a_setting_made_in_jax_is_kept(tmp_path: Path) -> None:
    own = str(tmp_path / "own")
    code = f"import jax; jax.config.update('jax_compilation_cache_dir', {own!r})\n{WHERE}"
    found = run(code, tmp_path, MEDIMG_CNN_COMPILATION_CACHE=str(tmp_path))
    assert found.stdout.strip() == own, found.stderr


def test_the_oldest_programs_make_room_and_nothing_else(tmp_path: Path) -> None:
    (folder := tmp_path / OURS).mkdir(mode=0o700)
    names = ["0-cache", "1-cache", "2-cache", "thesis.docx", "../thesis.docx", "../0-cache"]
    for index, name in enumerate(names):
        with (folder / name).open("wb") as file:
            file.truncate(500 << 20)  # sparse: nothing is written
        os.utime(folder / name, (index, index) if "thesis" not in name else (0, 0))
    (folder / "a-cache").mkdir()
    os.utime(folder / "a-cache", (0, 0))
    found = run(WHERE, tmp_path, MEDIMG_CNN_COMPILATION_CACHE=str(tmp_path))
    assert found.stdout.strip() == str(folder), found.stderr
    left = {path.name for path in folder.iterdir()}
    assert left == {"1-cache", "2-cache", "thesis.docx", "a-cache"}
    assert {"thesis.docx", "0-cache"} < {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_weights_are_the_same_without_it_with_an_empty_one_and_with_a_full_one(tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    results = [run(TRAIN, tmp_path, MEDIMG_CNN_COMPILATION_CACHE="0")]
    results += [run(TRAIN, tmp_path, MEDIMG_CNN_COMPILATION_CACHE=str(folder)) for _ in range(2)]
    assert list((folder / OURS).glob("*step*-cache")), "the step was not kept"
    assert len({result.stdout for result in results}) == 1, [result.stderr for result in results]
    assert len(results[0].stdout.strip()) == 64, results[0].stderr


@pytest.mark.slow
def test_a_program_cut_short_is_compiled_anew(tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    whole = run(TRAIN, tmp_path, MEDIMG_CNN_COMPILATION_CACHE=str(folder))
    for path in (folder / OURS).glob("*-cache"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = run(
        "import warnings; warnings.simplefilter('ignore')" + TRAIN,
        tmp_path,
        MEDIMG_CNN_COMPILATION_CACHE=str(folder),
    )
    assert (again.returncode, again.stdout) == (0, whole.stdout), again.stderr
