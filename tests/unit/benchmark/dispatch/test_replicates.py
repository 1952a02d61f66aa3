"""Several processes of one point: each has its own claim, its own record, its own failure."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.dispatch.batches import add_batch, new_batch, note_job_id
from benchmark.dispatch.claims import Claim, Claims, this_process
from benchmark.dispatch.context import sweep_context
from benchmark.dispatch.job import is_left
from benchmark.dispatch.ledger import GridPoint, Sweep, grid_point
from benchmark.dispatch.point_status import JobStatus
from benchmark.dispatch.reconcile import reconcile, reconcile_process
from benchmark.dispatch.resume import resume_policy
from benchmark.dispatch.worker import Worker
from benchmark.execution import pipeline
from benchmark.slurm.job_state import JobState
from benchmark.store.journal import Journal
from crossover.records.load import load
from crossover.records.record import FailureKind, Record
from crossover.records.run import Run
from crossover.terminal import make_console
from tests.factories import STARTED, a_failed_record, a_record, a_run
from tests.sweeps import FakeSlurm, a_sweep, progress, records_of, status

RUN = a_run()
THREE: tuple[GridPoint, ...] = tuple(replace(grid_point(RUN, ()), replicate=replicate) for replicate in range(3))


def in_three(folder: Path) -> Sweep:
    return a_sweep(folder, entries=THREE)


def records(folder: Path) -> tuple[Record, ...]:
    return load((folder / "records").glob("*.json")).records


def test_jobs_that_died_at_once_leave_a_record_for_each_replicate(tmp_path: Path) -> None:
    """None of them claimed its point, so all their records begin when they were handed out."""
    sweep = in_three(tmp_path)
    note_job_id(add_batch(sweep, new_batch([[0], [1], [2]], STARTED, slurm=True)), "8")
    reconcile(sweep, FakeSlurm({"8_0": "NODE_FAIL", "8_1": "NODE_FAIL", "8_2": "RUNNING"}), records_of(sweep))
    assert [(record.replicate, record.key, record.name) for record in records(tmp_path)] == [
        (0, RUN.key, RUN.name),
        (1, RUN.key, RUN.name),
    ]


def test_a_process_that_died_leaves_the_other_replicates_alone(tmp_path: Path) -> None:
    sweep = in_three(tmp_path)
    Journal(output_dir=tmp_path).write(a_record(RUN, replicate=0))
    batch = new_batch([[0], [1]], STARTED, slurm=False)
    state = JobState(name="FAILED", exit_status=1)
    assert not reconcile_process(sweep, batch, 0, state, tmp_path / "log", records_of(sweep)).recorded
    assert reconcile_process(sweep, batch, 1, state, tmp_path / "log", records_of(sweep)).recorded == [1]
    assert {record.replicate: record.failure is None for record in records(tmp_path)} == {0: True, 1: False}


def test_one_replicate_is_claimed_beside_another_and_by_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(run: Run, *, sweep: str, **_: object) -> Record:
        return a_record(run, sweep=sweep, environment=None)

    monkeypatch.setattr(pipeline, "execute", measured)
    sweep = in_three(tmp_path)
    elsewhere = Claims(tmp_path).take(RUN.key, this_process("another"))
    assert isinstance(elsewhere, Claim)
    worker = Worker(sweep_context(sweep, make_console()), this_process(sweep.id))
    assert worker.run_point(0) is None
    assert worker.run_point(2) is not None
    assert [record.replicate for record in records(tmp_path)] == [2]
    assert sorted(file.name for file in (tmp_path / "claims").iterdir()) == [f"{RUN.key}-r2.1", f"{RUN.key}.1"]


def test_replicates_are_done_one_by_one_and_a_record_without_an_index_is_the_first(tmp_path: Path) -> None:
    known = [a_record(RUN), a_record(RUN, replicate=2), a_failed_record(RUN, kind=FailureKind.lost, replicate=1)]
    assert list(resume_policy(in_three(tmp_path)).done(known)) == [THREE[0].replicate_key, THREE[2].replicate_key]


def test_status_counts_processes_of_this_sweep_alone(tmp_path: Path) -> None:
    """Another sweep measured the point in five processes."""
    sweep = in_three(tmp_path)
    journal = Journal(output_dir=tmp_path)
    for replicate in (0, 3, 4):
        journal.write(a_record(RUN, replicate=replicate))
    journal.write(a_failed_record(RUN, kind=FailureKind.node_lost, replicate=1))
    counts = progress(sweep, [status(sweep, 2, JobStatus.running)])
    assert (counts.done, len(counts.failed), counts.running, counts.untried) == (1, 1, 1, 0)


def test_of_points_that_processes_share_one_is_left_until_this_batch_has_its_record(tmp_path: Path) -> None:
    """Neither another replicate's record nor another sweep's counts, nor one from before the batch."""
    sweep = in_three(tmp_path)
    batch = new_batch([[0, 1, 2]], STARTED, slurm=False, shared=True)
    journal, earlier = Journal(output_dir=tmp_path), "2026-02-01T12:00:00+00:00"
    journal.write(a_record(RUN, replicate=0, sweep=sweep.id, started_at=STARTED))
    journal.write(a_record(RUN, replicate=1, sweep=sweep.id, started_at=earlier))
    journal.write(a_record(RUN, replicate=2, sweep="another", started_at=STARTED))
    context = sweep_context(sweep, make_console())
    assert [is_left(context, batch, index) for index in range(3)] == [False, True, True]
    assert not is_left(context, replace(batch, created=batch.created - 1000, identity=None), 1), "its driver is gone"
