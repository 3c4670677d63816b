"""Models for others to use: bundles, prediction on files, external validation, comparison."""

from medimg_cnn.export._against import Against
from medimg_cnn.export._architecture import ArchitectureConfig
from medimg_cnn.export._bundle import Bundle, load_bundle
from medimg_cnn.export._compare import compare_bundles
from medimg_cnn.export._external import ExternalValidation, Recalibration, external_validate
from medimg_cnn.export._predictor import ImagePrediction, PredictionSummary, Predictor
from medimg_cnn.export._reference import Development, Reference
from medimg_cnn.export._runtimes import ExportedModel, export_model
from medimg_cnn.export._save import save_bundle
from medimg_cnn.export._serve import make_app, serve
from medimg_cnn.export._shift import Alarm, ShiftTest

__all__ = [
    "Against",
    "Alarm",
    "ArchitectureConfig",
    "Bundle",
    "Development",
    "ExportedModel",
    "ExternalValidation",
    "ImagePrediction",
    "PredictionSummary",
    "Predictor",
    "Recalibration",
    "Reference",
    "ShiftTest",
    "compare_bundles",
    "export_model",
    "external_validate",
    "load_bundle",
    "make_app",
    "save_bundle",
    "serve",
]
