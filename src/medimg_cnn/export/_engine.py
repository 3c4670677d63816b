"""The compiled forward pass: logits exactly as ``Run.predict`` computes them, and the features before them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._backend import inference_options
from medimg_cnn._keras import keras
from medimg_cnn._types import FloatVector, Images
from medimg_cnn.training._step import logit_model, make_logit_function
from medimg_cnn.training._variants import faster

__all__ = ["Engine", "filled", "network"]

_FEATURES = "features"


class Engine:
    """Logits and features of batches of one size.

    Logits come from the same compiled function as a run's, and features from one of their own: one function for both
    would compute each image once, but XLA may then join the operations in another way, and the last bits differ.
    """

    def __init__(self, model: Any) -> None:
        self.logit_model = logit_model(model)
        self._feature_model = keras.Model(model.input, model.get_layer(_FEATURES).output)
        self._logits = make_logit_function(self.logit_model)
        self._features = _make_feature_function(self._feature_model)

    def logits(self, images: Images) -> FloatVector:
        """Return the logits, (n,) float64, of images (n, height, width, channels) float32 in 0-1."""
        return np.asarray(self._logits(*_values(self.logit_model), images), dtype=np.float64)

    def features(self, images: Images) -> NDArray[np.float64]:
        """Return what the last layer sees, (n, d) float64."""
        return np.asarray(self._features(*_values(self._feature_model), images), dtype=np.float64)


def filled(images: Images, size: int) -> Images:
    """Return the images with the first repeated at the end until there are ``size``, as ``Run.predict`` does."""
    missing = size - len(images)
    return images if missing == 0 else np.concatenate([images, np.repeat(images[:1], missing, axis=0)])


def network(engine: Engine, line: tuple[float, float], threshold: float, *, layers: Any = None) -> Any:
    """Return a JAX function with the weights inside: images to (logit, probability, decision), each (n, 1).

    Args:
        engine: of the bundle.
        line: slope and intercept of the calibrated logit.
        threshold: from which probability on the decision is True.
        layers: a network of the same weights in the same order that is run instead; None for the bundle's own.
    """
    import jax

    model = engine.logit_model
    weights, other = _values(model)
    model = model if layers is None else layers
    slope, intercept = line

    def run(images: Any) -> tuple[Any, Any, Any]:
        logit, _ = model.stateless_call(weights, other, images, training=False)
        probability = jax.nn.sigmoid(np.float32(slope) * logit + np.float32(intercept))
        return logit, probability, probability >= np.float32(threshold)

    return run


def _make_feature_function(model: Any) -> Any:
    import jax

    network = faster(model, training=False)

    def features(weights: Any, other: Any, images: Any) -> Any:
        output, _ = network.stateless_call(weights, other, images, training=False)
        return output

    return jax.jit(features, compiler_options=inference_options())


# Read anew for each batch: the arrays of a variable are others once its model has run in Keras's own loops.
def _values(model: Any) -> tuple[list[Any], list[Any]]:
    return (
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
    )
