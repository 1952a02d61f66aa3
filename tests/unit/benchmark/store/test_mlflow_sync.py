from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as TrackedRun

from benchmark.store.journal import Journal
from benchmark.store.mlflow_sync import Synced, sync
from benchmark.store.mlflow_tracker import BYTES, RECORD, Tracker
from benchmark.util.deadline import Deadline
from crossover.records.record import FailureKind, Record
from tests.disks import fill
from tests.factories import a_failed_record, a_record, a_run

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:The ``noload`` loader strategy:DeprecationWarning"
    ),  # MLflow's, with SQLAlchemy 2.1
]
MINUTES = [f"2026-03-01T12:{minute:02d}:00+00:00" for minute in range(60)]


class JournalAndStore:
    """A journal and an experiment of its own in a real store that all tests share."""

    def __init__(self, folder: Path, uri: str, experiment: str) -> None:
        self.journal = Journal(output_dir=folder)
        self.journal.prepare()
        self.tracker = Tracker(uri, experiment, folder / "artifacts")
        self.client: Any = MlflowClient(tracking_uri=uri)

    def sync(self) -> Synced:
        return sync(self.journal, self.tracker)

    def runs(self) -> list[TrackedRun]:
        experiment = self.client.get_experiment_by_name(self.tracker.experiment)
        return list(self.client.search_runs([experiment.experiment_id]))

    def names(self) -> list[str]:
        return sorted(run.data.tags[RECORD] for run in self.runs())

    def half_logged(self, record: Record, file: Path, **tags: str) -> str:
        """The run that a job left behind when it was killed between two calls."""
        sizes = {RECORD: file.stem, BYTES: str(file.stat().st_size), "key": record.key}
        return str(self.client.create_run(self.tracker._experiment_id, tags=sizes | tags).info.run_id)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def pair(tmp_path: Path, uri: str, request: pytest.FixtureRequest) -> JournalAndStore:
    return JournalAndStore(tmp_path / "outputs", uri, request.node.name)


def counts(synced: Synced) -> tuple[int, int, int, int]:
    assert synced.reason is None
    return synced.added, synced.kept, synced.withdrawn, synced.left


def test_replicates_are_runs_of_one_key_and_a_failed_one_stays_beside_a_measured_one(pair: JournalAndStore) -> None:
    for record in (a_record(replicate=0), a_failed_record(replicate=1), a_record(replicate=2)):
        pair.journal.write(record)
    assert counts(pair.sync()) == (3, 0, 0, 0)
    assert counts(pair.sync()) == (0, 3, 0, 0)
    runs = {run.data.tags["replicate"]: run for run in pair.runs()}
    assert {run.data.tags["key"] for run in runs.values()} == {a_run().key}
    assert {run.info.run_name for run in runs.values()} == {f"{a_run().name} (replicate {at})" for at in range(3)}
    assert [runs[at].data.params["replicate"] for at in ("0", "1", "2")] == ["0", "1", "2"]
    pair.journal.write(a_record(replicate=1, started_at=MINUTES[1]))
    assert counts(pair.sync()) == (1, 2, 1, 0)


def test_every_record_becomes_one_run_and_a_second_time_nothing_happens(pair: JournalAndStore) -> None:
    files = [pair.journal.write(a_record(a_run(batch=batch))) for batch in (1, 2, 4)]
    assert counts(pair.sync()) == (3, 0, 0, 0)
    assert counts(pair.sync()) == (0, 3, 0, 0)
    assert pair.sync().line() == ""
    assert pair.names() == sorted(file.stem for file in files)
    assert {run.info.status for run in pair.runs()} == {"FINISHED"}


def test_what_a_job_logged_is_kept(pair: JournalAndStore) -> None:
    file = pair.journal.write(a_record())
    assert pair.tracker.log(a_record(), file) is None
    (before,) = pair.runs()
    assert counts(pair.sync()) == (0, 1, 0, 0)
    assert [run.info.run_id for run in pair.runs()] == [before.info.run_id]


def test_a_run_that_a_killed_job_left_half_logged_is_completed(pair: JournalAndStore) -> None:
    file = pair.journal.write(a_record())
    pair.tracker.prepare()
    run_id = pair.half_logged(a_record(), file)
    pair.client.log_metric(run_id, "latency/e2e_s", 3.0, step=0)
    assert counts(pair.sync()) == (1, 0, 0, 0)
    (run,) = pair.runs()
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    assert run.data.params["batch"] == "2"
    whole = JournalAndStore(pair.journal.output_dir / "other", pair.tracker.uri, f"{pair.tracker.experiment}-whole")
    whole.journal.write(a_record())
    whole.sync()
    (expected,) = whole.runs()
    assert run.data.metrics == expected.data.metrics


def test_completing_a_run_twice_doubles_none_of_its_points(pair: JournalAndStore) -> None:
    file = pair.journal.write(a_record())
    pair.sync()
    (run,) = pair.runs()
    before = pair.client.get_metric_history(run.info.run_id, "series/step_s")
    pair.client.update_run(run.info.run_id, status="RUNNING")
    pair.tracker.put(a_record(), file, Deadline(60))
    after = pair.client.get_metric_history(run.info.run_id, "series/step_s")
    assert len(after) == len(before) == 4


def test_of_two_runs_of_one_record_the_whole_one_stays(pair: JournalAndStore) -> None:
    file = pair.journal.write(a_record())
    pair.sync()
    (whole,) = pair.runs()
    pair.half_logged(a_record(), file)
    assert counts(pair.sync()) == (1, 0, 1, 0)
    assert [run.info.run_id for run in pair.runs()] == [whole.info.run_id]


def test_a_failure_stands_until_its_point_is_measured(pair: JournalAndStore) -> None:
    pair.journal.write(a_failed_record(kind=FailureKind.error, started_at=MINUTES[0]))
    second = pair.journal.write(a_failed_record(kind=FailureKind.error, started_at=MINUTES[1]))
    assert counts(pair.sync()) == (1, 0, 0, 0)
    assert pair.names() == [second.stem]
    measured = pair.journal.write(a_record(started_at=MINUTES[2]))
    assert counts(pair.sync()) == (1, 0, 1, 0)
    assert pair.names() == [measured.stem]
    assert counts(pair.sync()) == (0, 1, 0, 0)


def test_a_newer_failure_replaces_an_older_one(pair: JournalAndStore) -> None:
    pair.journal.write(a_failed_record(started_at=MINUTES[0]))
    pair.sync()
    newer = pair.journal.write(a_failed_record(started_at=MINUTES[1]))
    assert counts(pair.sync()) == (1, 0, 1, 0)
    assert pair.names() == [newer.stem]


def test_two_measurements_of_one_point_are_two_runs(pair: JournalAndStore) -> None:
    for moment in MINUTES[:2]:
        pair.journal.write(a_record(started_at=moment))
    assert counts(pair.sync()) == (2, 0, 0, 0)


def test_a_record_that_was_written_anew_replaces_its_run(pair: JournalAndStore) -> None:
    file = pair.journal.write(a_record())
    pair.sync()
    file.write_text(replace(a_record(), sweep="sweep-of-another-length").to_json(), encoding="utf-8")
    synced = pair.sync()
    assert (synced.added, synced.left, synced.reason) == (1, 0, None)
    assert [run.data.tags["sweep"] for run in pair.runs()] == ["sweep-of-another-length"]


@pytest.mark.parametrize("moved", [False, True])
def test_the_run_of_a_record_that_can_no_longer_be_read_is_withdrawn(pair: JournalAndStore, *, moved: bool) -> None:
    file = pair.journal.write(a_record())
    pair.sync()
    file.write_text(file.read_text(encoding="utf-8")[:100], encoding="utf-8")
    if moved:
        file.rename(file.with_name(f"{file.name}.broken"))
    synced = pair.sync()
    assert (synced.added, synced.withdrawn) == (0, 1)
    assert synced.unreadable == (() if moved else (file.stem,))
    assert pair.runs() == []


def test_runs_of_other_journals_in_the_same_experiment_are_left_alone(pair: JournalAndStore, tmp_path: Path) -> None:
    other = JournalAndStore(tmp_path / "other", pair.tracker.uri, pair.tracker.experiment)
    other.journal.write(a_record(started_at=MINUTES[5]))
    other.sync()
    pair.journal.write(a_record())
    assert counts(pair.sync()) == (1, 0, 0, 0)
    assert len(pair.runs()) == 2


def test_the_run_of_a_deleted_record_is_withdrawn_if_a_sweep_of_this_folder_made_it(pair: JournalAndStore) -> None:
    mine = pair.journal.write(a_record(started_at=MINUTES[0], sweep="grid-1"))
    kept = pair.journal.write(a_record(started_at=MINUTES[1], sweep="grid-1"))
    others = pair.journal.write(a_record(started_at=MINUTES[2], sweep="grid-2"))
    pair.sync()
    mine.unlink()
    others.unlink()
    assert counts(pair.sync()) == (0, 1, 0, 0)
    (pair.journal.output_dir / "sweeps" / "grid-1").mkdir(parents=True)
    assert counts(pair.sync()) == (0, 1, 1, 0)
    assert pair.names() == sorted([kept.stem, others.stem])
    assert counts(pair.sync()) == (0, 1, 0, 0)


def test_a_failure_is_shown_again_when_the_measurement_of_its_point_is_deleted(pair: JournalAndStore) -> None:
    (pair.journal.output_dir / "sweeps" / "sweep-1").mkdir(parents=True)
    failed = pair.journal.write(a_failed_record(kind=FailureKind.error, started_at=MINUTES[0]))
    measured = pair.journal.write(a_record(started_at=MINUTES[1]))
    assert counts(pair.sync()) == (1, 0, 0, 0)
    measured.unlink()
    assert counts(pair.sync()) == (1, 0, 1, 0)
    assert pair.names() == [failed.stem]


def test_a_record_that_is_written_while_the_store_is_read_keeps_its_run(
    pair: JournalAndStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pair.journal.output_dir / "sweeps" / "sweep-1").mkdir(parents=True)
    entries = Tracker.entries

    def entries_beside_a_job(tracker: Tracker, condition: str = "") -> Any:
        if not condition:
            monkeypatch.undo()
            tracker.put(a_record(), pair.journal.write(a_record()), Deadline(60))
        return entries(tracker, condition)

    monkeypatch.setattr(Tracker, "entries", entries_beside_a_job)
    assert counts(pair.sync()) == (0, 1, 0, 0)


def test_a_run_from_before_runs_named_their_record_is_taken_for_it(pair: JournalAndStore) -> None:
    file = pair.journal.write(a_record())
    pair.sync()
    (run,) = pair.runs()
    for tag in (RECORD, BYTES):
        pair.client.delete_tag(run.info.run_id, tag)
    assert counts(pair.sync()) == (0, 1, 0, 0)
    assert pair.names() == [file.stem]


def log_and_sync(folder: Path, uri: str, experiment: str, turn: int) -> None:
    pair = JournalAndStore(folder, uri, experiment)
    record = a_record()
    if turn % 2:
        pair.tracker.log(record, pair.journal.path(record.key, record.started_at))
    else:
        pair.sync()


@pytest.mark.process
def test_jobs_and_drivers_that_log_one_record_at_once_make_one_run(pair: JournalAndStore) -> None:
    pair.journal.write(a_record())
    pair.tracker.prepare()
    where = (pair.journal.output_dir, pair.tracker.uri, pair.tracker.experiment)
    with get_context("spawn").Pool(2) as pool:
        pool.starmap(log_and_sync, [(*where, turn) for turn in range(8)])
    assert len(pair.runs()) == 1
    assert counts(pair.sync()) == (0, 1, 0, 0)


def test_threads_that_log_one_record_at_once_make_one_run(pair: JournalAndStore) -> None:
    file = pair.journal.write(a_record())
    pair.tracker.prepare()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: pair.tracker.put(a_record(), file, Deadline(60)), range(4)))
    assert len(pair.runs()) == 1


def test_a_full_disk_takes_nothing_and_what_is_missing_is_there_after_it_has_space(
    tmp_path: Path, full_disk: Path
) -> None:
    pair = JournalAndStore(tmp_path / "outputs", f"sqlite:///{full_disk}/mlflow.db", "full")
    pair.tracker.prepare()
    for batch in (1, 2, 4):
        pair.journal.write(a_record(a_run(batch=batch)))
    waste = fill(full_disk)
    synced = pair.sync()
    assert (synced.added, synced.left) == (0, 3)
    assert synced.reason is not None
    assert "3 not taken" in synced.line()
    waste.unlink()
    assert pair.sync().left == 0
    assert [run.info.status for run in pair.runs()] == ["FINISHED"] * 3


def test_no_run_is_withdrawn_while_the_folder_of_the_records_is_not_there(pair: JournalAndStore) -> None:
    """A disk that is not mounted is no deletion."""
    (pair.journal.output_dir / "sweeps" / "sweep-1").mkdir(parents=True)
    pair.journal.write(a_record())
    pair.sync()
    pair.journal.folder.rename(pair.journal.output_dir / "elsewhere")
    looking = replace(pair.journal, only_looks=True)
    assert sync(looking, pair.tracker).withdrawn == 0
    assert len(pair.runs()) == 1
