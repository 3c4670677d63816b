"""The training: what was done to get the model, when the run is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medimg_cnn.artifacts import DatasetFingerprint, FitResult
from medimg_cnn.reporting._charts import history_chart, spread
from medimg_cnn.reporting._document import Block, Column, Facts, Figure, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence
from medimg_cnn.reporting._format import plural
from medimg_cnn.reporting._recipe import augmentation_text

__all__ = ["Training"]


@dataclass(frozen=True, slots=True)
class Training:
    """History, configuration, environment and the dataset's fingerprint."""

    key: str = "training"
    title: str = "Training"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return what the run recorded; nothing where no run was given."""
        result = evidence.inputs.result
        if result is None:
            return ()
        blocks: list[Block] = []
        if result.history:
            seconds = sum(record.seconds for record in result.history)
            blocks.append(
                Paragraph(
                    f"Training ran {plural(len(result.history), 'epoch')} in {seconds:,.0f} seconds; the "
                    f"weights of epoch {result.kept_epoch} were kept."
                )
            )
            blocks.append(_history(result))
        calibration = result.calibration
        blocks.append(
            Facts(
                (
                    ("Calibration", calibration.description),
                    ("Calibration fitted on", calibration.fitted_on),
                    ("Threshold rule", result.operating_point.rule),
                    ("Threshold chosen on", result.operating_point.chosen_on),
                )
            )
        )
        if result.fingerprint is not None:
            blocks.extend(_fingerprint(result.fingerprint))
        if result.config:
            blocks.append(_pairs("training-configuration", "Configuration", _configuration(result.config)))
        if result.environment:
            blocks.append(_pairs("environment", "Environment", dict(result.environment)))
        return tuple(blocks)


def _history(result: FitResult) -> Figure:
    records = [result.history[i] for i in spread(len(result.history), 20)]
    return Figure(
        "history",
        "Training history",
        "The dotted line marks the epoch whose weights were kept. Training loss is "
        "measured on augmented images and with regularisation such as dropout, so it may lie above the "
        "validation loss.",
        f"Losses and validation AUROC over {plural(len(result.history), 'epoch')}; epoch "
        f"{result.kept_epoch} was kept.",
        history_chart(result),
        Table(
            "history-numbers",
            "Training history",
            (
                Column("Epoch", numeric=True),
                Column("Training loss", numeric=True, digits=4),
                Column("Validation loss", numeric=True, digits=4),
                Column("Validation AUROC", numeric=True, digits=4),
                Column("Learning rate", numeric=True, digits=6),
                Column("Images per second", numeric=True, digits=1),
            ),
            tuple(
                (
                    r.epoch,
                    r.loss,
                    r.validation_loss,
                    r.validation_auroc,
                    r.learning_rate,
                    r.images_per_second,
                )
                for r in records
            ),
        ),
    )


def _fingerprint(fingerprint: DatasetFingerprint) -> tuple[Block, ...]:
    height, width, channels = fingerprint.image_shape
    return (
        Table(
            "parts",
            "Parts of the dataset",
            (Column("Part"), Column("Images", numeric=True), Column("With the condition", numeric=True)),
            tuple((part, images, positives) for part, images, positives in fingerprint.counts),
        ),
        Facts(
            (
                ("Image shape", f"{height} \N{MULTIPLICATION SIGN} {width}, {plural(channels, 'channel')}"),
                ("Content (sha256)", fingerprint.content),
                ("Preprocessing (sha256)", fingerprint.preprocessing),
            )
        ),
    )


def _pairs(key: str, caption: str, values: Mapping[str, str]) -> Table:
    return Table(key, caption, (Column("Name"), Column("Value")), tuple(values.items()))


def _configuration(config: Mapping[str, Any]) -> dict[str, str]:
    said = {name: augmentation_text(value) if name == "augment" else value for name, value in config.items()}
    return dict(_flat(said))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "none" if value is None else str(value)
