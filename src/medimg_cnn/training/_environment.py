"""What a run ran on: the versions that a reader needs to repeat it."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from medimg_cnn._version import __version__

__all__ = ["describe_environment"]

_PACKAGES = ("keras", "jax", "jaxlib", "numpy", "scipy", "pillow", "pydicom", "scikit-learn", "pandas")


def describe_environment() -> dict[str, str]:
    """Return name -> version or setting; no path, host or user name."""
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
    # Names only: a value may be a path.
    found["XLA_FLAGS"] = " ".join(flag.split("=", 1)[0] for flag in os.environ.get("XLA_FLAGS", "").split())
    return found
