"""What is saved comes back, bit for bit, and what cannot be saved is refused in words."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn._keras import keras
from medimg_cnn._variables import duplicate, weights_by_name
from medimg_cnn.data import Preprocessing
from medimg_cnn.errors import (
    ArgumentError,
    BundleArchitectureError,
    BundleDamagedError,
    BundleError,
    BundleTooLargeError,
)
from medimg_cnn.export import ArchitectureConfig
from medimg_cnn.export._bundle import Bundle
from medimg_cnn.export._container import write_files
from medimg_cnn.models import Architecture
from medimg_cnn.training import Ensemble

GOLDEN = Path(__file__).parent / "golden"


def test_a_bundle_predicts_bit_for_bit_as_the_run(bundle, run, data):
    ours, theirs = run.predict(data.test), bundle.run.predict(data.test)
    assert (ours.logit == theirs.logit).all()
    assert (ours.probability == theirs.probability).all()
    assert np.ptp(ours.logit) > 0.01


@pytest.mark.slow
def test_a_fresh_process_predicts_the_same(bundle_zip, run, data, tmp_path):
    images, _ = data.test.arrays()
    np.save(tmp_path / "images.npy", np.rint(images[..., 0] * 255).astype(np.uint8))
    code = (
        "import sys, numpy as np, medimg_cnn as mc\n"
        "table = mc.Predictor(sys.argv[1]).predict(np.load(sys.argv[2]))\n"
        "np.save(sys.argv[3], table[['logit', 'probability']].to_numpy())"
    )
    arguments = [str(bundle_zip), str(tmp_path / "images.npy"), str(tmp_path / "out.npy")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    expected = run.predict(data.test)
    assert (np.load(tmp_path / "out.npy") == np.stack([expected.logit, expected.probability], axis=1)).all()


def test_everything_comes_back(bundle, run, data):
    assert bundle.classes == ("well", "ill")
    assert bundle.operating_point == run.operating_point
    assert bundle.calibration == run.result.calibration
    assert bundle.preprocessing == data.preprocessing
    assert bundle.run.result.fingerprint == data.fingerprint
    assert (bundle.name, bundle.intended_use, bundle.out_of_scope) == ("Squares 1", "tests", "patients")
    assert bundle.abstention == (0.3, 0.45)
    assert bundle.versions["medimg-cnn"] == mc.__version__
    assert bundle.model_card.startswith("# Model card: Squares 1")
    assert (bundle.development.part, bundle.development.y.size) == ("test", data.test.n)
    assert bundle.reference.held_out == data.validation.n
    assert bundle.recalibrated is None
    assert "Squares 1: ill against well, 12 x 12 x 1" in repr(bundle)


def test_folder_and_archive_hold_the_same(bundle_zip, bundle_folder, run, data):
    assert sorted(path.name for path in bundle_folder.iterdir()) == sorted(
        zipfile.ZipFile(bundle_zip).namelist()
    )
    assert (mc.load_bundle(bundle_folder).run.predict(data.test).logit == run.predict(data.test).logit).all()


def test_saving_twice_gives_the_same_bytes(bundle, bundle_zip, tmp_path):
    assert bundle.save(tmp_path / "again.zip").read_bytes() == bundle_zip.read_bytes()
    assert len(bundle.sha256) == 64
    assert mc.load_bundle(bundle_zip, sha256=bundle.sha256).sha256 == bundle.sha256
    with pytest.raises(BundleDamagedError, match="another bundle than you expect"):
        mc.load_bundle(bundle_zip, sha256="0" * 64)


def test_a_bundle_names_no_image_and_no_patient(bundle_folder, data):
    texts = b"".join(path.read_bytes() for path in bundle_folder.iterdir())
    assert b"patient_id" not in texts
    assert all(f'"{name}"'.encode() not in texts for name in data.test.sample_ids)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[pytest.mark.heavy] if name in ("resnet34", *get_args(Architecture)[6:]) else []
        )
        for name in get_args(Architecture)
    ],
)
@pytest.mark.parametrize("shape", [(33, 28, 1), pytest.param((70, 64, 3), marks=pytest.mark.slow)])
def test_every_architecture_is_told_from_its_model(name, shape):
    model = mc.build_cnn(shape, architecture=name, width=8, dropout=0.2)
    config = ArchitectureConfig.of(duplicate(model))
    assert config == ArchitectureConfig(name=name, image_shape=shape, width=8, dropout=0.2)
    assert config.parameters == model.count_params() >= config.least_parameters
    assert ArchitectureConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({"name": "medcnn-s", "width": 8, "drop_path": 0.25}, None),
        ({"name": "resnet18", "width": 8, "normalisation": "group"}, None),
        ({"name": "convnext-tiny", "width": 8, "normalisation": "batch"}, None),
        ({"name": "keras:MobileNet", "width": None}, "0123456789abcdef" * 4),
    ],
)
def test_choices_and_the_weights_begun_with_are_told_from_the_model(options, start):
    config = ArchitectureConfig(image_shape=(28, 28, 1), dropout=0.2, start=start, **options)
    assert ArchitectureConfig.of(config.layout()) == config
    assert ArchitectureConfig.from_dict(config.to_dict()) == config
    assert config.parameters >= config.least_parameters


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "keras:os"},
        {"name": "keras:MobileNet"},
        {"width": None},
        {"normalisation": "spectral"},
        {"start": "../../etc"},
        {"drop_path": "much"},
    ],
)
def test_an_architecture_that_makes_no_sense_is_refused(changed):
    content = {"name": "medcnn-s", "image_shape": [28, 28, 1], "width": 8, "dropout": 0.2}
    assert ArchitectureConfig.from_dict(content).to_dict() == content | {"image_shape": (28, 28, 1)}
    with pytest.raises(BundleArchitectureError):
        ArchitectureConfig.from_dict(content | changed)


def test_another_model_is_refused(make_run):
    from medimg_cnn._keras import keras

    image = keras.layers.Input((8, 8, 1))
    logit = keras.layers.Dense(1, name="logit")(keras.layers.Flatten()(image))
    model = keras.Model(image, keras.layers.Activation("sigmoid")(logit))
    with pytest.raises(ArgumentError, match=r"must be one that build_cnn builds.*model\.save"):
        mc.save_bundle(make_run(model, None, None), "never.zip")
    changed = mc.build_cnn((8, 8, 1), width=4)
    changed.get_layer("dropout").rate = 0.9
    assert ArchitectureConfig.of(changed).dropout == 0.9
    renamed = keras.Model(
        changed.input, keras.layers.Dense(1)(changed.get_layer("logit").output), name=changed.name
    )
    with pytest.raises(ArgumentError, match="layers of this one were changed"):
        ArchitectureConfig.of(renamed)


def test_what_the_run_does_not_know_must_be_said(tmp_path, make_run, shaken):
    run = make_run(shaken(mc.build_cnn((12, 12, 1), width=4)), None, None)
    with pytest.raises(ArgumentError, match="Pass preprocessing="):
        mc.save_bundle(run, tmp_path / "a.zip")
    how = Preprocessing(image_size=12, channels=1)
    with pytest.raises(ArgumentError, match="classes"):
        mc.save_bundle(run, tmp_path / "a.zip", preprocessing=how)
    with pytest.raises(ArgumentError, match="model's shape"):
        mc.save_bundle(run, tmp_path / "a.zip", preprocessing=replace(how, image_size=13), classes=("a", "b"))
    loaded = mc.load_bundle(mc.save_bundle(run, tmp_path / "a.zip", preprocessing=how, classes=("a", "b")))
    assert (loaded.classes, loaded.reference, loaded.development) == (("a", "b"), None, None)
    assert "To answer: For whom" in loaded.model_card
    with pytest.raises(ArgumentError, match="must be the Run that Trainer"):
        mc.save_bundle(run.model, tmp_path / "b.zip")
    with pytest.raises(
        ArgumentError, match=r"A bundle holds one model: save one of \.runs, .* Ensemble\(\[load_run"
    ):
        mc.save_bundle(Ensemble([run, run]), tmp_path / "b.zip")


def test_the_dataset_must_be_that_of_the_run(run, images_of, tmp_path):
    images = images_of(60, seed=9)
    other = mc.load_dataset(images, positive="ill", patients=np.arange(60), image_size=12, progress=False)
    with pytest.raises(ArgumentError, match="dataset that the run was trained on"):
        mc.save_bundle(run, tmp_path / "a.zip", data=other)


@pytest.mark.parametrize("band", [(0.4, 0.5), (0.1, 0.2), (0.1,), (-0.1, 0.5)])
def test_an_abstention_band_encloses_the_threshold(run, tmp_path, band):
    with pytest.raises(ArgumentError, match="abstain_between"):
        mc.save_bundle(run, tmp_path / "a.zip", abstain_between=band)


def test_nothing_is_overwritten_unasked(bundle, tmp_path):
    for target in (tmp_path / "a.zip", tmp_path / "a"):
        bundle.save(target)
        with pytest.raises(ArgumentError, match="overwrite=True"):
            bundle.save(target)
        bundle.save(target, overwrite=True)
        assert mc.load_bundle(target).sha256 == bundle.sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.zip"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ArgumentError, match="holds other files"):
        bundle.save(tmp_path / "mine", overwrite=True)
    with pytest.raises(ArgumentError, match="must be a folder or end"):
        bundle.save(tmp_path / "model.tar")


def test_the_limit_on_parameters_is_the_users(bundle_zip, bundle):
    parameters = bundle.architecture.parameters
    assert mc.load_bundle(bundle_zip, max_parameters=parameters).sha256 == bundle.sha256
    with pytest.raises(BundleTooLargeError, match=f"{parameters:,} parameters"):
        mc.load_bundle(bundle_zip, max_parameters=parameters - 1)


@pytest.mark.parametrize("kept", sorted(GOLDEN.glob("format-*.zip")), ids=lambda path: path.stem)
def test_an_old_format_stays_readable(kept):
    loaded = mc.load_bundle(kept)
    assert loaded.format_version == int(kept.stem.split("-")[1])
    expected = np.load(kept.with_suffix(".npz"))
    table = mc.Predictor(loaded).predict(expected["images"])
    np.testing.assert_allclose(table["probability"], expected["probability"], rtol=1e-5)
    assert table["decision"].tolist() == expected["decision"].tolist()
    assert table["out_of_scope"].tolist() == expected["out_of_scope"].tolist()


def test_the_first_format_is_kept_and_small():
    assert (GOLDEN / "format-1.zip").stat().st_size < 100_000
    assert Bundle.__dataclass_fields__["format_version"].default == 1, "keep an example of the new format too"


def test_nothing_but_a_bundle_is_ever_replaced(run, tmp_path, monkeypatch):
    how = {
        "preprocessing": Preprocessing(image_size=12, channels=1),
        "classes": ("well", "ill"),
        "overwrite": True,
    }
    site = tmp_path / "site"
    (site / "src").mkdir(parents=True)
    (site / "manifest.json").write_text("{}")
    (site / "src" / "thesis.txt").write_text("precious")
    with pytest.raises(ArgumentError, match="other files"):
        mc.save_bundle(run, site, **how)
    assert (site / "src" / "thesis.txt").read_text() == "precious"
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("thesis.txt", "precious")
    with pytest.raises(ArgumentError, match="no bundle"):
        mc.save_bundle(run, tmp_path / "other.zip", **how)

    mc.save_bundle(run, tmp_path / "model", **how)
    before = mc.load_bundle(tmp_path / "model").sha256
    rename, calls = Path.rename, []

    def fails_once(self, target):
        calls.append(self)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_once)
    with pytest.raises(OSError, match="Input/output"):
        mc.save_bundle(run, tmp_path / "model", name="new", **how)
    monkeypatch.undo()
    assert mc.load_bundle(tmp_path / "model").sha256 == before
    (tmp_path / "link").symlink_to(tmp_path / "model")
    mc.save_bundle(run, tmp_path / "link", name="new", **how)
    assert mc.load_bundle(tmp_path / "model").name == "new"
    assert (tmp_path / "link").is_symlink()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_bundle_cannot_forge_what_a_terminal_shows(bundle_folder, tmp_path):
    content = json.loads((bundle_folder / "bundle.json").read_bytes())
    content["result"]["operating_point"]["rule"] = "\x1b[2Japproved"
    files = {path.name: path.read_bytes() for path in bundle_folder.iterdir() if path.name != "manifest.json"}
    write_files(tmp_path / "forged", files | {"bundle.json": json.dumps(content).encode()}, overwrite=False)
    with pytest.raises(BundleError, match="control character"):
        mc.load_bundle(tmp_path / "forged")


def test_a_weight_has_one_name_also_in_a_sequential_that_a_copy_spells_out() -> None:
    layers = keras.layers
    inside = keras.Sequential([layers.Input((4,)), layers.Dense(3, name="inside")], name="stem")
    image = layers.Input((4,))
    model = keras.Model(image, layers.Dense(1, name="logit")(inside(image)))
    copy = keras.models.clone_model(model)
    assert [w.path for w in model.weights] != [w.path for w in copy.weights], "what the names are for"
    names = ["inside/kernel", "inside/bias", "logit/kernel", "logit/bias"]
    assert list(weights_by_name(model)) == list(weights_by_name(copy)) == names
