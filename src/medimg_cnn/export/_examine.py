"""What the page is told of a model and of an image: numbers, warnings and pictures, as JSON values."""

from __future__ import annotations

import base64
import io
import threading
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image, ImageSize
from medimg_cnn.data import Preprocessing
from medimg_cnn.data.readers import ReadOptions, read_decoded
from medimg_cnn.evaluation import operating_characteristics
from medimg_cnn.explain import overlay
from medimg_cnn.explain._grad_cam import class_activation_maps
from medimg_cnn.export._bundle import Bundle
from medimg_cnn.export._external import development_predictions
from medimg_cnn.export._inputs import model_input
from medimg_cnn.export._predictor import ImagePrediction, Predictor

__all__ = ["Examiner"]

_USE = "research use only"
_VIEW = 512
"""Pixels of the longer side of the pictures on the page, at most."""
_BOOTSTRAP = 100
"""As few as there may be: the figures shown have a closed form."""


class Examiner:
    """One image at a time through the bundle; safe from several threads.

    Args:
        bundle: the model. Images larger than the library's own limit are refused, whatever the bundle allows.
    """

    def __init__(self, bundle: Bundle) -> None:
        how = bundle.preprocessing
        most = min(how.read.max_pixels, ReadOptions().max_pixels)
        self._bundle = replace(bundle, preprocessing=replace(how, read=replace(how.read, max_pixels=most)))
        self._predictor = Predictor(self._bundle, workers=1)
        self._heat = class_activation_maps(bundle.model, None)
        self.model = _model_facts(bundle)
        blank = np.zeros((1, *bundle.image_shape), dtype=np.float32)
        self._bundle.engine.logits(blank)  # compiled before the first request, by one thread
        self._map(blank[0])
        if bundle.reference is not None:
            self._bundle.engine.features(blank)
        # Two decoders at once are enough, and bound the memory that images may take.
        self._turns = threading.Semaphore(2)

    def answer(self, content: bytes, *, with_pictures: bool) -> tuple[int, dict[str, Any]]:
        """Return a status and what is to be said of an image file's bytes."""
        with self._turns:
            found, pixels = self._predictor.examine(io.BytesIO(content))
            if pixels is None or found.error or found.probability is None:
                return 422, {"error": found.error.removeprefix("<stream>: ")}
            result = _said(self._bundle, found)
            if with_pictures:
                view, stored = _view(content, self._bundle.preprocessing)
                result |= {
                    "view": _png_url(view),
                    "map": _png_url(overlay(view, _enlarged(self._map(pixels), view.shape[:2]))),
                    "picture": _png_url(pixels),
                    "stored_size": list(stored),
                }
            return 200, result

    def _map(self, pixels: Image) -> NDArray[np.float32]:
        import jax.numpy as jnp

        heat: NDArray[np.float32] = np.asarray(self._heat(jnp.asarray(pixels[None])))[0]
        return heat


def _model_facts(bundle: Bundle) -> dict[str, Any]:
    return {
        "name": bundle.name or bundle.architecture.name,
        "classes": list(bundle.classes),
        "image_size": list(bundle.image_shape[:2]),
        "operating_point": bundle.operating_point.to_dict(),
        "intended_use": bundle.intended_use,
        "out_of_scope": bundle.out_of_scope,
        "performance": _performance(bundle),
        "scope_rule": "" if bundle.reference is None else bundle.reference.rule,
        "card": bundle.model_card,
        "sha256": bundle.sha256,
        "use": _USE,
    }


def _performance(bundle: Bundle) -> dict[str, Any] | None:
    """Return sensitivity and specificity at the locked threshold on development images, in words."""
    if bundle.development is None:
        return None
    cases = development_predictions(bundle.development, bundle)
    figures = operating_characteristics(cases, threshold=bundle.operating_point, bootstrap=_BOOTSTRAP)
    return {
        "part": cases.part,
        "images": cases.n,
        "positives": int(cases.y_true.sum()),
        "sensitivity": str(figures.sensitivity),
        "specificity": str(figures.specificity),
    }


def _said(bundle: Bundle, found: ImagePrediction) -> dict[str, Any]:
    remarks = []
    if found.out_of_scope:
        remarks.append(
            f"This image is unlike the training images in {found.scope_reason}: do not rely on the result."
        )
    if found.out_of_scope is None:
        remarks.append("Whether this image is like the training images is not known.")
    if found.abstain:
        remarks.append("The probability is too near the threshold to decide.")
    if bundle.recalibrated is not None:
        remarks.append(f"The probabilities were recalibrated on {bundle.recalibrated['on']}.")
    return {
        "probability": found.probability,
        "decision": found.decision,
        "positive": bundle.classes[1],
        "threshold": bundle.operating_point.threshold,
        "abstain": found.abstain,
        "out_of_scope": found.out_of_scope,
        "scope_reason": found.scope_reason,
        "warnings": remarks,
        "seconds": found.seconds,
        "use": _USE,
    }


def _view(content: bytes, how: Preprocessing) -> tuple[Image, ImageSize]:
    """Return the image as large as people want to see it, cut or padded as for the model, and its stored size."""
    image = read_decoded(io.BytesIO(content), how.read, minimum_size=(_VIEW, _VIEW))
    height, width = image.pixels.shape[:2]
    stored = (
        int(image.metadata.get("stored_height", height)),
        int(image.metadata.get("stored_width", width)),
    )
    if how.fit == "stretch":  # people see it with its own sides
        share = min(1.0, _VIEW / max(height, width))
        size = max(round(height * share), 1), max(round(width * share), 1)
    else:
        sides = how.image_size
        share = max(1.0, min(_VIEW, max(height, width)) / max(sides))
        size = round(sides[0] * share), round(sides[1] * share)
    return model_input(image, replace(how, image_size=size)), stored


def _enlarged(heat: NDArray[np.float32], size: ImageSize) -> NDArray[np.float32]:
    how = Preprocessing(image_size=size, channels=1)
    return how.apply(np.clip(heat, 0.0, 1.0)[..., None])[..., 0]


def _png_url(pixels: Image) -> str:
    from PIL import Image as PillowImage

    values = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    stream = io.BytesIO()
    PillowImage.fromarray(values[..., 0] if values.shape[2] == 1 else values).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
