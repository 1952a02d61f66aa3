from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.dispatch.batches import PointBatch, add_batch, new_batch, note_job_id
from benchmark.dispatch.claims import Claim, Claims, this_process
from benchmark.dispatch.ledger import Sweep, SweepReader
from benchmark.dispatch.point_status import JobStatus, point_statuses
from benchmark.dispatch.reconcile import Leftover, begun_by, reconcile, reconcile_all, reconcile_process
from benchmark.slurm.job_state import JobState
from benchmark.store.journal import Journal
from crossover.records.load import load
from crossover.records.record import Failure, FailureKind, Record
from tests.factories import STARTED, a_record
from tests.sweeps import RUNS, FakeSlurm, a_sweep, an_owner, records_of


def in_an_array(folder: Path, tasks: tuple[tuple[int, ...], ...] = ((0,), (1,), (2,))) -> Sweep:
    sweep = a_sweep(folder)
    file = add_batch(sweep, new_batch(tasks, STARTED, slurm=True))
    note_job_id(file, "8")
    return sweep


def written(folder: Path) -> dict[int, Record]:
    """The records on disk, by batch."""
    return {record.run.batch: record for record in load((folder / "records").glob("*.json")).records}


def kinds(folder: Path) -> dict[int, FailureKind | None]:
    return {batch: record.failure.kind if record.failure else None for batch, record in written(folder).items()}


def test_points_stand_where_the_scheduler_says_their_jobs_do(tmp_path: Path) -> None:
    sweep = in_an_array(tmp_path)
    slurm = FakeSlurm({"8_0": "COMPLETED", "8_1": "RUNNING", "8_2": "PENDING"})
    assert [each.job_status for each in point_statuses(sweep, slurm)] == [
        JobStatus.over,
        JobStatus.running,
        JobStatus.queued,
    ]


def test_a_scheduler_that_does_not_answer_condemns_nobody(tmp_path: Path) -> None:
    sweep = in_an_array(tmp_path)
    assert {each.job_status for each in reconcile(sweep, FakeSlurm(None), records_of(sweep))} == {JobStatus.unknown}
    assert not written(tmp_path)
    assert not sweep.is_closed


def test_a_job_that_ended_badly_after_its_record_gets_no_other(tmp_path: Path) -> None:
    sweep = in_an_array(tmp_path)
    meanwhile = "2026-03-01T12:00:01+00:00"
    own = a_record(RUNS[0], sweep=sweep.id, started_at=meanwhile)
    of_another_sweep = a_record(RUNS[1], sweep="another", started_at=meanwhile)
    for record in (own, of_another_sweep):
        Journal(output_dir=tmp_path).write(record)
    reconcile(sweep, FakeSlurm({"8_0": "FAILED", "8_1": "FAILED", "8_2": "RUNNING"}), records_of(sweep))
    found = [
        (record.run.batch, record.sweep, record.failure is None)
        for record in load((tmp_path / "records").glob("*.json")).records
    ]
    assert sorted(found) == [(1, sweep.id, True), (2, "another", True), (2, sweep.id, False)]


def test_a_job_that_ended_badly_without_a_record_gets_one(tmp_path: Path) -> None:
    sweep = in_an_array(tmp_path)
    (sweep.logs / "8_0_0_log.out").write_text("loading\nKilled\n")
    reconcile(sweep, FakeSlurm({"8_0": "OUT_OF_MEMORY", "8_1": "NODE_FAIL", "8_2": "RUNNING"}), records_of(sweep))
    assert kinds(tmp_path) == {1: FailureKind.out_of_memory, 2: FailureKind.node_lost}
    failure = written(tmp_path)[1].failure
    assert failure is not None
    assert failure.log_tail == "loading\nKilled"
    assert not sweep.is_closed


def test_settling_again_writes_nothing_more(tmp_path: Path) -> None:
    sweep = in_an_array(tmp_path)
    slurm = FakeSlurm({"8_0": "TIMEOUT", "8_1": "TIMEOUT", "8_2": "TIMEOUT"})
    reconcile(sweep, slurm, records_of(sweep))
    before = sorted(tmp_path.glob("records/*"))
    reconcile(sweep, slurm, records_of(sweep))
    assert sorted(tmp_path.glob("records/*")) == before
    assert len(before) == 3
    assert sweep.is_closed


def test_a_job_that_wrote_its_own_record_keeps_it(tmp_path: Path) -> None:
    sweep = in_an_array(tmp_path)
    Journal(output_dir=tmp_path).write(a_record(RUNS[0]))
    reconcile(sweep, FakeSlurm({"8_0": "FAILED", "8_1": "COMPLETED", "8_2": "COMPLETED"}), records_of(sweep))
    assert kinds(tmp_path) == {1: None}


def test_every_point_of_a_packed_job_that_died_gets_a_record(tmp_path: Path) -> None:
    sweep = in_an_array(tmp_path, tasks=((0, 1, 2),))
    Journal(output_dir=tmp_path).write(a_record(RUNS[0]))
    reconcile(sweep, FakeSlurm({"8_0": "PREEMPTED"}), records_of(sweep))
    assert kinds(tmp_path) == {1: None, 2: FailureKind.preempted, 4: FailureKind.preempted}


def test_the_log_of_a_step_that_the_kernel_ended_for_memory_says_more_than_its_state(tmp_path: Path) -> None:
    sweep = in_an_array(tmp_path, tasks=((0,),))
    log = "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=36.0.\nsrun: error: n1: task 0: Out Of Memory\n"
    (sweep.logs / "8_0_0_log.out").write_text(log)
    reconcile(sweep, FakeSlurm({"8_0": "FAILED"}), records_of(sweep))
    assert kinds(tmp_path) == {1: FailureKind.out_of_memory}


def test_a_forgotten_job_that_left_no_log_was_cancelled_before_it_began(tmp_path: Path) -> None:
    sweep = in_an_array(tmp_path)
    (sweep.logs / "8_0_0_log.out").write_text("began")
    reconcile(sweep, FakeSlurm({}), records_of(sweep))
    assert kinds(tmp_path) == {1: FailureKind.lost, 2: FailureKind.cancelled, 4: FailureKind.cancelled}


@pytest.fixture
def local(tmp_path: Path) -> Sweep:
    sweep = a_sweep(tmp_path)
    batch = new_batch([[0], [1], [2]], STARTED, slurm=False)
    add_batch(sweep, replace(batch, created=batch.created - 1000, identity=None))  # its driver is dead
    return sweep


def claim(sweep: Sweep, index: int, **changes: object) -> Claim:
    owner = replace(this_process(sweep.id), **changes)  # type: ignore[arg-type]  # of any field
    taken = Claims(Path(sweep.output_dir)).take(sweep.entries[index].key, owner)
    assert isinstance(taken, Claim)
    return taken


def test_of_a_dead_driver_the_point_that_had_begun_was_killed_and_the_others_are_missing(
    tmp_path: Path, local: Sweep
) -> None:
    claim(local, 0).release()
    Journal(output_dir=tmp_path).write(a_record(RUNS[0]))
    claim(local, 1, created=0.0, identity=None)
    reconcile(local, FakeSlurm({}), records_of(local))
    assert kinds(tmp_path) == {1: None, 2: FailureKind.killed}
    assert local.is_closed


def test_a_point_whose_process_outlives_its_driver_is_running(local: Sweep) -> None:
    claim(local, 1)
    assert [each.job_status for each in point_statuses(local, FakeSlurm({}))] == [
        JobStatus.over,
        JobStatus.running,
        JobStatus.over,
    ]


def test_what_a_living_driver_has_not_begun_is_queued(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    add_batch(sweep, new_batch([[0], [1], [2]], STARTED, slurm=False))
    assert {each.job_status for each in point_statuses(sweep, FakeSlurm({}))} == {JobStatus.queued}


def test_other_sweeps_are_settled_and_their_living_points_known_by_key(tmp_path: Path) -> None:
    sweep = in_an_array(tmp_path)
    slurm = FakeSlurm({"8_0": "NODE_FAIL", "8_1": "RUNNING", "8_2": "COMPLETED"})
    sweeps, index = SweepReader(tmp_path), records_of(sweep)
    (live,) = reconcile_all(sweeps, slurm, index, besides="another")
    assert (live.point, live.who) == (sweep.entries[1], "SLURM job 8_1")
    assert reconcile_all(sweeps, slurm, index, besides=sweep.id) == []


def test_an_array_whose_id_was_never_noted_is_known_by_the_claims_of_its_jobs(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    batch: PointBatch = new_batch([[0], [1]], STARTED, slurm=True)
    add_batch(sweep, replace(batch, created=0.0, identity=None))
    Claims(tmp_path).take(sweep.entries[0].key, an_owner(host="elsewhere"))
    assert [each.job_status for each in point_statuses(sweep, FakeSlurm({}))] == [JobStatus.running, JobStatus.over]


SIGKILL = JobState(name="FAILED", exit_status=0, signal=9, nodes="here")


def in_a_process(folder: Path) -> tuple[Sweep, PointBatch]:
    """A sweep whose three points were given to one process of this machine."""
    sweep = a_sweep(folder)
    batch = new_batch([[0, 1, 2]], STARTED, slurm=False)
    add_batch(sweep, batch)
    return sweep, batch


def test_a_process_that_died_before_it_came_to_its_points_leaves_a_record_of_each_once(tmp_path: Path) -> None:
    sweep, batch = in_a_process(tmp_path)
    log = tmp_path / "log"
    log.write_text("Traceback\nImportError: no such library\n")
    state = JobState(name="FAILED", exit_status=1, nodes="here")
    assert reconcile_process(sweep, batch, 0, state, log, records_of(sweep)) == Leftover(recorded=[0, 1, 2], untried=[])
    before = sorted(tmp_path.glob("records/*"))
    assert kinds(tmp_path) == dict.fromkeys((1, 2, 4), FailureKind.error)
    failure = written(tmp_path)[1].failure
    assert failure is not None
    assert failure.message == "the job ended with exit status 1 before it wrote a record"
    assert failure.log_tail == "Traceback\nImportError: no such library"
    assert reconcile_process(sweep, batch, 0, state, log, records_of(sweep)) == Leftover(recorded=[], untried=[])
    reconcile(sweep, FakeSlurm({}), records_of(sweep))
    assert sorted(tmp_path.glob("records/*")) == before


def test_a_process_that_died_at_a_point_leaves_one_of_it_and_those_after_it_untried(tmp_path: Path) -> None:
    sweep, batch = in_a_process(tmp_path)
    Journal(output_dir=tmp_path).write(a_record(RUNS[0]))
    claim(sweep, 1, created=0.0, identity=None)
    assert reconcile_process(sweep, batch, 0, SIGKILL, tmp_path / "none", records_of(sweep)) == Leftover(
        recorded=[1], untried=[2]
    )
    reconcile(sweep, FakeSlurm({}), records_of(sweep))
    assert kinds(tmp_path) == {1: None, 2: FailureKind.killed}
    assert len(list(tmp_path.glob("records/*"))) == 2


def test_a_process_that_was_told_to_stop_wrote_its_record_and_leaves_the_rest_untried(tmp_path: Path) -> None:
    sweep, batch = in_a_process(tmp_path)
    claim(sweep, 0).release()
    Journal(output_dir=tmp_path).write(
        a_record(RUNS[0], sweep=sweep.id, measurement=None, failure=Failure(kind=FailureKind.killed, message="told"))
    )
    state = JobState(name="FAILED", exit_status=130, nodes="here")
    assert reconcile_process(sweep, batch, 0, state, tmp_path / "none", records_of(sweep)) == Leftover(
        recorded=[], untried=[1, 2]
    )


def test_a_point_that_was_measured_before_the_sweep_began_is_not_lost_with_the_process(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path, began="2026-09-01T00:00:00+00:00")
    batch = new_batch([[0, 1, 2]], STARTED, slurm=False)
    add_batch(sweep, batch)
    Journal(output_dir=tmp_path).write(a_record(RUNS[1], sweep="another"))
    reconcile_process(sweep, batch, 0, SIGKILL, tmp_path / "none", records_of(sweep))
    assert kinds(tmp_path) == {1: FailureKind.killed, 2: None, 4: FailureKind.killed}


def test_two_who_write_the_record_of_a_dead_process_name_it_alike_by_the_time_of_its_claim(tmp_path: Path) -> None:
    sweep, batch = in_a_process(tmp_path)
    since = "2026-05-05T05:05:05+00:00"
    claim(sweep, 0, created=0.0, identity=None, since=since)
    reconcile_process(sweep, batch, 0, SIGKILL, tmp_path / "none", records_of(sweep))
    assert written(tmp_path)[1].started_at == since


def test_what_somebody_else_measures_or_has_measured_is_not_the_dead_process_s_to_lose(tmp_path: Path) -> None:
    sweep, batch = in_a_process(tmp_path)
    other = replace(sweep, id="another")
    claim(other, 0)
    Journal(output_dir=tmp_path).write(a_record(RUNS[1], sweep="another"))
    reconcile_process(sweep, batch, 0, SIGKILL, tmp_path / "none", records_of(sweep))
    assert kinds(tmp_path) == {2: None, 4: FailureKind.killed}


def test_what_a_process_began_is_what_it_claimed_for_this_sweep_whoever_had_its_number_before(tmp_path: Path) -> None:
    sweep, claims = a_sweep(tmp_path), Claims(tmp_path)
    owners = (an_owner(pid=5), an_owner(pid=5, sweep="another"), an_owner(pid=6))
    for point, owner in zip(sweep.entries, owners, strict=True):
        claims.take(point.replicate_key, owner)
    assert begun_by(sweep, [0, 1, 2], 5) == [0]
