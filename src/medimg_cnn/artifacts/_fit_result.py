"""What a training run did and chose, without the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from medimg_cnn._types import PathLike
from medimg_cnn.artifacts._calibration import Calibration
from medimg_cnn.artifacts._files import damage_as_artifact_error, read_json, write_json
from medimg_cnn.artifacts._fingerprint import DatasetFingerprint
from medimg_cnn.artifacts._operating_point import OperatingPoint

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EpochRecord", "FitResult"]

_FORMAT = "medimg_cnn.fit_result"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch of training.

    Attributes:
        epoch: counted from 1.
        loss: mean binary cross-entropy on the training images as they were augmented, in nats.
        validation_loss: binary cross-entropy on validation, in nats; NaN without validation.
        validation_auroc: AUROC on validation, 0 to 1; NaN without validation.
        learning_rate: at the epoch's last step.
        images_per_second: training images a second, validation left out.
        seconds: wall time of the epoch, validation included.
        validation_monitor: the figure of validation that chose the epoch, where ``TrainerConfig.monitor`` is another
            than the AUROC; NaN otherwise.
    """

    epoch: int
    loss: float
    validation_loss: float
    validation_auroc: float
    learning_rate: float
    images_per_second: float
    seconds: float
    validation_monitor: float = math.nan

    @classmethod
    def columns(cls, history: Iterable[EpochRecord]) -> list[str]:
        """Return the names of the fields of a history, without ``validation_monitor`` where it says nothing."""
        used = any(not math.isnan(record.validation_monitor) for record in history)
        return [one.name for one in fields(cls) if used or one.name != "validation_monitor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """A run's history, its choices and where they were made.

    Attributes:
        history: one record per epoch.
        kept_epoch: the epoch whose weights were kept, counted from 1.
        operating_point: the threshold chosen, with the rule and the data.
        calibration: how a logit becomes a probability.
        config: the training configuration as JSON values.
        fingerprint: of the dataset, or None where it was not known.
        preprocessing: how an image file became an input, as JSON values; None where it was not known.
        environment: package versions and the like, name -> text.
        model_sha256: of the model file beside the record; empty where none was written.
    """

    history: tuple[EpochRecord, ...]
    kept_epoch: int
    operating_point: OperatingPoint
    calibration: Calibration = field(default_factory=Calibration)
    config: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: DatasetFingerprint | None = None
    preprocessing: Mapping[str, Any] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    model_sha256: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return the history as a pandas table indexed by epoch."""
        import pandas as pd

        rows = [asdict(record) for record in self.history]
        return pd.DataFrame(rows, columns=EpochRecord.columns(self.history)).set_index("epoch")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "history": [asdict(record) for record in self.history],
            "kept_epoch": self.kept_epoch,
            "operating_point": self.operating_point.to_dict(),
            "calibration": self.calibration.to_dict(),
            "config": dict(self.config),
            "fingerprint": None if self.fingerprint is None else self.fingerprint.to_dict(),
            "preprocessing": None if self.preprocessing is None else dict(self.preprocessing),
            "environment": dict(self.environment),
            "model_sha256": self.model_sha256,
        }

    def save(self, path: PathLike) -> None:
        """Write the record as JSON, atomically."""
        write_json(path, kind=_FORMAT, version=_VERSION, content=self.to_dict())

    @classmethod
    def load(cls, path: PathLike) -> FitResult:
        """Read a record that ``save`` wrote.

        Raises:
            ArtifactError: the file is damaged, of another kind, or of a newer format version.
        """
        content = read_json(path, kind=_FORMAT, version=_VERSION)
        with damage_as_artifact_error(path, "a fit result"):
            return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> FitResult:
        """Build the record from what ``to_dict`` gave."""
        fingerprint = content["fingerprint"]
        return cls(
            history=tuple(EpochRecord(**_numbers(row)) for row in content["history"]),
            kept_epoch=content["kept_epoch"],
            operating_point=OperatingPoint.from_dict(content["operating_point"]),
            calibration=Calibration.from_dict(content["calibration"]),
            config=content["config"],
            fingerprint=None if fingerprint is None else DatasetFingerprint.from_dict(fingerprint),
            preprocessing=content["preprocessing"],
            environment=content["environment"],
            model_sha256=content["model_sha256"],
        )


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {key: float(value) if isinstance(value, str) else value for key, value in row.items()}
