"""Fixtures and settings that every test shares."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("MPLBACKEND", "Agg")
# No test's outcome may hang on what another process compiled and left behind.
os.environ.setdefault("MEDIMG_CNN_COMPILATION_CACHE", "0")

# A shell starts what it puts in the background with Ctrl-C ignored; tests and their processes need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "medimg_cnn",
    # Half of Hypothesis's own number keeps the default run short; before a release MEDIMG_CNN_EXAMPLES=500.
    max_examples=int(os.environ.get("MEDIMG_CNN_EXAMPLES", "50")),
    deadline=None,  # JAX compiles in the first example
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("medimg_cnn")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images and reference cases; see docs/how-to/run-the-tests.md."""
    named = os.environ.get("MEDIMG_CNN_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        reason = f"the shared data folder {folder} does not exist; set MEDIMG_CNN_SHARED to it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


_compiled: list[str] = []


@pytest.fixture(autouse=True)
def _compile_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what this process compiles until it ends: many tests build the same small networks anew.

    Processes that a test starts are not concerned, and a test that never loads JAX does not load it for this.
    """
    if not _compiled and (jax := sys.modules.get("jax")) is not None:
        from medimg_cnn import set_compilation_cache

        _compiled.append(str(tmp_path_factory.mktemp("compiled")))
        set_compilation_cache(_compiled[0])
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.02)
