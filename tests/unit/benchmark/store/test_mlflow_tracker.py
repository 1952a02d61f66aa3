from itertools import count
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as TrackedRun

from analysis.statistics.metrics import metrics
from benchmark.store.journal import Journal
from benchmark.store.mlflow_tracker import BATCH, Tracker
from crossover.records.record import FailureKind, Record
from tests.factories import (
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    a_sample,
    from_json,
)
from tests.journals import written

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:The ``noload`` loader strategy:DeprecationWarning"
    ),  # MLflow's, with SQLAlchemy 2.1
]


class Store:
    """A real store in a database file, and a client of its own to look into it."""

    def __init__(self, folder: Path) -> None:
        self.tracker = Tracker(f"sqlite:///{folder}/mlflow.db", "tests", folder / "artifacts")
        self.client: Any = MlflowClient(tracking_uri=self.tracker.uri)
        self.folder = folder
        self.journal = Journal(output_dir=folder)
        self.journal.prepare()
        self.number = count()

    def runs(self) -> list[TrackedRun]:
        experiment = self.client.get_experiment_by_name("tests")
        return list(self.client.search_runs([experiment.experiment_id], max_results=1000))

    def log(self, record: Record) -> TrackedRun:
        """Log the record, under a file name of its own, and find the one run that this added."""
        file = self.journal.folder / f"{record.key}-{next(self.number)}.json"
        file.write_text(record.to_json(), encoding="utf-8")
        before = {run.info.run_id for run in self.runs()}
        assert self.tracker.log(record, file) is None
        (added,) = [run for run in self.runs() if run.info.run_id not in before]
        return added


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("store"))
    store.tracker.prepare()
    return store


def test_a_record_becomes_one_run_under_its_name_and_times(store: Store) -> None:
    run = store.log(a_record())
    assert run.info.run_name == "small K=4 B=2 N=16"
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 30_000


def test_two_records_of_one_point_become_two_runs(store: Store) -> None:
    first, second = store.log(a_record()), store.log(a_record(sweep="sweep-2"))
    assert first.data.tags["key"] == second.data.tags["key"]
    assert (first.data.tags["sweep"], second.data.tags["sweep"]) == ("sweep-1", "sweep-2")


def test_every_metric_arrives_under_its_own_name(store: Store) -> None:
    logged = store.log(a_record()).data.metrics
    expected = metrics(a_record())
    assert {name: logged[name] for name in expected} == pytest.approx(expected)
    assert logged["latency/e2e_s"] == 3.0
    assert logged["max_memory_reserved"] == 3 * 1024 * 1024
    assert "quality/perplexity" in logged


def test_the_series_arrives_step_by_step(store: Store) -> None:
    samples = (a_sample(step_s=(0.5, 0.25, 0.125)),)
    run = store.log(a_record(measurement=a_measurement(samples=samples)))
    history = store.client.get_metric_history(run.info.run_id, "series/step_s")
    assert sorted((point.step, point.value) for point in history) == [(0, 0.5), (1, 0.25), (2, 0.125)]


def test_a_series_longer_than_one_call_takes_arrives_whole(store: Store) -> None:
    samples = (a_sample(step_s=tuple(float(step) for step in range(BATCH + 5))),)
    run = store.log(a_record(measurement=a_measurement(samples=samples)))
    history = store.client.get_metric_history(run.info.run_id, "series/step_s")
    assert len(history) == BATCH + 5


def test_the_settings_arrive_as_params(store: Store) -> None:
    params = store.log(a_record(a_run(temperature=0.1))).data.params
    shown = {name: params[name] for name in ("model", "steps", "batch", "length", "output_tokens", "temperature")}
    assert shown == {
        "model": "small",
        "steps": "4",
        "batch": "2",
        "length": "16",
        "output_tokens": "8",
        "temperature": "0.1",
    }


def test_the_record_and_the_texts_lie_beside_the_run(store: Store) -> None:
    run = store.log(a_record())
    names = sorted(file.path for file in store.client.list_artifacts(run.info.run_id))
    assert names == ["record.json", "texts.md"]
    (written,) = store.folder.glob(f"artifacts/{run.info.run_id}/**/record.json")
    assert from_json(written.read_text(encoding="utf-8")) == a_record()


def test_a_failed_run_is_there_with_its_reason_and_without_metrics(store: Store) -> None:
    run = store.log(a_failed_record(kind=FailureKind.out_of_memory, message="8 GiB short"))
    assert run.info.status == "FAILED"
    assert (run.data.tags["failure"], run.data.tags["reason"]) == ("out_of_memory", "8 GiB short")
    assert run.data.metrics == {}
    assert run.data.params["batch"] == "2"


def test_a_failure_of_any_length_is_taken(store: Store) -> None:
    run = store.log(a_failed_record(kind=FailureKind.error, message="x" * 20_000))
    assert run.info.status == "FAILED"


def test_an_experiment_that_is_there_is_used_again(store: Store, tmp_path: Path) -> None:
    again = Tracker(store.tracker.uri, "tests", store.folder / "elsewhere")
    again.prepare()
    before = len(store.runs())
    assert again.log(a_record(), written(tmp_path)) is None
    assert len(store.runs()) == before + 1


def test_a_record_is_logged_once_however_often_it_is_sent(store: Store, tmp_path: Path) -> None:
    record = a_record(started_at="2026-03-01T12:00:01+00:00")
    file = written(tmp_path, record)
    before = len(store.runs())
    assert [store.tracker.log(record, file) for _ in range(3)] == [None, None, None]
    assert len(store.runs()) == before + 1


def test_a_store_that_breaks_between_two_runs_is_reported(store: Store, tmp_path: Path) -> None:
    tracker = Tracker(store.tracker.uri, "breaks", tmp_path / "artifacts")
    tracker.prepare()
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    reason = tracker.log(a_record(), written(tmp_path))
    assert reason is not None
    assert "artifacts" in reason
