"""ONNX and StableHLO: what is written agrees with the bundle, and what does not agree is not written."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn.artifacts import Calibration
from medimg_cnn.errors import ArgumentError, ExportError
from medimg_cnn.export import _runtimes, export_model
from medimg_cnn.export._inputs import open_inputs
from medimg_cnn.export._onnx import onnx_runner, preparation
from medimg_cnn.training import Run


def test_stablehlo_agrees_for_a_batch_of_any_size(bundle, data, tmp_path):
    pytest.importorskip("flatbuffers", reason="pip install medimg-cnn[export]")
    from jax import export

    written = export_model(bundle, tmp_path / "model.stablehlo", n=20)
    assert written.difference < 1e-5
    program = export.deserialize(bytearray((tmp_path / "model.stablehlo").read_bytes()))
    images, _ = data.test.arrays()
    expected = bundle.run.predict(data.test)
    for n in (1, 7, 45):
        logit, probability, decision = program.call(images[:n])
        np.testing.assert_allclose(np.asarray(logit)[:, 0], expected.logit[:n], atol=1e-5)
        np.testing.assert_allclose(np.asarray(probability)[:, 0], expected.probability[:n], atol=1e-5)
        assert (
            np.asarray(decision)[:, 0] == (expected.probability[:n] >= bundle.operating_point.threshold)
        ).all()
    facts = json.loads((tmp_path / "model.stablehlo.json").read_text())
    assert facts["parity"]["largest_difference"] == written.difference
    assert facts["bundle"] == bundle.sha256


def make_bundle(make_run, shaken, folder, *, fit, channels, seed=1):
    how = mc.data.Preprocessing(image_size=(14, 12), channels=channels, fit=fit)
    made = make_run(shaken(mc.build_cnn(how.image_shape, width=4), seed), None, how.to_dict())
    return mc.load_bundle(mc.save_bundle(made, folder / "model.zip", classes=("well", "ill")))


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_onnx_agrees_from_pixels_to_decision_without_a_resize(channels, make_run, shaken, tmp_path):
    pytest.importorskip("jax2onnx", reason="pip install medimg-cnn[export]")
    onnxruntime = pytest.importorskip("onnxruntime")
    bundle = make_bundle(make_run, shaken, tmp_path, fit="pad", channels=channels)
    written = export_model(bundle, tmp_path / "model.onnx")
    assert written.difference < 1e-5
    assert written.images == 100
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for n in (1, 5):
        pixels = np.random.default_rng(n).integers(0, 256, (n, 14, 12, channels), dtype=np.uint8)
        table = mc.Predictor(bundle).predict(pixels)
        probability, decision = session.run(["probability", "decision"], {"pixels": pixels})
        np.testing.assert_allclose(probability[:, 0], table["probability"], atol=1e-5)
        assert [bundle.classes[int(one)] for one in decision[:, 0]] == table["decision"].tolist()
    assert session.get_modelmeta().custom_metadata_map["classes"] == "well|ill"


@pytest.mark.parametrize("size", [(14, 12), (28, 28), (64, 200), (1, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_onnx_resize_is_ours_in_the_last_bit(channels, size):
    """Also at exact halves, which the last bit of the resampling rounds up or down."""
    onnx = pytest.importorskip("onnx", reason="pip install medimg-cnn[export]")
    onnxruntime = pytest.importorskip("onnxruntime")
    how = mc.data.Preprocessing(image_size=size, channels=channels)
    graph, words = preparation(how, ir_version=9, opsets=[onnx.helper.make_opsetid("", 18)])
    assert "of any size" in words
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    rng = np.random.default_rng(3)
    shapes = [tuple(shape) for shape in np.exp(rng.uniform(0, np.log(300), (30, 2))).astype(int)]
    # Without and with a reduction, of a ratio without an exact inverse, and so tall that Pillow goes down first.
    for height, width in [size, (28, 56), (5, 35), (40, 9), (300, 20), (9, 200), *shapes]:
        pixels = rng.integers(0, 256, (2, height, width, channels), dtype=np.uint8)
        (prepared,) = session.run(None, {"pixels": pixels})
        items, _ = open_inputs(pixels, how)
        expected = np.stack([item.load().pixels for item in items])
        np.testing.assert_array_equal(prepared, expected, err_msg=f"{height} x {width}")


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_onnx_agrees_from_pixels_of_any_size(channels, make_run, shaken, tmp_path):
    pytest.importorskip("jax2onnx", reason="pip install medimg-cnn[export]")
    pytest.importorskip("onnxruntime")
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        bundle = make_bundle(make_run, shaken, folder, fit="stretch", channels=channels, seed=seed)
        written = export_model(bundle, folder / "model.onnx")
        assert written.difference < 1e-5
        run = onnx_runner((folder / "model.onnx").read_bytes())
        for height, width in [(9, 9), (31, 29), (40, 9), (9, 200)]:
            pixels = np.random.default_rng(3).integers(0, 256, (30, height, width, channels), dtype=np.uint8)
            expected = mc.Predictor(bundle).predict(pixels)["probability"].to_numpy()
            np.testing.assert_allclose(run(pixels)[0], expected, atol=1e-5)


def test_a_model_that_does_not_agree_is_not_written(bundle, tmp_path, monkeypatch):
    pytest.importorskip("flatbuffers", reason="pip install medimg-cnn[export]")
    honest = _runtimes.stablehlo_bytes
    monkeypatch.setattr(
        _runtimes, "stablehlo_bytes", lambda given, line: honest(given, (line[0], line[1] + 0.01))
    )
    with pytest.raises(ExportError, match="Nothing was written"):
        export_model(bundle, tmp_path / "model.stablehlo", n=5)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_said(bundle, tmp_path):
    with pytest.raises(ArgumentError, match=r"\.onnx or \.stablehlo"):
        export_model(bundle, tmp_path / "model.pb")
    (tmp_path / "a.onnx").write_text("mine")
    with pytest.raises(ArgumentError, match="overwrite=True"):
        export_model(bundle, tmp_path / "a.onnx")
    points = (("logits", (-1.0, 1.0)), ("probabilities", (0.1, 0.9)))
    result = replace(bundle.run.result, calibration=Calibration(method="isotonic", parameters=points))
    curved = replace(bundle, run=Run(bundle.model, result))
    with pytest.raises(ArgumentError, match="isotonic"):
        export_model(curved, tmp_path / "b.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "efficientnetv2-b0"])
def test_networks_with_overlapping_windows_are_written_as_onnx(name, make_run, shaken, tmp_path):
    run = make_run(shaken(mc.build_cnn((64, 64, 1), architecture=name, width=8, seed=1)), None, None)
    how = mc.data.Preprocessing(image_size=64, channels=1)
    bundle = mc.load_bundle(
        mc.save_bundle(run, tmp_path / "m.zip", preprocessing=how, classes=("well", "ill"))
    )
    assert export_model(bundle, tmp_path / "m.onnx", n=8).difference < 1e-4


@pytest.mark.slow
def test_what_jax2onnx_cannot_write_is_said_in_words(make_run, tmp_path):
    run = make_run(mc.build_cnn((32, 32, 1), architecture="convnext-tiny", width=8, seed=1), None, None)
    how = mc.data.Preprocessing(image_size=32, channels=1)
    bundle = mc.load_bundle(
        mc.save_bundle(run, tmp_path / "m.zip", preprocessing=how, classes=("well", "ill"))
    )
    with pytest.raises(ArgumentError, match=r"Write a \.stablehlo instead"):
        export_model(bundle, tmp_path / "m.onnx", n=8)
    assert not (tmp_path / "m.onnx").exists()
