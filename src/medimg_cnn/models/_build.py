"""``build_cnn``: from an image shape to a ``keras.Model`` that gives one probability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from medimg_cnn._keras import keras
from medimg_cnn._types import PathLike
from medimg_cnn._validation import (
    check_choice,
    check_fraction,
    check_integer,
    check_number,
    check_seed,
    explain,
)
from medimg_cnn._variables import drawn
from medimg_cnn.errors import ArgumentError
from medimg_cnn.models._architectures import cnn_features, medcnn_features, resnet_features
from medimg_cnn.models._blocks import Normalisation, Parts, Tensor, head, scale
from medimg_cnn.models._convnext import convnext_features
from medimg_cnn.models._densenet import densenet_features
from medimg_cnn.models._efficientnet import efficientnet_features
from medimg_cnn.models._keras_networks import PREFIX, keras_network, keras_networks
from medimg_cnn.models._weights_file import checked_file, load_into

__all__ = ["Architecture", "Normalisation", "Plan", "build_cnn"]

Architecture: TypeAlias = Literal[
    "medcnn-s",
    "medcnn-m",
    "medcnn-l",
    "cnn",
    "resnet18",
    "resnet34",
    "resnet50",
    "densenet121",
    "convnext-tiny",
    "efficientnetv2-b0",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """What ``build_cnn`` knows of one architecture.

    Attributes:
        features: from scaled images to features.
        width: channels of the first stage in the paper.
        normalisation: of the paper.
        residual: whether it has branches that can be dropped.
    """

    features: Callable[..., Tensor]
    width: int
    normalisation: Normalisation = "batch"
    residual: bool = True


_FAMILIES: dict[Architecture, _Family] = {
    "medcnn-s": _Family(features=partial(medcnn_features, blocks=1), width=32),
    "medcnn-m": _Family(features=partial(medcnn_features, blocks=1), width=64),
    "medcnn-l": _Family(features=partial(medcnn_features, blocks=2), width=64),
    "cnn": _Family(features=cnn_features, width=32, residual=False),
    "resnet18": _Family(features=partial(resnet_features, blocks=(2, 2, 2, 2)), width=64),
    "resnet34": _Family(features=partial(resnet_features, blocks=(3, 4, 6, 3)), width=64),
    "resnet50": _Family(features=partial(resnet_features, blocks=(3, 4, 6, 3), bottleneck=True), width=64),
    "densenet121": _Family(
        features=partial(densenet_features, blocks=(6, 12, 24, 16)), width=64, residual=False
    ),
    "convnext-tiny": _Family(
        features=partial(convnext_features, blocks=(3, 3, 9, 3)), width=96, normalisation="layer"
    ),
    "efficientnetv2-b0": _Family(features=efficientnet_features, width=32),
}


def build_cnn(
    image_shape: tuple[int, int, int],
    *,
    architecture: Architecture | str = "medcnn-s",
    prior: float = 0.5,
    width: int | None = None,
    dropout: float = 0.3,
    drop_path: float = 0.0,
    normalisation: Normalisation | None = None,
    weights: PathLike | None = None,
    weights_sha256: str | None = None,
    seed: int = 0,
) -> Any:
    """Build a convolutional network for binary classification.

    Args:
        image_shape: (height, width, channels) of the images, 1 to 4,096 pixels a side; 1 or 3 channels.
        architecture: "medcnn-s" (1.2 million weights), "medcnn-m" (4.9) or "medcnn-l" (11.2): residual networks
            that do their work at 32 pixels and below; the small one is the right start for hundreds to tens
            of thousands of images. "cnn" is a plain stack of convolution, pooling and dropout, then a
            dense layer; "resnet18", "resnet34", "resnet50", "densenet121", "convnext-tiny" and "efficientnetv2-b0"
            are those of the literature, with a finer stem for images under 64 pixels. "keras:" and a name, for
            example "keras:ResNet50", is that network of ``keras.applications``.
        prior: share of positives in the training data, in (0, 1); sets the output's initial bias.
        width: channels of the first stage, at least 4; the later ones follow in proportion. None: 32 for "medcnn-s",
            "cnn" and "efficientnetv2-b0", 96 for "convnext-tiny", 64 for the others. Not for "keras:".
        dropout: share of the pooled features that is dropped in training, 0 to below 1.
        drop_path: stochastic depth: how often a training image skips the last residual block, 0 to below 1; for
            those before it the rate rises from 0. Only for networks with such blocks; not for "keras:".
        normalisation: "batch"; "group" (up to 32 groups of at least 8 channels, the same in training and in
            prediction, for batches under 16 images); or "layer" (over the channels of each pixel). None: "layer" for
            "convnext-tiny", "batch" for the others. Not for "keras:".
        weights: a file of pretrained weights of a "keras:" network without its top (``..._notop.h5``, or
            what ``save_weights`` wrote); nothing is ever downloaded. For one channel the first kernel is summed.
        weights_sha256: what the sha256 of the file must be; it is computed in any case, and stands in the model's name.
        seed: of the initial weights, dropout and stochastic depth. The same seed gives the same weights.

    Returns:
        An uncompiled ``keras.Model`` from float32 images in 0-1, (batch, height, width, channels),
        to the probability of the positive class, (batch, 1) float32. The layer before the last is
        named "logit". Compile and fit it as any other Keras model, or give it to ``Trainer``.

    Raises:
        ArgumentError: an argument breaks its rule, the file's hash is another, or Keras is set to put channels first.
        ArtifactError: the file of weights is damaged, holds links, or is of another network.
        BackendError: Keras does not run on JAX.

    Example:
        >>> import medimg_cnn as mc
        >>> model = mc.build_cnn((28, 28, 1), prior=0.3, seed=7)
        >>> model.output_shape
        (None, 1)
    """
    plan = Plan(
        image_shape=_check_image_shape(image_shape),
        architecture=architecture,
        width=width,
        dropout=dropout,
        drop_path=drop_path,
        normalisation=normalisation,
    )
    prior = check_fraction("prior", prior, open_ends=True)
    seed = check_seed("seed", seed)
    if weights is None:
        if weights_sha256 is not None:
            raise ArgumentError(explain("weights_sha256", "has no meaning without weights", weights_sha256))
        return plan.build(prior=prior, seed=seed)
    if not plan.architecture.startswith(PREFIX):
        rule = "can be read for networks of keras.applications only"
        step = "Pass architecture='keras:ResNet50', for example; or model.load_weights(path) for your own."
        raise ArgumentError(explain("weights", rule, plan.architecture, step))
    file, sha256 = checked_file(weights, weights_sha256)
    model = plan.build(prior=prior, seed=seed, start=sha256)
    load_into(model, keras_network(plan.architecture), file)
    return model


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A checked choice of network, apart from its weights.

    Attributes:
        image_shape: as in ``build_cnn``, as are the others.
        architecture: a name.
        width: of the first stage; None for "keras:".
        dropout: of the features.
        drop_path: of the last block.
        normalisation: None for "keras:".
    """

    image_shape: tuple[int, int, int]
    architecture: str
    width: int | None = None
    dropout: float = 0.3
    drop_path: float = 0.0
    normalisation: Normalisation | None = None

    def __post_init__(self) -> None:
        dropout = check_number("dropout", self.dropout, low=0.0, high=1.0, high_open=True)
        drop_path = check_number("drop_path", self.drop_path, low=0.0, high=1.0, high_open=True)
        if str(self.architecture).startswith(PREFIX):
            name = PREFIX + keras_network(self.architecture).name
            for argument, value in (("width", self.width), ("normalisation", self.normalisation)):
                if value is not None:
                    raise ArgumentError(
                        explain(argument, f"cannot be chosen for {name!r}", value, "Leave it out.")
                    )
            family, width, normalisation = None, None, None
        else:
            name = _check_architecture(self.architecture)
            family = _FAMILIES[name]
            width = (
                family.width if self.width is None else check_integer("width", self.width, low=4, high=1024)
            )
            normalisation = (
                family.normalisation
                if self.normalisation is None
                else check_choice("normalisation", self.normalisation, get_args(Normalisation))
            )
        if drop_path > 0.0 and (family is None or not family.residual):
            rule = f"must be 0 for {name!r}, which has no branches that this library could drop"
            raise ArgumentError(explain("drop_path", rule, drop_path))
        settled: tuple[tuple[str, object], ...] = (
            ("architecture", name),
            ("width", width),
            ("dropout", dropout),
            ("drop_path", drop_path),
            ("normalisation", normalisation),
        )
        for field, setting in settled:
            object.__setattr__(self, field, setting)

    def build(self, *, prior: float = 0.5, seed: int = 0, start: str | None = None) -> Any:
        """Return the model with weights drawn by the seed; ``start`` is the sha256 of those that will replace them."""
        return drawn(partial(self.layout, prior=prior, seed=seed, start=start))

    def layout(self, *, prior: float = 0.5, seed: int = 0, start: str | None = None) -> Any:
        """Return the model as Keras initialises it.

        Raises:
            ArgumentError: Keras is set to put the channels first.
        """
        if keras.config.image_data_format() != "channels_last":
            raise ArgumentError(
                explain(
                    "keras.config.image_data_format()",
                    "must be 'channels_last', as images are read",
                    keras.config.image_data_format(),
                    "Call keras.config.set_image_data_format('channels_last') first.",
                )
            )
        images = keras.layers.Input(self.image_shape, name="image")
        if self.width is None or self.normalisation is None:
            parts = Parts(seed=seed)
            features = keras_network(self.architecture).features(images, seeds=parts.seeds)
        else:
            parts = Parts(seed=seed, normalisation=self.normalisation, drop_path=self.drop_path)
            family = _FAMILIES[self.architecture]  # type: ignore[index] # checked above
            features = family.features(scale(images), width=self.width, parts=parts)
        output = head(features, prior=prior, dropout=self.dropout, seeds=parts.seeds)
        name = self.architecture if start is None else f"{self.architecture}@sha256:{start}"
        return keras.Model(images, output, name=name)


def _check_architecture(value: object) -> Architecture:
    if isinstance(value, str) and value not in _FAMILIES:
        of_keras = {name.lower(): name for name in keras_networks()}
        if (name := of_keras.get(value.lower())) is not None:
            step = f"Did you mean {PREFIX + name!r}? mc.models.keras_networks() lists the names."
            raise ArgumentError(explain("architecture", "must be one that build_cnn knows", value, step))
    return check_choice("architecture", value, list(_FAMILIES))


def _check_image_shape(value: object) -> tuple[int, int, int]:
    rule = "must be (height, width, channels)"
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise ArgumentError(
            explain("image_shape", rule, value, "Pass data.image_shape, or for example (128, 128, 1).")
        )
    height = check_integer("image_shape[0] (height)", value[0], low=1, high=4096)
    width = check_integer("image_shape[1] (width)", value[1], low=1, high=4096)
    channels = check_integer("image_shape[2] (channels)", value[2], low=1)
    if channels not in (1, 3):
        raise ArgumentError(explain("image_shape[2] (channels)", "must be 1 (grey) or 3 (RGB)", channels))
    return height, width, channels
