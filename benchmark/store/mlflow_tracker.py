"""The MLflow store: each record becomes one flat MLflow run, tagged with its file's name and its sweep.

A store that is slow, full or gone delays a run by seconds and never fails it: the record is on disk, and
`benchmark.sync` brings it there later. A run is FINISHED or FAILED only when all of it has arrived.
"""

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from analysis.statistics.metrics import metrics, series
from benchmark.store.mlflow_database import follow_artifacts, ready_database
from benchmark.store.mlflow_fields import VIEW, VIEW_TAG, as_markdown, labels, parameters, view
from benchmark.util.deadline import Deadline, alone_with, within
from crossover.addresses import PASSWORD, USER, masked, masked_text
from crossover.errors import UserError, first_line
from crossover.mlflow_settings import SQLITE, database_file, set_mlflow_defaults
from crossover.records.record import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000
"""Most metrics that MLflow takes in one call, and most runs that one search asks for."""

RECORD, BYTES = "record", "record_bytes"
"""Tags: the record's file, without its ending, and its size."""

PATIENCE_S = 10.0
"""The longest that a store may delay a run, or the start of a sweep."""

SCHEMA_S = 120.0
"""The longest that the schema of a new database file may take on a slow disk."""

SCHEMA_MB = 2
"""What an empty database takes, and room to work."""

REST_S = 60.0
"""How long later runs leave a store alone that delayed a run until the limit."""

SLOW_S = 1.0

REFUSED = re.compile(r"error code 40[13]\b")
"""How MLflow's client says that a server answered, and does not let us in."""

_rests_until: dict[str, float] = {}

set_mlflow_defaults(retries=1, timeout_s=8)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A run in the store: its record's name, whether it is complete, whether it is a measurement."""

    run_id: str
    name: str
    key: str
    sweep: str
    bytes: int | None
    started_ms: int
    is_complete: bool
    is_measured: bool


@dataclass(frozen=True)
class Tracker:
    """One experiment in an MLflow tracking store."""

    uri: str
    experiment: str
    artifacts: Path

    @property
    def is_local(self) -> bool:
        """Whether the store is a database file rather than a server."""
        return self.uri.startswith(SQLITE)

    @property
    def page(self) -> str:
        """The path, at the server's address, of the run table with the metrics that matter."""
        return f"/#/experiments/{self._experiment_id}/runs?viewStateShareKey={VIEW}"

    def prepare(self) -> None:
        """Make the store's schema and the experiment before any job, so that no two jobs race for them.

        Raises:
            UserError: when the store cannot be reached.
        """
        deadline = Deadline(SCHEMA_S if self.is_local else PATIENCE_S)
        try:
            import mlflow  # noqa: F401 (its seconds are not the store's)

            with FileLock(self.artifacts.with_suffix(".lock")) if self.is_local else nullcontext():
                within(deadline, lambda: self._experiment_id)
        except Exception as error:  # the store's client raises its transport's and its database's errors too
            raise UserError(f"tracking.uri={masked(self.uri)}: {self._unusable(reason(error))}") from error

    def _unusable(self, why: str) -> str:
        if not self.is_local and REFUSED.search(why):
            return (
                f"the MLflow server refuses ({why}): set {USER} and {PASSWORD} for a server with users, and start a"
                " server that has a name with --allowed-hosts; docs/mlflow.md shows both"
            )
        if not self.is_local:
            return f"the MLflow store does not answer ({why}): start it, or give tracking=none and benchmark.sync later"
        return (
            f"the MLflow database cannot be used ({why}): it needs a folder that can be written to and"
            f" {SCHEMA_MB} MB of free disk; give another, tracking.uri=sqlite:///FILE, or tracking=none"
        )

    def log(self, record: Record, file: Path) -> str | None:
        """Log the record in `file`. Returns the reason when the store did not take it in time."""
        import mlflow  # noqa: F401

        began = time.monotonic()
        if began < _rests_until.get(self.uri, 0.0):
            return "it did not answer the run before"
        deadline = Deadline(PATIENCE_S)
        try:
            within(deadline, lambda: self.put(record, file, deadline))
        except Exception as error:  # noqa: BLE001 (as above; whatever it is, the record is safe)
            if time.monotonic() - began > SLOW_S:
                _rests_until[self.uri] = time.monotonic() + REST_S
            return reason(error)
        return None

    def put(self, record: Record, file: Path, deadline: Deadline) -> None:
        """Make the store hold exactly one run of the record, complete, whatever it holds now.

        Raises:
            DeadlineError: at the deadline, between two calls.
            Exception: whatever the store's client raises.
        """
        size = file.stat().st_size
        with alone_with(file, deadline):
            held = list(self.entries(f"tags.{RECORD} = '{file.stem}'"))
            usable = [entry for entry in held if entry.bytes == size]
            best = min(usable, key=lambda entry: (not entry.is_complete, entry.run_id), default=None)
            for entry in held:
                if entry is not best:
                    self.withdraw(entry.run_id)
            if best is None or not best.is_complete:
                self._fill(best.run_id if best else self._create(record, file.stem, size), record, file, deadline)

    def entries(self, condition: str = "") -> Iterator[Entry]:
        """The experiment's runs that fulfil MLflow's `condition`."""
        token = None
        while True:
            page = self._client.search_runs([self._experiment_id], condition, max_results=BATCH, page_token=token)
            yield from (_entry(run) for run in page)
            token = page.token
            if not token:
                return

    def adopt(self, entry: Entry, name: str, size: int) -> Entry:
        """Name the record of a run that was logged before runs were named so."""
        self._client.set_tag(entry.run_id, RECORD, name)
        self._client.set_tag(entry.run_id, BYTES, str(size))
        return replace(entry, name=name, bytes=size)

    def withdraw(self, run_id: str) -> None:
        """Take a run out of the store; MLflow keeps it among the deleted ones until it collects its garbage."""
        self._client.delete_run(run_id)

    def _create(self, record: Record, name: str, size: int) -> str:
        tags = {RECORD: name, BYTES: str(size), "key": record.key, "sweep": record.sweep}
        started = _milliseconds(record.started_at)
        run = self._client.create_run(self._experiment_id, start_time=started, tags=tags, run_name=record.title)
        return str(run.info.run_id)

    def _fill(self, run_id: str, record: Record, file: Path, deadline: Deadline) -> None:
        """Log all of a record into its run, without doubling what is there already. The status comes last."""
        from mlflow.entities import Param, RunTag

        finished = _milliseconds(record.finished_at)
        points = _points(record, finished)
        params = [Param(name, str(value)) for name, value in parameters(record).items()]
        tags = [RunTag(name, value) for name, value in labels(record).items()]
        deadline.check()
        self._client.log_batch(run_id, points[:BATCH], params, tags)
        for start in range(BATCH, len(points), BATCH):
            deadline.check()
            self._client.log_batch(run_id, points[start : start + BATCH])
        deadline.check()
        self._client.log_text(run_id, file.read_text(encoding="utf-8"), "record.json")
        if record.measurement is not None:
            deadline.check()
            self._client.log_text(run_id, as_markdown(record.measurement.generated), "texts.md")
        deadline.check()
        self._client.set_terminated(run_id, "FINISHED" if record.failure is None else "FAILED", finished)

    @cached_property
    def _client(self) -> "MlflowClient":
        from mlflow import MlflowClient

        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its retries are not worth a line
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # our own line replaces its twenty

        if self.is_local:
            ready_database(database_file(self.uri))
        return MlflowClient(tracking_uri=self.uri)

    @cached_property
    def _experiment_id(self) -> str:
        experiment = self._client.get_experiment_by_name(self.experiment)
        if experiment is None:
            location = self.artifacts.as_uri() if self.is_local else None
            made = self._client.create_experiment(self.experiment, artifact_location=location, tags={VIEW_TAG: view()})
            return str(made)
        if experiment.lifecycle_stage == "deleted":  # in MLflow's pages; until it is restored no run can be logged
            self._client.restore_experiment(experiment.experiment_id)
        if self.is_local:
            follow_artifacts(database_file(self.uri), self.experiment, self.artifacts)
        if experiment.tags.get(VIEW_TAG) != view():
            self._client.set_experiment_tag(experiment.experiment_id, VIEW_TAG, view())
        return str(experiment.experiment_id)


def reason(error: BaseException) -> str:
    """The first line of the error that caused this one, in which no address shows a secret."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return masked_text(first_line(error))


def _points(record: Record, moment: int) -> Sequence[Any]:
    from mlflow.entities import Metric

    points = [Metric(name, value, moment, 0) for name, value in metrics(record).items()]
    points += [
        Metric(name, value, moment, step)
        for name, values in series(record).items()
        for step, value in enumerate(values)
    ]
    return points


def _entry(run: Any) -> Entry:  # noqa: ANN401 (MLflow's Run, which is not loaded here)
    tags = run.data.tags
    return Entry(
        run_id=str(run.info.run_id),
        name=tags.get(RECORD, ""),
        key=tags.get("key", ""),
        sweep=tags.get("sweep", ""),
        bytes=int(tags[BYTES]) if tags.get(BYTES, "").isdigit() else None,
        started_ms=run.info.start_time,
        is_complete=run.info.status in {"FINISHED", "FAILED"},
        is_measured=run.info.status == "FINISHED",
    )


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
