"""What a model said of a set of images, with all that an evaluation needs to know about them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medimg_cnn._types import BoolVector, FloatVector, PathLike, StrVector
from medimg_cnn.artifacts._files import atomic_write, damage_as_artifact_error, open_envelope
from medimg_cnn.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Predictions"]

_FORMAT = "medimg_cnn.predictions"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """Outcomes and scores of n images, row by row.

    Attributes:
        y_true: (n,) int8, 1 = has the condition (the positive class), 0 = has it not.
        logit: (n,) float64, finite; the model's output before the sigmoid and before calibration.
        probability: (n,) float64 in [0, 1]; of the positive class, after calibration.
        sample_id: (n,) texts, each its own; a relative path or another name of the image.
        patient_id: (n,) texts, or None where patients are not known.
        subgroups: column name -> (n,) texts, for example {"site": ..., "sex": ...}.
        classes: (negative, positive) names.
        part: which part of the dataset it was: "train", "validation", "test" or "external".

    Raises:
        ArgumentError: lengths differ, an outcome is neither 0 nor 1, a score is not finite or a
            probability lies outside [0, 1], or a sample id occurs twice.

    Example:
        >>> p = Predictions(y_true=[0, 1], logit=[-1.0, 2.0], probability=[0.27, 0.88], sample_id=["a", "b"])
        >>> p.n, p.prevalence
        (2, 0.5)
    """

    y_true: NDArray[np.int8]
    logit: FloatVector
    probability: FloatVector
    sample_id: StrVector
    patient_id: StrVector | None = None
    subgroups: Mapping[str, StrVector] = field(default_factory=dict)
    classes: tuple[str, str] = ("negative", "positive")
    part: str = "test"

    def __post_init__(self) -> None:
        outcome = np.asarray(self.y_true)
        if outcome.ndim != 1 or outcome.size == 0:
            raise ArgumentError(
                f"y_true: must be a vector with at least one outcome; got shape {outcome.shape}."
            )
        if not np.isin(outcome, (0, 1)).all():
            raise ArgumentError(
                f"y_true: every outcome must be 0 or 1; got {np.unique(outcome)[:5].tolist()}."
            )
        n = outcome.size
        logit = _vector("logit", self.logit, n, np.float64)
        probability = _vector("probability", self.probability, n, np.float64)
        if not np.isfinite(logit).all():
            raise ArgumentError(
                f"logit: must be finite; got {int((~np.isfinite(logit)).sum())} of {n} that are not."
            )
        if not ((probability >= 0) & (probability <= 1)).all():
            raise ArgumentError(
                "probability: must lie in [0, 1]; pass probabilities, not logits or per cent."
            )
        sample_id = _vector("sample_id", self.sample_id, n, np.str_)
        if np.unique(sample_id).size != n:
            raise ArgumentError(
                f"sample_id: each must occur once; {n - np.unique(sample_id).size} repeat another."
            )
        values: dict[str, Any] = {
            "y_true": outcome.astype(np.int8),
            "logit": logit,
            "probability": probability,
            "sample_id": sample_id,
            "patient_id": None
            if self.patient_id is None
            else _vector("patient_id", self.patient_id, n, np.str_),
            "subgroups": {
                str(name): _vector(f"subgroups[{name!r}]", column, n, np.str_)
                for name, column in self.subgroups.items()
            },
            "classes": (str(self.classes[0]), str(self.classes[1])),
        }
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    @property
    def n(self) -> int:
        """Number of images."""
        return int(self.y_true.size)

    @property
    def prevalence(self) -> float:
        """Share of positives among the images, 0 to 1."""
        return float(self.y_true.mean())

    def __repr__(self) -> str:
        # Names of files and patients stay out of logs.
        patients = "unknown" if self.patient_id is None else str(np.unique(self.patient_id).size)
        return (
            f"Predictions({self.part}: {self.n} images, {int(self.y_true.sum())} {self.classes[1]}, "
            f"patients {patients}, probability {self.probability.min():.3f} to {self.probability.max():.3f})"
        )

    def select(self, mask: BoolVector) -> Predictions:
        """Return the rows where ``mask``, (n,) bool, is True, in their order."""
        keep = np.asarray(mask, dtype=np.bool_)
        return Predictions(
            y_true=self.y_true[keep],
            logit=self.logit[keep],
            probability=self.probability[keep],
            sample_id=self.sample_id[keep],
            patient_id=None if self.patient_id is None else self.patient_id[keep],
            subgroups={name: column[keep] for name, column in self.subgroups.items()},
            classes=self.classes,
            part=self.part,
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas table with one row per image, subgroup columns last."""
        import pandas as pd

        columns: dict[str, Any] = {"sample_id": self.sample_id}
        if self.patient_id is not None:
            columns["patient_id"] = self.patient_id
        columns |= {"y_true": self.y_true, "logit": self.logit, "probability": self.probability}
        return pd.DataFrame(columns | dict(self.subgroups))

    def save(self, path: PathLike) -> None:
        """Write an ``.npz`` file, atomically and without pickle."""
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            "classes": list(self.classes),
            "part": self.part,
            "subgroups": list(self.subgroups),
        }
        arrays: dict[str, NDArray[Any]] = {
            "header": np.frombuffer(json.dumps(header).encode("utf-8"), dtype=np.uint8),
            "y_true": self.y_true,
            "logit": self.logit,
            "probability": self.probability,
            "sample_id": self.sample_id,
        }
        if self.patient_id is not None:
            arrays["patient_id"] = self.patient_id
        for index, column in enumerate(self.subgroups.values()):
            arrays[f"subgroup_{index}"] = column
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        atomic_write(path, lambda stream: stream.write(buffer.getvalue()))

    @classmethod
    def load(cls, path: PathLike) -> Predictions:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: the file is damaged, of another kind, or of a newer format version.
        """
        source = Path(path)
        with (
            damage_as_artifact_error(source, "saved predictions"),
            np.load(io.BytesIO(source.read_bytes()), allow_pickle=False) as stored,
        ):
            header = open_envelope(
                json.loads(stored["header"].tobytes().decode("utf-8")),
                kind=_FORMAT,
                version=_VERSION,
                source=str(source),
            )
            return cls(
                y_true=stored["y_true"],
                logit=stored["logit"],
                probability=stored["probability"],
                sample_id=stored["sample_id"],
                patient_id=stored.get("patient_id"),
                subgroups={name: stored[f"subgroup_{i}"] for i, name in enumerate(header["subgroups"])},
                classes=(header["classes"][0], header["classes"][1]),
                part=header["part"],
            )


def _vector(name: str, value: ArrayLike, n: int, dtype: type[np.generic]) -> NDArray[Any]:
    array = np.array(value, dtype=dtype)
    if array.shape != (n,):
        raise ArgumentError(f"{name}: must have the shape ({n},) of y_true; got {array.shape}.")
    return array
