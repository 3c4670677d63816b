"""Building, chaining, saving and refusing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medimg_cnn import augmentations as A  # noqa: N812 - short, and used on every line
from medimg_cnn.errors import ArgumentError, ArtifactError

IMAGES = jnp.asarray(np.random.default_rng(0).random((3, 8, 8, 1)), jnp.float32)
KEY = jax.random.key(0)


@A.register
@dataclass(frozen=True, kw_only=True)
class Inverted(A.Augmentation):
    """An augmentation as a user would write one."""

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> A.Params:
        return {"on": jax.random.bernoulli(key, self.probability, (n,))}

    def apply(self, params: A.Params, images: jax.Array) -> jax.Array:
        return jnp.where(params["on"][:, None, None, None], 1 - images, images)


def test_a_registered_class_of_the_users_own_chains_saves_and_loads() -> None:
    chain = Inverted() | A.Flip()
    assert A.Augmentation.from_dict(chain.to_dict()) == chain
    assert np.array_equal(Inverted()(KEY, IMAGES), 1 - IMAGES)
    assert np.array_equal(chain.scaled(0)(KEY, IMAGES), IMAGES)
    assert Inverted(probability=0.5).scaled(0.5) == Inverted(probability=0.25)
    assert Inverted().scaled(2) == Inverted()


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(ArgumentError, match="Rename the class"):

        @A.register
        @dataclass(frozen=True, kw_only=True)
        class Flip(Inverted):
            pass


@pytest.mark.parametrize("wrong", ["blur", lambda: 0, int])
def test_what_is_no_augmentation_cannot_be_registered(wrong: object) -> None:
    with pytest.raises(ArgumentError, match=r"cls: must be a subclass of Augmentation; got .*PerImage"):
        A.register(wrong)  # type: ignore[type-var]


def test_a_function_of_the_users_own_is_mapped_over_the_images() -> None:
    def brighter(key: jax.Array, image: jax.Array) -> jax.Array:
        return jnp.clip(image + jax.random.uniform(key), 0, 1)

    step = A.PerImage(function=brighter, probability=0.5)
    params = step.params(jax.random.key(2), 3, (8, 8, 1))
    result = step.apply(params, IMAGES)
    assert np.array_equal(result, step.apply(params, IMAGES))
    for row in range(3):
        changed = not np.array_equal(result[row], IMAGES[row])
        assert changed == bool(params["on"][row])
    assert np.array_equal(step.scaled(0)(KEY, IMAGES), IMAGES)
    saved = (step | A.Flip()).to_dict()
    assert saved["steps"][0]["function"].endswith("brighter")
    with pytest.raises(ArtifactError, match="cannot be rebuilt"):
        A.Augmentation.from_dict(json.loads(json.dumps(saved)))
    with pytest.raises(ArgumentError, match="function"):
        A.PerImage(function="blur")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda key, image: image[:2], "same shape"),
        (lambda key, image: (image * 255).astype(jnp.uint8), "floating numbers; got 'dtype uint8'.*0 to 255"),
        (lambda key, image: image * 255, r"from 0 to 1.*got '0\..* to 2"),
        (lambda key, image: image / 0, "values NaN or infinite"),
        (lambda key, image: np.asarray(image), r"jax\.numpy"),
        (lambda key, image: np.clip(image, 0, 1), r"jax\.numpy"),
        (lambda key, image: image if image.mean() > 0.5 else 1 - image, r"jax\.numpy\.where"),
        (lambda key, image: image[image > 0.5], r"jax\.numpy\.where"),
        (lambda key, image: None, "got None"),
        (lambda image: image, r"function\(key, image\) -> image"),
    ],
)
def test_a_function_that_gives_no_image_is_refused(function: Callable[..., object], message: str) -> None:
    with pytest.raises(ArgumentError, match=rf"(function|PerImage\.apply): .*{message}"):
        A.PerImage(function=function)(KEY, IMAGES)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :4], "same shape"),
        (lambda x: x > 0.5, "floating"),
        (lambda x: None, "NoneType"),
        (lambda x: 2 * x, "from 0 to 1"),
        (jnp.log, "from 0 to 1"),
    ],
)
def test_what_a_class_of_the_users_own_gives_is_looked_at(
    change: Callable[[jax.Array], jax.Array], message: str
) -> None:
    class Changed(Inverted):
        def apply(self, params: A.Params, images: jax.Array) -> jax.Array:
            return change(images)

    for call in (
        lambda: Changed()(KEY, IMAGES),
        lambda: Changed().preview(IMAGES),
        lambda: Changed().batch(KEY, IMAGES, jnp.zeros(3)),
    ):
        with pytest.raises(ArgumentError, match=rf"Changed\.apply: must return .*{message}"):
            call()
    if "0 to 1" not in message:
        chain = Changed() | A.Flip()
        with pytest.raises(ArgumentError, match=rf"Changed\.apply: must return .*{message}"):
            jax.eval_shape(chain.apply, chain.params(KEY, 3, (8, 8, 1)), IMAGES)


def test_masks_stay_with_a_function_only_where_it_says_that_it_moves_no_pixels() -> None:
    def mirrored(key: jax.Array, image: jax.Array) -> jax.Array:
        return image[:, ::-1]

    step, masks = A.PerImage(function=mirrored), IMAGES > 0.5
    params = step.params(KEY, 3, (8, 8, 1))
    with pytest.raises(ArgumentError, match="moves_pixels=False"):
        step.apply_masks(params, masks)
    still = A.PerImage(function=lambda key, image: 1 - image, moves_pixels=False)
    assert np.array_equal(still.apply_masks(params, masks), masks)
    with pytest.raises(ArgumentError, match="moves_pixels"):
        A.PerImage(function=mirrored, moves_pixels="no")  # type: ignore[arg-type]


def test_chains_open_up_and_an_empty_chain_changes_nothing() -> None:
    flip, noise = A.Flip(), A.Noise(sigma=0.1)
    assert (flip | noise | flip).steps == (flip, noise, flip)
    assert (flip | (noise | flip)) == A.Compose(steps=((flip | noise), flip))
    assert np.array_equal(A.Compose()(KEY, IMAGES), IMAGES)
    with pytest.raises(TypeError):
        flip | 3  # type: ignore[operator]
    with pytest.raises(ArgumentError, match="PerImage"):
        A.Compose(steps=(flip, abs))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="Set it on the steps"):
        A.Compose(steps=(flip,), probability=0.5)
    with pytest.raises(ArgumentError, match="tuple"):
        A.Compose(steps=flip)  # type: ignore[arg-type]


def test_steps_of_a_chain_draw_with_keys_of_their_own() -> None:
    chain = A.Noise(sigma=0.1) | A.Noise(sigma=0.1)
    params = chain.params(KEY, 3, (8, 8, 1))
    assert not np.array_equal(params["0.seed"], params["1.seed"])
    assert set(chain.params_of(params, 1)) == {"sigma", "seed"}


def test_they_are_frozen_and_misspelt_options_are_refused() -> None:
    turn = A.Rotation(degrees=5)
    with pytest.raises(FrozenInstanceError):
        turn.degrees = 10  # type: ignore[misc]
    with pytest.raises(TypeError):
        A.Rotation(degree=5)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"augmentation": "Rotate"}, "Did you mean 'Rotation'"),
        ({"augmentation": None}, "registered"),
        ({"version": 2}, "Upgrade"),
        ({"version": "1"}, "version"),
        ({"degree": 3}, "known fields"),
        ({"version": True}, "version"),
        ({"degrees": 999}, "must have the fields"),
        ({"degrees": None}, "must have the fields"),
    ],
)
def test_saved_augmentations_that_cannot_be_rebuilt_say_why(change: dict[str, object], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        A.Augmentation.from_dict({**A.Rotation(degrees=5).to_dict(), **change})
    with pytest.raises(ArtifactError, match="must be a Flip"):
        A.Flip.from_dict(A.Rotation(degrees=5).to_dict())


@pytest.mark.parametrize("huge", [10**400, -(10**400), 10**6000], ids=["+400", "-400", "+6000"])
def test_integers_beyond_any_float_are_refused_and_so_are_records_with_them(huge: int) -> None:
    with pytest.raises(ArgumentError, match="degrees: must be a finite number"):
        A.Rotation(degrees=huge)
    saved = A.Rotation(degrees=5).to_dict()
    for name in saved:
        with pytest.raises(ArtifactError, match="got"):
            A.Augmentation.from_dict({**saved, name: huge})
    array = {"dtype": "float32", "shape": [1], "values": [1.0]}
    for change in ({"dtype": huge}, {"shape": [huge]}, {"values": [huge]}):
        drawn = A.params_to_dict({}) | {"arrays": {"angle": {**array, **change}}}
        with pytest.raises(ArtifactError, match="got"):
            A.params_from_dict(drawn)


def test_records_nested_thousands_deep_are_refused() -> None:
    deep, steps = A.Flip().to_dict(), []
    for _ in range(5000):
        deep, steps = {**A.Compose().to_dict(), "steps": [deep]}, [steps]
    for damaged in (
        deep,
        {**A.Compose().to_dict(), "steps": steps},
        {**A.Rotation(degrees=5).to_dict(), "degrees": steps},
    ):
        with pytest.raises(ArtifactError, match="got"):
            A.Augmentation.from_dict(damaged)


@pytest.mark.parametrize("content", [None, 3, "Flip", {"augmentation": "Rotation", "version": 1}])
def test_what_is_no_saved_augmentation_is_refused_alone_and_in_a_chain(content: object) -> None:
    for damaged in (content, {**A.Compose().to_dict(), "steps": [content]}):
        with pytest.raises(ArtifactError):
            A.Augmentation.from_dict(damaged)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError):
        A.Augmentation.from_dict({**A.Compose().to_dict(), "steps": content})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "change",
    [
        {"format": "another"},
        {"version": True},
        {"arrays": None},
        {"arrays": {"angle": [1.0]}},
        {"arrays": {"angle": {"dtype": "float32", "shape": [1]}}},
        {"arrays": {"angle": {"dtype": "float32", "shape": None, "values": [1]}}},
        {"arrays": {"angle": {"dtype": "bool", "shape": [1], "values": ["false"]}}},
        {"arrays": {"angle": {"dtype": "int32", "shape": [1], "values": [1.7]}}},
        {"arrays": {"angle": {"dtype": "uint32", "shape": [1], "values": [-1]}}},
        {"arrays": {"angle": {"dtype": "float32", "shape": [1], "values": [True]}}},
        {"version": 2},
        {"arrays": {"angle": {"dtype": "object", "shape": [1], "values": [1]}}},
        {"arrays": {"angle": {"dtype": "float32", "shape": [2], "values": [1]}}},
    ],
)
def test_saved_draws_that_are_damaged_are_refused(change: dict[str, object]) -> None:
    good = A.params_to_dict(A.Rotation(degrees=5).params(KEY, 1, (8, 8, 1)))
    with pytest.raises(ArtifactError, match="got"):
        A.params_from_dict({**good, **change})


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8), np.float32), r"images\[None, \.\.\., None\]"),
        (np.zeros((8, 8, 1), np.float32), r"one image: images\[None\]"),
        (np.zeros((8, 8, 3), np.float32), r"one image: images\[None\]"),
        (np.zeros((5, 8, 8), np.float32), r"grey images: images\[\.\.\., None\]"),
        (np.zeros((2, 8, 0, 1), np.float32), "shape"),
        (np.zeros((2, 8, 8, 1), np.uint8), "Divide"),
        (np.zeros((2, 8, 8, 1), np.float64), "float32"),
        (np.zeros((2, 3, 8, 8), np.float32), r"channels last.*moveaxis"),
        ([[1.0]], "got 'list'. Pass an array"),
        ("a.png", "got 'str'. Pass an array"),
        (SimpleNamespace(read=abs, n=3), r"data\.test\.read\(range"),
        (SimpleNamespace(train=1, test=2), r"data\.train\.read\(range"),
    ],
)
def test_images_of_another_shape_or_dtype_are_refused(images: object, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        A.Flip()(KEY, images)  # type: ignore[arg-type]


def test_images_from_0_to_255_are_refused_where_their_values_are_known() -> None:
    for call in (
        lambda: A.Flip()(KEY, IMAGES * 255),
        lambda: A.MixUp().batch(KEY, IMAGES * 255, jnp.zeros(3)),
        lambda: A.preview(A.Flip(), IMAGES * 255),
        lambda: A.predict_with_augmentation(lambda x: x[:, 0, 0], A.Flip(), IMAGES * 255, key=KEY),
    ):
        with pytest.raises(ArgumentError, match=r"from 0 to 1; got .* images / 255"):
            call()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1.0, r"from 0 to 1; got '-1 to .* Map the images' own range"),
        (np.nan, "1 of 192 values NaN or infinite.*Replace NaN"),
        (np.inf, "1 of 192 values NaN or infinite"),
        (-np.inf, "1 of 192 values NaN or infinite"),
    ],
)
def test_images_with_one_value_out_of_range_are_refused(value: float, message: str) -> None:
    images = np.array(IMAGES)
    images[1, 2, 3, 0] = value
    for given in (images, jnp.asarray(images)):
        for call in (
            lambda given: A.Flip()(KEY, given),
            lambda given: A.MixUp().batch(KEY, given, jnp.zeros(3)),
            lambda given: A.preview(A.Flip(), given),
            lambda given: A.predict_with_augmentation(lambda x: x[:, 0, 0], A.Flip(), given, key=KEY),
        ):
            with pytest.raises(ArgumentError, match=message):
                call(given)


@pytest.mark.parametrize("value", ["no", "False", 0, None])
@pytest.mark.parametrize(
    "make",
    [
        lambda value: A.Flip(horizontal=value),
        lambda value: A.Flip(vertical=value),
        lambda value: A.Shear(degrees=3, vertical=value),
    ],
)
def test_what_is_neither_true_nor_false_is_refused(make: Callable[[object], object], value: object) -> None:
    with pytest.raises(ArgumentError, match="must be True or False; got"):
        make(value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.0, 2.0, 1.0], r"from 0 to 1; got 2\.0"),
        ([0.0, np.nan, 1.0], "from 0 to 1; got nan"),
        ([0, 1, 1], r"int64'.*astype"),
        (["a", "b", "a"], "<U1'. Make 1 of the positive class"),
        ([None] * 3, "Make 1 of the positive class"),
        (None, "one row for each of the 3 images"),
        ([0.0, 1.0], r"got 'shape \(2,\)'\. Pass the labels of these"),
    ],
)
def test_labels_that_cannot_be_mixed_are_refused(labels: object, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"labels: must .*{message}"):
        A.MixUp().batch(KEY, IMAGES, labels)  # type: ignore[arg-type]


def test_keys_are_jax_keys_typed_or_raw() -> None:
    noise = A.Noise(sigma=0.1)
    raw = jax.random.key_data(KEY)
    assert np.array_equal(noise(KEY, IMAGES), noise(raw, IMAGES))
    for wrong in (0, None, jax.random.split(KEY)):
        with pytest.raises(ArgumentError, match=r"jax\.random\.key"):
            noise(wrong, IMAGES)  # type: ignore[arg-type]


@pytest.mark.parametrize(("n", "shape"), [(-1, (8, 8, 1)), (2, (8, 8)), (2, (8, 0, 1)), (2.5, (8, 8, 1))])
def test_params_checks_the_number_and_the_shape(n: object, shape: object) -> None:
    with pytest.raises(ArgumentError):
        A.Flip().params(KEY, n, shape)  # type: ignore[arg-type]


def test_strength_scales_ranges_and_stops_at_what_is_allowed() -> None:
    assert A.Rotation(degrees=10).scaled(0.5) == A.Rotation(degrees=5)
    assert A.Rotation(degrees=100).scaled(3) == A.Rotation(degrees=180)
    assert A.Flip(probability=0.5).scaled(2) == A.Flip(probability=0.5)
    assert A.Shift(fraction=(0.1, 0.2)).scaled(2) == A.Shift(fraction=(0.2, 0.4))
    for wrong in (-1, float("nan"), "strong"):
        with pytest.raises(ArgumentError, match="strength"):
            A.Rotation(degrees=10).scaled(wrong)  # type: ignore[arg-type]


def test_str_tells_what_differs_from_the_defaults() -> None:
    assert str(A.Rotation(degrees=5)) == "Rotation(degrees=5.0)"
    assert str(A.Flip(probability=0.25)) == "Flip(probability=0.25)"


def test_an_empty_batch_stays_empty() -> None:
    chain = A.Rotation(degrees=5) | A.Noise(sigma=0.1)
    assert chain(KEY, IMAGES[:0]).shape == (0, 8, 8, 1)


def test_augmenting_loads_no_keras_and_everything_public_is_there() -> None:
    code = (
        "import sys, medimg_cnn as mc; a = mc.augmentations; a.preset('chest_xray');"
        "loaded = [m for m in ('keras', 'matplotlib', 'pandas', 'scipy') if m in sys.modules];"
        "assert not loaded, loaded; missing = [n for n in a.__all__ if not hasattr(a, n)]; assert not missing, missing"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="Rotate"):
        A.Rotate  # noqa: B018


@pytest.mark.parametrize(
    "augmentation",
    [A.Flip(), A.Rotation(degrees=9), A.Noise(sigma=0.1), A.CutMix(), A.Flip() | A.Gamma(amount=0.2)],
    ids=str,
)
def test_masks_and_draws_of_another_number_of_images_are_refused(augmentation: A.Augmentation) -> None:
    params = augmentation.params(KEY, 3, (8, 8, 1))
    for masks in (IMAGES[..., 0] > 0.5, [[1]]):
        with pytest.raises(ArgumentError, match=r"masks: must be an array of shape .*masks\[\.\.\., None\]"):
            augmentation.apply_masks(params, masks)  # type: ignore[arg-type]
    for rows in (1, 2):
        few = {name: value[:rows] for name, value in params.items()}
        with pytest.raises(ArgumentError, match="params: must have one row for each of the 3 images"):
            augmentation.apply(few, IMAGES)
        with pytest.raises(ArgumentError, match="params: must have one row for each of the 3 images"):
            augmentation.apply_masks(few, IMAGES > 0.5)
    with pytest.raises(ArgumentError, match="params: must have one row for each of the 1 images"):
        augmentation.apply(params, IMAGES[:1])


def test_masks_keep_their_values_where_pixels_are_moved_or_are_refused() -> None:
    steps = (A.CutMix(), A.Flip(), A.Rotation(degrees=9), A.Noise(sigma=0.1) | A.Shift(fraction=0.3))
    kept = [(np.int64, -(2**31)), (np.uint64, 7), (np.float64, np.nan), (bool, True), (np.float16, 0.1)]
    lost = [(np.int64, 2**40), (np.int64, -(2**31) - 1), (np.uint64, 2**63), (np.float64, 0.1)]
    lost += [(np.float64, 1e300), (np.longdouble, 0.5), (object, 1), (np.str_, "liver")]
    for step in steps:
        params = step.params(KEY, 3, (8, 8, 1))
        for dtype, value in kept if step in steps[:2] else kept[:1]:
            masks = np.full((3, 8, 8, 1), value, dtype)
            values = np.asarray(step.apply_masks(params, masks), dtype)
            assert np.all((values == 0) | (values == masks) | np.isnan(masks)), (step, dtype, value)
        for dtype, value in lost:
            with pytest.raises(ArgumentError, match=r"masks: must hold .*; got 'dtype "):
                step.apply_masks(params, np.full((3, 8, 8, 1), value, dtype))
    masks = np.full((3, 8, 8, 1), 2**40)  # what moves no pixel leaves masks as they are
    noise = A.Noise(sigma=0.1) | A.Gamma(amount=0.1)
    assert np.array_equal(noise.apply_masks(noise.params(KEY, 3, (8, 8, 1)), masks), masks)
    with jax.enable_x64(True):
        turn = A.Rotation(degrees=9)
        assert (
            np.asarray(turn.apply_masks(turn.params(KEY, 3, (8, 8, 1)), masks))[:, 4, 4, 0] == 2**40
        ).all()


@pytest.mark.parametrize(
    ("augmentation", "names"),
    [
        (A.Shift(fraction=0.2), "'down', 'right'"),
        (A.Flip(), "'horizontal', 'vertical'"),
        (A.CutMix(), "'bottom', .*'weight'"),
        (A.Shift(fraction=0.2) | A.Flip(), r"'0\.down', .*'1\.vertical'"),
        (Inverted(), "'on'"),
    ],
    ids=str,
)
def test_what_another_augmentation_drew_is_refused(augmentation: A.Augmentation, names: str) -> None:
    other = A.Brightness(amount=0.1).params(KEY, 3, (8, 8, 1))
    rule = f"params: must hold {names}, as drawn by {type(augmentation).__name__}; got"
    for drawn in (other, {}):
        with pytest.raises(ArgumentError, match=rule):
            augmentation.apply(drawn, IMAGES)
    if not isinstance(augmentation, Inverted):  # which keeps masks as they are
        with pytest.raises(ArgumentError, match=rule):
            augmentation.apply_masks(params=other, masks=IMAGES > 0.5)
    with pytest.raises(ArgumentError, match="params: must hold"):
        augmentation.apply(None, IMAGES)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"key: must be .*jax\.random\.key\(0\)"):
        augmentation.params(0, 2, (8, 8, 1))  # type: ignore[arg-type]


def test_a_partner_that_is_not_in_the_batch_is_refused() -> None:
    for partner in ([1, 2, 3], [-1, 0, 1]):
        drawn = A.MixUp().params(KEY, 3, (8, 8, 1)) | {"partner": np.array(partner, np.int32)}
        with pytest.raises(ArgumentError, match="must name partners from 0 to 2"):
            A.MixUp().apply(drawn, IMAGES)
        with pytest.raises(ArgumentError, match="must name partners from 0 to 2"):
            A.MixUp().apply_labels(drawn, np.zeros(3, np.float32))


@pytest.mark.parametrize("step", [A.Rotation(degrees=5), A.Flip() | A.Noise(sigma=0.1)], ids=str)
def test_a_saved_augmentation_holds_every_field(step: A.Augmentation) -> None:
    saved = step.to_dict()
    for name in saved:
        with pytest.raises(ArtifactError):
            A.Augmentation.from_dict({key: value for key, value in saved.items() if key != name})
    with pytest.raises(ArtifactError, match="'border' is missing"):
        A.Augmentation.from_dict({"augmentation": "Rotation", "version": 1, "probability": 1.0})


def test_a_saved_draw_knows_its_augmentation_and_its_images() -> None:
    step, shape = A.Shift(fraction=0.3) | A.Cutout(size=0.3), (8, 6, 1)
    drawn = step.params(KEY, 2, shape)
    saved = json.loads(json.dumps(A.params_to_dict(drawn, augmentation=step, image_shape=shape)))
    for options in ({}, {"augmentation": step, "image_shape": shape}):
        again = A.params_from_dict(saved, **options)
        assert all(np.array_equal(again[name], value) for name, value in drawn.items())
    with pytest.raises(ArtifactError, match=r"image_shape: must be \[16, 6, 1\]; got \[8, 6, 1\]"):
        A.params_from_dict(saved, image_shape=(16, 6, 1))
    with pytest.raises(ArtifactError, match="augmentation: must be"):
        A.params_from_dict(saved, augmentation=step.scaled(0.5))
    with pytest.raises(ArtifactError, match=r"image_shape: must be \[8, 6, 1\]; got None"):
        A.params_from_dict(A.params_to_dict(drawn), image_shape=shape)
