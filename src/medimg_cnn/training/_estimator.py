"""A scikit-learn classifier over ``build_cnn`` and ``Trainer``, for arrays of images."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from medimg_cnn._validation import check_number, explain
from medimg_cnn.data import load_dataset
from medimg_cnn.errors import ArgumentError
from medimg_cnn.models import build_cnn
from medimg_cnn.training._config import TrainerConfig, check_config
from medimg_cnn.training._trainer import Trainer

__all__ = ["CNNClassifier"]


class CNNClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """A network as scikit-learn knows classifiers: ``fit``, ``predict_proba``, ``clone``, ``cross_val_score``.

    ``fit`` keeps a share of the images, divided by patient where ``groups`` are given, to choose the epoch and the
    threshold. For a study prefer ``load_dataset`` and ``Trainer``: they know where images come from.

    ``cross_val_score`` and ``GridSearchCV`` hand ``groups`` to the splitter only, unless the metadata routing of
    scikit-learn is switched on and ``set_fit_request(groups=True)`` is called.

    Args:
        architecture: see ``build_cnn``, as for ``width`` and ``dropout``.
        width: channels of the first stage; None: the architecture's own.
        dropout: share of the pooled features dropped in training.
        config: see ``TrainerConfig``; None: the defaults. Its seed is replaced by ``seed``. Its fields are parameters
            too, ``config__learning_rate`` for example, for ``GridSearchCV``.
        augment: see ``Trainer``.
        positive: the value of y that is positive; None: the larger of the two.
        validation: share of the images that choose, above 0 and below 1.
        seed: of weights, division and training.

    Attributes:
        classes_: (2,) the values of y, sorted, as scikit-learn's scorers need them.
        positive_: which of them is positive.
        run_: the ``Run``.
    """

    def __init__(
        self,
        *,
        architecture: str = "cnn",
        width: int | None = None,
        dropout: float = 0.3,
        config: TrainerConfig | None = None,
        augment: Any = None,
        positive: Any = None,
        validation: float = 0.2,
        seed: int = 0,
    ) -> None:
        self.architecture = architecture
        self.width = width
        self.dropout = dropout
        self.config = config
        self.augment = augment
        self.positive = positive
        self.validation = validation
        self.seed = seed

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; with ``deep``, the configuration's as ``config__NAME`` too."""
        found: dict[str, Any] = super().get_params(deep=deep)
        config = TrainerConfig() if self.config is None else self.config
        if deep and isinstance(config, TrainerConfig):  # what is wrong is refused by fit, not by a look
            found |= {f"config__{name}": value for name, value in config.to_dict().items() if name != "seed"}
        return found

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, ``config__NAME`` among them; return the classifier.

        Raises:
            ArgumentError: the configuration does not take a value.
        """
        options = {name: value for name, value in params.items() if name.startswith("config__")}
        super().set_params(**{name: value for name, value in params.items() if name not in options})
        if options:
            config = check_config(self.config)
            changed = {name.removeprefix("config__"): value for name, value in options.items()}
            self.config = TrainerConfig.from_dict(config.to_dict() | changed)
        return self

    def fit(self, X: ArrayLike, y: ArrayLike, *, groups: ArrayLike | None = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Train.

        Args:
            X: (n, height, width) or (n, height, width, channels): uint8, uint16, or floats in 0 to 1.
            y: (n,) two different values.
            groups: (n,) patients; images of one stay together. None: each image is its own.

        Raises:
            ArgumentError: y has not two values, or an option breaks its rule.
        """
        share = check_number("validation", self.validation, low=0.0, high=1.0, low_open=True, high_open=True)
        outcome = np.asarray(y)
        if outcome.ndim != 1 or outcome.size != len(np.asarray(X)):
            rule = f"must be (n,) with one value for each of the {len(np.asarray(X))} images"
            hint = (
                "Of one-hot labels take the column of the positive class: y[:, 1]."
                if outcome.ndim == 2
                else ""
            )
            raise ArgumentError(explain("y", rule, outcome.shape, hint))
        values = np.unique(outcome)
        if values.size != 2:
            raise ArgumentError(explain("y", "must have two different values", values))
        positive = values[1] if self.positive is None else self.positive
        if positive not in values:
            raise ArgumentError(explain("positive", f"must be one of {values.tolist()}", positive))
        # Sorted, whichever is positive: scorers take the second column for the second of the sorted values.
        self.classes_: NDArray[Any] = values
        self.positive_ = positive
        patients = np.arange(outcome.size) if groups is None else np.asarray(groups)
        data = load_dataset(
            (np.asarray(X), (outcome == positive).astype(np.int64)),
            positive=1,
            channels=_channels(np.shape(X)),
            patients=patients.astype(str).tolist(),
            fractions=(1.0 - share, share, 0.0),
            seed=self.seed,
            audit="off",
            progress=False,
        )
        options = check_config(self.config).to_dict() | {"seed": self.seed}
        model = build_cnn(
            data.image_shape,
            architecture=self.architecture,
            prior=data.train.prevalence,
            width=self.width,
            dropout=self.dropout,
            seed=self.seed,
        )
        self.run_ = Trainer(model, augment=self.augment, **options, progress=False).fit(
            data.train, data.validation
        )
        self.n_features_in_ = int(np.prod(data.image_shape))
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """Return (n, 2) probabilities, of ``classes_`` in their order."""
        positive = self._probability(X)
        columns = [1.0 - positive, positive]
        return np.column_stack(columns if self.classes_[1] == self.positive_ else columns[::-1])

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """Return (n,) probabilities of ``classes_[1]``, which rank the images."""
        return self.predict_proba(X)[:, 1]

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803 - scikit-learn's name
        """Return (n,) classes: positive where the probability reaches the run's operating point."""
        called = self._probability(X) >= self.run_.operating_point.threshold
        index = np.flatnonzero(self.classes_ == self.positive_)[0]
        predicted: NDArray[Any] = self.classes_[np.where(called, index, 1 - index)]
        return predicted

    def _probability(self, images: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self, "run_")
        return self.run_.probabilities(_as_floats(images))


def _channels(shape: tuple[int, ...]) -> Literal[1, 3] | None:
    """Return the channels that arrays have, so that colour that is grey all over is not made one channel."""
    return 3 if len(shape) == 4 and shape[3] == 3 else None


def _as_floats(value: ArrayLike) -> NDArray[Any]:
    """Return images with a channel axis, whole numbers brought to 0 to 1."""
    array = np.asarray(value)
    if array.dtype.kind == "u":
        array = array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    return array[..., None] if array.ndim == 3 else array
