"""A chain of augmentations, itself an augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, TypeAlias

import jax

from medimg_cnn._types import JsonValue
from medimg_cnn._validation import explain
from medimg_cnn.augmentations._base import Augmentation, Params, register
from medimg_cnn.augmentations._checks import check_changed, check_drawn, check_masks
from medimg_cnn.augmentations.spatial._spatial import joins_a_resample, resample, runs_of_one_resample
from medimg_cnn.errors import ArgumentError

__all__ = ["Compose"]

Steps: TypeAlias = tuple[Augmentation, ...]


@register
@dataclass(frozen=True, kw_only=True)
class Compose(Augmentation):
    """Augmentations one after the other; what ``a | b`` gives.

    Neighbours that move pixels are composed into one map and the images are sampled once, which is
    faster and blurs less than sampling for each; content that one step moves out of the frame and the
    next moves back is not lost. Put them side by side (the order of the steps is kept). Steps with
    different borders, and a second ``Elastic``, begin another resample; so does a spatial step of your own
    that has an ``apply`` of its own, which is called.

    Params are those of the steps, each name preceded by the step's position: ``"0.angle"``.

    Attributes:
        steps: the augmentations, in order. Chains among them are opened up.
        probability: 1 always; each step has its own.

    Raises:
        ArgumentError: a step is not an augmentation, or the probability is not 1.

    Example:
        >>> import jax
        >>> from medimg_cnn.augmentations import Flip, Noise, Rotation
        >>> chain = Flip() | Rotation(degrees=10) | Noise(sigma=0.02)
        >>> [type(step).__name__ for step in chain.steps]
        ['Flip', 'Rotation', 'Noise']
        >>> chain(jax.random.key(0), jax.numpy.zeros((2, 8, 8, 1))).shape
        (2, 8, 8, 1)
    """

    steps: Steps = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.probability != 1.0:
            raise ArgumentError(
                explain("probability", "must be 1 for a chain", self.probability, "Set it on the steps.")
            )
        if not isinstance(self.steps, (tuple, list)):
            raise ArgumentError(explain("steps", "must be a tuple of augmentations", self.steps))
        flat: list[Augmentation] = []
        for position, step in enumerate(self.steps):
            if not isinstance(step, Augmentation):
                raise ArgumentError(
                    explain(
                        f"steps[{position}]",
                        "must be an augmentation",
                        step,
                        "Wrap a function of one image in PerImage(function=...).",
                    )
                )
            flat.extend(step.steps if isinstance(step, Compose) else (step,))
        self._set("steps", tuple(flat))

    @property
    def mixes(self) -> bool:
        """Whether any step mixes images."""
        return any(step.mixes for step in self.steps)

    def params(self, key: jax.Array, n: int, image_shape: tuple[int, int, int]) -> Params:
        """Draw for every step, each with a key of its own."""
        n, *shape = self._rows(n, image_shape)
        keys = jax.random.split(key, max(len(self.steps), 1))
        return {
            f"{position}.{name}": value
            for position, step in enumerate(self.steps)
            for name, value in step.params(keys[position], n, (shape[0], shape[1], shape[2])).items()
        }

    def apply(self, params: Params, images: jax.Array) -> jax.Array:
        """Apply the steps in order; runs of spatial steps are sampled once."""
        images = check_drawn(params, images)
        return self._walk(params, images, nearest=False)

    def apply_masks(self, params: Params, masks: jax.Array) -> jax.Array:
        """Apply the steps to masks; geometry by nearest neighbour, grey-value steps not at all.

        Raises:
            ArgumentError: a step cannot do this: MixUp, or a PerImage that may move pixels.
        """
        return self._walk(params, check_masks(params, masks), nearest=True)

    def apply_labels(self, params: Params, labels: jax.Array) -> jax.Array:
        """Mix the labels as the mixing steps, in order, mixed the images."""
        for position, step in enumerate(self.steps):
            labels = step.apply_labels(self.params_of(params, position), labels)
        return labels

    def params_of(self, params: Params, position: int) -> Params:
        """Return what was drawn for one step, without the position in the names."""
        prefix = f"{position}."
        return {name[len(prefix) :]: value for name, value in params.items() if name.startswith(prefix)}

    def scaled(self, strength: float) -> Self:
        """Scale every step."""
        return type(self)(steps=tuple(step.scaled(strength) for step in self.steps))

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the steps, each as its own ``to_dict``."""
        content = super().to_dict()
        content["steps"] = [step.to_dict() for step in self.steps]
        return content

    @classmethod
    def from_fields(cls, options: dict[str, JsonValue]) -> Self:
        """Rebuild the steps, then the chain."""
        steps = tuple(Augmentation.from_dict(step) for step in options.pop("steps", ()))
        return cls(steps=steps, **options)

    def _walk(self, params: Params, images: jax.Array, *, nearest: bool) -> jax.Array:
        for run in runs_of_one_resample(self.steps):
            together = [
                (step, self.params_of(params, position))
                for position in run
                if joins_a_resample(step := self.steps[position])
            ]
            if together:
                images = resample(together, images, nearest=nearest)
            else:
                step, drawn = self.steps[run[0]], self.params_of(params, run[0])
                if nearest:
                    images = step.apply_masks(drawn, images)
                else:
                    images = check_changed(step, step.apply(drawn, images), images)
        return images
