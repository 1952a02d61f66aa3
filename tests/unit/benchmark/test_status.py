from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmark import status as status_of
from benchmark.dispatch.batches import add_batch, new_batch
from benchmark.dispatch.claims import this_process
from benchmark.dispatch.ledger import Sweep
from benchmark.dispatch.point_status import JobStatus, PointStatus
from benchmark.status import Progress, expected_end, main
from benchmark.store.journal import Journal
from crossover.records.record import FailureKind
from tests.factories import STARTED, a_failed_record, a_record
from tests.sweeps import RUNS, a_sweep, records_of


def status(sweep: Sweep, index: int, job_status: JobStatus) -> PointStatus:
    return PointStatus(
        index=index, point=sweep.entries[index], at=STARTED, who="SLURM job 8_0", job_status=job_status, job="8_0"
    )


def progress(sweep: Sweep, statuses: Sequence[PointStatus]) -> Progress:
    index, keys = records_of(sweep), {point.key for point in sweep.entries}
    index.refresh(keys)
    return status_of.progress(sweep, statuses, index.of(keys))


def test_points_are_counted_by_what_has_become_of_them(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    Journal(output_dir=tmp_path).write(a_record(RUNS[0]))
    found = progress(sweep, [status(sweep, 1, JobStatus.running), status(sweep, 2, JobStatus.queued)])
    assert (found.done, found.running, found.queued, found.untried, found.failed) == (1, 1, 1, 0, ())
    assert found.is_live


def test_a_point_that_failed_and_runs_again_is_running(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    Journal(output_dir=tmp_path).write(a_failed_record(RUNS[0], kind=FailureKind.preempted))
    assert len(progress(sweep, []).failed) == 1
    found = progress(sweep, [status(sweep, 0, JobStatus.running)])
    assert (found.running, found.failed, found.untried) == (1, (), 2)


@pytest.mark.parametrize("search", [False, True])
def test_points_that_a_search_spared_are_not_left_behind(tmp_path: Path, *, search: bool) -> None:
    found = progress(a_sweep(tmp_path, search=search), [])
    assert found.untried == 3
    assert found.is_left is not search


def test_a_result_is_no_failure(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    Journal(output_dir=tmp_path).write(a_failed_record(RUNS[0]))
    found = progress(sweep, [])
    assert (found.results, found.failed, found.untried) == (1, (), 2)


def test_the_end_is_expected_at_the_pace_so_far() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    half_a_minute = [a_record(), a_record()]
    assert expected_end(half_a_minute, left=4, at_once=2, now=now) == now + timedelta(minutes=1)
    assert expected_end(half_a_minute, left=5, at_once=2, now=now) == now + timedelta(minutes=1.5)
    assert expected_end([], left=4, at_once=2, now=now) is None
    assert expected_end(half_a_minute, left=0, at_once=0, now=now) is None


def test_it_shows_a_table_and_why_points_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = a_sweep(tmp_path)
    part = new_batch([[0], [1], [2]], STARTED, slurm=False)
    add_batch(sweep, part)
    assert part.pid == this_process("").pid
    journal = Journal(output_dir=tmp_path)
    journal.write(a_record(RUNS[0]))
    journal.write(a_failed_record(RUNS[1], kind=FailureKind.killed, message="gone"))
    main([str(tmp_path)])
    said = capsys.readouterr().out
    assert "sweep-1" in said
    assert "killed: gone" not in said  # its driver, this process, lives: the point counts as queued
    sweep.close()
    main([str(tmp_path)])
    said = capsys.readouterr().out
    assert f"{RUNS[1].name}: killed: gone" in said
    assert "The same command runs again" in said


def test_a_folder_without_sweeps_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path)])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
