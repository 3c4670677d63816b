"""Maps point to the sign that a trained network found, and vanish with what it learned."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from medimg_cnn._keras import keras
from medimg_cnn.errors import ArgumentError
from medimg_cnn.explain import grad_cam, overlay, randomisation_check
from medimg_cnn.explain._parts import CHUNK
from medimg_cnn.models import build_cnn


@pytest.fixture(scope="module")
def trained() -> tuple[Any, np.ndarray, np.ndarray]:
    """A network that learned to find upright stripes; images that hold them, and the stripes' corners.

    Every image also holds lying stripes: what is merely conspicuous is not the sign.
    """
    rng = np.random.default_rng(0)
    y = np.arange(320) % 2
    x = rng.uniform(0.3, 0.5, (320, 24, 24, 1)).astype(np.float32)
    lying = 0.4 * (np.arange(6) % 2)[:, None, None]
    corners = np.stack([rng.integers(0, 18, 320), rng.integers(0, 6, 320)], axis=1)
    for index, (row, column) in enumerate(corners):
        x[index, row : row + 6, column : column + 6] += lying.transpose(1, 0, 2) if y[index] else lying
        other = rng.integers(0, 18)
        x[index, other : other + 6, column + 12 : column + 18] += lying
    image = keras.layers.Input((24, 24, 1))
    z = image
    for seed in range(2):
        start = keras.initializers.HeNormal(seed=seed)
        z = keras.layers.Conv2D(16, 3, padding="same", activation="relu", kernel_initializer=start)(z)
    z = keras.layers.GlobalMaxPooling2D()(z)
    z = keras.layers.Dense(1, name="logit", kernel_initializer=keras.initializers.HeNormal(seed=9))(z)
    model = keras.Model(image, keras.layers.Activation("sigmoid")(z))
    model.compile(optimizer=keras.optimizers.Adam(5e-3), loss="binary_crossentropy")
    model.fit(x, y, epochs=20, batch_size=32, verbose=0, shuffle=False)
    chosen = np.flatnonzero(y)[:40]
    return model, x[chosen], corners[chosen]


def test_the_map_is_hottest_at_the_sign(trained: tuple[Any, np.ndarray, np.ndarray]) -> None:
    model, images, corners = trained
    maps = grad_cam(model, images)
    assert maps.shape == images.shape[:3]
    assert maps.dtype == np.float32
    assert ((maps >= 0) & (maps <= 1)).all()
    hits = 0
    for heat, (row, column) in zip(maps, corners, strict=True):
        peak_row, peak_column = np.unravel_index(heat.argmax(), heat.shape)
        hits += row - 2 <= peak_row <= row + 7 and column - 2 <= peak_column <= column + 7
    assert hits >= 36  # of 40; at random about 7


def test_one_by_one_equals_batched(trained: tuple[Any, np.ndarray, np.ndarray]) -> None:
    model, images, _ = trained
    together = grad_cam(model, images[:4])
    single = np.concatenate([grad_cam(model, image[None]) for image in images[:4]])
    np.testing.assert_allclose(together, single, atol=1e-5)


def test_many_images_are_handled_in_parts_of_one_size(
    trained: tuple[Any, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, images, _ = trained
    sizes: list[int] = []
    resize = jax.image.resize

    def watched(image: Any, shape: Any, **options: Any) -> Any:
        sizes.append(shape[0])  # once for each size that is compiled
        return resize(image, shape, **options)

    monkeypatch.setattr(jax.image, "resize", watched)
    many = np.concatenate([images, images[:30]])  # 70: two whole parts and a rest
    maps = grad_cam(model, many)
    assert sizes == [CHUNK]
    np.testing.assert_allclose(maps[:40], grad_cam(model, images), atol=1e-6)
    np.testing.assert_array_equal(maps[:6], maps[40:46])
    assert grad_cam(model, images[:0]).shape == (0, 24, 24)


def test_shuffled_weights_give_other_maps(trained: tuple[Any, np.ndarray, np.ndarray]) -> None:
    model, images, _ = trained
    before = [np.asarray(variable.value) for variable in model.variables]
    check = randomisation_check(model, images)
    assert check.passed is True
    assert check.n > 10
    assert "passed" in str(check)
    after = [np.asarray(variable.value) for variable in model.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_maps_that_do_not_depend_on_what_was_learned_fail_the_check() -> None:
    image = keras.layers.Input((12, 12, 1))
    z = keras.layers.Conv2D(4, 3, padding="same", kernel_initializer="ones", bias_initializer="zeros")(image)
    z = keras.layers.Dense(1, name="logit", kernel_initializer="ones")(
        keras.layers.GlobalAveragePooling2D()(z)
    )
    model = keras.Model(image, keras.layers.Activation("sigmoid")(z))
    check = randomisation_check(model, np.random.default_rng(0).random((5, 12, 12, 1), dtype=np.float32))
    assert (check.passed, check.n) == (False, 5)
    assert check.correlation == pytest.approx(1.0)
    assert "do not depend on what was learned" in str(check)


@pytest.mark.parametrize("architecture", ["medcnn-s", "cnn", "resnet18"])
def test_every_architecture_has_maps(architecture: str) -> None:
    model = build_cnn((32, 40, 3), architecture=architecture, width=4)
    model.get_layer("logit").kernel.assign(np.ones(model.get_layer("logit").kernel.shape, np.float32))
    maps = grad_cam(model, np.random.default_rng(0).random((2, 32, 40, 3), dtype=np.float32))
    assert maps.shape == (2, 32, 40)
    np.testing.assert_allclose(maps.max(axis=(1, 2)), 1.0, rtol=1e-6)


def test_overlay_leaves_the_image_where_there_is_no_heat() -> None:
    image = np.random.default_rng(0).random((6, 5, 1), dtype=np.float32)
    heat = np.zeros((6, 5), np.float32)
    np.testing.assert_array_equal(overlay(image, heat), np.repeat(image, 3, axis=2))
    heat[2, 3] = 1.0
    changed = overlay(image, heat, opacity=1.0)
    assert (np.abs(changed - image).max(axis=2) > 0).sum() == 1
    np.testing.assert_allclose(changed[2, 3], [1.0, 1.0, 0.75])


def test_bad_input_is_named() -> None:
    model = build_cnn((16, 16, 1), width=4)
    with pytest.raises(ArgumentError, match="images: must have the shape"):
        grad_cam(model, np.zeros((2, 8, 8, 1), np.float32))
    with pytest.raises(ArgumentError, match=r"layer: 'stage1_ou'.*Did you mean 'stage1_out'"):
        grad_cam(model, np.zeros((2, 16, 16, 1), np.float32), layer="stage1_ou")
    with pytest.raises(ArgumentError, match="heat: must have the image's size"):
        overlay(np.zeros((4, 4, 1), np.float32), np.zeros((5, 4), np.float32))
