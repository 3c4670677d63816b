"""What moves pixels, and the one resample that a run of such steps becomes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import jax
import jax.numpy as jnp

from medimg_cnn._validation import check_choice, check_fraction, explain
from medimg_cnn.augmentations._base import Augmentation, Params
from medimg_cnn.augmentations._checks import check_drawn, check_masks, check_moved_masks
from medimg_cnn.augmentations.spatial._affine_map import AffineMap
from medimg_cnn.augmentations.spatial._sample import Border, sample
from medimg_cnn.errors import ArgumentError

__all__ = [
    "AffineAugmentation",
    "Resampled",
    "SpatialAugmentation",
    "joins_a_resample",
    "resample",
    "runs_of_one_resample",
]

_BORDERS: tuple[Border, ...] = ("constant", "edge", "reflect")


@dataclass(frozen=True, kw_only=True)
class SpatialAugmentation(Augmentation):
    """An augmentation that moves pixels.

    One of your own writes ``apply``, and ``apply_masks`` where masks are used; a chain calls these. If it is
    an affine map, derive from ``AffineAugmentation``: then it is sampled once together with its neighbours.

    Attributes:
        probability: the share of images that are changed, 0 to 1.
        border: what comes in from outside the image: "constant" (``fill``), "edge" (the nearest edge
            pixel) or "reflect" (mirrored, the edge pixel not repeated). Steps with different borders
            are sampled apart.
        fill: the value outside for the border "constant", 0 to 1.
    """

    border: Border = "constant"
    fill: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("border", check_choice("border", self.border, _BORDERS))
        self._set("fill", check_fraction("fill", self.fill))

    @property
    def needs_border(self) -> bool:
        """Whether pixels may come from outside; a flip takes none, and so joins any neighbour."""
        return True

    def apply_masks(self, params: Params, masks: jax.Array) -> jax.Array:
        """Refuse: masks must move as the images do, which only the class itself can say.

        Raises:
            ArgumentError: always, unless a subclass overrides this.
        """
        del params, masks
        raise ArgumentError(
            explain(
                "augmentation",
                "must have an apply_masks of its own, since it moves pixels",
                self,
                "Write one that moves masks by what params drew, or derive from AffineAugmentation.",
            )
        )


@dataclass(frozen=True, kw_only=True)
class Resampled(SpatialAugmentation):
    """A spatial augmentation of which ``resample`` knows where each pixel is read: an affine map, or ``Elastic``."""

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Move the pixels, float32 (n, height, width, channels), sampled bilinearly."""
        return resample([(self, params)], check_drawn(params, images))

    def apply_masks(self, params: Params, masks: jax.Array) -> jax.Array:
        """Move the pixels of masks (n, height, width, channels), sampled by nearest neighbour; 0 comes from outside."""
        return resample([(self, params)], check_masks(params, masks), nearest=True)


@dataclass(frozen=True, kw_only=True)
class AffineAugmentation(Resampled):
    """A spatial augmentation that is an affine map of the plane: straight lines stay straight.

    In a chain, neighbours of this kind are sampled once together. One of your own writes ``params`` and
    ``affine_map``; where the map is the identity for all images, nothing is sampled.

    Example:
        >>> from dataclasses import dataclass
        >>> import jax
        >>> from medimg_cnn.augmentations import AffineAugmentation, AffineMap
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Rightwards(AffineAugmentation):
        ...     def params(self, key, n, image_shape):
        ...         return {"share": jax.random.uniform(key, (n,))}
        ...     def affine_map(self, params, image_shape):
        ...         share = params["share"]
        ...         return AffineMap.identity(len(share))._replace(x0=-share * image_shape[1])
        >>> images = jax.numpy.ones((2, 8, 8, 1))
        >>> Rightwards()(jax.random.key(0), images)[:, 0, 0, 0].tolist()
        [0.0, 0.0]
    """

    @abstractmethod
    def affine_map(self, params: Params, image_shape: tuple[int, int, int]) -> AffineMap:
        """The map from output to input coordinates, in pixels from the centre, x right and y down.

        Its parts have one row an image, or one for all of them.
        """


Step = tuple[Resampled, Params]


def joins_a_resample(step: Augmentation) -> TypeGuard[Resampled]:
    """Whether ``resample`` does what the step's own methods do: not where a subclass wrote its own."""
    own = type(step)
    return (
        isinstance(step, Resampled)
        and own.apply is Resampled.apply
        and own.apply_masks is Resampled.apply_masks
    )


def runs_of_one_resample(steps: Sequence[Augmentation]) -> list[list[int]]:
    """Group the positions of a chain's steps: each run is sampled at once, other steps stand alone."""
    from medimg_cnn.augmentations.spatial._elastic import Elastic

    runs: list[list[int]] = []
    border: tuple[Border, float] | None = None
    open_run = bent = False
    for position, step in enumerate(steps):
        if not joins_a_resample(step):
            runs.append([position])
            open_run = False
            continue
        own = (step.border, step.fill) if step.needs_border else None
        joins = open_run and (own is None or border is None or own == border)
        if joins and not (bent and isinstance(step, Elastic)):
            runs[-1].append(position)
            border, bent = border or own, bent or isinstance(step, Elastic)
        else:
            runs.append([position])
            open_run, border, bent = True, own, isinstance(step, Elastic)
    return runs


def resample(steps: Sequence[Step], images: jax.Array, *, nearest: bool = False) -> jax.Array:
    """Apply a run of spatial steps, in order, with one sampling of the images.

    Args:
        steps: (augmentation, params) pairs; at most one of them elastic.
        images: (n, height, width, channels).
        nearest: sample by nearest neighbour, for masks; with a constant border they are 0 outside, whatever the
            images are.

    Returns:
        Images of the same shape and dtype.
    """
    from medimg_cnn.augmentations.spatial._elastic import Elastic
    from medimg_cnn.augmentations.spatial._flip import Flip, flip

    if nearest:
        images = check_moved_masks(images)
    if all(isinstance(step, Flip) and type(step).affine_map is Flip.affine_map for step, _ in steps):
        for _, params in steps:
            images = flip(params, images)
        return images

    n, height, width, channels = images.shape
    shape = (height, width, channels)
    # The last step made the output, so the way back to the input starts with it.
    first = last = AffineMap.identity(n)
    bend: Elastic | None = None
    field: Params = {}
    for step, params in reversed(steps):
        if isinstance(step, Elastic):
            bend, field, last, first = step, params, first, AffineMap.identity(n)
        elif isinstance(step, AffineAugmentation):
            first = step.affine_map(params, shape).after(first)
    moved = first.moves() if bend is None else first.moves() | last.moves() | bend.moves(field)

    def sampled(still: jax.Array) -> jax.Array:
        x = (jnp.arange(width, dtype=jnp.float32) - (width - 1) / 2)[None, None, :]
        y = (jnp.arange(height, dtype=jnp.float32) - (height - 1) / 2)[None, :, None]
        if bend is not None:
            shift_x, shift_y = bend.displacements(field, shape, last)
            x, y = last.of(x, y)
            x, y = x + shift_x, y + shift_y
        x, y = first.of(x, y)
        chosen = next((step for step, _ in steps if step.needs_border), steps[0][0])
        return sample(
            still,
            x + (width - 1) / 2,
            y + (height - 1) / 2,
            border=chosen.border,
            fill=0.0 if nearest else chosen.fill,
            nearest=nearest,
        )

    # Besides skipping the work, the branch keeps XLA from computing the sample again in every later
    # step that reads it, 20 times slower (docs/decisions/0050-one-resample.md).
    result: jax.Array = jax.lax.cond(moved, sampled, lambda still: still, images)
    return result
