"""From a folder of medical images to a defensible diagnostic-accuracy study, on Keras 3 and JAX.

Importing this package loads neither Keras nor JAX; a name is loaded when it is first used.

Example:
    >>> import medimg_cnn as mc
    >>> report = mc.clinical_report([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> round(report.auroc.value, 2)
    0.75
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from medimg_cnn import _backend
from medimg_cnn._version import __version__

if TYPE_CHECKING:
    from medimg_cnn import (
        artifacts,
        augmentations,
        data,
        errors,
        evaluation,
        explain,
        export,
        models,
        reporting,
        training,
    )
    from medimg_cnn._backend import set_compilation_cache
    from medimg_cnn._environment import environment
    from medimg_cnn.artifacts import OperatingPoint, Predictions
    from medimg_cnn.data import Dataset, Split, load_dataset
    from medimg_cnn.export import Predictor, external_validate, load_bundle, save_bundle
    from medimg_cnn.models import build_cnn
    from medimg_cnn.reporting import ClinicalReport, clinical_report
    from medimg_cnn.training import Run, Trainer, load_run

__all__ = [
    "ClinicalReport",
    "Dataset",
    "OperatingPoint",
    "Predictions",
    "Predictor",
    "Run",
    "Split",
    "Trainer",
    "__version__",
    "artifacts",
    "augmentations",
    "build_cnn",
    "clinical_report",
    "data",
    "environment",
    "errors",
    "evaluation",
    "explain",
    "export",
    "external_validate",
    "load_bundle",
    "load_dataset",
    "load_run",
    "models",
    "reporting",
    "save_bundle",
    "set_compilation_cache",
    "training",
]

_PACKAGES = frozenset(
    {
        "artifacts",
        "augmentations",
        "data",
        "errors",
        "evaluation",
        "explain",
        "export",
        "models",
        "reporting",
        "training",
    }
)
_HOMES = {
    "ClinicalReport": "reporting",
    "Dataset": "data",
    "OperatingPoint": "artifacts",
    "Predictions": "artifacts",
    "Predictor": "export",
    "Run": "training",
    "Split": "data",
    "Trainer": "training",
    "build_cnn": "models",
    "clinical_report": "reporting",
    "environment": "_environment",
    "external_validate": "export",
    "load_bundle": "export",
    "load_dataset": "data",
    "load_run": "training",
    "save_bundle": "export",
    "set_compilation_cache": "_backend",
}

_backend.choose()


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
