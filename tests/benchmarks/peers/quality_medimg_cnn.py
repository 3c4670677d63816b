"""The library's defaults, from files to the test AUROC, with a curve by the way."""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from _quality import Clock, auroc


def main() -> None:
    """Train on the data set and with the seed named."""
    warnings.simplefilter("ignore")
    name, seed = sys.argv[1], int(sys.argv[2])
    clock = Clock()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from accuracy import DATASETS

    import medimg_cnn as mc
    from medimg_cnn._keras import keras
    from medimg_cnn.training._step import logit_model, make_logit_function

    data = DATASETS[name]["load"]()
    model = mc.build_cnn(data.image_shape, prior=data.train.prevalence, seed=seed)
    images = data.test.read(np.arange(data.test.n))
    judge = make_logit_function(logit_model(model))

    class Curve(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            since = time.time()
            part = logit_model(self.model)
            weights, others = (
                [variable.value for variable in variables]
                for variables in (part.trainable_variables, part.non_trainable_variables)
            )
            logit = np.asarray(judge(weights, others, images))
            clock.point(auroc(logit, data.test.labels), since)

    augment = mc.augmentations.preset(DATASETS[name]["preset"])
    kept = os.environ.get("QUALITY_RUNS")  # runs that accuracy.py can take
    trainer = mc.Trainer(
        model,
        augment=augment,
        seed=seed,
        directory=Path(kept) / f"{name}-{seed}" if kept else None,
        callbacks=[Curve()],
        progress=False,
    )
    run = trainer.fit(data.train, data.validation)
    clock.end(auroc(run.predict(data.test).probability, data.test.labels))


if __name__ == "__main__":
    main()
