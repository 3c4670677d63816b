"""What importing the package does, and does not do."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

import medimg_cnn
from medimg_cnn._backend import _FLAG_VERSIONS


def run(code: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a fresh interpreter; a variable that is None is taken away."""
    variables = {
        name: value for name, value in os.environ.items() if name not in {"KERAS_BACKEND", "XLA_FLAGS"}
    }
    variables |= {name: value for name, value in environment.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=False
    )


def test_import_loads_no_heavy_package() -> None:
    heavy = (
        "keras",
        "jax",
        "jaxlib",
        "numpy",
        "scipy",
        "pandas",
        "matplotlib",
        "sklearn",
        "PIL",
        "pydicom",
        "rich",
    )
    result = run(f"import sys, medimg_cnn; print([m for m in {heavy!r} if m in sys.modules])")
    assert result.stdout.strip() == "[]", result.stderr


def test_import_writes_nothing(tmp_path: Path) -> None:
    result = run("import medimg_cnn", HOME=str(tmp_path))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.benchmark
def test_import_is_quick() -> None:
    times: dict[str, list[float]] = {"pass": [], "import medimg_cnn": []}
    for _ in range(15):
        for code, seconds in times.items():
            start = time.perf_counter()
            run(code)
            seconds.append(time.perf_counter() - start)
    bare, ours = (statistics.median(seconds) for seconds in times.values())
    print(f"\nimport medimg_cnn: {ours - bare:.3f} s over a bare interpreter ({bare:.3f} s)")
    assert ours - bare < 0.15


@pytest.mark.parametrize(
    "value", [None, pytest.param("", marks=pytest.mark.slow), pytest.param("jax", marks=pytest.mark.slow)]
)
def test_backend_is_jax_where_it_is_unset_empty_or_jax(value: str | None) -> None:
    result = run(
        "import medimg_cnn; medimg_cnn.build_cnn; import keras; print(keras.config.backend())",
        KERAS_BACKEND=value,
    )
    assert result.stdout.strip() == "jax", result.stderr


@pytest.mark.parametrize("name", ["build_cnn", "Trainer", "augmentations"])
def test_another_backend_is_refused_in_words(name: str) -> None:
    result = run(f"from medimg_cnn import {name}", KERAS_BACKEND="tensorflow")
    assert result.returncode != 0
    assert "BackendError" in result.stderr
    assert "KERAS_BACKEND is 'tensorflow'" in result.stderr
    assert "Set KERAS_BACKEND=jax" in result.stderr


def test_keras_already_loaded_with_another_backend_is_refused_in_words() -> None:
    # Keras's own NumPy backend needs no other framework, so the case is a real one here.
    result = run(
        "import os; os.environ['KERAS_BACKEND'] = 'numpy'\n"
        "import keras\n"
        "del os.environ['KERAS_BACKEND']\n"
        "import medimg_cnn\n"
        "try:\n    medimg_cnn.build_cnn\n"
        "except ImportError as error:\n    print(error)"
    )
    assert "already loaded with 'numpy'" in result.stdout, result.stderr


def test_a_report_beside_another_backend_is_not_refused() -> None:
    result = run(
        "import sys, medimg_cnn as mc\n"
        "report = mc.clinical_report([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])\n"
        "print(report.auroc.value, 'keras' in sys.modules, 'jax' in sys.modules)",
        KERAS_BACKEND="torch",
    )
    assert result.stdout.split() == ["0.75", "False", "False"], result.stderr


COMPUTES = (
    "import os, medimg_cnn; from medimg_cnn._backend import require; require(); import jax.numpy as jnp\n"
    "print(int(jnp.arange(3).sum()), os.environ.get('XLA_FLAGS', ''))\n"
    "print(medimg_cnn.environment()['convolution flag'])"
)


def test_the_user_s_own_xla_flags_are_kept() -> None:
    own = "--xla_cpu_enable_fast_math=false"
    assert run(COMPUTES, XLA_FLAGS=own).stdout.startswith(f"3 {own}")
    alone = run(COMPUTES, XLA_FLAGS=own, MEDIMG_CNN_XLA_FLAGS="0").stdout
    assert alone.splitlines() == [f"3 {own}", "not in force: MEDIMG_CNN_XLA_FLAGS is 0"]


def test_a_file_of_xla_flags_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "flags.txt"
    file.write_text("--xla_cpu_enable_fast_math=false\n")
    result = run(COMPUTES, XLA_FLAGS=str(file))
    assert result.stdout.splitlines() == [f"3 {file}", "not in force: XLA_FLAGS names a file"], result.stderr
    # What a run keeps of its environment holds no path.
    kept = "import medimg_cnn._environment as e; print(e.describe_environment()['XLA_FLAGS'])"
    assert run(kept, XLA_FLAGS=str(file)).stdout.strip() == "from a file"


def test_a_flag_that_comes_too_late_is_not_claimed() -> None:
    result = run("import jax.numpy as jnp; jnp.ones(3).sum()\n" + COMPUTES, MEDIMG_CNN_XLA_FLAGS="1")
    first, said = result.stdout.splitlines()
    assert first.strip() == "3", result.stderr
    assert said.startswith("not in force: ")
    if metadata.version("jaxlib") in _FLAG_VERSIONS:
        assert said == "not in force: JAX had computed before medimg_cnn was used"
        assert run(COMPUTES).stdout.splitlines()[1] == "in force"


def test_networks_that_only_predict_are_compiled_otherwise_unless_the_flag_is_the_user_s() -> None:
    code = "from medimg_cnn._backend import inference_options, require; require()\nprint(inference_options())"
    ours = run(code, MEDIMG_CNN_XLA_FLAGS="1").stdout
    if metadata.version("jaxlib") in _FLAG_VERSIONS:
        assert "INDIVIDUAL_DOT" in ours
    for own in ({"XLA_FLAGS": "--xla_cpu_experimental_ynn_fusion_type="}, {"MEDIMG_CNN_XLA_FLAGS": "0"}):
        assert run(code, **own).stdout.strip() == "None"


def test_no_tensorflow_and_no_torch_are_installed_with_it() -> None:
    result = run(
        "import importlib.metadata as m, re\n"
        "seen, todo = set(), ['medimg-cnn']\n"
        "while todo:\n"
        "    name = todo.pop()\n"
        "    if name in seen: continue\n"
        "    seen.add(name)\n"
        "    try: needs = m.requires(name) or []\n"
        "    except m.PackageNotFoundError: continue\n"
        "    todo += [re.split(r'[^A-Za-z0-9_.-]', n)[0].lower() for n in needs if 'extra ==' not in n]\n"
        "print(' '.join(sorted(seen)))"
    )
    needed = set(result.stdout.split())
    assert {"keras", "jax", "numpy", "pillow", "pydicom"} <= needed, result.stderr
    assert not needed & {"tensorflow", "tensorflow-cpu", "tf-keras", "torch", "torchvision", "keras-hub"}


def test_every_public_name_loads_and_is_listed() -> None:
    for name in medimg_cnn.__all__:
        assert getattr(medimg_cnn, name) is not None
    assert dir(medimg_cnn) == sorted(medimg_cnn.__all__)
    with pytest.raises(AttributeError, match="no attribute 'build_cn'"):
        medimg_cnn.build_cn  # noqa: B018 - the access is the test


COUNTS_THREADS = (
    "import medimg_cnn as mc; said = mc.environment()['threads']\n"
    "from pathlib import Path\n"
    "import jax.numpy as jnp; (jnp.ones((256, 256)) @ jnp.ones((256, 256))).block_until_ready()\n"
    "names = [(task / 'comm').read_text() for task in Path('/proc/self/task').iterdir()]\n"
    "print(said, sum('XLAEigen' in name for name in names))"
)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted where Linux lists them")
@pytest.mark.parametrize(
    ("given", "threads"),
    [({"LOKY_MAX_CPU_COUNT": "1"}, 1), ({"LOKY_MAX_CPU_COUNT": "1", "NPROC": "3"}, 3)],
    ids=["quota", "the user's own"],
)
def test_xla_has_as_many_threads_as_processors_are_granted(given: dict[str, str], threads: int) -> None:
    result = run(COUNTS_THREADS, **given)
    assert result.stdout.split() == [str(threads)] * 2, result.stderr
