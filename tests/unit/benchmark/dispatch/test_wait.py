"""The line of counts, and how often the scheduler is asked."""

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from benchmark.dispatch.batches import add_tasks, note_job_id
from benchmark.dispatch.context import sweep_context
from benchmark.dispatch.point_status import JobStatus, PointStatus, waiting
from benchmark.dispatch.wait import LONGEST_S, LONGEST_VARIABLE, JobWaiter, counts, longest_look_s
from benchmark.slurm.client import SchedulerDownError, Slurm
from benchmark.slurm.job_state import JobState
from benchmark.store.journal import Journal
from crossover.errors import UserError
from crossover.terminal import make_console
from tests.factories import STARTED, a_record
from tests.sweeps import RUNS, a_sweep

HELD = "launch failed requeued held: scontrol release {jobs}"


def statuses(folder: Path, *reasons: str | None) -> list[PointStatus]:
    points = a_sweep(folder).entries
    return [
        PointStatus(
            index=index,
            point=points[index],
            at=STARTED,
            who="",
            job_status=JobStatus.queued,
            job=f"12_{index}",
            reason=reason,
        )
        for index, reason in enumerate(reasons)
    ]


def test_jobs_that_wait_for_one_reason_are_one_line_that_can_be_pasted(tmp_path: Path) -> None:
    lines = waiting(statuses(tmp_path, HELD, "Resources", HELD))
    assert lines == [
        "2 queued: launch failed requeued held: scontrol release 12_0,12_2",
        "1 queued: Resources",
    ]
    assert waiting(statuses(tmp_path, None, None)) == []


def test_jobs_that_are_not_submitted_are_counted(tmp_path: Path) -> None:
    assert counts(statuses(tmp_path, None, None), {}, left=3) == "2 queued, 3 not submitted"


def test_the_longest_time_between_two_looks_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LONGEST_VARIABLE, raising=False)
    assert longest_look_s() == LONGEST_S
    monkeypatch.setenv(LONGEST_VARIABLE, "0.5")
    assert longest_look_s() == 0.5


@pytest.mark.parametrize("given", ["0", "-1", "often", "inf", "nan"])
def test_a_time_that_is_none_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LONGEST_VARIABLE, given)
    with pytest.raises(UserError, match=f"{LONGEST_VARIABLE}={given}: give a number of seconds above 0"):
        longest_look_s()


class SilentSlurm(Slurm):
    """A scheduler that does not answer."""

    def states(self, jobs: Collection[str]) -> dict[str, JobState]:
        raise SchedulerDownError(f"no answer about {len(jobs)} jobs")


def test_while_the_scheduler_is_silent_the_records_say_when_all_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = a_sweep(tmp_path)
    note_job_id(add_tasks(sweep, [[0], [1], [2]], slurm=True), "8")
    journal, looks = Journal(output_dir=tmp_path), list[float]()

    def write_one(seconds: float) -> None:
        journal.write(a_record(RUNS[len(looks)], sweep=sweep.id))
        looks.append(seconds)

    monkeypatch.setattr("time.sleep", write_one)
    JobWaiter(sweep_context(sweep, make_console()), SilentSlurm()).wait(range(3))
    assert len(looks) == 3


@pytest.mark.parametrize(
    ("sweep", "hours", "news"),
    [("sweep-1", 0, True), ("another", 0, True), ("another", -1, False)],
)
def test_a_record_of_another_sweep_is_news_where_it_was_measured_since(
    tmp_path: Path, sweep: str, hours: float, *, news: bool
) -> None:
    waiter = JobWaiter(sweep_context(a_sweep(tmp_path), make_console()), SilentSlurm())
    started_at = (datetime.fromisoformat(STARTED) + timedelta(hours=hours)).isoformat()
    assert waiter._is_news(a_record(RUNS[0], sweep=sweep, started_at=started_at)) is news
