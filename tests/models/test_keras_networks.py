"""Networks of keras.applications: Keras's own features from 0-1 images, and files of weights that are not trusted."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn._variables import blank, drawn
from medimg_cnn.errors import ArgumentError, ArtifactError
from medimg_cnn.models import build_cnn, describe, keras_networks
from medimg_cnn.models._build import Plan
from medimg_cnn.models._weights_file import _check_content

SIZE = 80
FAMILIES = {
    "VGG16": keras.applications.vgg16,
    "ResNet50": keras.applications.resnet,
    "ResNet50V2": keras.applications.resnet_v2,
    "DenseNet121": keras.applications.densenet,
    "InceptionV3": keras.applications.inception_v3,
    "InceptionResNetV2": keras.applications.inception_resnet_v2,
    "Xception": keras.applications.xception,
    "MobileNet": keras.applications.mobilenet,
    "MobileNetV2": keras.applications.mobilenet_v2,
    "MobileNetV3Small": keras.applications.mobilenet_v3,
    "NASNetMobile": keras.applications.nasnet,
    "EfficientNetB0": keras.applications.efficientnet,
    "EfficientNetV2B0": keras.applications.efficientnet_v2,
    "EfficientNetV2S": keras.applications.efficientnet_v2,
    "ConvNeXtTiny": keras.applications.convnext,
}


def kerass_own(name: str) -> Any:
    """Keras's model with weights that are all different, and ImageNet's normalisation where it has one."""
    constructor = getattr(keras.applications, name)
    model = drawn(
        lambda: constructor(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3), pooling="avg")
    )
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.weights[0].assign([0.485, 0.456, 0.406])
            layer.weights[1].assign(np.square([0.229, 0.224, 0.225]))
            layer.finalize_state()
            continue
        for weight in layer.weights:
            if len(weight.shape) == 1:
                weight.assign(np.abs(np.asarray(weight.value)) + 0.1 * rng.random(weight.shape))
    return model


def features_of(model: Any) -> Any:
    return keras.Model(model.input, model.get_layer("features").output)


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    model = kerass_own("MobileNet")
    path = tmp_path_factory.mktemp("weights") / "mobilenet_notop.weights.h5"
    model.save_weights(path)
    return model, path


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "MobileNet" else pytest.mark.heavy)
        for name in FAMILIES
    ],
)
def test_images_in_0_to_1_give_kerass_features_of_preprocessed_images(name: str, tmp_path: Path) -> None:
    theirs = kerass_own(name)
    theirs.save_weights(tmp_path / "notop.weights.h5")
    ours = build_cnn((SIZE, SIZE, 3), architecture=f"keras:{name}", weights=tmp_path / "notop.weights.h5")
    images = np.random.default_rng(1).random((2, SIZE, SIZE, 3), dtype=np.float32)
    expected = np.asarray(theirs(FAMILIES[name].preprocess_input(255 * images)))
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(
        np.asarray(features_of(ours)(images)), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max()
    )


def test_every_network_is_known() -> None:
    classes = {name for name in vars(keras.applications) if name[0].isupper()}
    assert set(keras_networks()) == classes
    assert len(classes) >= 38


@pytest.mark.heavy
@pytest.mark.parametrize("name", keras_networks())
def test_each_can_be_laid_out_for_small_grey_images_alike_each_time(name: str) -> None:
    first, again = (
        blank(Plan(image_shape=(28, 33, 1), architecture=f"keras:{name}").layout) for _ in range(2)
    )
    assert first.output_shape == (None, 1)
    assert [w.path for w in first.weights] == [w.path for w in again.weights]
    assert [layer.name for layer in first.get_layer("backbone").layers] == [
        layer.name for layer in again.get_layer("backbone").layers
    ]
    counted = describe(first)
    assert counted.multiply_adds > 0
    assert counted.uncounted == ()


def test_one_channel_is_the_grey_picture_in_three(mobilenet: tuple[Any, Path]) -> None:
    grey = np.random.default_rng(2).random((2, SIZE, SIZE, 1), dtype=np.float32)
    one, three = (
        build_cnn((SIZE, SIZE, channels), architecture="keras:MobileNet", weights=mobilenet[1])
        for channels in (1, 3)
    )
    assert one.get_layer("backbone").get_layer("conv1").kernel.shape == (3, 3, 1, 32)
    np.testing.assert_allclose(
        np.asarray(features_of(one)(grey)),
        np.asarray(features_of(three)(np.repeat(grey, 3, axis=-1))),
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_old_form_of_file_gives_the_same(mobilenet: tuple[Any, Path], tmp_path: Path) -> None:
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    model, path = mobilenet
    with h5py.File(tmp_path / "mobilenet_tf_notop.h5", "w") as file:
        save_weights_to_hdf5_group(file, model)
    new, old = (
        build_cnn((32, 32, 1), architecture="keras:MobileNet", weights=file)
        for file in (path, tmp_path / "mobilenet_tf_notop.h5")
    )
    for a, b in zip(new.weights, old.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(a.value), np.asarray(b.value))


def test_the_hash_is_checked_and_written_into_the_name(mobilenet: tuple[Any, Path]) -> None:
    path = mobilenet[1]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    model = build_cnn(
        (32, 32, 1), architecture="keras:MobileNet", weights=path, weights_sha256=sha256.upper()
    )
    assert model.name == f"keras:MobileNet@sha256:{sha256}"
    assert sha256 in str(describe(model))
    with pytest.raises(ArgumentError, match=f"weights_sha256: must be that of .*{sha256}; got '00"):
        build_cnn((32, 32, 1), architecture="keras:MobileNet", weights=path, weights_sha256="0" * 64)


def test_the_first_predictions_are_the_prior_with_any_weights(mobilenet: tuple[Any, Path]) -> None:
    model = build_cnn((32, 32, 1), architecture="keras:MobileNet", weights=mobilenet[1], prior=0.2)
    images = np.random.default_rng(3).random((3, 32, 32, 1), dtype=np.float32)
    np.testing.assert_allclose(np.asarray(model(images)), 0.2, rtol=1e-6)


def test_without_a_file_the_seed_decides(tmp_path: Path) -> None:
    first, again, other = (
        build_cnn((28, 28, 1), architecture="keras:MobileNet", seed=seed).weights for seed in (1, 1, 2)
    )
    assert all(
        np.array_equal(np.asarray(a.value), np.asarray(b.value)) for a, b in zip(first, again, strict=True)
    )
    assert not all(
        np.array_equal(np.asarray(a.value), np.asarray(b.value)) for a, b in zip(first, other, strict=True)
    )


@pytest.mark.slow
def test_saving_and_loading_gives_equal_outputs_and_the_backbone_can_be_frozen(
    mobilenet: tuple[Any, Path], tmp_path: Path
) -> None:
    model = build_cnn((28, 28, 1), architecture="keras:MobileNet", weights=mobilenet[1])
    model.get_layer("logit").kernel.assign(np.linspace(-1, 1, 1024).reshape(-1, 1))
    model.get_layer("backbone").trainable = False
    assert [variable.path for variable in model.trainable_variables] == ["logit/kernel", "logit/bias"]
    images = np.random.default_rng(3).random((3, 28, 28, 1), dtype=np.float32)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(np.asarray(model(images)), np.asarray(loaded(images)))
    assert loaded.name == model.name


def refused(path: Path, words: str, kind: type[Exception] = ArtifactError) -> None:
    with pytest.raises(kind, match=words):
        build_cnn((32, 32, 1), architecture="keras:MobileNet", weights=path)


def test_what_is_no_file_of_weights_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "a.weights.h5", "weights: must be a file; .*Nothing is downloaded", ArgumentError)
    (tmp_path / "a.pkl").write_bytes(b"x")
    refused(tmp_path / "a.pkl", r"must be a file of weights that ends in \.weights\.h5", ArgumentError)
    refused(tmp_path, "must be a file of weights", ArgumentError)
    (tmp_path / "b.h5").write_bytes(b"\x80\x04 not hdf5")
    refused(tmp_path / "b.h5", "is not an intact HDF5 file")


def test_a_file_that_was_cut_off_is_refused(mobilenet: tuple[Any, Path], tmp_path: Path) -> None:
    content = mobilenet[1].read_bytes()
    (tmp_path / "cut.weights.h5").write_bytes(content[: len(content) // 2])
    refused(tmp_path / "cut.weights.h5", "is not an intact HDF5 file")


def test_links_and_data_that_lie_elsewhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.h5").touch()
    forms = {
        "external": lambda file: file.__setitem__("layers", h5py.ExternalLink("secret.h5", "/")),
        "soft": lambda file: file.__setitem__("layers", h5py.SoftLink("/vars")),
        "raw": lambda file: file.create_dataset("x", (4,), "f4", external=[("secret.h5", 0, 16)]),
        "text": lambda file: file.create_dataset("x", data=["text"], dtype=h5py.string_dtype()),
    }
    for name, form in forms.items():
        with h5py.File(tmp_path / f"{name}.weights.h5", "w") as file:
            form(file)
        refused(tmp_path / f"{name}.weights.h5", "must hold plain arrays")


def test_a_bomb_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bomb.weights.h5", "w") as file:
        file.create_dataset("x", (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip")
    assert (tmp_path / "bomb.weights.h5").stat().st_size < 10**5
    refused(tmp_path / "bomb.weights.h5", "must hold at most .* numbers")


def test_damage_anywhere_in_a_file_is_refused_in_words_or_not_seen(tmp_path: Path) -> None:
    whole, damaged = tmp_path / "whole.h5", tmp_path / "damaged.h5"
    with h5py.File(whole, "w") as file:
        for index in range(3):
            file.create_group(f"layers/a{index}").create_dataset("x", data=np.ones(4, np.float32))
    content, causes = whole.read_bytes(), set()
    for place in range(0, len(content), 27):
        damaged.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            _check_content(damaged, limit=100)
        except ArtifactError as error:
            causes.add(type(error.__cause__))
    assert {OSError, KeyError, RuntimeError} <= causes


def test_groups_nested_without_end_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "deep.weights.h5", "w") as file:
        group = file
        for _ in range(1200):
            group = group.create_group("g")
    refused(tmp_path / "deep.weights.h5", "is not an intact HDF5 file .groups within each other")


def test_a_group_within_itself_ends(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "loop.weights.h5", "w") as file:
        file.create_group("layers")["again"] = file["/"]
    refused(tmp_path / "loop.weights.h5", "does not hold the weights of MobileNet")


def test_weights_of_another_network_and_those_that_are_not_finite_are_refused(
    mobilenet: tuple[Any, Path], tmp_path: Path
) -> None:
    other = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    other.save_weights(tmp_path / "other.weights.h5")
    refused(
        tmp_path / "other.weights.h5", r"does not hold the weights of MobileNet without its top .*_notop\.h5"
    )
    model, _ = mobilenet
    kernel = model.get_layer("conv1").kernel
    kept = np.asarray(kernel.value)
    kernel.assign(np.full(kernel.shape, np.nan))
    model.save_weights(tmp_path / "nan.weights.h5")
    kernel.assign(kept)
    refused(tmp_path / "nan.weights.h5", "must hold finite weights")


@pytest.mark.slow
def test_an_efficientnet_normalised_otherwise_is_refused(tmp_path: Path) -> None:
    model = drawn(
        lambda: keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    )
    model.save_weights(tmp_path / "plain.weights.h5")
    with pytest.raises(ArtifactError, match="normalised by the mean"):
        build_cnn((32, 32, 3), architecture="keras:EfficientNetB0", weights=tmp_path / "plain.weights.h5")
