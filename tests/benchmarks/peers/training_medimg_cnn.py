"""Trainer on a given network, an epoch when told to."""

from __future__ import annotations

import warnings

import numpy as np
from _turns import Turns, arrays, case, epochs

import medimg_cnn as mc
from medimg_cnn._keras import keras
from medimg_cnn.training._step import make_logit_function


def main() -> None:
    """Train the case named first."""
    warnings.simplefilter("ignore")  # noise as images: the audit would have much to say
    found = case()
    images, labels = arrays(found)
    data = mc.load_dataset(
        (images, labels),
        positive=1,
        patients=np.arange(labels.size).astype(str),
        fractions=(1.0, 0.0, 0.0),
        audit="off",
    )
    model = keras.models.model_from_json(found["model"])
    weights, others = (
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    forward = make_logit_function(model)  # what Run.predict and a bundle's predictor call
    turns = Turns(lambda x: np.asarray(forward(weights, others, x)), found["shape"])
    mc.Trainer(
        model,
        epochs=1_000_000,
        batch_size=found["batch"],
        callbacks=[epochs(keras, turns, labels.size)],
        progress=False,
    ).fit(data.train, None)


if __name__ == "__main__":
    main()
