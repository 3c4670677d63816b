"""The same network in torch, channels last, an epoch when told to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _turns import Turns, arrays, case
from torch import nn
from torch.nn import functional


def _layer(kind: str, config: dict[str, Any]) -> nn.Module | None:
    """Return the torch layer; None where a function does."""
    if kind == "Conv2D":
        kernel, stride = config["kernel_size"][0], config["strides"][0]
        return nn.LazyConv2d(
            config["filters"], kernel, stride, padding=(kernel - 1) // 2, bias=config["use_bias"]
        )
    if kind == "MaxPooling2D":
        # Of three pixels and two steps torch's usual padding gives Keras's size; of two, none is needed.
        size = config["pool_size"][0]
        return nn.MaxPool2d(size, config["strides"][0], padding=size // 3, ceil_mode=size == 2)
    if kind == "AveragePooling2D":
        return nn.AvgPool2d(config["pool_size"][0], config["strides"][0], ceil_mode=True)
    if kind == "Dense":
        linear = nn.LazyLinear(config["units"])
        return nn.Sequential(linear, nn.ReLU()) if config["activation"] == "relu" else linear
    if kind == "BatchNormalization":
        return nn.LazyBatchNorm2d(eps=config["epsilon"])
    return {"ReLU": nn.ReLU(inplace=True), "Dropout": nn.Dropout(config.get("rate", 0.5))}.get(kind)


def _function(kind: str, config: dict[str, Any]) -> Callable[..., torch.Tensor]:
    """Return what a layer without weights does."""
    functions: dict[str, Callable[..., torch.Tensor]] = {
        "Rescaling": lambda x: x * config["scale"] + config["offset"],
        "Reshape": lambda x: functional.pixel_unshuffle(x, x.shape[2] // config["target_shape"][0]),
        "GlobalAveragePooling2D": lambda x: x.mean((2, 3)),
        "GlobalMaxPooling2D": lambda x: x.amax((2, 3)),
        "Concatenate": lambda *x: torch.cat(x, 1),
        "Add": lambda x, y: x + y,
        "Flatten": lambda x: x.flatten(1),
    }
    return functions[kind]


class Network(nn.Module):
    """A Keras configuration of layers, as torch layers; strided convolutions are padded evenly, as usual in torch."""

    def __init__(self, configuration: dict[str, Any], shape: list[int]) -> None:
        super().__init__()
        self._plan: list[tuple[str, list[str], Callable[..., torch.Tensor]]] = []
        self._layers = nn.ModuleList()
        same: dict[str, str] = {}
        for layer in configuration["layers"]:
            kind, config, name = layer["class_name"], layer["config"], layer["config"]["name"]
            inputs = [same.get(other, other) for other in _inputs(layer)]
            if kind == "InputLayer":
                self._first = name
            elif kind in ("Permute", "Activation") or name == "patches":
                same[name] = inputs[0]  # the first steps of space to depth, and the sigmoid
            else:
                made = _layer(kind, config)
                if made is not None:
                    self._layers.append(made)
                self._plan.append((name, inputs, made or _function(kind, config)))
        self(torch.zeros(2, shape[2], shape[0], shape[1]))  # gives the layers their sizes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits, (batch, 1)."""
        values = {self._first: x}
        for name, inputs, function in self._plan:
            values[name] = function(*(values[other] for other in inputs))
        return values[name]


def _inputs(layer: dict[str, Any]) -> list[str]:
    """Return the names of the layers before this one."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            history = value.get("config", {}).get("keras_history") if "config" in value else None
            if history:
                found.append(history[0])
            else:
                for part in value.values():
                    look(part)
        elif isinstance(value, list):
            for part in value:
                look(part)

    look(layer["inbound_nodes"])
    return found


def main() -> None:
    """Train the case named first."""
    found = case()
    torch.manual_seed(0)
    x, y = arrays(found)
    images = torch.from_numpy(x.astype(np.float32) / 255).permute(0, 3, 1, 2)
    labels = torch.from_numpy(y.astype(np.float32))
    network = Network(json.loads(found["model"])["config"], found["shape"]).to(
        memory_format=torch.channels_last
    )
    trained = sum(parameter.numel() for parameter in network.parameters())
    if trained != found["trainable"]:
        raise SystemExit(f"{trained} parameters, not {found['trainable']}")
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
    frozen: dict[int, Any] = {}  # for each size of a batch, until the weights change

    def predict(values: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            batch = torch.from_numpy(values).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
            if len(batch) not in frozen:
                traced = torch.jit.freeze(torch.jit.trace(network.eval(), batch))
                frozen[len(batch)] = torch.jit.optimize_for_inference(traced)
                for _ in range(3):
                    frozen[len(batch)](batch)
            return torch.sigmoid(frozen[len(batch)](batch)).numpy()

    turns = Turns(predict, found["shape"])
    while True:
        turns.wait()
        frozen.clear()
        network.train()
        start = time.perf_counter()
        order = torch.randperm(labels.numel())
        for rows in order.split(found["batch"]):
            batch = images[rows].contiguous(memory_format=torch.channels_last)
            loss = functional.binary_cross_entropy_with_logits(network(batch)[:, 0], labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        loss.item()
        turns.say(labels.numel() / (time.perf_counter() - start))


if __name__ == "__main__":
    main()
