"""Training: from a model and two splits to a run with kept weights and a locked operating point."""

from typing import TYPE_CHECKING, Any

from medimg_cnn.training._config import TrainerConfig
from medimg_cnn.training._cross_validation import CrossValidation, cross_validate
from medimg_cnn.training._ensemble import Ensemble
from medimg_cnn.training._mlflow import MLflowTracker
from medimg_cnn.training._run import Run, load_run
from medimg_cnn.training._search_space import Between, SearchSpace
from medimg_cnn.training._source import ImageSource
from medimg_cnn.training._tensorboard import TensorBoardTracker
from medimg_cnn.training._tracker import RunFacts, Tracker
from medimg_cnn.training._trainer import Trainer, TrainingInterrupted
from medimg_cnn.training._tune import tune
from medimg_cnn.training._tuning import Trial, Tuning

if TYPE_CHECKING:
    from medimg_cnn.training._estimator import CNNClassifier

__all__ = [
    "Between",
    "CNNClassifier",
    "CrossValidation",
    "Ensemble",
    "ImageSource",
    "MLflowTracker",
    "Run",
    "RunFacts",
    "SearchSpace",
    "TensorBoardTracker",
    "Tracker",
    "Trainer",
    "TrainerConfig",
    "TrainingInterrupted",
    "Trial",
    "Tuning",
    "cross_validate",
    "load_run",
    "tune",
]


def __getattr__(name: str) -> Any:
    # scikit-learn takes a second to load, and nothing else here needs it.
    if name == "CNNClassifier":
        from medimg_cnn.training._estimator import CNNClassifier

        return CNNClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
