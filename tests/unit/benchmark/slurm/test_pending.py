"""Reasons of waiting, as SLURM writes them."""

from datetime import timedelta

import pytest

from benchmark.slurm.pending import explain

SOON, LATE = timedelta(seconds=5), timedelta(minutes=2)


@pytest.mark.parametrize("reason", ["", "None", "(null)"])
def test_no_reason_is_told_where_there_is_none(reason: str) -> None:
    assert explain(reason, LATE) is None


@pytest.mark.parametrize("reason", ["Priority", "Resources", "QOSMaxCpuPerUserLimit"])
def test_a_usual_reason_is_told_once_it_has_lasted(reason: str) -> None:
    assert explain(reason, SOON) is None
    assert explain(reason, None) is None
    assert explain(reason, LATE) == reason


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("launch_failed_requeued_held", "launch failed requeued held: scontrol release {jobs}"),
        ("(launch failed requeued held)", "launch failed requeued held: scontrol release {jobs}"),
        ("job_requeued_in_held_state", "job requeued in held state: scontrol release {jobs}"),
        ("JobHeldUser", "JobHeldUser: scontrol release {jobs}"),
        ("JobHeldAdmin", "JobHeldAdmin: an administrator holds it, and can scontrol release {jobs}"),
        ("BadConstraints", "BadConstraints: no node has what hydra.launcher asks for"),
        ("(DependencyNeverSatisfied)", "DependencyNeverSatisfied: it will never start: scancel {jobs}"),
    ],
)
def test_a_job_that_will_not_start_by_itself_is_told_at_once_with_what_to_do(reason: str, told: str) -> None:
    assert (explain(reason, SOON) or "").startswith(told)
