"""Every exception and warning that the library raises on purpose.

Each error is also one of Python's own kinds, so that an ordinary ``except ValueError`` or
``except OSError`` works. Messages say what was given, the rule, the value, and the next step.

    MedimgCnnError
    ├── ArgumentError (ValueError)            an argument breaks its rule
    ├── BackendError (ImportError)            Keras runs, or was told to run, on another backend than JAX
    ├── MissingDependencyError (ImportError)  an optional package is needed
    ├── DataError (ValueError)                images, labels or tables cannot be used as they are
    │   ├── AuditError                        an audit that must pass found something
    │   ├── ImageReadError (OSError)          one image file cannot be read
    │   ├── LabelError                        labels, or which of them is positive, are unclear
    │   └── SplitError                        the wanted split cannot be made, or leaks
    ├── ArtifactError (ValueError)            a saved record is damaged or of a newer format
    │   └── BundleError                       a model bundle is refused
    │       ├── BundleDamagedError            bytes are missing, too many, or not those that were written
    │       ├── BundleUnsafeError             it holds what a bundle never holds: a link, a pickle, other files
    │       ├── BundleVersionError            a newer version of the library wrote it
    │       ├── BundleArchitectureError       its network is not one that this library builds
    │       └── BundleTooLargeError           it asks for more parameters or bytes than allowed
    ├── ExportError (RuntimeError)            an exported model does not agree with its bundle
    └── TrainingError (RuntimeError)          a training run cannot go on

Example:
    >>> from medimg_cnn.errors import ArgumentError
    >>> issubclass(ArgumentError, ValueError)
    True
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ArgumentError",
    "ArtifactError",
    "AuditError",
    "BackendError",
    "BundleArchitectureError",
    "BundleDamagedError",
    "BundleError",
    "BundleTooLargeError",
    "BundleUnsafeError",
    "BundleVersionError",
    "DataError",
    "ExportError",
    "ImageReadError",
    "LabelError",
    "MedimgCnnError",
    "MedimgCnnWarning",
    "MissingDependencyError",
    "SplitError",
    "TrainingError",
]


class MedimgCnnError(Exception):
    """The root of every error that the library raises on purpose."""


class ArgumentError(MedimgCnnError, ValueError):
    """An argument breaks its rule; the message names it, the rule and the value."""


class BackendError(MedimgCnnError, ImportError):
    """Keras runs, or was told to run, on another backend than JAX."""


class MissingDependencyError(MedimgCnnError, ImportError):
    """An optional package is needed; the message holds the command that installs it."""


class DataError(MedimgCnnError, ValueError):
    """Images, labels or tables cannot be used as they are."""


class AuditError(DataError):
    """The audit of a dataset found errors or warnings, and was asked to stop at them."""


class ImageReadError(DataError, OSError):
    """One image file cannot be read; the message names the file and the reason."""


class LabelError(DataError):
    """The labels, or which of them is positive, are unclear."""


class SplitError(DataError):
    """The wanted split cannot be made, or would put one patient in two parts."""


class ArtifactError(MedimgCnnError, ValueError):
    """A saved record is damaged, incomplete, or of a newer format version."""


class BundleError(ArtifactError):
    """A model bundle is refused; nothing of it was used."""


class BundleDamagedError(BundleError):
    """Bytes of a bundle are missing, too many, or not those that were written."""


class BundleUnsafeError(BundleError):
    """A bundle holds what none ever holds: a link, a path that leads out, a pickle, or further files."""


class BundleVersionError(BundleError):
    """A bundle was written by a newer version of the library."""


class BundleArchitectureError(BundleError):
    """A bundle asks for a network that this library does not build."""


class BundleTooLargeError(BundleError):
    """A bundle asks for more parameters or bytes than allowed."""


class ExportError(MedimgCnnError, RuntimeError):
    """An exported model does not agree with its bundle; nothing was written."""


class TrainingError(MedimgCnnError, RuntimeError):
    """A training run cannot go on, for a reason that the message gives.

    Attributes:
        run: the trained run, where only writing it failed; None otherwise.
    """

    run: Any = None


class MedimgCnnWarning(UserWarning):
    """Something that a reader of the results should know, but that does not stop the work."""
