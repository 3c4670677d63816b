"""What a model is apart from its weights, in a form that two builds of the same code agree on."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

__all__ = ["recipe", "recipe_sha256"]

# Drawn anew by Keras for each layer where none is given.
_DRAWN = re.compile(r"Random\w+")


def recipe(model: Any) -> Any:
    """Return the layers with their settings, as JSON; where Keras cannot describe them, the shapes of the weights.

    Names that Keras numbers over the process are counted over the model instead.
    """
    try:
        config = {key: value for key, value in model.get_config().items() if key != "name"}
        names: dict[str, str] = {}
        _count(config, names)
        return json.dumps(_plain(config, names), sort_keys=True, default=lambda one: type(one).__name__)
    except Exception:  # noqa: BLE001 - a user's layer may raise anything
        return [tuple(weight.shape) for weight in model.weights]


def recipe_sha256(model: Any) -> str:
    """Return the sha256 of ``recipe``, to be kept in a file."""
    return hashlib.sha256(json.dumps(recipe(model)).encode()).hexdigest()


def _count(value: Any, names: dict[str, str]) -> None:
    if isinstance(value, dict):
        name = value["config"].get("name") if isinstance(value.get("config"), dict) else None
        if isinstance(name, str):
            kind = str(value.get("class_name"))
            # In a copy, an input has the name of a tensor.
            if kind == "InputLayer" or re.sub(r"_\d+$", "", name).replace("_", "") == kind.lower():
                names.setdefault(name, f"{kind} number {len(names)}")
        for one in value.values():
            _count(one, names)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _count(one, names)


def _plain(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        drawn = value.get("module") == "keras.layers" and _DRAWN.fullmatch(str(value.get("class_name", "")))
        return {
            key: _without_seed(_plain(item, names)) if drawn and key == "config" else _plain(item, names)
            for key, item in value.items()
            if key != "compile_config"
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def _without_seed(config: Any) -> Any:
    return (
        {key: value for key, value in config.items() if key != "seed"} if isinstance(config, dict) else config
    )
