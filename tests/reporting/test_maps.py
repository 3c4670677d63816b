"""Class-activation maps of wrong cases: shown where a model and images are given, and never oversold."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn.artifacts import FitResult, OperatingPoint
from medimg_cnn.reporting import clinical_report, schema
from medimg_cnn.reporting._maps import where_hottest

SIZE = 16


def network(*, learned: bool = True):
    """A network that looks for bright spots; not learned: all weights alike, so shuffling changes nothing."""
    image = keras.layers.Input((SIZE, SIZE, 1))
    z = keras.layers.Conv2D(4, 3, padding="same", activation="relu" if learned else None)(image)
    z = keras.layers.GlobalAveragePooling2D()(z)
    z = keras.layers.Dense(1, name="logit")(z)
    model = keras.Model(image, keras.layers.Activation("sigmoid")(z))
    if not learned:
        for variable in model.trainable_variables:
            variable.assign(np.ones(variable.shape, np.float32))
        return model
    kernel = np.zeros((3, 3, 1, 4), np.float32)
    kernel[1, 1, 0, 0], kernel[0, :, 0, 1], kernel[:, 0, 0, 2] = 1.0, (-1.0, 2.0, -1.0), (-1.0, 2.0, -1.0)
    convolution, logit = model.layers[1], model.get_layer("logit")
    convolution.kernel.assign(kernel)
    convolution.bias.assign(np.array([-0.5, -0.6, -0.6, 0.0], np.float32))
    logit.kernel.assign(np.array([[400.0], [1.0], [-2.0], [0.5]], np.float32))
    logit.bias.assign(np.array([-2.0], np.float32))
    return model


@pytest.fixture(scope="module")
def cases():
    """Images with a bright spot at the lower right; some labels are wrong, so that there are errors."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0.1, 0.4, (40, SIZE, SIZE, 1)).astype(np.float32)
    ill = np.arange(40) % 2
    images[ill == 1, 11:14, 11:14] = 1.0
    labels = ill.copy()
    labels[[0, 1, 2, 3]] = 1 - ill[[0, 1, 2, 3]]
    return images, labels


def run_of(model):
    point = OperatingPoint(threshold=0.5, rule="youden", chosen_on="validation")
    return SimpleNamespace(model=model, result=FitResult(history=(), kept_epoch=0, operating_point=point))


def probabilities(model, images):
    return np.asarray(model.predict_on_batch(images))[:, 0]


def errors_text(report):
    section = next(section for section in report.to_dict()["sections"] if section["key"] == "errors")
    return json.dumps(section)


@pytest.fixture(scope="module")
def report(cases):
    images, labels = cases
    model = network()
    return clinical_report(
        labels, probabilities(model, images), run=run_of(model), images=images, bootstrap=100
    )


def test_each_wrong_case_has_its_map_beside_it(report):
    pictures = [
        item
        for section in report.document.sections
        if section.key == "errors"
        for block in section.blocks
        if hasattr(block, "items")
        for item in block.items
    ]
    assert len(pictures) == 4
    assert all(item.map_png.startswith(b"\x89PNG") and item.map_png != item.png for item in pictures)
    alarms = [item for item in pictures if "row 1" in item.alt or "row 3" in item.alt]
    assert len(alarms) == 2
    for item in alarms:  # called positive for the spot at the lower right
        assert item.map_alt.endswith("raised most in the lower right")


def test_html_has_both_images_with_words_for_each(report, read_page):
    images = read_page(report.to_html()).all("img")
    assert len(images) == 8
    assert sum(str(image["alt"]).startswith("Grad-CAM map of row") for image in images) == 4


def test_every_format_says_what_the_maps_show_and_what_they_cannot(report):
    content = json.loads(report.to_json())
    jsonschema.validate(content, schema())
    for text in (report.to_html(), report.to_text(), report.to_markdown(), report.to_json()):
        words = " ".join(text.split())
        assert "Grad-CAM" in words
        assert "shows association and not cause" in words
        assert "lower right" in words
        assert "Weight-randomisation check: passed" in words


def test_a_failed_check_is_said_plainly(cases):
    images, labels = cases
    model = network(learned=False)
    report = clinical_report(
        labels, probabilities(model, images), run=run_of(model), images=images, bootstrap=100
    )
    assert "randomisation check: failed" in errors_text(report)
    assert "read nothing into them" in errors_text(report)


def test_maps_of_another_model_are_not_passed_off_as_an_explanation(cases, report):
    images, labels = cases
    model = network()
    other = np.clip(probabilities(model, images) * 0.9, 0, 1)
    found = clinical_report(labels, other, run=run_of(model), images=images, bootstrap=100)
    assert "explain it in part only" in errors_text(found)
    assert "explain it in part only" not in errors_text(report)


def test_maps_that_cannot_be_made_are_not_applicable_with_the_reason(cases):
    images, labels = cases
    p = np.where(np.arange(40) % 2 == 1, 0.9, 0.1)
    small = clinical_report(labels, p, run=run_of(network()), images=images[:, :8, :8], bootstrap=100)
    assert "Class-activation maps: not applicable, images: must have the shape" in errors_text(small)
    foreign = clinical_report(labels, p, run=run_of(object()), images=images, bootstrap=100)
    assert "not applicable, the run's model is no keras.Model but of the type object" in errors_text(foreign)
    assert foreign.to_html().count("<img") == 4


def test_without_images_or_errors_nothing_is_said_of_maps(cases):
    images, labels = cases
    p = np.where(np.arange(40) % 2 == 1, 0.9, 0.1)
    assert "activation" not in errors_text(clinical_report(labels, p, run=run_of(network()), bootstrap=100))
    right = clinical_report(np.arange(40) % 2, p, run=run_of(network()), images=images, bootstrap=100)
    assert "activation" not in errors_text(right)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [(0, 0, "upper left"), (4, 4, "middle"), (4, 8, "middle right"), (8, 4, "lower middle")],
)
def test_the_place_of_a_maximum_is_named(row, column, words):
    heat = np.zeros((9, 9), np.float32)
    heat[row, column] = 0.7
    assert where_hottest(heat).endswith(f"in the {words}")


def test_images_without_a_model_load_no_keras():
    code = """
import sys
import numpy as np
import medimg_cnn as mc
images = np.zeros((4, 8, 8, 1), np.float32)
mc.clinical_report([0, 0, 1, 1], [0.1, 0.6, 0.35, 0.8], images=images, bootstrap=100).to_html()
print(sorted({"keras", "jax"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
