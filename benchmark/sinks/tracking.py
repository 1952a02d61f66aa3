"""The tracking sink: each record becomes one flat MLflow run, tagged with its sweep.

A store that is slow, full or gone delays a run by seconds and never fails it: the record is on disk.
"""

import json
import logging
import os
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from analysis.metrics import metrics, series
from benchmark.errors import UserError
from benchmark.record import Generated, Record

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000
"""Most metrics that MLflow takes in one call."""

LONGEST_TAG = 5000
"""Characters that every version of MLflow takes."""

VIEW = "sweep"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
"""MLflow's own tag for a saved view of the run table, which would show no metrics otherwise."""

VIEW_METRICS = (
    "latency/e2e_s",
    "throughput/tok_per_s",
    "max_memory_reserved",
    "quality/perplexity",
    "quality/entropy_nats",
)

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")


@dataclass(frozen=True)
class Tracker:
    """One experiment in an MLflow tracking store."""

    uri: str
    experiment: str
    artifacts: Path

    @property
    def is_local(self) -> bool:
        """Whether the store is a database file rather than a server."""
        return self.uri.startswith("sqlite:///")

    @property
    def page(self) -> str:
        """The path, at the server's address, of the run table with the metrics that matter."""
        return f"/#/experiments/{self._experiment_id}/runs?viewStateShareKey={VIEW}"

    def prepare(self) -> None:
        """Make the store's schema and the experiment before any job, so that no two jobs race for them.

        Raises:
            UserError: when the store cannot be reached.
        """
        try:
            with FileLock(self.artifacts.with_suffix(".lock")) if self.is_local else nullcontext():
                self._experiment_id  # noqa: B018 (made by looking)
        except Exception as error:  # the store's client raises its transport's and its database's errors too
            raise UserError(
                f"tracking.uri={self.uri}: the MLflow store does not answer ({_reason(error)}):"
                " start it, or use tracking=none"
            ) from error

    def log(self, record: Record) -> str | None:
        """Log the record; the reason, when the store did not take it."""
        try:
            self._log(record)
        except Exception as error:  # noqa: BLE001 (as above; whatever it is, the record is safe)
            return _reason(error)
        return None

    def _log(self, record: Record) -> None:
        from mlflow.entities import Metric, Param, RunTag

        started, finished = _milliseconds(record.started_at), _milliseconds(record.finished_at)
        run = self._client.create_run(self._experiment_id, start_time=started, run_name=record.name)
        points = [Metric(name, value, finished, 0) for name, value in metrics(record).items()]
        points += [
            Metric(name, value, finished, step)
            for name, values in series(record).items()
            for step, value in enumerate(values)
        ]
        params = [Param(name, str(value)) for name, value in parameters(record).items()]
        tags = [RunTag(name, value) for name, value in labels(record).items()]
        self._client.log_batch(run.info.run_id, points[:BATCH], params, tags)
        for start in range(BATCH, len(points), BATCH):
            self._client.log_batch(run.info.run_id, points[start : start + BATCH])
        self._client.log_text(run.info.run_id, record.to_json(), "record.json")
        if record.measurement is not None:
            self._client.log_text(run.info.run_id, as_markdown(record.measurement.generated), "texts.md")
        status = "FINISHED" if record.failure is None else "FAILED"
        self._client.set_terminated(run.info.run_id, status, finished)

    @cached_property
    def _client(self) -> "MlflowClient":
        from mlflow import MlflowClient

        logging.getLogger("alembic").setLevel(logging.WARNING)

        return MlflowClient(tracking_uri=self.uri)

    @cached_property
    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self.experiment)
        if found is not None:
            if VIEW_TAG not in found.tags:
                self._client.set_experiment_tag(found.experiment_id, VIEW_TAG, _view())
            return str(found.experiment_id)
        location = self.artifacts.as_uri() if self.is_local else None
        made = self._client.create_experiment(self.experiment, artifact_location=location, tags={VIEW_TAG: _view()})
        return str(made)


def parameters(record: Record) -> dict[str, Any]:
    """The run's settings, flat; settings that the run does not have are left out."""
    run = asdict(record.run)
    nested = {
        group: run.pop(group) or {} for group in ("model", "diffusion", "prompts", "judge", "encoder", "likelihood")
    }
    flat = {
        "model": nested["model"]["name"],
        **nested["diffusion"],
        **run,
        "prompt_tokens": record.run.prompt_tokens,
        "output_tokens": record.run.output_tokens,
        "checkpoint": nested["model"]["checkpoint"],
        "prompts": nested["prompts"]["source"],
        "judge": nested["judge"].get("checkpoint"),
        "encoder": nested["encoder"].get("checkpoint"),
        "encoder_layer": nested["encoder"].get("layer"),
        **{f"likelihood_{name}": value for name, value in nested["likelihood"].items()},
    }
    return {name: getattr(value, "value", value) for name, value in flat.items() if value is not None}


def labels(record: Record) -> dict[str, str]:
    """Tags: the sweep, the run's key, where it ran, its fingerprint, and how it ended."""
    tags = {"sweep": record.sweep, "key": record.key}
    if record.environment is not None:
        tags |= _facts(asdict(record.environment))
    if record.fingerprint is not None:
        tags |= _facts(asdict(record.fingerprint))
    if record.measurement is not None and record.measurement.watched is not None:
        tags |= _facts({"verdict": record.measurement.watched.verdict, "why": record.measurement.watched.why})
        tags |= _facts({"stopped_by": record.measurement.stopped_by})
    if record.rescored_from is not None:
        tags["rescored_from"] = record.rescored_from
    if record.failure is not None:
        tags |= {"failure": record.failure.kind.value, "reason": record.failure.message}
    return tags


def _facts(known: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """What is known, as tags; facts of facts are named by both: card.form."""
    tags: dict[str, str] = {}
    for name, value in known.items():
        if isinstance(value, dict):
            tags |= _facts(value, f"{prefix}{name}.")
        elif isinstance(value, tuple | list):
            tags[f"{prefix}{name}"] = " ".join(map(str, value))
        elif value is not None:
            tags[f"{prefix}{name}"] = str(value)[:LONGEST_TAG]
    return tags


def as_markdown(generated: tuple[Generated, ...]) -> str:
    """The texts as a person reads them: prompt, what the model wrote, what the author wrote."""
    return "\n\n".join(
        f"## {text.prompt_id}\n\n**Prompt:** {text.prompt}\n\n**Generated:** {text.continuation}\n\n"
        f"**Reference:** {text.reference}"
        for text in generated
    )


def _view() -> str:
    columns = [f"metrics.`{name}`" for name in VIEW_METRICS] + ["params.`model`", "params.`steps`", "params.`batch`"]
    state = {"selectedColumns": columns, "runsHiddenMode": "SHOWALL"}
    return json.dumps({"name": VIEW, "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)})


def _reason(error: BaseException) -> str:
    """The first line of what lies at the bottom of an error."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
