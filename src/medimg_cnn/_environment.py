"""What a run ran on: the versions that a reader needs to repeat it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from medimg_cnn import _backend
from medimg_cnn._version import __version__

__all__ = ["describe_environment", "environment"]

_PACKAGES = (
    "keras",
    "jax",
    "jaxlib",
    "numpy",
    "scipy",
    "pillow",
    "pydicom",
    "scikit-learn",
    "pandas",
    "orbax-checkpoint",
)


def environment() -> dict[str, str]:
    """Return what this process runs on: versions, flags, threads, and where compiled programs are kept.

    What to add to a report of a fault. It holds paths and flags of this machine; what a run keeps of it
    (``run.result.environment``, bundles) holds none.

    Returns:
        Name -> version or setting.

    Raises:
        BackendError: Keras does not run on JAX.

    Example:
        >>> import medimg_cnn as mc
        >>> found = mc.environment()
        >>> found["backend"], found["medimg-cnn"] == mc.__version__
        ('jax', True)
    """
    _backend.require()
    import jax

    found = describe_environment()
    found["backend"] = "jax"
    found["devices"] = ", ".join(str(device) for device in jax.local_devices())
    found["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "")
    found["convolution flag"] = _backend.convolution_flag()
    found["compilation cache"] = _backend.compilation_cache() or "off"
    if _backend.rejects_what_is_kept():
        found["compilation cache by default"] = "off on this processor, see jax issue 38445"
    return found


def describe_environment(devices: object = None) -> dict[str, str]:
    """Return name -> version or setting; no path, host or user name. ``devices`` are those that the run uses."""
    found = {
        "medimg-cnn": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    found["processors"] = str(os.cpu_count())
    found["threads"] = str(_backend.threads())  # XLA divides sums among them
    if devices is not None:
        found["devices"] = str(devices)
    # Names only: a value may be a path, as may the whole, which then is that of a file of flags.
    flags = os.environ.get("XLA_FLAGS", "").split()
    named = sorted({flag.split("=", 1)[0] for flag in flags if flag.startswith("-")})
    found["XLA_FLAGS"] = " ".join(named) if named or not flags else "from a file"
    commit = _git_commit()
    if commit:
        found["git commit"] = commit
    return found


def _git_commit() -> str:
    """Return the commit of the user's own code, and whether it was changed since; empty where there is none."""
    git = shutil.which("git")
    if git is None:
        return ""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    folder = Path(script).resolve().parent if script else Path.cwd()
    said = []
    for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no")):
        try:
            done = subprocess.run(  # noqa: S603 - git itself, with these words only
                [git, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=5, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        said.append(done.stdout.strip())
    return said[0] + (" with uncommitted changes" if said[1] else "")
