"""Makes the report's charts from what ``evaluation`` computed; nothing is estimated here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import BoolVector, FloatVector
from medimg_cnn.artifacts import FitResult
from medimg_cnn.evaluation import (
    ConfusionCounts,
    DecisionCurve,
    Estimate,
    NetBenefitFigure,
    ReliabilityCurve,
    RiskCoverageCurve,
    RocCurve,
)
from medimg_cnn.reporting.charts import (
    Area,
    Axis,
    Bars,
    Chart,
    Layer,
    Line,
    Matrix,
    Panel,
    Plot,
    Points,
    Rule,
    number_axis,
)

__all__ = [
    "abstention_chart",
    "confusion_chart",
    "decision_chart",
    "difference_chart",
    "forest_chart",
    "histogram_counts",
    "history_chart",
    "net_benefit_chart",
    "precision_recall_chart",
    "reliability_chart",
    "roc_chart",
    "score_chart",
    "spread",
]

_BINS = 20


def spread(size: int, most: int) -> NDArray[np.int64]:
    """Return at most ``most`` row numbers of ``size``, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, size - 1, min(size, most)).round().astype(np.int64))


def roc_chart(curve: RocCurve, sensitivity: Estimate, specificity: Estimate) -> Chart:
    """Return the ROC curve with the operating point and both of its intervals."""
    x, y = 1.0 - curve.specificity, np.asarray(curve.sensitivity)
    keep = _visible(x, y)
    layers: list[Layer] = [
        Line(x=_v([0, 1]), y=_v([0, 1]), role="reference", name="Chance", dashed=True),
        Line(x=x[keep], y=y[keep], name="Model"),
    ]
    if sensitivity.defined and specificity.defined:
        at = (_v([1 - specificity.value]), _v([sensitivity.value]))
        layers.append(
            Points(
                x=at[0],
                y=at[1],
                role="second",
                name="Operating point, with intervals",
                lower=_v([sensitivity.lower]),
                upper=_v([sensitivity.upper]),
            )
        )
        layers.append(
            Points(
                x=at[0],
                y=at[1],
                role="second",
                lower=_v([1 - specificity.upper]),
                upper=_v([1 - specificity.lower]),
                horizontal=True,
            )
        )
    return Plot(
        x=number_axis("1 \N{MINUS SIGN} specificity (share without the condition called positive)", 0, 1),
        panels=(Panel(y=number_axis("Sensitivity", 0, 1), layers=tuple(layers)),),
        square=True,
    )


def precision_recall_chart(recall: FloatVector, precision: FloatVector, prevalence: float) -> Chart:
    """Return the precision-recall curve with the prevalence as its floor."""
    # Steps, so that the area under what is drawn is the average precision.
    steps, heights = np.concatenate([[0.0], np.repeat(recall, 2)[:-1]]), np.repeat(precision, 2)
    keep = _visible(steps, heights)
    return Plot(
        x=number_axis("Recall (sensitivity)", 0, 1),
        panels=(
            Panel(
                y=number_axis("Precision (PPV)", 0, 1),
                layers=(
                    Line(
                        x=_v([0, 1]),
                        y=_v([prevalence, prevalence]),
                        role="reference",
                        name="Prevalence (no skill)",
                        dashed=True,
                    ),
                    Line(x=steps[keep], y=heights[keep], name="Model"),
                ),
            ),
        ),
        square=True,
    )


def confusion_chart(counts: ConfusionCounts, classes: tuple[str, str]) -> Chart:
    """Return the picture of the confusion matrix, positive first."""
    negative, positive = classes
    return Matrix(
        rows=(positive, negative),
        columns=(f"called {positive}", f"called {negative}"),
        counts=((counts.tp, counts.fn), (counts.fp, counts.tn)),
        names=(("true positive", "false negative"), ("false positive", "true negative")),
    )


def reliability_chart(
    curve: ReliabilityCurve, probability: FloatVector, outcome: NDArray[np.int8], unit: str
) -> Chart:
    """Return the reliability diagram with the distribution of the probabilities under it."""
    filled = np.asarray(curve.count) > 0
    edges, positive, negative = histogram_counts(probability, outcome)
    tallest = max(float((positive + negative).max()), 1.0)
    return Plot(
        x=number_axis("Predicted probability", 0, 1),
        panels=(
            Panel(
                y=number_axis("Observed share with the condition", 0, 1),
                layers=(
                    Line(x=_v([0, 1]), y=_v([0, 1]), role="reference", name="Perfect", dashed=True),
                    Points(
                        x=np.asarray(curve.mean_predicted)[filled],
                        y=np.asarray(curve.observed)[filled],
                        name="Groups of cases, with intervals",
                        lower=np.asarray(curve.lower)[filled],
                        upper=np.asarray(curve.upper)[filled],
                    ),
                ),
            ),
            Panel(
                y=number_axis(f"{unit.capitalize()}s", 0, tallest, most=3),
                layers=(Bars(edges=edges, heights=positive + negative, role="reference"),),
                share=0.24,
            ),
        ),
        square=True,
    )


def histogram_counts(
    probability: FloatVector, outcome: NDArray[np.int8]
) -> tuple[FloatVector, FloatVector, FloatVector]:
    """Return edges of 20 equal bins and the counts of positives and negatives in each."""
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    positive = np.histogram(probability[outcome == 1], edges)[0].astype(np.float64)
    negative = np.histogram(probability[outcome == 0], edges)[0].astype(np.float64)
    return edges, positive, negative


def score_chart(
    probability: FloatVector,
    outcome: NDArray[np.int8],
    threshold: float,
    classes: tuple[str, str],
    unit: str,
) -> Chart:
    """Return the scores' histogram of each class, one over the other, on one scale."""
    edges, positive, negative = histogram_counts(probability, outcome)
    inside = 0 <= threshold <= 1
    above = Bars(edges=edges, heights=positive, role="second", name=_short(classes[1]), hatched=True)
    below = Bars(edges=edges, heights=negative, role="main", name=_short(classes[0]))
    panels = [
        Panel(
            y=number_axis(f"{unit.capitalize()}s", 0, max(float(bars.heights.max()), 1.0) * 1.1, most=4),
            layers=(bars, Rule(at=threshold, text=text)) if inside else (bars,),
            share=0.62,
        )
        for bars, text in ((above, f"threshold {threshold:.3g}"), (below, ""))
    ]
    return Plot(x=number_axis("Predicted probability", 0, 1), panels=tuple(panels))


def decision_chart(curve: DecisionCurve, threshold: float) -> Chart:
    """Return net benefit against the threshold probability, with both default strategies."""
    x = np.asarray(curve.thresholds)
    model, everyone = np.asarray(curve.net_benefit), np.asarray(curve.treat_all)
    finite = model[np.isfinite(model)]
    top = max([*finite.tolist(), *everyone[np.isfinite(everyone)].tolist(), 0.01]) * 1.08
    low = max(min([*finite.tolist(), 0.0]), -0.25 * top) - 0.06 * top
    layers: list[Layer] = []
    lower, upper = np.asarray(curve.lower), np.asarray(curve.upper)
    if np.isfinite(lower).any():
        known = np.isfinite(lower) & np.isfinite(upper)
        layers.append(
            Area(x=x[known], lower=np.clip(lower[known], low, top), upper=np.clip(upper[known], low, top))
        )
    shown = everyone >= low
    layers.extend(
        [
            Line(x=x[shown], y=everyone[shown], role="second", name="Act on all", dashed=True),
            Line(x=x, y=np.asarray(curve.treat_none), role="reference", name="Act on none", dashed=True),
            Line(x=x, y=np.where((model >= low) & (model <= top), model, np.nan), name="Model"),
        ]
    )
    if x.min() <= threshold <= x.max():
        layers.append(Rule(at=threshold, text="operating point"))
    return Plot(
        x=number_axis("Threshold probability", 0, 1),
        panels=(Panel(y=number_axis("Net benefit", low, top, most=5), layers=tuple(layers)),),
    )


def net_benefit_chart(rows: Sequence[NetBenefitFigure]) -> Chart:
    """Return the difference of two models' net benefit against the threshold probability."""
    x = _v([row.threshold for row in rows])
    gap, lower, upper = (
        _v([getattr(row.difference, name) for row in rows]) for name in ("value", "lower", "upper")
    )
    # Near a threshold of 1 a single false positive outweighs all else and would flatten the rest.
    steady = x <= max(0.8, float(x.min()))
    ends = np.concatenate([gap[steady], lower[steady], upper[steady]])
    reach = 1.1 * max(float(np.abs(ends[np.isfinite(ends)]).max(initial=0.0)), 0.01)
    layers: list[Layer] = []
    known = np.isfinite(lower)
    if known.any():
        layers.append(
            Area(
                x=x[known],
                lower=np.clip(lower[known], -reach, reach),
                upper=np.clip(upper[known], -reach, reach),
            )
        )
    layers += [
        Rule(at=0.0, vertical=False),
        Line(x=x, y=np.where(np.abs(gap) <= reach, gap, np.nan), name="Difference"),
    ]
    return Plot(
        x=number_axis("Threshold probability", 0, 1),
        panels=(
            Panel(y=number_axis("Difference of net benefit", -reach, reach, most=5), layers=tuple(layers)),
        ),
    )


def abstention_chart(curve: RiskCoverageCurve, *, band: bool) -> Chart:
    """Return the error rate against the share of cases decided, with its band where wanted."""
    x, y = np.asarray(curve.coverage), np.asarray(curve.risk)
    # From 20 cases on: the rate of the first few jumps, and its interval fills the picture.
    steady = np.asarray(curve.kept) >= min(20, int(curve.kept[-1]))
    x, y = x[steady], y[steady]
    lower, upper = np.asarray(curve.lower)[steady], np.asarray(curve.upper)[steady]
    top = min(1.0, 1.1 * max(float((upper if band else y).max()), 0.02))
    keep = _visible(x, y / top)
    layers: list[Layer] = []
    if band:
        layers.append(Area(x=x[keep], lower=lower[keep], upper=np.minimum(upper[keep], top)))
    layers.append(Rule(at=float(y[-1]), vertical=False, text="deciding every case"))
    layers.append(Line(x=x[keep], y=y[keep], name="Model"))
    return Plot(
        x=number_axis("Share of cases decided, surest first", 0, 1),
        panels=(Panel(y=number_axis("Error rate of the decisions", 0, top, most=5), layers=tuple(layers)),),
    )


def forest_chart(panels: Sequence[tuple[str, Estimate, Sequence[tuple[str, Estimate]]]]) -> Chart:
    """Return a panel for each (figure, estimate of all cases, groups): a line per group with its interval."""
    lows = [
        bound
        for _, _, rows in panels
        for _, estimate in rows
        for bound in (estimate.value, estimate.lower)
        if np.isfinite(bound)
    ]
    low = max(0.0, float(np.floor(min([*lows, 0.9]) * 10)) / 10)
    return Plot(
        x=number_axis("Estimate and interval; dotted: all cases", low, 1.0),
        panels=tuple(_forest_panel(*panel) for panel in panels),
    )


def difference_chart(rows: Sequence[tuple[str, Estimate]], margin: float | None) -> Chart:
    """Return a line for each difference with its interval, 0, and minus the margin where there is one."""
    ends = [end for _, gap in rows for end in (gap.value, gap.lower, gap.upper) if np.isfinite(end)]
    reach = 1.15 * max([abs(end) for end in ends] + [0.02, margin or 0.0])
    points = Points(
        x=_v([gap.value for _, gap in rows]),
        y=_v(range(len(rows))),
        lower=_v([gap.lower for _, gap in rows]),
        upper=_v([gap.upper for _, gap in rows]),
        horizontal=True,
        shape="square",
    )
    layers: list[Layer] = [Rule(at=0.0)]
    if margin is not None:
        layers.append(Rule(at=-margin, role="second"))
    ticks = tuple((float(i), _short(name, 20)) for i, (name, _) in enumerate(rows))
    axis = Axis(label="", low=-0.7, high=len(rows) - 0.3, ticks=ticks, flipped=True)
    return Plot(
        x=number_axis("Difference and interval", -reach, reach),
        panels=(Panel(y=axis, layers=(*layers, points), share=max(0.34, 0.13 * len(rows))),),
    )


def _forest_panel(label: str, overall: Estimate, rows: Sequence[tuple[str, Estimate]]) -> Panel:
    count = len(rows)
    points = Points(
        x=_v([estimate.value for _, estimate in rows]),
        y=_v(range(count)),
        lower=_v([estimate.lower for _, estimate in rows]),
        upper=_v([estimate.upper for _, estimate in rows]),
        horizontal=True,
        shape="square",
    )
    ticks = tuple((float(i), _short(name, 20)) for i, (name, _) in enumerate(rows))
    layers: tuple[Layer, ...] = (points,) if not overall.defined else (Rule(at=overall.value), points)
    axis = Axis(label=label, low=-0.7, high=count - 0.3, ticks=ticks, flipped=True)
    return Panel(y=axis, layers=layers, share=max(0.34, 0.11 * count))


def history_chart(result: FitResult) -> Chart:
    """Return the losses and the validation AUROC by epoch, with the epoch that was kept."""
    records = result.history
    epochs = _v([record.epoch for record in records])
    loss = _v([record.loss for record in records])
    validation_loss = _v([record.validation_loss for record in records])
    auroc = _v([record.validation_auroc for record in records])
    layers: list[Layer] = [Line(x=epochs, y=loss, role="reference", name="Training loss", dashed=True)]
    if np.isfinite(validation_loss).any():
        layers.append(Line(x=epochs, y=validation_loss, role="second", name="Validation loss"))
    best = Rule(at=float(result.kept_epoch), text="kept")
    layers.append(best)
    finite = np.concatenate([loss[np.isfinite(loss)], validation_loss[np.isfinite(validation_loss)]])
    top = float(finite.max()) * 1.05 if finite.size else 1.0
    panels = [
        Panel(y=number_axis("Loss (nats)", 0, max(top, 1e-3), most=5), layers=tuple(layers), share=0.75)
    ]
    if np.isfinite(auroc).any():
        low = float(np.floor(10 * np.nanmin(auroc)) / 10)
        panels.append(
            Panel(
                y=number_axis("AUROC", min(low, 0.9), 1.0, most=4),
                layers=(Line(x=epochs, y=auroc, name="Validation AUROC"), Rule(at=float(result.kept_epoch))),
                share=0.5,
            )
        )
    last = max(float(epochs.max()), 2.0) if epochs.size else 2.0
    return Plot(x=_whole_axis("Epoch", last), panels=tuple(panels))


def _whole_axis(label: str, last: float) -> Axis:
    axis = number_axis(label, 1.0, last)
    ticks = {int(at) for at, _ in axis.ticks if at == int(at)} | {1}
    return Axis(label=label, low=1.0, high=last, ticks=tuple((float(at), str(at)) for at in sorted(ticks)))


def _visible(x: FloatVector, y: FloatVector, cells: int = 400) -> BoolVector:
    """Drop curve points that would fall on the pixel of the one before."""
    at = np.stack([np.round(np.nan_to_num(x) * cells), np.round(np.nan_to_num(y) * cells)])
    keep = np.ones(x.size, dtype=np.bool_)
    keep[1:-1] = (np.diff(at, axis=1) != 0).any(axis=0)[:-1]
    return keep


def _short(text: str, most: int = 28) -> str:
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _v(values: Sequence[float] | range) -> FloatVector:
    return np.asarray(values, dtype=np.float64)
