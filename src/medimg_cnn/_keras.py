"""Keras, on JAX. Every module of the library that needs Keras takes it from here."""

from __future__ import annotations

from medimg_cnn._backend import require

require()

import keras  # noqa: E402 - the backend is chosen first

__all__ = ["keras"]
