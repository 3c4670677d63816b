"""The tables of docs/benchmarks.md, written from the figures beside them in docs/benchmarks/*.json.

    python tests/benchmarks/tables.py

A benchmark that is given ``--json docs/benchmarks/NAME.json`` leaves its figures there. A table stands in the page
between ``<!-- table: NAME -->`` and ``<!-- end of table -->``; tests/docs asks that it be what its figures give.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["FIGURES", "PAGE", "filled", "share_without_padding"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
FIGURES = PAGE.with_suffix("")
OURS = "medimg-cnn"
Rates = Mapping[str, Sequence[float]]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Say the median of the rounds' ratios and their range."""
    found = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    return f"**{statistics.median(found):.2f}**, {found[0]:.2f} to {found[-1]:.2f}"


def rate(values: Sequence[float]) -> str:
    """Say the median."""
    median = statistics.median(values)
    return f"{median:,.0f}" if median >= 10 else f"{median:,.1f}"


def side_by_side(rows: Mapping[str, Rates]) -> list[str]:
    """Return the lines of a table: our rate, and of each other its rate and how many times it ours is."""
    others = [side for side in next(iter(rows.values())) if side != OURS]
    lines = [f"| | {OURS} | {' | '.join(others)} |", f"|---|---|{'---|' * len(others)}"]
    for name, rates in rows.items():
        cells = [f"{rate(rates[side])} ({ratio(rates[OURS], rates[side])})" for side in others]
        lines.append(f"| {name} | {rate(rates[OURS])} | {' | '.join(cells)} |")
    return lines


def training(figures: dict[str, Any]) -> list[str]:
    """Training and prediction, command by command."""
    words = {"train": "training", "predict 1": "one image", "predict 32": "32 images"}
    return side_by_side(
        {
            f"{word}, {case}": found[command]
            for command, word in words.items()
            for case, found in figures.items()
        }
    )


def peak(figures: dict[str, Any]) -> list[str]:
    """The share of the machine's rate for products of matrices that a training step reaches."""
    lines = [
        "| | of the peak, products at the border counted as inside | without those with the padding |",
        "|---|---|---|",
    ]
    for case, found in figures.items():
        pairs = list(zip(found["train"][OURS], found["matrix peak"], strict=True))
        cells = []
        for key in ("operations of an image", "operations without padding"):
            shares = sorted(images * found[key] / most for images, most in pairs)
            cells.append(f"{statistics.median(shares):.2f}, {shares[0]:.2f} to {shares[-1]:.2f}")
        lines.append(f"| {case} | {' | '.join(cells)} |")
    return lines


def gpu(figures: dict[str, Any]) -> list[str]:
    """What a GPU trains, predicts and augments, images a second, and the seconds to the end of the first epoch."""
    lines = [
        "| | training | predicting | first epoch |",
        "|---|---|---|---|",
    ]
    for case in figures["cases"]:
        whose = "torch's ResNet-18" if case["side"] == "torch" else f"`{case['name']}`"
        name = f"{whose}, {'x'.join(map(str, case['shape']))}, {case['precision']}"
        if "training" in case:
            cells = [f"{case[key]:,.0f}" if key in case else "" for key in ("training", "predicting")]
            first = f"{case['first_epoch']:.0f} s" if "first_epoch" in case else ""
            lines.append(f"| {name} | {' | '.join(cells)} | {first} |")
    return lines


TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], list[str]]]] = {
    "training": ("training", training),
    "peak": ("training", peak),
    "augmentation": ("augmentation", side_by_side),
    "gpu": ("gpu", gpu),
}


def filled(page: str, figures: Path = FIGURES) -> str:
    """Return the page with each of its tables as its figures give it."""

    def table(match: re.Match[str]) -> str:
        file, lines = TABLES[match[1]]
        found = json.loads((figures / f"{file}.json").read_text(encoding="utf-8"))
        return "\n".join([f"<!-- table: {match[1]} -->", "", *lines(found), "", "<!-- end of table -->"])

    return re.sub(r"<!-- table: (\w+) -->.*?<!-- end of table -->", table, page, flags=re.DOTALL)


def share_without_padding(model: Any) -> float:
    """Return how much of the multiply-adds of convolutions and dense layers is left without those with the padding."""
    inside = counted = 0.0
    for layer in model.layers:
        if type(layer).__name__ == "Conv2D":
            channels, all_, real = layer.kernel.shape[2] * layer.filters, 1, 1
            for side in (0, 1):
                size, out = layer.input.shape[1 + side], layer.output.shape[1 + side]
                kernel, stride, step = (
                    values[side] for values in (layer.kernel_size, layer.strides, layer.dilation_rate)
                )
                reach = (kernel - 1) * step + 1
                before = max((out - 1) * stride + reach - size, 0) // 2 if layer.padding == "same" else 0
                taps = [o * stride - before + t * step for o in range(out) for t in range(kernel)]
                all_ *= len(taps)
                real *= sum(0 <= tap < size for tap in taps)
            counted += channels * all_
            inside += channels * real
        elif type(layer).__name__ == "Dense":
            counted += layer.kernel.shape[0] * layer.units
            inside += layer.kernel.shape[0] * layer.units
    return inside / counted


def main() -> None:
    """Write the tables into the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
