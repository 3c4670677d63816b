"""The augmentation of a training run in words, from what the run recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

__all__ = ["augmentation_text"]

Options: TypeAlias = Mapping[str, Any]

_DULL = frozenset({"augmentation", "version", "probability", "border", "fill"})
"""Fields that are said otherwise, or that a reader of the report need not know."""


def augmentation_text(content: Any) -> str:
    """Return "rotation up to 10\N{DEGREE SIGN}, shift up to 8%, ..." of what ``to_dict`` of an augmentation gave.

    A step that is not known here is given by its name and options, and what is no record at all as it is.
    """
    if content is None:
        return "none"
    if not isinstance(content, Mapping) or "augmentation" not in content:
        return str(content)
    steps = content.get("steps")
    if isinstance(steps, (list, tuple)):
        return ", ".join(augmentation_text(step) for step in steps) + _chance(content) or "none"
    name = str(content["augmentation"])
    word = _WORDS.get(name)
    try:
        said = _plainly(content) if word is None else word(content)
    except (KeyError, TypeError, ValueError):  # recorded by another version, with other fields
        said = _plainly(content)
    return said + _chance(content)


def _chance(content: Options) -> str:
    chance = content.get("probability", 1.0)
    return f" (in {_percent(chance)} of images)" if isinstance(chance, (int, float)) and chance < 1 else ""


def _plainly(content: Options) -> str:
    options = ", ".join(f"{name} {value}" for name, value in content.items() if name not in _DULL)
    return str(content["augmentation"]) + (f" ({options})" if options else "")


def _percent(share: float) -> str:
    return f"{100 * float(share):.3g}%"


def _shift(content: Options) -> str:
    share = content["fraction"]
    if isinstance(share, (list, tuple)):
        down, across = share
        return f"shift up to {_percent(down)} vertically and {_percent(across)} horizontally"
    return f"shift up to {_percent(share)} of the side"


def _zoom(content: Options) -> str:
    stretch = content.get("stretch", 0.0)
    apart = f", height and width differing up to {_percent(stretch)}" if stretch else ""
    return f"zoom up to {_percent(content['amount'])}{apart}"


def _flip(content: Options) -> str:
    sides = {"left to right": content["horizontal"], "upside down": content["vertical"]}
    return f"flip {' and '.join(side for side, used in sides.items() if used)}"


_WORDS: dict[str, Callable[[Options], str]] = {
    "Rotation": lambda c: f"rotation up to {c['degrees']:g}\N{DEGREE SIGN}",
    "Shift": _shift,
    "Zoom": _zoom,
    "Shear": lambda c: f"shear up to {c['degrees']:g}\N{DEGREE SIGN}",
    "Flip": _flip,
    "QuarterTurn": lambda _: "quarter turns",
    "Elastic": lambda c: f"elastic warp up to {_percent(c['displacement'])} of the side",
    "Brightness": lambda c: f"brightness up to {_percent(c['amount'])} of the range",
    "Contrast": lambda c: f"contrast up to {_percent(c['amount'])}",
    "Gamma": lambda c: f"gamma up to {_percent(c['amount'])}",
    "WindowJitter": lambda c: (
        f"window centre up to {_percent(c['centre'])} and width up to {_percent(c['width'])}"
    ),
    "Noise": lambda c: f"noise up to {_percent(c['sigma'])} of the range",
    "Speckle": lambda c: f"speckle up to {_percent(c['sigma'])} of the grey value",
    "Blur": lambda c: f"blur up to {c['sigma']:g} pixels",
    "CLAHE": lambda c: f"local contrast (CLAHE) up to {_percent(c['amount'])}",
    "BiasField": lambda c: f"bias field up to {_percent(c['amount'])}",
    "StainJitter": lambda c: f"stain strength up to {_percent(c['scale'])}",
    "ColourJitter": lambda c: (
        f"colour gain up to {_percent(c['gain'])} and saturation up to {_percent(c['saturation'])}"
    ),
    "Cutout": lambda c: f"cutout of {c.get('holes', 1)} up to {_percent(c['size'])} of the side",
    "MixUp": lambda c: f"MixUp (alpha {c['alpha']:g})",
    "CutMix": lambda c: f"CutMix (alpha {c['alpha']:g})",
}
