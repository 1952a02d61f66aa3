"""How a job ends, by what its points gave. The points themselves are the worker's."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.dispatch import job
from benchmark.dispatch.batches import add_tasks
from benchmark.slurm.signals import Stopped
from crossover.errors import LostDeviceError
from crossover.interrupt import INTERRUPTED
from crossover.records.record import FailureKind, Record
from tests.factories import a_failed_record, a_record
from tests.sweeps import a_sweep

Run = Callable[[BaseException | list[Record | None]], int]


@pytest.fixture(params=[True, False], ids=["slurm", "here"])
def in_slurm(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def run(in_slurm: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:  # noqa: FBT001 (a fixture's name)
    """The exit status of a job whose points give these records, or that ends in this way."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    sweep = a_sweep(tmp_path)
    file = add_tasks(sweep, [[0]], slurm=in_slurm)

    def status(gives: BaseException | list[Record | None]) -> int:
        def run_task(*_: object) -> list[Record | None]:
            if isinstance(gives, BaseException):
                raise gives
            return gives

        monkeypatch.setattr(job, "run_task", run_task)
        return job.main([str(file), "0"])

    return status


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ([a_record()], 0),
        ([None], 0),
        ([a_record(), a_failed_record(kind=FailureKind.out_of_memory)], 0),
        ([a_record(), a_failed_record(kind=FailureKind.error), a_record()], 1),
    ],
)
def test_a_job_fails_where_a_point_has_neither_a_measurement_nor_a_result(
    run: Run, records: list[Record | None], status: int
) -> None:
    assert run(records) == status


def test_a_lost_device_is_said_in_a_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(LostDeviceError("the GPU does not work any more")) == 1
    assert capsys.readouterr().err.strip() == "the GPU does not work any more"


@pytest.mark.parametrize("stop", [Stopped(FailureKind.timeout, "out of time"), KeyboardInterrupt()])
def test_what_was_told_to_stop_is_not_started_again(
    run: Run, stop: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("asked for another start"))
    assert run(stop) == INTERRUPTED


@pytest.mark.parametrize(
    "ends", [0, 1, FileNotFoundError("scontrol"), subprocess.TimeoutExpired("scontrol", 60)], ids=repr
)
def test_a_preempted_job_of_slurm_asks_to_be_started_again(
    run: Run,
    in_slurm: bool,  # noqa: FBT001 (a fixture's name)
    ends: int | Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[str]] = []
    slept: list[float] = []

    def scontrol(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        if isinstance(ends, Exception):
            raise ends
        return subprocess.CompletedProcess(command, ends)

    monkeypatch.setattr(subprocess, "run", scontrol)
    monkeypatch.setattr(time, "sleep", slept.append)
    assert run(Stopped(FailureKind.preempted, "preempted")) == INTERRUPTED
    assert asked == ([["scontrol", "requeue", "7"]] if in_slurm else [])
    assert slept == ([job.KILL_S] if in_slurm and ends == 0 else []), (
        "SLURM ends it meanwhile, so that it counts as queued"
    )
