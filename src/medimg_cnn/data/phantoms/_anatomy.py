"""What is drawn at random: a patient's anatomy, and how each image was taken.

Lengths are in units of half the shorter side of the film, with (0, 0) in its centre, x to the right and
y downwards, so that the same patient can be drawn at any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blobs", "Patient", "Pose", "Site", "draw_patient", "draw_pose", "draw_site"]

Floats = NDArray[np.float32]

_WAVES = 8
_VESSELS_PER_LUNG = 6
_LOBES = 4


@dataclass(frozen=True, slots=True)
class Blobs:
    """Bright spots: each a Gaussian ellipse.

    Attributes:
        x, y: (n,) centres.
        long, short: (n,) standard deviations along and across the ellipse.
        angle: (n,) radians.
        contrast: (n,) brightness in the middle, where 1 is the range from black to white.
    """

    x: Floats
    y: Floats
    long: Floats
    short: Floats
    angle: Floats
    contrast: Floats


@dataclass(frozen=True, slots=True)
class Site:
    """A hospital's scanner: its exposure and its noise, the same for both classes.

    Attributes:
        gamma: exponent on the grey levels.
        gain: factor on the grey levels.
        noise: standard deviation of the noise.
        grain: correlation length of the noise.
    """

    gamma: float
    gain: float
    noise: float
    grain: float


@dataclass(frozen=True, slots=True)
class Patient:
    """One patient's chest, shared by all images of the patient.

    Attributes:
        body: half width of the trunk.
        lungs: (2, 4), for each lung: x, y, half width, half height.
        heart: x, y, half width, half height, tilt.
        ribs: ribs per unit length, bend, phase, contrast.
        vessels: (n, 6), each: x, y, angle, length, bend, width.
        waves: (k, 4), the soft tissue's texture: wave vector (x, y), phase, amplitude.
        spots: calcifications and vessel-like blobs; drawn alike in both classes.
        decoy: a vessel-like streak, shown only where there is no lesion. It has the lesion's area and
            contrast, so that grey levels alone cannot tell one from the other; shape can.
        lesion: x, y, radius, contrast.
        lobes: (k, 2), the lesion's irregular outline: amplitude and phase of each angular harmonic.
    """

    body: float
    lungs: Floats
    heart: Floats
    ribs: Floats
    vessels: Floats
    waves: Floats
    spots: Blobs
    decoy: Blobs
    lesion: Floats
    lobes: Floats


@dataclass(frozen=True, slots=True)
class Pose:
    """How one image was taken.

    Attributes:
        shift: (x, y) of the patient on the film.
        angle: rotation in radians.
        scale: magnification.
        breath: factor on the height of the lungs.
        gamma: exponent on the grey levels, the site's apart.
        gain: factor on the grey levels, the site's apart.
        visibility: factor on the contrast of the lesion.
        noise: factor on the site's noise.
    """

    shift: tuple[float, float]
    angle: float
    scale: float
    breath: float
    gamma: float
    gain: float
    visibility: float
    noise: float


def draw_site(rng: np.random.Generator) -> Site:
    """Draw a hospital's scanner."""
    return Site(
        gamma=float(np.exp(rng.normal(0.0, 0.06))),
        gain=float(rng.normal(1.0, 0.03)),
        noise=float(rng.uniform(0.025, 0.04)),
        grain=float(rng.uniform(0.012, 0.022)),
    )


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient's chest, with both the lesion and the decoy: the class decides which shows."""
    lungs = np.array(
        [
            [
                side * rng.normal(0.44, 0.02),
                rng.normal(-0.02, 0.03),
                rng.normal(0.36, 0.02),
                rng.normal(0.78, 0.04),
            ]
            for side in (-1, 1)
        ],
        dtype=np.float32,
    )
    wave_length = rng.uniform(0.25, 0.9, _WAVES)
    direction = rng.uniform(0, 2 * np.pi, _WAVES)
    waves = np.stack(
        [
            2 * np.pi / wave_length * np.cos(direction),
            2 * np.pi / wave_length * np.sin(direction),
            rng.uniform(0, 2 * np.pi, _WAVES),
            rng.uniform(0.003, 0.012, _WAVES),
        ],
        axis=1,
    )
    lesion = _row(*_in_lungs(rng, lungs, 1)[0], rng.uniform(0.11, 0.17), 0.27 * np.exp(rng.normal(0.0, 0.5)))
    return Patient(
        body=float(rng.normal(0.93, 0.03)),
        lungs=lungs,
        heart=_row(
            rng.normal(0.1, 0.03),
            rng.normal(0.36, 0.04),
            rng.normal(0.27, 0.03),
            rng.normal(0.24, 0.03),
            rng.normal(0.5, 0.15),
        ),
        ribs=_row(
            rng.normal(4.2, 0.3), rng.normal(0.45, 0.1), rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.1)
        ),
        vessels=np.concatenate([_draw_vessels(rng, lungs[0], -1), _draw_vessels(rng, lungs[1], 1)]),
        waves=waves.astype(np.float32),
        spots=_draw_spots(rng, lungs),
        decoy=_draw_decoy(rng, lungs, lesion),
        lesion=lesion,
        lobes=np.stack([rng.normal(0, 0.12, _LOBES), rng.uniform(0, 2 * np.pi, _LOBES)], axis=1).astype(
            np.float32
        ),
    )


def draw_pose(rng: np.random.Generator) -> Pose:
    """Draw how one image was taken."""
    return Pose(
        shift=(float(rng.normal(0, 0.04)), float(rng.normal(0, 0.04))),
        angle=float(rng.normal(0, np.deg2rad(3))),
        scale=float(rng.normal(1.0, 0.03)),
        breath=float(rng.normal(1.0, 0.03)),
        gamma=float(np.exp(rng.normal(0.0, 0.08))),
        gain=float(rng.normal(1.0, 0.04)),
        visibility=float(np.exp(rng.normal(0.0, 0.3))),
        noise=float(np.exp(rng.normal(0.0, 0.15))),
    )


def _draw_vessels(rng: np.random.Generator, lung: Floats, side: int) -> Floats:
    n = _VESSELS_PER_LUNG
    outwards = np.linspace(-1.2, 1.2, n) + rng.normal(0, 0.12, n)
    return np.stack(
        [
            np.full(n, lung[0] - side * 0.75 * lung[2]) + rng.normal(0, 0.02, n),
            np.full(n, 0.02) + rng.normal(0, 0.04, n),
            outwards if side > 0 else np.pi - outwards,
            rng.uniform(0.3, 0.5, n),
            rng.normal(0, 0.5, n),
            rng.uniform(0.016, 0.03, n),
        ],
        axis=1,
    ).astype(np.float32)


def _draw_spots(rng: np.random.Generator, lungs: Floats) -> Blobs:
    tiny = int(rng.integers(0, 4))
    at = _in_lungs(rng, lungs, tiny)
    size = rng.uniform(0.018, 0.03, tiny).astype(np.float32)
    calcifications = Blobs(
        x=at[:, 0],
        y=at[:, 1],
        long=size,
        short=size,
        angle=np.zeros(tiny, np.float32),
        contrast=rng.uniform(0.2, 0.4, tiny).astype(np.float32),
    )
    elongated = _draw_elongated(rng, lungs, int(rng.integers(0, 2)))
    return _join(calcifications, elongated)


def _draw_decoy(rng: np.random.Generator, lungs: Floats, lesion: Floats) -> Blobs:
    _, _, radius, contrast = lesion
    at = _in_lungs(rng, lungs, 1, reach=0.5)  # it is long: nearer the middle, it stays in the lung
    stretch = rng.uniform(1.9, 2.4, 1)
    return Blobs(
        x=at[:, 0],
        y=at[:, 1],
        long=(radius * stretch).astype(np.float32),
        short=(radius / stretch).astype(np.float32),
        angle=(np.pi / 2 + rng.uniform(-0.8, 0.8, 1)).astype(np.float32),
        contrast=_row(contrast),
    )


def _draw_elongated(rng: np.random.Generator, lungs: Floats, n: int) -> Blobs:
    at = _in_lungs(rng, lungs, n)
    return Blobs(
        x=at[:, 0],
        y=at[:, 1],
        long=rng.uniform(0.14, 0.22, n).astype(np.float32),
        short=rng.uniform(0.035, 0.05, n).astype(np.float32),
        angle=rng.uniform(0, np.pi, n).astype(np.float32),
        contrast=(0.22 * np.exp(rng.normal(0, 0.3, n))).astype(np.float32),
    )


def _in_lungs(rng: np.random.Generator, lungs: Floats, n: int, *, reach: float = 0.72) -> Floats:
    """Draw n points (n, 2) in the lungs, up to a share ``reach`` of the way from the middle to the edge."""
    which = rng.integers(0, 2, n)
    radius, turn = reach * np.sqrt(rng.uniform(size=n)), rng.uniform(0, 2 * np.pi, n)
    chosen = lungs[which]
    x = chosen[:, 0] + radius * np.cos(turn) * chosen[:, 2]
    y = chosen[:, 1] + radius * np.sin(turn) * chosen[:, 3]
    return np.stack([x, y], axis=1).astype(np.float32)


def _join(first: Blobs, second: Blobs) -> Blobs:
    return Blobs(
        *(
            np.concatenate([getattr(first, name), getattr(second, name)])
            for name in ("x", "y", "long", "short", "angle", "contrast")
        )
    )


def _row(*values: Any) -> Floats:
    return np.array(values, dtype=np.float32)
