"""Augmentations in the words of a methods section."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medimg_cnn import augmentations as aug
from medimg_cnn.reporting._recipe import augmentation_text


@pytest.mark.parametrize("name", sorted(aug.PRESETS))
def test_every_step_of_every_preset_has_words(name):
    text = augmentation_text(aug.preset(name).to_dict())
    assert len(text.split(", ")) >= len(aug.preset(name).steps)
    assert not any(mark in text for mark in ("{", "[", "version", "probability", "augmentation"))
    assert not any(step in text for step in ("Rotation", "Shift", "Zoom", "Brightness"))


def test_the_words_hold_the_numbers():
    chain = (
        aug.spatial.Rotation(degrees=10)
        | aug.spatial.Shift(fraction=(0.05, 0.1))
        | aug.spatial.Zoom(amount=0.12, stretch=0.04)
        | aug.spatial.Flip(vertical=True)
        | aug.Brightness(amount=0.1, probability=0.25)
    )
    assert augmentation_text(chain.to_dict()) == (
        "rotation up to 10\N{DEGREE SIGN}, shift up to 5% vertically and 10% horizontally, zoom up to 12%, height "
        "and width differing up to 4%, flip left to right and upside down (in 50% of images), brightness up to 10% "
        "of the range (in 25% of images)"
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "none"),
        ("<function f>", "<function f>"),
        ({"augmentation": "Compose", "version": 1, "steps": []}, "none"),
        (
            {"augmentation": "Mine", "version": 1, "probability": 0.5, "size": 3},
            "Mine (size 3) (in 50% of images)",
        ),
        ({"augmentation": "Rotation", "version": 9, "angle": 4}, "Rotation (angle 4)"),
    ],
)
def test_what_is_not_known_is_given_as_recorded(content, text):
    assert augmentation_text(content) == text


def test_the_report_has_the_words(full_report):

    from medimg_cnn.reporting.sections import DEFAULT_SECTIONS

    result = replace(
        full_report.evidence.inputs.result,
        config={"epochs": 3, "augment": aug.preset("chest_xray").to_dict()},
    )
    evidence = replace(full_report.evidence, inputs=replace(full_report.evidence.inputs, result=result))
    (section,) = [item for item in DEFAULT_SECTIONS if item.key == "training"]
    tables = [
        block for block in section.build(evidence) if getattr(block, "key", "") == "training-configuration"
    ]
    rows = dict(tables[0].rows)
    assert rows["augment"].startswith(
        "rotation up to 15\N{DEGREE SIGN}, shift up to 12% of the side, zoom up to 20%"
    )
