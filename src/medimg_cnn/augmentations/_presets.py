"""Chains for each kind of image, with the reason of every choice beside it."""

from __future__ import annotations

from dataclasses import dataclass

from medimg_cnn._validation import check_choice, check_number
from medimg_cnn.augmentations._base import Augmentation
from medimg_cnn.augmentations._compose import Compose
from medimg_cnn.augmentations.intensity import (
    BiasField,
    Blur,
    Brightness,
    ColourJitter,
    Contrast,
    Gamma,
    Noise,
    StainJitter,
    WindowJitter,
)
from medimg_cnn.augmentations.spatial import Flip, QuarterTurn, Rotation, Shear, Shift, Zoom

__all__ = ["PRESETS", "Preset", "PresetChoice", "preset"]


@dataclass(frozen=True)
class PresetChoice:
    """One step of a preset.

    Attributes:
        step: the augmentation, at strength 1.
        reason: why it is there, and why it is no stronger.
    """

    step: Augmentation
    reason: str


@dataclass(frozen=True)
class Preset:
    """A chain for one kind of image.

    Attributes:
        use: which images it is meant for.
        choices: its steps, in order, each with the reason.
        left_out: what was left out on purpose, by name, with the reason.
    """

    use: str
    choices: tuple[PresetChoice, ...]
    left_out: dict[str, str]

    def __str__(self) -> str:
        lines = [self.use, *(f"+ {choice.step}: {choice.reason}" for choice in self.choices)]
        lines += [f"- no {name}: {reason}" for name, reason in self.left_out.items()]
        return "\n".join(lines)


_NOISE_REASON = "dose and gain differ; drawn from zero, so that some images stay clean"

PRESETS: dict[str, Preset] = {
    "chest_xray": Preset(
        use="Frontal chest radiographs.",
        choices=(
            PresetChoice(
                Rotation(degrees=15, border="edge"),
                "patients lean; more than they do, since few films are learnt by heart otherwise (see "
                "docs/decisions/0054-chest-preset.md)",
            ),
            PresetChoice(Shift(fraction=0.12, border="edge"), "centring and collimation vary"),
            PresetChoice(Zoom(amount=0.2, border="edge"), "body size, distance to the tube, depth of breath"),
            PresetChoice(Brightness(amount=0.15), "exposure and window differ between devices"),
            PresetChoice(Contrast(amount=0.25), "tube voltage, scatter and processing change the contrast"),
        ),
        left_out={
            "gamma and noise": "a chain with them, less geometry and black borders did worse on validation films "
            "(see docs/decisions/0054-chest-preset.md)",
            "horizontal flip": "the heart has a side; a mirrored chest is situs inversus or a wrong marker",
            "vertical flip": "no chest hangs upside down",
            "elastic": "it bends ribs and the borders of the heart, which are signs",
            "cutout": "a small opacity may lie under the hole",
        },
    ),
    "ct": Preset(
        use="Axial CT slices, read through one window (0 and 1 are the window's ends).",
        choices=(
            PresetChoice(Rotation(degrees=10), "patients lie turned a little"),
            PresetChoice(Shift(fraction=0.05), "the table's height and the field of view vary"),
            PresetChoice(Zoom(amount=0.15), "body size and reconstructed field of view"),
            PresetChoice(
                WindowJitter(centre=0.03, width=0.1), "readers and vendors set windows a little differently"
            ),
            PresetChoice(Blur(sigma=0.7, probability=0.3), "soft and sharp reconstruction kernels"),
            PresetChoice(Noise(sigma=0.03), _NOISE_REASON),
        ),
        left_out={
            "flip": "the liver, the heart and the stomach have sides",
            "gamma and contrast": "Hounsfield units are physical; the window's jitter changes what really varies",
        },
    ),
    "mri": Preset(
        use="MRI slices scaled to 0 to 1.",
        choices=(
            PresetChoice(Rotation(degrees=10), "the head or body lies turned a little"),
            PresetChoice(Shift(fraction=0.05), "the field of view is placed by hand"),
            PresetChoice(Zoom(amount=0.1), "body size and field of view"),
            PresetChoice(BiasField(amount=0.25), "receive coils are uneven"),
            PresetChoice(Contrast(amount=0.2), "grey values have no unit; sequences and scanners differ"),
            PresetChoice(Gamma(amount=0.3), "the same, for the shape of the grey scale"),
            PresetChoice(Noise(sigma=0.03), _NOISE_REASON),
        ),
        left_out={
            "flip": "organs of the body have sides; for a brain, where the side is no sign, add Flip()",
            "vertical flip": "orientation is fixed by the protocol",
        },
    ),
    "pathology": Preset(
        use="Tiles of H&E slides, three channels.",
        choices=(
            PresetChoice(Flip(horizontal=True, vertical=True), "tissue on glass has no up and no side"),
            PresetChoice(QuarterTurn(), "the same; exact, nothing is interpolated"),
            PresetChoice(
                Zoom(amount=0.1, border="reflect"),
                "objectives and scanners differ; reflected, since glass has no edge",
            ),
            PresetChoice(
                StainJitter(scale=0.15, offset=0.02),
                "laboratories stain differently: the main shift between hospitals",
            ),
            PresetChoice(Brightness(amount=0.05), "lamps and scanners"),
            PresetChoice(Contrast(amount=0.1), "thickness of the section"),
            PresetChoice(Blur(sigma=1.0, probability=0.2), "tiles out of focus"),
        ),
        left_out={
            "hue": "the stains carry the meaning; they are changed as stains, not as free colours",
            "elastic": "the shape of nuclei and glands is a sign",
        },
    ),
    "dermoscopy": Preset(
        use="Dermoscopic photographs of skin, three channels.",
        choices=(
            PresetChoice(Flip(horizontal=True, vertical=True), "skin has no up and no side"),
            PresetChoice(QuarterTurn(), "the same"),
            PresetChoice(
                Rotation(degrees=45, border="reflect"),
                "with the quarter turns every angle is reached in square images; in others, within 45 degrees of "
                "upright and of upside down",
            ),
            PresetChoice(Shift(fraction=0.05, border="reflect"), "the lesion is not always centred"),
            PresetChoice(Zoom(amount=0.2, border="reflect"), "magnification varies"),
            PresetChoice(Shear(degrees=5, border="reflect"), "the device presses and tilts"),
            PresetChoice(
                ColourJitter(gain=0.05, saturation=0.15), "lamps and white balance; small, colour is a sign"
            ),
            PresetChoice(Brightness(amount=0.08), "exposure"),
            PresetChoice(Contrast(amount=0.15), "polarised or not, dry or in fluid"),
        ),
        left_out={
            "hue": "blue, red and black are criteria of malignancy",
            "elastic": "asymmetry and border are criteria",
            "stretch": "asymmetry is a criterion",
        },
    ),
    "fundus": Preset(
        use="Colour photographs of the retina, three channels, black around the disc.",
        choices=(
            PresetChoice(Flip(), "a mirrored left eye looks like a right eye"),
            PresetChoice(Rotation(degrees=15), "the head tilts"),
            PresetChoice(Shift(fraction=0.05), "the field is centred on the macula or the disc by hand"),
            PresetChoice(Zoom(amount=0.1), "cameras differ in their angle of view"),
            PresetChoice(
                ColourJitter(gain=0.1, saturation=0.2), "cameras and the colour of the fundus differ"
            ),
            PresetChoice(Brightness(amount=0.08), "small pupils, media opacity"),
            PresetChoice(Contrast(amount=0.2), "the same"),
            PresetChoice(Gamma(amount=0.2), "display curves of the cameras"),
            PresetChoice(Blur(sigma=0.8, probability=0.2), "focus and media opacity"),
        ),
        left_out={
            "vertical flip": "lesions are not spread evenly above and below",
            "elastic": "the course of the vessels is a sign",
        },
    ),
    "ultrasound": Preset(
        use="B-mode ultrasound, the probe at the top.",
        choices=(
            PresetChoice(
                Flip(), "the probe can be held either way; leave it out for the heart and the abdomen"
            ),
            PresetChoice(
                Rotation(degrees=10, border="edge"), "the probe tilts; shadows must stay below their cause"
            ),
            PresetChoice(Shift(fraction=0.08, border="edge"), "the region is placed by hand"),
            PresetChoice(Zoom(amount=0.12, border="edge"), "the depth setting varies"),
            PresetChoice(Brightness(amount=0.1), "the overall gain is set by hand"),
            PresetChoice(Contrast(amount=0.15), "dynamic range and the vendors' grey maps"),
        ),
        left_out={
            "gamma and speckle": "a chain with them, less geometry and black borders did worse in "
            "cross-validation (see docs/decisions/0056-ultrasound-preset.md)",
            "vertical flip": "depth points down: shadow and enhancement lie below a lesion",
            "shear": "the beam's geometry is fixed by the probe",
        },
    ),
    "none": Preset(use="No augmentation: images stay as they are.", choices=(), left_out={}),
}
"""The presets by name; print one to read its choices and their reasons."""


def preset(name: str, *, strength: float = 1.0) -> Compose:
    """Return the chain of augmentations for a kind of image.

    A place to start from, chosen by what varies between real examinations and what would change the
    diagnosis. Those for chest X-rays and ultrasound were chosen in cross-validation, each on the training
    and validation images of one data set (docs/decisions/0054-chest-preset.md and
    0056-ultrasound-preset.md); the others were tuned on none. Look at the result with
    ``.preview(split)``. What each step is for, and what was left out on purpose, is in
    ``PRESETS[name]``: print it.

    Args:
        name: "chest_xray", "ct", "mri", "pathology", "dermoscopy", "fundus", "ultrasound" or "none".
            Pathology, dermoscopy and fundus need three channels.
        strength: multiplies every range; 0 changes nothing, 1 is the preset, 2 twice as much. At most 3.

    Returns:
        The chain; add to it with ``|``.

    Raises:
        ArgumentError: the name is not known, or the strength is out of its range.

    Example:
        >>> from medimg_cnn.augmentations import PRESETS
        >>> [type(step).__name__ for step in preset("chest_xray").steps]
        ['Rotation', 'Shift', 'Zoom', 'Brightness', 'Contrast']
        >>> PRESETS["chest_xray"].left_out["horizontal flip"]
        'the heart has a side; a mirrored chest is situs inversus or a wrong marker'
    """
    chosen = PRESETS[check_choice("name", name, tuple(PRESETS))]
    strength = check_number("strength", strength, low=0.0, high=3.0)
    return Compose(steps=tuple(choice.step for choice in chosen.choices)).scaled(strength)
