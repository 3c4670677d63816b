"""keras.Model.fit on a given network, an epoch when told to; the backend is the environment's."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from _turns import Turns, arrays, case, epochs


def compiled(model: Any) -> Any:
    """Return the network's forward pass as the backend runs it fastest."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        forward = tf.function(lambda x: model(x, training=False))
        return lambda x: forward(tf.constant(x)).numpy()
    import jax

    weights, others = (
        [jax.numpy.copy(variable.value) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    forward = jax.jit(lambda trained, other, x: model.stateless_call(trained, other, x, training=False)[0])
    return lambda x: np.asarray(forward(weights, others, x))


def main() -> None:
    """Train the case named first."""
    found = case()
    images, labels = arrays(found)
    images = images.astype(np.float32) / 255
    model = keras.models.model_from_json(found["model"])
    forward = compiled(model)
    model.compile(
        optimizer=keras.optimizers.AdamW(1e-3),
        loss="binary_crossentropy",
        # TensorFlow's own kernels are the faster ones on a processor; JAX has but one way.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    turns = Turns(forward, found["shape"])
    model.fit(
        images,
        labels.astype(np.float32),
        batch_size=found["batch"],
        epochs=1_000_000,
        verbose=0,
        callbacks=[epochs(keras, turns, labels.size)],
    )


if __name__ == "__main__":
    main()
