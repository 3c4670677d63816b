"""A tracker that writes to an MLflow store."""

from __future__ import annotations

import os
import time
from typing import Any

from medimg_cnn._validation import import_optional
from medimg_cnn.artifacts import EpochRecord, FitResult
from medimg_cnn.training._tracker import RunFacts, figures, texts

__all__ = ["MLflowTracker"]

_TAG = "medimg_cnn.run"
_MILD = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_LONGEST = 500
"""Characters of a parameter, which every version of MLflow takes."""


class MLflowTracker:
    """Writes parameters, versions and curves to MLflow; a run that goes on goes on there too, no epoch twice.

    MLflow's own usage statistics are switched off where you have not switched them on, and a request is tried three
    times and for 20 s where you have not set ``MLFLOW_HTTP_REQUEST_MAX_RETRIES`` and ``MLFLOW_HTTP_REQUEST_TIMEOUT``.
    Needs the extra ``tracking``.

    Args:
        uri: of the store: ``sqlite:///FILE``, or a server's address.
        experiment: made where it does not exist.

    Raises:
        MissingDependencyError: MLflow is not installed.

    Example:
        >>> from medimg_cnn.training import MLflowTracker
        >>> MLflowTracker("sqlite:///runs.db", experiment="breast")
        MLflowTracker('sqlite:///runs.db', experiment='breast')
    """

    def __init__(self, uri: str = "sqlite:///mlflow.db", *, experiment: str = "medimg-cnn") -> None:
        # MLflow reads it when it is imported; by its own figures a server that is gone holds training up for minutes.
        for name, value in _MILD.items():
            os.environ.setdefault(name, value)
        self._library = import_optional("mlflow", extra="tracking", why="MLflowTracker")
        self._uri, self._experiment = uri, experiment
        self._client: Any = None
        self._run = ""
        self._last = 0

    def start(self, run: RunFacts) -> None:
        """See ``Tracker``, as for the others."""
        # Only now: a store that cannot be reached is a warning, as it is later.
        self._client = self._library.MlflowClient(tracking_uri=self._uri)
        found = self._client.get_experiment_by_name(self._experiment)
        experiment = (
            self._client.create_experiment(self._experiment) if found is None else found.experiment_id
        )
        known = self._client.search_runs([experiment], filter_string=f"tags.`{_TAG}` = '{run.id}'")
        if known:
            self._run = known[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
        else:
            tags = {_TAG: run.id} | {
                f"environment.{_name(key)}": text for key, text in run.environment.items()
            }
            self._run = self._client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
            for key, text in texts(run).items():
                self._client.log_param(self._run, _name(key), text[:_LONGEST])
        steps = [metric.step for metric in self._client.get_metric_history(self._run, "loss")]
        self._last = max(steps, default=0)
        for record in run.history:
            self._add(record)

    def epoch(self, record: EpochRecord) -> None:
        """Write its figures."""
        self._add(record)

    def finish(self, result: FitResult) -> None:
        """Write what was chosen."""
        self._client.log_metric(self._run, "kept_epoch", result.kept_epoch)
        self._client.log_metric(self._run, "threshold", result.operating_point.threshold)
        self._client.set_terminated(self._run, status="FINISHED")

    def fail(self, reason: str) -> None:
        """Write why."""
        self._client.set_tag(self._run, "stopped", reason[:_LONGEST])
        self._client.set_terminated(self._run, status="FAILED")

    def __repr__(self) -> str:
        return f"MLflowTracker({self._uri!r}, experiment={self._experiment!r})"

    def _add(self, record: EpochRecord) -> None:
        # An epoch that is trained again after a kill gives what it gave before.
        if record.epoch <= self._last:
            return
        metric, now = self._library.entities.Metric, int(time.time() * 1000)
        metrics = [metric(name, value, now, record.epoch) for name, value in figures(record).items()]
        self._client.log_batch(self._run, metrics=metrics)
        self._last = record.epoch


def _name(text: str) -> str:
    return text.replace(" ", "_")
