"""The records that pass between stages. Each is frozen, checked when built, and saved without pickle."""

from medimg_cnn.artifacts._calibration import Calibration
from medimg_cnn.artifacts._fingerprint import DatasetFingerprint
from medimg_cnn.artifacts._fit_result import EpochRecord, FitResult
from medimg_cnn.artifacts._operating_point import OperatingPoint
from medimg_cnn.artifacts._predictions import Predictions

__all__ = ["Calibration", "DatasetFingerprint", "EpochRecord", "FitResult", "OperatingPoint", "Predictions"]
