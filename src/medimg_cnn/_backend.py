"""Chooses JAX as Keras's backend before Keras loads. The one import with an effect.

Keras reads ``KERAS_BACKEND`` once, when it is first imported; where it is unset Keras asks for TensorFlow.
``choose`` runs when ``medimg_cnn`` is imported and only fills the variable where it is unset or empty.
``require`` runs before anything of ours that needs Keras, and refuses another backend in words, so that
those who only want ``evaluation`` or ``clinical_report`` beside another framework are not refused.

The XLA flag keeps convolutions out of a CPU library that ran them on about one core; see
docs/decisions/0003-xla-flag.md. It is appended to the user's own flags, for jaxlib versions that know it.
"""

from __future__ import annotations

import os
import sys
from importlib import metadata

from medimg_cnn.errors import BackendError

__all__ = ["choose", "require"]

_CONVOLUTION_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
_CONVOLUTION_VALUE = "-LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION"
# An unknown flag ends the process, so only versions it was tried on are listed.
_FLAG_VERSIONS = ("0.10.2",)
_OPT_OUT = "MEDIMG_CNN_XLA_FLAGS"


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


def _add_xla_flag() -> None:
    flags = os.environ.get("XLA_FLAGS", "")
    if os.environ.get(_OPT_OUT, "1") == "0" or _CONVOLUTION_FLAG in flags:
        return
    try:
        version = metadata.version("jaxlib")
    except metadata.PackageNotFoundError:
        return
    if version in _FLAG_VERSIONS:
        os.environ["XLA_FLAGS"] = f"{flags} {_CONVOLUTION_FLAG}={_CONVOLUTION_VALUE}".strip()
