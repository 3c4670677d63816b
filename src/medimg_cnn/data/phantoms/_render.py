"""From a patient and a pose to grey levels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medimg_cnn._types import Image, ImageSize
from medimg_cnn._validation import check_image_size, check_integer, check_number, check_seed
from medimg_cnn.data.phantoms._anatomy import (
    Blobs,
    Patient,
    Pose,
    Site,
    draw_patient,
    draw_pose,
    draw_site,
)

__all__ = ["MAXIMUM_EFFECT", "MINIMUM_SIDE", "render", "render_phantom"]

Plane: TypeAlias = NDArray[np.floating[Any]]
"""(height, width), float32."""

MINIMUM_SIDE = 16
MAXIMUM_EFFECT = 10.0
_ANATOMY, _SITE, _POSE = 0, 1, 2  # one stream of random numbers each


def render_phantom(
    *,
    seed: int,
    patient: int,
    image: int = 0,
    lesion: bool,
    effect: float = 1.0,
    site: int = 0,
    image_size: ImageSize | int = (64, 64),
) -> Image:
    """Draw one synthetic image, without a file.

    A pure function: the same arguments give the same pixels. With ``effect=0`` the argument ``lesion``
    changes nothing.

    Args:
        seed: of the whole set of phantoms, 0 to 2**31 - 1.
        patient: number of the patient, from 0; images of a patient share the anatomy.
        image: number of the image within the patient, from 0; each has its own pose, exposure and noise.
        lesion: whether the patient has a lesion.
        effect: factor on the lesion's contrast, 0 to 10.
        site: number of the hospital, from 0; each has its own exposure and noise.
        image_size: (height, width) in pixels, or one number for a square; each at least 16.

    Returns:
        (height, width, 1) float32, 0 (black) to 1 (white).

    Raises:
        ArgumentError: an argument breaks its rule.

    Example:
        >>> from medimg_cnn.data.phantoms import render_phantom
        >>> with_lesion = render_phantom(seed=0, patient=3, lesion=True)
        >>> with_lesion.shape, with_lesion.dtype
        ((64, 64, 1), dtype('float32'))
        >>> without = render_phantom(seed=0, patient=3, lesion=False)
        >>> bool((with_lesion != without).any())
        True
    """
    height, width = check_image_size("image_size", image_size)
    check_integer("image_size (shorter side)", min(height, width), low=MINIMUM_SIDE)
    seed = check_seed("seed", seed)
    patient = check_integer("patient", patient, low=0)
    image = check_integer("image", image, low=0)
    site = check_integer("site", site, low=0)
    effect = check_number("effect", effect, low=0.0, high=MAXIMUM_EFFECT)
    image_stream = np.random.default_rng((seed, _POSE, patient, image))
    grey = render(
        draw_patient(np.random.default_rng((seed, _ANATOMY, patient))),
        draw_pose(image_stream),
        draw_site(np.random.default_rng((seed, _SITE, site))),
        rng=image_stream,
        lesion=bool(lesion),
        effect=effect,
        image_size=(height, width),
    )
    return grey[:, :, None]


def render(
    patient: Patient,
    pose: Pose,
    site: Site,
    *,
    rng: np.random.Generator,
    lesion: bool,
    effect: float,
    image_size: ImageSize,
) -> NDArray[np.float32]:
    """Return grey levels (height, width), float32, 0 to 1."""
    x, y = _posed_grid(pose, image_size)
    lungs = _lungs(patient, pose, x, y)
    body = _inside(1.0 - np.abs(x) / patient.body - 0.06 * np.square(y), 0.03)
    texture = _waves(patient, x, y)

    # Films show density: air is dark, tissue and bone are bright.
    density = 0.08 + body * (0.5 + 0.12 * np.exp(-np.square(x / 0.13)))
    density += 0.12 * body * _heart(patient, x, y)
    density -= 0.33 * lungs
    density += _ribs(patient, x, y) * body * (0.35 + 0.65 * lungs)
    density += 0.1 * lungs * _vessels(patient, x, y)
    density += (0.4 + lungs) * body * texture
    density += _blobs(patient.spots, x, y)
    if effect > 0.0:
        finding = _lesion(patient, x, y, texture) if lesion else _blobs(patient.decoy, x, y)
        density += np.float32(effect * pose.visibility) * finding

    grain = gaussian_filter(
        rng.standard_normal(image_size, dtype=np.float32), site.grain * min(image_size) / 2, mode="wrap"
    )
    fine = rng.standard_normal(image_size, dtype=np.float32)
    density += site.noise * pose.noise * (0.75 * grain / (grain.std() + 1e-6) + 0.5 * fine)
    exposed = np.clip(density, 0.0, 1.0) ** np.float32(site.gamma * pose.gamma)
    grey: NDArray[np.float32] = np.clip(exposed * np.float32(site.gain * pose.gain), 0.0, 1.0)
    return grey.astype(np.float32, copy=False)


@lru_cache(maxsize=4)
def _grid(image_size: ImageSize) -> tuple[Plane, Plane]:
    """Pixel centres as x (1, width) and y (height, 1); half the shorter side is 1."""
    height, width = image_size
    half = min(height, width) / 2
    x = (np.arange(width, dtype=np.float32) + np.float32(0.5 - width / 2)) / np.float32(half)
    y = (np.arange(height, dtype=np.float32) + np.float32(0.5 - height / 2)) / np.float32(half)
    x.flags.writeable = y.flags.writeable = False
    return x[None, :], y[:, None]


def _posed_grid(pose: Pose, image_size: ImageSize) -> tuple[Plane, Plane]:
    """For each pixel, the place in the patient that it shows: x and y, (height, width) each."""
    x, y = _grid(image_size)
    x, y = x - np.float32(pose.shift[0]), y - np.float32(pose.shift[1])
    cosine = np.float32(np.cos(pose.angle) / pose.scale)
    sine = np.float32(np.sin(pose.angle) / pose.scale)
    return cosine * x + sine * y, cosine * y - sine * x


def _inside(signed: Plane, softness: float) -> Plane:
    """A soft step: 0 far outside (``signed`` < 0), 1 far inside."""
    step: Plane = 0.5 + 0.5 * np.tanh(signed / np.float32(2 * softness))
    return step


def _lungs(patient: Patient, pose: Pose, x: Plane, y: Plane) -> Plane:
    mask = np.zeros_like(x)
    for centre_x, centre_y, half_width, half_height in patient.lungs:
        down = (y - centre_y) / (half_height * np.float32(pose.breath))
        across = np.abs(x - centre_x) / half_width
        # Narrow at the apex, cut off by the diaphragm below.
        ellipse = 1.0 - np.square(across) * (1.25 - 0.35 * down) - np.square(down)
        diaphragm = 0.62 - down - 0.25 * np.square(across - 0.4)
        mask += _inside(ellipse, 0.06) * _inside(diaphragm, 0.03)
    return mask


def _heart(patient: Patient, x: Plane, y: Plane) -> Plane:
    centre_x, centre_y, half_width, half_height, tilt = patient.heart
    along = np.cos(tilt) * (x - centre_x) + np.sin(tilt) * (y - centre_y)
    across = np.cos(tilt) * (y - centre_y) - np.sin(tilt) * (x - centre_x)
    return _inside(1.0 - np.square(along / half_width) - np.square(across / half_height), 0.12)


def _ribs(patient: Patient, x: Plane, y: Plane) -> Plane:
    per_unit, bend, phase, contrast = patient.ribs
    height = y - bend * np.square(np.abs(x) - 0.35)
    wave = 0.5 + 0.5 * np.cos(np.float32(2 * np.pi) * per_unit * height + phase)
    ribs: Plane = contrast * np.square(wave) * _inside(np.abs(x) - 0.1, 0.04)
    return ribs


def _vessels(patient: Patient, x: Plane, y: Plane) -> Plane:
    total = np.zeros_like(x)
    for start_x, start_y, angle, length, bend, width in patient.vessels:
        along = np.cos(angle) * (x - start_x) + np.sin(angle) * (y - start_y)
        across = np.cos(angle) * (y - start_y) - np.sin(angle) * (x - start_x) - bend * np.square(along)
        share = np.clip(along / length, 0.0, 1.0)
        total += (1.0 - share) * (along > 0) * np.exp(-np.square(across / (width * (1.15 - share))))
    return total


def _waves(patient: Patient, x: Plane, y: Plane) -> Plane:
    total = np.zeros_like(x)
    for wave_x, wave_y, phase, amplitude in patient.waves:
        total += amplitude * np.cos(wave_x * x + wave_y * y + phase)
    return total


def _blobs(blobs: Blobs, x: Plane, y: Plane) -> Plane:
    total = np.zeros_like(x)
    for centre_x, centre_y, long, short, angle, contrast in zip(
        blobs.x, blobs.y, blobs.long, blobs.short, blobs.angle, blobs.contrast, strict=True
    ):
        along = np.cos(angle) * (x - centre_x) + np.sin(angle) * (y - centre_y)
        across = np.cos(angle) * (y - centre_y) - np.sin(angle) * (x - centre_x)
        total += contrast * np.exp(-0.5 * (np.square(along / long) + np.square(across / short)))
    return total


def _lesion(patient: Patient, x: Plane, y: Plane, texture: Plane) -> Plane:
    centre_x, centre_y, radius, contrast = patient.lesion
    right, down = x - centre_x, y - centre_y
    distance = np.sqrt(np.square(right) + np.square(down))
    turn = np.arctan2(down, right)
    outline = np.ones_like(x)
    for harmonic, (amplitude, phase) in enumerate(patient.lobes, start=2):
        outline += amplitude * np.cos(np.float32(harmonic) * turn + phase)
    depth = np.exp(-0.5 * np.square(distance / (radius * np.clip(outline, 0.5, 1.6))))
    shadow: Plane = contrast * depth * (1.0 + 6.0 * texture)
    return shadow
