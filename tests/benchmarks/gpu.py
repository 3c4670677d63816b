"""Images a second on a GPU: training, predicting and augmenting, beside torch's ResNet-18 on the same one.

    python tests/benchmarks/gpu.py --json docs/benchmarks/gpu.json
    python tests/benchmarks/tables.py

Ours is `load_dataset` and `Trainer` as they are, with the chest preset: reading and augmenting are in the figures.
Torch trains and predicts on images that lie on the GPU already, channels last, with fused AdamW and its products in
TF32, and is left out where it is not installed. Random images: what is measured is speed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # torch needs some of the memory

import jax
import numpy as np
from test_augmentation_speed import OURS

import medimg_cnn as mc

BATCH, EPOCHS, STEPS = 64, 6, 32
SMALL, LARGE = (128, 128, 1), (224, 224, 3)
CASES = [
    ("medcnn-s", SMALL, "float32"),
    ("medcnn-s", SMALL, "bfloat16"),
    ("medcnn-s", SMALL, "float16"),
    ("resnet18", LARGE, "float32"),
    ("resnet18", LARGE, "bfloat16"),
]


def dataset(shape: tuple[int, int, int]) -> mc.Dataset:
    """Noise, as many images as there are steps for, in one part."""
    n = BATCH * STEPS
    images = np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)
    return mc.load_dataset(
        (images, np.arange(n) % 2),
        positive=1,
        patients=np.arange(n).astype(str),
        fractions=(1.0, 0.0, 0.0),
        audit="off",
    )


def median_rate(function: Callable[[], Any], images: int, rounds: int = 7) -> float:
    """Images a second; the first call, which compiles, does not count."""
    function()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return images / statistics.median(seconds)


def ours(name: str, shape: tuple[int, int, int], precision: Any) -> dict[str, float]:
    """Images a second of `Trainer.fit`, without its first epoch, and of `Run.predict`."""
    data = dataset(shape)
    model = mc.build_cnn(shape, architecture=name, seed=0)
    trainer = mc.Trainer(
        model,
        augment=mc.augmentations.preset("chest_xray"),
        precision=precision,
        batch_size=BATCH,
        epochs=EPOCHS,
        progress=False,
    )
    start = time.perf_counter()
    run = trainer.fit(data.train, None)
    total = time.perf_counter() - start
    rates = run.history["images_per_second"].to_list()[1:]
    found = {"training": statistics.median(rates), "first_epoch": total - sum(run.history["seconds"][1:])}
    if precision == "float32":
        found["predicting"] = median_rate(lambda: run.predict(data.train, batch_size=BATCH), data.train.n)
    return found


def augmenting(shape: tuple[int, int, int]) -> float:
    """Images a second of the chain, with images that lie on the GPU."""
    images = jax.device_put(np.random.default_rng(0).random((BATCH, *shape), dtype=np.float32))
    keys = jax.random.split(jax.random.key(0), 50)
    chain = jax.jit(OURS)
    return median_rate(lambda: jax.block_until_ready([chain(key, images) for key in keys]), 50 * BATCH)


def torchs(kind: str) -> dict[str, float] | None:
    """Images a second of torchvision's ResNet-18; None where torch is not installed."""
    try:
        import torch
        import torchvision
    except ImportError:
        return None
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = (
        torch.backends.cudnn.benchmark
    ) = True
    model = torchvision.models.resnet18(num_classes=1).cuda().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    height, width, channels = LARGE
    x = torch.rand(BATCH, channels, height, width, device="cuda").to(memory_format=torch.channels_last)
    y = torch.randint(0, 2, (BATCH, 1), device="cuda").float()

    def cast() -> Any:
        return torch.autocast("cuda", torch.bfloat16, enabled=kind == "bfloat16")

    def train() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            with cast():
                loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)
            loss.backward()
            optimizer.step()
        torch.cuda.synchronize()

    def predict() -> None:
        for _ in range(STEPS):
            with torch.inference_mode(), cast():
                model(x)
        torch.cuda.synchronize()

    found = {"training": median_rate(train, BATCH * STEPS)}
    model.eval()
    return found | {"predicting": median_rate(predict, BATCH * STEPS)}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # noise as images
    device = jax.devices()[0]
    if device.platform == "cpu":
        parser.error("JAX sees no GPU here. Install jax[cuda13], or see compare_training.py for a CPU.")
    results: dict[str, Any] = {"device": device.device_kind, "jax": jax.__version__, "cases": []}

    def keep(side: str, name: str, shape: tuple[int, int, int], kind: str, found: dict[str, float]) -> None:
        row = {"side": side, "name": name, "shape": shape, "precision": kind, **found}
        results["cases"].append(row)
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")

    for shape in (SMALL, LARGE):
        keep("medimg-cnn", "augmentations", shape, "float32", {"augmenting": augmenting(shape)})
    for name, shape, kind in CASES:
        keep("medimg-cnn", name, shape, kind, ours(name, shape, kind))
    for kind in ("float32", "bfloat16"):
        found = torchs(kind)
        if found is not None:
            keep("torch", "resnet18", LARGE, kind, found)


if __name__ == "__main__":
    main()
