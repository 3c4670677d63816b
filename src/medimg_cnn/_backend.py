"""Chooses JAX as Keras's backend before Keras loads. The one import with an effect.

Keras reads ``KERAS_BACKEND`` once, when it is first imported; where it is unset Keras asks for TensorFlow.
``choose`` runs when ``medimg_cnn`` is imported and only fills the variable where it is unset or empty.
``require`` runs before anything of ours that needs Keras, and refuses another backend in words, so that
those who only want ``evaluation`` or ``clinical_report`` beside another framework are not refused.

The XLA flag keeps convolutions out of a CPU library that ran them on about one core; see
docs/decisions/0003-xla-flag.md. It is appended to the user's own flags, for jaxlib versions that know it,
while JAX still reads them.
XLA starts a thread for each processor it may be scheduled on, also where a container's quota grants the time of fewer;
there the number is set to the quota's, see docs/decisions/0083-threads.md.
Compiled programs are kept in a folder of the user's cache, so that a second process starts sooner; see
docs/decisions/0080-compiled-programs.md.
"""

from __future__ import annotations

import os
import stat
import sys
import warnings
from functools import cache
from importlib import metadata
from pathlib import Path

from medimg_cnn.errors import ArgumentError, BackendError, MedimgCnnWarning

__all__ = [
    "choose",
    "compilation_cache",
    "convolution_flag",
    "inference_options",
    "rejects_what_is_kept",
    "require",
    "set_compilation_cache",
    "threads",
]

_CONVOLUTION_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
_CONVOLUTION_VALUE = "-LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION"
# A sum over pixels draws the convolutions before it into one program of that library, where it is among the types.
_INFERENCE_VALUE = "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"
# An unknown flag ends the process, so only versions it was tried on are listed.
_FLAG_VERSIONS = ("0.10.2", "0.12.0.1")
_OPT_OUT = "MEDIMG_CNN_XLA_FLAGS"

_THREADS = "NPROC"  # read by XLA when it starts

_CACHE = "MEDIMG_CNN_COMPILATION_CACHE"
_JAX_CACHE = "JAX_COMPILATION_CACHE_DIR"
_JAX_LEAST = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
_LEAST_SECONDS = 0.02
_CACHE_BYTES = 1 << 30
_OFF = ("0", "off", "no", "none", "false")
_ON = ("1", "on", "yes", "true")


def choose() -> None:
    """Set ``KERAS_BACKEND=jax`` where it is unset or empty and Keras is not loaded yet."""
    if "keras" not in sys.modules and not os.environ.get("KERAS_BACKEND", "").strip():
        os.environ["KERAS_BACKEND"] = "jax"


def require() -> None:
    """Make sure that Keras runs on JAX.

    Raises:
        BackendError: Keras is loaded with another backend, or ``KERAS_BACKEND`` names another.
    """
    choose()
    wanted = os.environ.get("KERAS_BACKEND", "").strip().lower()
    loaded = sys.modules.get("keras")
    if loaded is not None:
        running = loaded.config.backend()
        if running != "jax":
            raise BackendError(
                f"medimg_cnn needs Keras on the JAX backend; Keras is already loaded with {running!r}. "
                "Start a new Python process and set KERAS_BACKEND=jax, or import medimg_cnn before keras."
            )
    elif wanted != "jax":
        raise BackendError(
            f"medimg_cnn needs Keras on the JAX backend; KERAS_BACKEND is {wanted!r}. "
            "Set KERAS_BACKEND=jax, or unset it, before starting Python."
        )
    _add_xla_flag()
    _limit_threads()
    _keep_compiled()


def inference_options() -> dict[str, str] | None:
    """Return the ``compiler_options`` of ``jax.jit`` for a network that only predicts; None where none are needed.

    They are needed on a CPU where the flag of this module is set, and leave a flag of the user's own alone; see
    docs/decisions/0003-xla-flag.md. To be called after ``require``.
    """
    import jax

    if (
        not _ours_is_set()
        or metadata.version("jaxlib") not in _FLAG_VERSIONS
        or jax.default_backend() != "cpu"
    ):
        return None
    return {_CONVOLUTION_FLAG.removeprefix("--"): _INFERENCE_VALUE}


def compilation_cache() -> str | None:
    """Return the folder in which JAX keeps compiled programs; None where it keeps none.

    Example:
        >>> import medimg_cnn as mc
        >>> mc.set_compilation_cache(None)
        >>> mc.environment()["compilation cache"]
        'off'
    """
    if "jax" in sys.modules:
        folder: str | None = sys.modules["jax"].config.jax_compilation_cache_dir
        return folder or None
    return os.environ.get(_JAX_CACHE) or None


def set_compilation_cache(folder: str | os.PathLike[str] | None) -> None:
    """Keep compiled programs in another folder, or in none, from now on and in this process.

    By default they are kept in the user's cache folder, so that the second process that trains the same network
    starts in a fraction of the time. The variable ``MEDIMG_CNN_COMPILATION_CACHE`` chooses from outside: a folder, in
    which a sub-folder is made for them and kept below a gibibyte; 1 for the user's cache folder; or 0 for none. Nothing
    is taken away from the folder named here.

    Args:
        folder: where to keep them; made where it is missing. Only you should be able to write there. None: nowhere.

    Raises:
        ArgumentError: the folder is no path, cannot be made or written to, is another user's, or others may write
            to it.

    Example:
        >>> import medimg_cnn as mc
        >>> mc.set_compilation_cache(None)
    """
    require()
    if folder is None:
        _tell(None)
        return
    if not isinstance(folder, (str, os.PathLike)):
        raise ArgumentError(f"folder: must be a path, or None for off; got {folder!r}.")
    wanted = Path(folder).absolute()
    try:
        _make(wanted)
    except OSError as error:
        raise ArgumentError(
            f"folder: must be one that can be made and written to; got {str(folder)!r} ({error}). Name another, or "
            "None."
        ) from error
    _tell(str(wanted))


def _tell(folder: str | None) -> None:
    """Tell JAX, which is loaded, where to keep compiled programs."""
    from jax import config
    from jax.experimental.compilation_cache import compilation_cache as kept

    if folder is not None:
        config.update(_JAX_LEAST.lower(), _LEAST_SECONDS)  # type: ignore[no-untyped-call] # JAX
    config.update(_JAX_CACHE.lower(), folder)  # type: ignore[no-untyped-call] # JAX
    kept.reset_cache()


@cache  # once a process: what is chosen later stays chosen
def _keep_compiled() -> None:
    """Tell JAX where to keep compiled programs; leave it alone where the user told it."""
    wanted, loaded = os.environ.get(_CACHE, "").strip(), "jax" in sys.modules
    if (
        wanted.lower() in _OFF
        or os.environ.get(_JAX_CACHE) is not None
        or (not wanted and rejects_what_is_kept())
    ):
        return
    if loaded and compilation_cache() is not None:
        return
    try:
        version = metadata.version("jaxlib")
        if wanted and wanted.lower() not in _ON:
            folder = Path(wanted).expanduser().absolute() / f"medimg-cnn-xla-{version}"
        else:
            folder = _user_cache() / "medimg-cnn" / f"xla-{version}"
        _make(folder)
        _make_room(folder)
    except (OSError, RuntimeError, metadata.PackageNotFoundError) as error:
        # Without a home, or on a read-only or full disk, programs are compiled each time.
        if wanted:
            warnings.warn(
                f"{_CACHE}: must name a folder that can be made and written to; got {wanted!r} ({error}). Compiled "
                "programs are not kept. Name another folder, or 0 for none.",
                MedimgCnnWarning,
                stacklevel=2,
            )
        return
    if loaded:
        _tell(str(folder))
    else:
        os.environ[_JAX_CACHE] = str(folder)
        os.environ.setdefault(_JAX_LEAST, str(_LEAST_SECONDS))


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid"):  # what lies there is run, so nobody else may put it there
        status = folder.stat()
        if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(
                f"{folder}: must be your own, and nobody else may write to it (chmod go-w)."
            )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder}: cannot be written to. Name another folder for compiled programs.")


def _make_room(folder: Path) -> None:
    """Take away the programs that were made first, where they have grown past a gibibyte; nothing else."""
    found = []
    for entry in folder.iterdir():
        if entry.name.endswith(("-cache", "-atime")):  # as JAX names them
            try:
                status = entry.lstat()
            except FileNotFoundError:  # another process makes room as well
                continue
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime, status.st_size, entry))
    found.sort()
    excess = sum(size for _, size, _ in found) - _CACHE_BYTES
    for _, size, entry in found:
        if excess <= 0:
            return
        entry.unlink(missing_ok=True)
        excess -= size


def rejects_what_is_kept() -> bool:
    """Whether this processor refuses kept programs, with a line of alarm for each (jax issue 38445: many of Intel)."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            return any("GenuineIntel" in line for line in lines if line.startswith("vendor_id"))
    except OSError:
        return False


def threads() -> int:
    """Return how many threads XLA computes with on a CPU, or will; after ``require``."""
    wanted = os.environ.get(_THREADS, "").strip()
    return int(wanted) if wanted.isdecimal() and int(wanted) > 0 else _usable_processors()


def _usable_processors() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _limit_threads() -> None:
    """Set the number of threads where it is unset and a quota grants less time than there are processors."""
    if os.environ.get(_THREADS, "").strip() or _has_computed():
        return
    # It knows the quotas of both kinds of control groups, and LOKY_MAX_CPU_COUNT; joblib's own is 1 without processes.
    from joblib.externals.loky import cpu_count

    granted = cpu_count()
    if granted < _usable_processors():
        os.environ[_THREADS] = str(granted)


def convolution_flag() -> str:
    """Return whether the flag of docs/decisions/0003-xla-flag.md is in force, or why not; after ``require``."""
    return "in force" if _ours_is_set() else f"not in force: {_why_no_flag()}"


def _add_xla_flag() -> None:
    if _why_no_flag() is None:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} {_CONVOLUTION_FLAG}={_CONVOLUTION_VALUE}".strip()


def _why_no_flag() -> str | None:
    """Return why the flag must not be added; None where it may."""
    flags = os.environ.get("XLA_FLAGS", "").strip()
    if os.environ.get(_OPT_OUT, "1") == "0":
        return f"{_OPT_OUT} is 0"
    if _CONVOLUTION_FLAG in flags:
        return "XLA_FLAGS sets it"
    if flags and not flags.startswith("-"):
        return "XLA_FLAGS names a file"
    try:
        version = metadata.version("jaxlib")
    except metadata.PackageNotFoundError:
        return "jaxlib is not installed"
    if version not in _FLAG_VERSIONS:
        return f"not tried with jaxlib {version}"
    return "JAX had computed before medimg_cnn was used" if _has_computed() else None


def _has_computed() -> bool:
    bridge = sys.modules.get("jax._src.xla_bridge")  # JAX offers no public way to ask
    started = getattr(bridge, "backends_are_initialized", None)
    return started is not None and bool(started())


def _ours_is_set() -> bool:
    return f"{_CONVOLUTION_FLAG}={_CONVOLUTION_VALUE}" in os.environ.get("XLA_FLAGS", "").split()
