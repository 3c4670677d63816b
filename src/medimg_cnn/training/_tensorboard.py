"""A tracker that writes TensorBoard's event files."""

from __future__ import annotations

from typing import Any

from medimg_cnn._types import PathLike
from medimg_cnn._validation import check_path, import_optional
from medimg_cnn.artifacts import EpochRecord, FitResult
from medimg_cnn.training._tracker import RunFacts, figures, texts

__all__ = ["TensorBoardTracker"]

_OURS = ".medimg_cnn"


class TensorBoardTracker:
    """Writes curves for TensorBoard, one folder a run: look at them with ``tensorboard --logdir DIRECTORY``.

    A run that goes on has its curves written anew, whole, so that no epoch is there twice. Needs the extra
    ``tracking``.

    Args:
        directory: in which each run gets a folder, named after the run and its id.

    Raises:
        ArgumentError: ``directory`` is no path.
        MissingDependencyError: tensorboardX is not installed.

    Example:
        >>> from medimg_cnn.training import TensorBoardTracker
        >>> TensorBoardTracker("runs/tensorboard")
        TensorBoardTracker('runs/tensorboard')
    """

    def __init__(self, directory: PathLike) -> None:
        self._library = import_optional("tensorboardX", extra="tracking", why="TensorBoardTracker")
        self._directory = check_path("directory", directory, example="runs/tensorboard")
        self._writer: Any = None

    def start(self, run: RunFacts) -> None:
        """See ``Tracker``, as for the others."""
        self._close()
        folder = self._directory / f"{run.name}-{run.id[:8]}"
        for path in folder.glob(f"events.out.tfevents.*{_OURS}"):
            path.unlink()
        self._writer = self._library.SummaryWriter(str(folder), filename_suffix=_OURS)
        rows = "\n".join(f"| {name} | {_cell(text)} |" for name, text in texts(run).items())
        self._writer.add_text("run", f"| | |\n|---|---|\n{rows}", 0)
        for record in run.history:
            self._add(record)
        self._writer.flush()

    def epoch(self, record: EpochRecord) -> None:
        """Write its figures."""
        self._add(record)
        self._writer.flush()

    def finish(self, result: FitResult) -> None:
        """Write what was chosen."""
        point = result.operating_point
        self._writer.add_text(
            "result",
            f"kept epoch {result.kept_epoch}; threshold {point.threshold:.6g} by {point.rule} on {point.chosen_on}",
            result.kept_epoch,
        )
        self._close()

    def fail(self, reason: str) -> None:
        """Write why."""
        if self._writer is not None:
            self._writer.add_text("stopped", reason, 0)
        self._close()

    def __repr__(self) -> str:
        return f"TensorBoardTracker({str(self._directory)!r})"

    def _add(self, record: EpochRecord) -> None:
        for name, value in figures(record).items():
            self._writer.add_scalar(name, value, record.epoch)

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
