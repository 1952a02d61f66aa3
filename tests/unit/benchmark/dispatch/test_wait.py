"""The line of counts, and how often the scheduler is asked."""

from pathlib import Path

import pytest

from benchmark.dispatch.point_status import JobStatus, PointStatus, waiting
from benchmark.dispatch.wait import LONGEST_S, LONGEST_VARIABLE, counts, longest_s
from crossover.errors import UserError
from tests.factories import STARTED
from tests.sweeps import a_sweep

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
    assert longest_s() == LONGEST_S
    monkeypatch.setenv(LONGEST_VARIABLE, "0.5")
    assert longest_s() == 0.5


@pytest.mark.parametrize("given", ["0", "-1", "often", "inf", "nan"])
def test_a_time_that_is_none_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LONGEST_VARIABLE, given)
    with pytest.raises(UserError, match=f"{LONGEST_VARIABLE}={given}: give a number of seconds above 0"):
        longest_s()
