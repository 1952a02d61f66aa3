"""Ledgers for tests to vary."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.cli import status as status_of
from benchmark.cli.status import Progress
from benchmark.config.settings import Rerun
from benchmark.dispatch.claims import Owner
from benchmark.dispatch.ledger import ExpectedEnvironment, Sweep, grid_point
from benchmark.dispatch.point_status import JobStatus, PointStatus
from benchmark.slurm.client import SchedulerDownError, Slurm
from benchmark.slurm.job_state import JobState
from benchmark.store.journal import Journal
from benchmark.store.record_index import RecordIndex
from crossover.records.run import Run
from tests.factories import STARTED, a_run

RUNS = tuple(a_run(batch=batch) for batch in (1, 2, 4))


def a_sweep(folder: Path, runs: tuple[Run, ...] = RUNS, **changes: Any) -> Sweep:
    """A sweep on disk, with a journal ready for its records."""
    sweep = Sweep(
        id="sweep-1",
        began=STARTED,
        output_dir=str(folder),
        tracking_uri=None,
        experiment="",
        remote=False,
        rerun=Rerun.none,
        skip_dominated=False,
        conditions=ExpectedEnvironment(),
        entries=tuple(grid_point(run, ["a=b"]) for run in runs),
    )
    sweep = replace(sweep, **changes)
    Journal(output_dir=folder).prepare()
    sweep.write()
    return sweep


def records_of(sweep: Sweep) -> RecordIndex:
    """The sweep's journal, of which nothing was read so far."""
    return RecordIndex(Journal(output_dir=Path(sweep.output_dir)))


def an_owner(**changes: Any) -> Owner:
    owner = Owner(host="node", pid=1, created=0.0, sweep="sweep-1", since=STARTED)
    return replace(owner, **changes)


class FakeSlurm(Slurm):
    """A scheduler that knows what it is told, by job; None is a scheduler that does not answer."""

    def __init__(self, states: Mapping[str, str] | None) -> None:
        self.known = states

    def states(self, jobs: Collection[str]) -> dict[str, JobState]:
        if self.known is None:
            raise SchedulerDownError("down")
        return {job: JobState(name=self.known[job]) if job in self.known else JobState() for job in jobs}


def status(sweep: Sweep, index: int, job_status: JobStatus) -> PointStatus:
    return PointStatus(
        index=index, point=sweep.entries[index], at=STARTED, who="SLURM job 8_0", job_status=job_status, job="8_0"
    )


def progress(sweep: Sweep, statuses: Sequence[PointStatus]) -> Progress:
    index, keys = records_of(sweep), {point.key for point in sweep.entries}
    index.refresh(keys)
    return status_of.progress(sweep, statuses, index.of(keys))
