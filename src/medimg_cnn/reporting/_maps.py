"""Class-activation maps for the report; Keras is loaded only where a run brings its model and images are given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image, Images
from medimg_cnn.errors import ArgumentError
from medimg_cnn.reporting._inputs import Inputs

__all__ = ["CaseMaps", "case_maps", "read_images", "where_hottest"]

_CHECKED = 16
_AGREES = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseMaps:
    """Maps of some cases, with what a reader must know before looking at them.

    Attributes:
        overlays: row number -> (height, width, 3) float32 in 0-1, the image under its map.
        words: row number -> what the map shows.
        check: the outcome of the weight-randomisation check, in a sentence.
        trusted: whether that check passed; None where it could not be made.
        refused: why there are no maps; "" where there are.
        apart: largest difference between the model's probability of these cases and the one reported.
    """

    overlays: dict[int, Image]
    words: dict[int, str]
    check: str
    trusted: bool | None
    refused: str
    apart: float

    @property
    def other_model(self) -> bool:
        """Whether the probabilities reported are not those of this model alone."""
        return self.apart > _AGREES


def read_images(inputs: Inputs, rows: NDArray[np.int64]) -> Images:
    """Return (len(rows), height, width, channels) from the array or the reader that was given."""
    if isinstance(inputs.images, np.ndarray):
        chosen: Images = inputs.images[rows]
        return chosen
    if inputs.images is None:
        raise ArgumentError("images: were not given.")
    return inputs.images.read(rows)


def case_maps(inputs: Inputs, rows: NDArray[np.int64]) -> CaseMaps | None:
    """Return Grad-CAM overlays of these rows, and the check of the maps on up to 16 images of the data.

    Returns:
        None where the run holds no model, no images are given, or there is no row to show.
    """
    if inputs.model is None or inputs.images is None or rows.size == 0:
        return None
    from medimg_cnn._keras import keras
    from medimg_cnn.explain import grad_cam, overlay, randomisation_check

    model = inputs.model
    if not isinstance(model, keras.Model):
        return _refusal(f"the run's model is no keras.Model but of the type {type(model).__name__}")
    images = read_images(inputs, rows)
    try:
        heats = grad_cam(model, images)
    except ArgumentError as error:
        return _refusal(str(error).rstrip("."))
    try:
        check = randomisation_check(model, read_images(inputs, _spread_by_score(inputs)))
        sentence, trusted = str(check), check.passed
    except ArgumentError as error:
        sentence, trusted = f"randomisation check: not applicable, {str(error).rstrip('.')}", None
    logit = keras.Model(model.input, model.get_layer("logit").output).predict_on_batch(images)
    again = np.asarray(logit, dtype=np.float64).reshape(rows.size, -1)[:, 0]
    if inputs.result is not None:
        again = inputs.result.calibration.apply(again)
    pairs = list(zip(rows.tolist(), images, heats, strict=True))
    return CaseMaps(
        overlays={row: overlay(image, heat) for row, image, heat in pairs},
        words={row: where_hottest(heat) for row, _, heat in pairs},
        check=sentence,
        trusted=trusted,
        refused="",
        apart=float(np.abs(again - inputs.probability[rows]).max()),
    )


def where_hottest(heat: NDArray[np.float32]) -> str:
    """Say where a map has its maximum, by thirds of the image.

    Example:
        >>> heat = np.zeros((9, 9), np.float32)
        >>> where_hottest(heat)
        'nothing in the image raises the probability'
        >>> heat[0, 8] = 1.0
        >>> where_hottest(heat)
        'the probability is raised most in the upper right'
    """
    if not float(heat.max()) > 0.0:
        return "nothing in the image raises the probability"
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    height = ("upper", "middle", "lower")[min(3 * int(row) // heat.shape[0], 2)]
    side = ("left", "middle", "right")[min(3 * int(column) // heat.shape[1], 2)]
    place = "middle" if height == side else f"{height} {side}"
    return f"the probability is raised most in the {place}"


def _spread_by_score(inputs: Inputs) -> NDArray[np.int64]:
    order = np.argsort(inputs.probability, kind="stable")
    picked = np.unique(np.linspace(0, inputs.n - 1, min(inputs.n, _CHECKED)).round().astype(np.int64))
    return np.sort(order[picked])


def _refusal(reason: str) -> CaseMaps:
    return CaseMaps(overlays={}, words={}, check="", trusted=None, refused=reason, apart=0.0)
