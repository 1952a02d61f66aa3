"""What decides whether a point is run again: whether its holder lives, and whether its job wrote a record itself."""

import os
import subprocess
import sys
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from benchmark.dispatch import claims
from benchmark.dispatch.batches import add_batch, new_batch, note_job_id
from benchmark.dispatch.claims import LEASE_S
from benchmark.dispatch.processes import process_is_alive
from benchmark.dispatch.reconcile import reconcile
from benchmark.slurm.client import SchedulerDownError, Slurm
from benchmark.slurm.job_state import JobState
from benchmark.store.journal import Journal
from crossover.records.load import find, load
from crossover.records.record import FailureKind
from tests.factories import STARTED, a_failed_record
from tests.sweeps import RUNS, a_sweep, an_owner, records_of


class SilentSlurm(Slurm):
    """A scheduler that does not answer."""

    def states(self, jobs: Collection[str]) -> dict[str, JobState]:
        raise SchedulerDownError(f"no answer about {jobs}")


class FailedSlurm(Slurm):
    """A scheduler whose jobs have all failed."""

    def states(self, jobs: Collection[str]) -> dict[str, JobState]:
        return {job: JobState(name="FAILED") for job in jobs}


@pytest.mark.parametrize(("silence_s", "lives"), [(0.9 * LEASE_S, True), (1.1 * LEASE_S, False)])
def test_while_the_scheduler_is_silent_a_job_lives_for_its_lease_and_no_longer(
    silence_s: float, *, lives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "is_here", lambda: True)
    monkeypatch.setattr(claims, "Slurm", SilentSlurm)
    assert claims.alive(an_owner(job="7_1"), silence_s) is lives


def test_a_job_that_the_scheduler_calls_over_is_gone_however_lately_it_was_heard_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "is_here", lambda: True)
    monkeypatch.setattr(claims, "Slurm", FailedSlurm)
    assert not claims.alive(an_owner(job="7_1"), silence_s=0.0)


def test_a_job_whose_scheduler_is_elsewhere_lives_by_its_signs_of_life_and_not_by_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "is_here", lambda: False)
    mine = claims.this_process("sweep-1", job="7_1")
    assert claims.alive(mine, claims.LEASE_S / 2)
    assert not claims.alive(mine, claims.LEASE_S * 2)


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "waitid"), reason="it takes a wait that leaves the zombie there")
def test_a_process_that_has_ended_is_gone_although_nobody_has_waited_for_it() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as child:
        created = psutil.Process(child.pid).create_time()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        assert not process_is_alive(child.pid, created)


def test_a_job_that_wrote_its_own_failure_gets_no_second_one(tmp_path: Path) -> None:
    """It began a while after it was handed out, so that a second record would be a file of its own."""
    sweep = a_sweep(tmp_path)
    note_job_id(add_batch(sweep, new_batch([[0]], STARTED, slurm=True)), "8")
    began = (datetime.fromisoformat(STARTED) + timedelta(minutes=5)).isoformat()
    own = a_failed_record(RUNS[0], FailureKind.error, sweep=sweep.id, started_at=began, finished_at=began)
    Journal(output_dir=tmp_path).write(own)
    reconcile(sweep, FailedSlurm(), records_of(sweep))
    assert load(find(tmp_path)).records == (own,)
