"""The part of an external validation's report that says what differs from development."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from medimg_cnn.evaluation import CalibrationSummary, Comparison, Estimate, PairedFigure
from medimg_cnn.export._shift import Alarm, ShiftTest
from medimg_cnn.reporting import Bullets, Column, Evidence, Note, Paragraph, Table

__all__ = ["Against", "AgainstDevelopment", "distance_from_perfect"]

_TESTS_NOTE = (
    "One image of each patient is taken, where patients are known. Another prevalence alone changes grey values and "
    "features as well."
)
_Block: TypeAlias = Paragraph | Bullets | Table | Note


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Against:
    """What differs between external and development data.

    Attributes:
        part: the development part that is compared with; "" where the bundle knows none.
        comparison: external less development: AUROC, sensitivity, specificity, accuracy; or None.
        calibration: on the external data.
        development_calibration: on the development part; or None.
        tests: of shift.
        alarms: signs of wrong preparation.
        out_of_scope: share of external images unlike the training images; or None.
        limit: share of images like the held-out ones that would be called so; or None.
    """

    part: str
    comparison: Comparison | None
    calibration: CalibrationSummary
    development_calibration: CalibrationSummary | None
    tests: tuple[ShiftTest, ...]
    alarms: tuple[Alarm, ...]
    out_of_scope: Estimate | None
    limit: float | None

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader must know, alarms first."""
        found = [f"ALARM, {alarm.name}: {alarm.finding}" for alarm in self.alarms if alarm.fired]
        found.append(self._performance())
        found.append(self._calibration())
        fired = [test.name for test in self.tests if test.fired]
        unmade = [test.name for test in self.tests if test.fired is None]
        if fired:
            found.append(f"These data differ from development in {_listed(fired)}.")
        elif len(unmade) < len(self.tests):
            made = _listed([test.name for test in self.tests if test.fired is False])
            found.append(f"No test shows that these data differ from development in {made}.")
        if unmade:
            found.append(f"Not tested: {_listed(unmade)}.")
        if self.out_of_scope is not None and self.limit is not None:
            found.append(
                f"{_percent(self.out_of_scope)} of the images are unlike the training images, where at most "
                f"{100 * self.limit:.2g}% of images like these would be called so."
            )
        return tuple(found)

    def _performance(self) -> str:
        if self.comparison is None:
            return "Whether performance fell is not known: the bundle holds no results of development."
        area = self.comparison.auroc
        if not area.difference.has_interval:
            return f"Whether performance fell cannot be told: {area.difference.reason or 'no interval'}."
        figures = f"AUROC {area.a} here, {area.b} on {self.part}; difference {area.difference}"
        if area.difference.upper < 0:
            return f"Performance fell: {figures}."
        if area.difference.lower > 0:
            return f"Performance is higher than in development: {figures}."
        return f"No fall of performance is shown, and none is excluded beyond the interval: {figures}."

    def _calibration(self) -> str:
        slope, large = self.calibration.slope, self.calibration.calibration_in_the_large
        if not slope.has_interval or not large.has_interval:
            return f"Calibration cannot be judged: {slope.reason or large.reason}."
        figures = f"slope {slope} (1 is best), in the large {large} (0 is best)"
        off = not slope.lower <= 1 <= slope.upper or not large.lower <= 0 <= large.upper
        then = self.development_calibration
        if then is not None and then.slope.defined:
            figures += (
                f"; slope {then.slope.value:.2f} and {then.calibration_in_the_large.value:.2f} on {self.part}"
            )
        if slope.lower <= 0.0 < slope.upper:
            return f"Whether the probabilities agree with the outcomes cannot be told: {figures}."
        if not off:
            return f"The probabilities agree with the outcomes as far as these data can tell: {figures}."
        worse = then is not None and distance_from_perfect(self.calibration) > distance_from_perfect(then)
        return (
            f"{'Calibration fell' if worse else 'The probabilities do not agree with the outcomes'}: {figures}. "
            + (
                "Recalibration is offered by .recalibrate(); none was applied."
                if slope.value > 0.0
                else "No recalibration mends a slope below 0: the condition is rarer where the probability is higher."
            )
        )


@dataclass(frozen=True, slots=True)
class AgainstDevelopment:
    """The section that says it in the report."""

    found: Against
    key: str = "external"
    title: str = "Against development"

    def build(self, evidence: Evidence) -> tuple[_Block, ...]:
        """Return the sentences, the tests, the alarms and the figures side by side."""
        del evidence
        found = self.found
        blocks: list[_Block] = [
            Paragraph(
                "The model, its calibration and its threshold are those that were locked in development."
            ),
            Bullets(found.sentences),
            Table(
                "shift-tests",
                "Tests of a difference between development and these data",
                (
                    Column("What"),
                    Column("p", numeric=True),
                    Column("p, adjusted (Holm)", numeric=True),
                    Column("Differs"),
                    Column("Finding"),
                ),
                tuple(
                    (test.name, _p(test.p_value), _p(test.adjusted), _yes(test.fired), test.finding)
                    for test in found.tests
                ),
                (_TESTS_NOTE,),
            ),
            Table(
                "alarms",
                "Signs of wrong preparation",
                (Column("Sign"), Column("Seen"), Column("Finding")),
                tuple((alarm.name, _yes(alarm.fired), alarm.finding) for alarm in found.alarms),
            ),
        ]
        if found.comparison is not None:
            blocks.append(_figures(found.comparison, found.part))
        if found.part == "validation":
            blocks.append(
                Note(
                    "The validation part also chose the epoch and the threshold, so development figures on it are "
                    "flattered. Save the bundle with test= to compare with the test part."
                )
            )
        return tuple(blocks)


def _figures(comparison: Comparison, part: str) -> Table:
    pairs: list[tuple[str, PairedFigure | None]] = [
        (name.capitalize(), getattr(comparison, name)) for name in ("sensitivity", "specificity", "accuracy")
    ]
    rows = [("AUROC", comparison.auroc.a, comparison.auroc.b, comparison.auroc.difference)]
    rows += [(name, pair.a, pair.b, pair.difference) for name, pair in pairs if pair is not None]
    columns = (
        Column("Figure"),
        Column("Here", numeric=True),
        Column(f"Development ({part})", numeric=True),
        Column("Difference", numeric=True),
    )
    return Table(
        "against-development", "Here and in development, at the locked threshold", columns, tuple(rows)
    )


def distance_from_perfect(summary: CalibrationSummary) -> float:
    """Return how far slope and calibration in the large are from 1 and 0, on one scale."""
    slope = summary.slope.value
    if not slope > 0:
        return math.inf
    return abs(math.log(slope)) + abs(summary.calibration_in_the_large.value)


def _p(value: float) -> str:
    return "not made" if math.isnan(value) else f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _yes(value: bool | None) -> str:
    return "not applicable" if value is None else "yes" if value else "no"


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f}% ({100 * estimate.lower:.1f} to {100 * estimate.upper:.1f}%)"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
