"""Training: from a model and two splits to a run with kept weights and a locked operating point."""

from medimg_cnn.training._config import TrainerConfig
from medimg_cnn.training._run import Run, load_run
from medimg_cnn.training._source import ImageSource
from medimg_cnn.training._trainer import Trainer, TrainingInterrupted

__all__ = ["ImageSource", "Run", "Trainer", "TrainerConfig", "TrainingInterrupted", "load_run"]
