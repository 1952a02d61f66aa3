"""The status of points of processes on a machine, by their driver and their claims."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.dispatch.batches import add_tasks
from benchmark.dispatch.claims import Claim, Claims, this_process
from benchmark.dispatch.ledger import Sweep
from benchmark.dispatch.point_status import JobStatus, PointStatus, point_statuses
from benchmark.slurm.client import Slurm
from crossover.records.record import FailureKind
from crossover.records.settings import Device
from tests.factories import a_run
from tests.sweeps import a_sweep


def handed_out(folder: Path, device: Device, *, shared: bool = False) -> Sweep:
    sweep = a_sweep(folder, runs=(a_run(device=device),))
    add_tasks(sweep, [[0]], slurm=False, shared=shared)
    return sweep


def status(sweep: Sweep) -> PointStatus:
    (only,) = point_statuses(sweep, Slurm())
    return only


def claimed(sweep: Sweep, *, living: bool) -> Claim:
    owner = this_process(sweep.id)
    taken = Claims(Path(sweep.output_dir)).take(
        sweep.entries[0].replicate_key, owner if living else replace(owner, created=0.0, identity=None)
    )
    assert isinstance(taken, Claim)
    return taken


@pytest.mark.parametrize(
    ("device", "shared", "is_free"),
    [(Device.cpu, False, False), (Device.cuda, False, True), (Device.cpu, True, True)],
)
def test_what_nobody_has_begun_another_sweep_may_begin_where_it_disturbs_nobody(
    tmp_path: Path,
    device: Device,
    shared: bool,  # noqa: FBT001 (a parameter of the test)
    is_free: bool,  # noqa: FBT001
) -> None:
    sweep = handed_out(tmp_path, device, shared=shared)
    found = status(sweep)
    assert (found.job_status, found.failure, found.is_free) == (JobStatus.queued, None, is_free)
    claimed(sweep, living=True)
    begun = status(sweep)
    assert (begun.job_status, begun.is_free) == (JobStatus.running, False)


def test_a_point_is_over_when_its_process_gave_it_back_or_died(tmp_path: Path) -> None:
    sweep = handed_out(tmp_path, Device.cpu)
    claimed(sweep, living=True).release()
    ended = status(sweep)
    assert (ended.job_status, ended.failure) == (JobStatus.over, None)
    claimed(sweep, living=False)
    died = status(sweep)
    assert died.job_status is JobStatus.over
    assert died.failure is not None
    assert died.failure.kind is FailureKind.killed


def test_a_point_of_a_driver_that_ended_is_over_unless_it_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = handed_out(tmp_path, Device.cpu)
    monkeypatch.setattr("benchmark.dispatch.point_status.lives", lambda _: False)
    assert (status(sweep).job_status, status(sweep).failure) == (JobStatus.over, None)
    claimed(sweep, living=True)
    assert status(sweep).job_status is JobStatus.running
