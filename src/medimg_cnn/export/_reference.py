"""What the training data looked like, in a few numbers: to notice images that are unlike it.

Three distances from the training images: of the size as stored, of the distribution of grey values after
preprocessing, and of the features that the last layer sees (Mahalanobis to the nearer class with one covariance,
K. Lee et al. 2018, arXiv:1807.03888; the covariance is shrunk, O. Ledoit and M. Wolf 2004,
doi:10.1016/S0047-259X(03)00096-4). Each is divided by its 95th percentile on held-out images, the largest is the
score, and an image is out of scope above the score's 99th percentile on these (the conformal quantile: the
ceil(0.99 (n + 1))-th smallest, or the largest where n is below 99). So about 1% of images like the training data are
flagged, or one in n + 1 where there are fewer than 99.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import BoolVector, FloatVector, Images, IntVector
from medimg_cnn.artifacts import Predictions
from medimg_cnn.errors import BundleDamagedError
from medimg_cnn.export._engine import Engine, filled
from medimg_cnn.training import ImageSource

__all__ = [
    "MEASURES",
    "Development",
    "Observed",
    "Reference",
    "intensity_profile",
    "observe",
    "one_of_each_patient",
    "some",
]

Matrix = NDArray[np.float64]

MEASURES = ("size", "intensity", "features")
_RATE = 0.01
_BATCH = 128
_MOST_TRAIN = 2000
_MOST_SAMPLE = 500
_COMPONENTS = 32
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
# A size a fifth beyond the training images' counts as their held-out 95th percentile where these never are.
_SIZE_FLOOR = math.log2(1.2)


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What is measured of n images.

    Attributes:
        size: (n, 2) height and width as stored; NaN where not known.
        intensity: (n, 7) quantiles of the grey values after preprocessing, 0 to 1.
        features: (n, d) what the last layer sees.
    """

    size: Matrix
    intensity: Matrix
    features: Matrix

    def take(self, rows: IntVector) -> Observed:
        """Return some rows."""
        return Observed(self.size[rows], self.intensity[rows], self.features[rows])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Development:
    """Outcomes and logits of development images, without names: what an external validation is compared with.

    Attributes:
        part: "validation", or "test" where these were given.
        y: (n,) int8.
        logit: (n,) float64.
        cluster: (n,) int64, equal for images of one patient; None where patients are not known.

    Example:
        >>> cases = Predictions(y_true=[0, 1], logit=[-1.0, 2.0], probability=[0.3, 0.9], sample_id=["a", "b"])
        >>> Development.of(cases).part
        'test'
    """

    part: str
    y: NDArray[np.int8]
    logit: FloatVector
    cluster: IntVector | None = None

    @classmethod
    def of(cls, predictions: Predictions) -> Development:
        """Take what is needed of predictions; patients become numbers in an order that says nothing."""
        patients = predictions.patient_id
        return cls(
            part=predictions.part,
            y=predictions.y_true,
            logit=predictions.logit,
            cluster=None
            if patients is None
            else np.unique(patients, return_inverse=True)[1].astype(np.int64),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """The training data's size, grey values and features, and the rule for images unlike them.

    Attributes:
        size_range: (2, 2) smallest and largest (height, width); NaN where not known.
        intensity_mean: (7,).
        intensity_scale: (7, 7) maps differences from the mean to uncorrelated ones of variance 1.
        feature_mean: (2, d) of each class.
        feature_scale: (d, d) as ``intensity_scale``.
        unit: (3,) what each distance is divided by, in the order of ``MEASURES``.
        threshold: above it an image is out of scope.
        held_out: number of images that the threshold rests on.
        components: (d, k) principal directions of the training features.
        sample: held-out images, one a patient, for tests of shift; ``features`` are in the k components.
        part: what the held-out images were, "validation".
    """

    size_range: Matrix
    intensity_mean: FloatVector
    intensity_scale: Matrix
    feature_mean: Matrix
    feature_scale: Matrix
    unit: FloatVector
    threshold: float
    held_out: int
    components: Matrix
    sample: Observed
    part: str = field(default="validation")

    @property
    def false_alarm_rate(self) -> float:
        """Share of images like the held-out ones that are called out of scope, at most."""
        return 1.0 - _rank(self.held_out) / (self.held_out + 1)

    @property
    def rule(self) -> str:
        """The rule in words."""
        return (
            "out of scope where the largest of three distances from the training images (stored size, grey values, "
            f"features) is above {self.threshold:.3g}, a limit that at most {100 * self.false_alarm_rate:.2g}% of "
            f"images like the {self.held_out} of {self.part} pass"
        )

    @classmethod
    def fit(cls, engine: Engine, train: ImageSource, held_out: ImageSource) -> Reference:
        """Describe the training images, and set the limit on held-out ones."""
        rows = some(np.arange(train.n), _MOST_TRAIN)
        seen = observe(engine, train, rows)
        labels = train.labels[rows]
        mean = np.stack([_mean(seen.features, labels == outcome) for outcome in (0, 1)])
        centred = seen.features - mean[labels.astype(np.int64)]
        other = observe(engine, held_out, np.arange(held_out.n))
        intensity_mean = seen.intensity.mean(axis=0)
        size = seen.size
        known = np.isfinite(size).all()
        components = np.linalg.svd(centred, full_matrices=False)[2][:_COMPONENTS].T
        first = one_of_each_patient(held_out)
        chosen = other.take(some(first, _MOST_SAMPLE))
        fitted = {
            "size_range": np.stack([size.min(axis=0), size.max(axis=0)])
            if known
            else np.full((2, 2), np.nan),
            "intensity_mean": intensity_mean,
            "intensity_scale": _whitening(seen.intensity - intensity_mean),
            "feature_mean": mean,
            "feature_scale": _whitening(centred),
            "components": np.ascontiguousarray(components),
            "sample": Observed(chosen.size, chosen.intensity, chosen.features @ components),
            "part": held_out.part,
            "held_out": held_out.n,
        }
        raw = cls(**fitted, unit=np.ones(3), threshold=math.inf)
        distances = raw.distances(other)
        unit = np.maximum(np.quantile(distances, 0.95, axis=0), [_SIZE_FLOOR, 1e-6, 1e-6])
        scores = np.sort((distances / unit).max(axis=1))
        return cls(**fitted, unit=unit, threshold=float(scores[_rank(held_out.n) - 1]))

    def distances(self, seen: Observed) -> Matrix:
        """Return (n, 3) distances in the order of ``MEASURES``, each over its unit; sizes not known count as 0."""
        low, high = self.size_range
        with np.errstate(invalid="ignore"):
            beyond = np.maximum(np.log2(seen.size / high), np.log2(low / seen.size))
        size = np.nan_to_num(np.maximum(beyond, 0.0)).max(axis=1)
        intensity = np.linalg.norm((seen.intensity - self.intensity_mean) @ self.intensity_scale, axis=1)
        features = np.stack(
            [
                np.linalg.norm((seen.features - mean) @ self.feature_scale, axis=1)
                for mean in self.feature_mean
            ]
        ).min(axis=0)
        return np.stack([size, intensity, features], axis=1) / self.unit

    def judge(self, seen: Observed) -> tuple[BoolVector, list[str]]:
        """Return who is out of scope, (n,) bool, and by which measures, as text."""
        beyond = self.distances(seen) > self.threshold
        reasons = [
            " and ".join(name for name, is_out in zip(MEASURES, row, strict=True) if is_out) for row in beyond
        ]
        return np.asarray(beyond.any(axis=1)), reasons

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything but ``part`` as arrays; the scales as float32, which is exact enough."""
        return {
            "size_range": self.size_range,
            "intensity_mean": self.intensity_mean,
            "intensity_scale": self.intensity_scale,
            "feature_mean": self.feature_mean.astype(np.float32),
            "feature_scale": self.feature_scale.astype(np.float32),
            "unit": self.unit,
            "threshold": np.array([self.threshold]),
            "held_out": np.array([self.held_out], dtype=np.int64),
            "components": self.components.astype(np.float32),
            "sample_size": self.sample.size,
            "sample_intensity": self.sample.intensity.astype(np.float32),
            "sample_features": self.sample.features.astype(np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, part: str, features: int) -> Reference:
        """Build from ``to_arrays``, for a model with so many features.

        Raises:
            BundleDamagedError: an array is missing, not finite, or has another shape.
        """
        try:
            n, k = arrays["sample_features"].shape
            shapes = {
                "size_range": (2, 2),
                "intensity_mean": (7,),
                "intensity_scale": (7, 7),
                "feature_mean": (2, features),
                "feature_scale": (features, features),
                "unit": (3,),
                "threshold": (1,),
                "held_out": (1,),
                "components": (features, k),
                "sample_size": (n, 2),
                "sample_intensity": (n, 7),
            }
            for name, shape in shapes.items():
                if arrays[name].shape != shape:
                    raise ValueError(f"{name} must have the shape {shape}")
            values = {
                name: np.asarray(arrays[name], dtype=np.float64) for name in [*shapes, "sample_features"]
            }
            for name in shapes:
                finite = np.isfinite(values[name]).all() or name in {"size_range", "sample_size"}
                if not finite:
                    raise ValueError(f"{name} must be finite")
        except (KeyError, ValueError, AttributeError) as error:
            raise BundleDamagedError(
                f"reference.npz: does not describe the training data as it must ({error}). Get the bundle again."
            ) from error
        return cls(
            size_range=values["size_range"],
            intensity_mean=values["intensity_mean"],
            intensity_scale=values["intensity_scale"],
            feature_mean=values["feature_mean"],
            feature_scale=values["feature_scale"],
            unit=values["unit"],
            threshold=float(values["threshold"][0]),
            held_out=int(values["held_out"][0]),
            components=values["components"],
            sample=Observed(values["sample_size"], values["sample_intensity"], values["sample_features"]),
            part=part,
        )


def observe(engine: Engine, images: ImageSource, rows: IntVector) -> Observed:
    """Measure some images of a split, a batch at a time."""
    profiles, features = [], []
    size = min(_BATCH, rows.size)
    for start in range(0, rows.size, size):
        batch = images.read(rows[start : start + size])
        profiles.append(intensity_profile(batch))
        features.append(engine.features(filled(batch, size))[: len(batch)])
    return Observed(_stored_sizes(images)[rows], np.concatenate(profiles), np.concatenate(features))


def intensity_profile(images: Images) -> Matrix:
    """Return (n, 7) quantiles of the grey values of images (n, height, width, channels) in 0-1."""
    grey = images.mean(axis=-1).reshape(len(images), -1)
    return np.asarray(np.quantile(grey, _QUANTILES, axis=1).T, dtype=np.float64)


def one_of_each_patient(images: ImageSource) -> IntVector:
    """Return the position of one image of each patient, drawn the same way each time; all, without patients."""
    if images.patient_ids is None:
        return np.arange(images.n)
    # The first would not do: where classes follow each other in one order, it is of one class.
    order = np.random.default_rng(0).permutation(images.n)
    return np.sort(order[np.unique(images.patient_ids[order], return_index=True)[1]])


def _stored_sizes(images: ImageSource) -> Matrix:
    table = getattr(images, "table", None)  # a Split has one; another source need not
    if table is None or not {"height", "width"} <= set(table):
        return np.full((images.n, 2), np.nan)
    return np.asarray(table[["height", "width"]], dtype=np.float64)


def some(rows: IntVector, most: int) -> IntVector:
    """Return at most so many rows, drawn the same way each time."""
    if rows.size <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def _mean(values: Matrix, chosen: BoolVector) -> FloatVector:
    return np.asarray(values[chosen].mean(axis=0) if chosen.any() else values.mean(axis=0))


def _whitening(centred: Matrix) -> Matrix:
    """Return W with (x W)(x W)' = x S^-1 x', where S is the shrunk covariance."""
    from sklearn.covariance import ledoit_wolf

    covariance = ledoit_wolf(centred, assume_centered=True)[0]
    values, vectors = np.linalg.eigh(covariance)
    floor = max(float(values.max()) * 1e-6, 1e-12)
    return np.asarray(vectors / np.sqrt(np.maximum(values, floor)))


def _rank(n: int) -> int:
    """Return which of n sorted held-out scores is the limit."""
    return min(n, math.ceil((1.0 - _RATE) * (n + 1)))
