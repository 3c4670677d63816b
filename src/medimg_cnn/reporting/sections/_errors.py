"""The errors: the wrong decisions that the model was surest of."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image
from medimg_cnn.reporting._document import Block, Column, Note, Paragraph, Picture, Pictures, Table
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import plural
from medimg_cnn.reporting._inputs import Inputs
from medimg_cnn.reporting._maps import CaseMaps, case_maps, read_images

__all__ = ["Errors"]

_MOST = 6
_PIXELS = 256


@dataclass(frozen=True, slots=True)
class Errors:
    """False negatives with the lowest, false positives with the highest probability."""

    key: str = "errors"
    title: str = "Errors"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return the surest errors of each kind, with their images where these are given."""
        inputs = evidence.inputs
        called = inputs.decisions
        missed = _surest(inputs, (inputs.y == 1) & ~called, highest=False)
        alarms = _surest(inputs, (inputs.y == 0) & called, highest=True)
        counts = evidence.operating.counts
        maps = case_maps(inputs, np.concatenate([missed, alarms]))
        blocks: list[Block] = [
            Paragraph(
                f"The model misses {plural(counts.fn, 'case')} and calls {plural(counts.fp, 'case')} positive "
                "wrongly. These are the ones it was surest of; look at them before trusting the averages."
            ),
            *_about_maps(maps),
            *_kind(inputs, maps, missed, "false-negatives", "Missed with the lowest probability"),
            *_kind(
                inputs,
                maps,
                alarms,
                "false-positives",
                "Called positive wrongly with the highest probability",
            ),
        ]
        if inputs.sample_ids is None or not inputs.case_names:
            blocks.append(
                Note(
                    "Cases are named by their row in the data given, counted from 0"
                    + ("." if inputs.sample_ids is None else "; case_names=True shows their names as well.")
                )
            )
        return tuple(blocks)


def _surest(inputs: Inputs, wrong: NDArray[np.bool_], *, highest: bool) -> NDArray[np.int64]:
    rows = np.flatnonzero(wrong)
    scores = inputs.probability[rows]
    return rows[np.argsort(-scores if highest else scores, kind="stable")[:_MOST]]


def _kind(
    inputs: Inputs, maps: CaseMaps | None, rows: NDArray[np.int64], key: str, caption: str
) -> list[Block]:
    if rows.size == 0:
        return []
    names = _names(inputs, rows)
    blocks: list[Block] = [
        Table(
            key,
            caption,
            (Column("Case"), Column("Truth"), Column("Probability", numeric=True, digits=4)),
            tuple(
                (name, inputs.classes[int(inputs.y[row])], float(inputs.probability[row]))
                for name, row in zip(names, rows.tolist(), strict=True)
            ),
        )
    ]
    if inputs.images is not None:
        images = read_images(inputs, rows)
        blocks.append(
            Pictures(
                tuple(
                    _picture(inputs, maps, row, name, image)
                    for image, name, row in zip(images, names, rows.tolist(), strict=True)
                )
            )
        )
    return blocks


def _picture(inputs: Inputs, maps: CaseMaps | None, row: int, name: str, image: Image) -> Picture:
    alt = f"Image of {name}"
    caption = f"{name}: {inputs.classes[int(inputs.y[row])]}, probability {inputs.probability[row]:.3f}"
    if maps is None or row not in maps.overlays:
        return Picture(_png(image), alt, caption)
    return Picture(
        _png(image), alt, caption, _png(maps.overlays[row]), f"Grad-CAM map of {name}: {maps.words[row]}"
    )


def _about_maps(maps: CaseMaps | None) -> list[Block]:
    if maps is None:
        return []
    if maps.refused:
        return [Note(f"Class-activation maps: not applicable, {maps.refused}.")]
    verdict = {
        True: "They change with what was learned, as they must; that alone does not make them right.",
        False: "The same maps come from a network that has learned nothing: read nothing into them.",
        None: "Without this check, read nothing into them.",
    }[maps.trusted]
    blocks: list[Block] = [
        Paragraph(
            "Beside each image is its class-activation map (Grad-CAM): where the image raises the probability "
            "of the condition, dark where little and light where most. A map can show that the model looks at a "
            "marker, a border or a device. It is coarse, shows association and not cause, leaves out what lowers "
            "the probability, and cannot show that a decision is right."
        ),
        Note(f"Weight-{maps.check}. {verdict}"),
    ]
    if maps.other_model:
        blocks.append(
            Note(
                f"The model's own probability of these cases differs from the one reported by up to "
                f"{maps.apart:.3f}, so the maps explain it in part only. Predictions averaged over models or views, "
                "or of another model, do that."
            )
        )
    return blocks


def _names(inputs: Inputs, rows: NDArray[np.int64]) -> list[str]:
    if inputs.case_names and inputs.sample_ids is not None:
        return [f"row {row}, {inputs.sample_ids[row]}" for row in rows.tolist()]
    return [f"row {row}" for row in rows.tolist()]


def _png(image: Image) -> bytes:
    from PIL import Image as Pillow

    values = np.round(np.clip(np.nan_to_num(image), 0.0, 1.0) * 255).astype(np.uint8)
    picture = Pillow.fromarray(values[:, :, 0] if values.shape[2] == 1 else values)
    picture.thumbnail((_PIXELS, _PIXELS))
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
