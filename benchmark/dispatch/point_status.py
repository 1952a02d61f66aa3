"""The status of each point of a sweep that was handed out: its job waits, runs or is over, and how the job ended."""

import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmark.dispatch.batches import PointBatch, find_batches
from benchmark.dispatch.claims import Claims, Owner
from benchmark.dispatch.ledger import GridPoint, Sweep
from benchmark.dispatch.processes import lives
from benchmark.slurm.client import SchedulerDownError, Slurm
from benchmark.slurm.job_state import UNKNOWN, JobState
from benchmark.util.logs import tail
from crossover.records.record import Failure, FailureKind
from crossover.records.settings import Device

OUT_OF_MEMORY = re.compile(r"oom[-_]kill event|task \d+: Out Of Memory|exceeded( job)? memory limit", re.IGNORECASE)
"""What SLURM's daemon writes into a job's log when the kernel ended one of its processes for memory."""


class JobStatus(StrEnum):
    """Whether a point's job waits, runs, or is over."""

    queued = "queued"
    running = "running"
    over = "over"
    unknown = "unknown"


@dataclass(frozen=True, kw_only=True)
class PointStatus:
    """A point that was handed out: to which job, when, and the status of the job.

    Attributes:
        failure: why a job that is over ended, unless it ended well. If the point has a record, the record counts.
        reason: why a job waits that has waited long, or will not start by itself; `{jobs}` stands for its name.
        is_free: whether nobody has begun it, and another process may without disturbing those that it was handed to.
    """

    index: int
    point: GridPoint
    at: str
    who: str
    job_status: JobStatus
    failure: Failure | None = None
    job: str | None = None
    reason: str | None = None
    is_free: bool = False

    @property
    def is_live(self) -> bool:
        """Whether its record may still come."""
        return self.job_status is not JobStatus.over


def point_statuses(sweep: Sweep, slurm: Slurm, claims: Claims | None = None) -> list[PointStatus]:
    """The status of all points that were handed out, by index; unknown in SLURM while the scheduler is down.

    Points of a damaged batch count as never handed out, but for those that a process of this sweep has claimed.
    """
    handed_out = find_batches(sweep)
    batches = handed_out.batches
    claims = claims or Claims(Path(sweep.output_dir))
    jobs = [str(batch.of_task(task)) for batch in batches if batch.job for task in range(len(batch.tasks))]
    try:
        states: Mapping[str, JobState] | None = slurm.states(jobs)
    except SchedulerDownError:
        states = None
    statuses = _claimed(sweep, claims) if handed_out.damaged else {}
    for batch in batches:
        for task, indices in enumerate(batch.tasks):
            for index in indices:
                statuses[index] = _point_status(sweep, index, batch, batch.of_task(task), states, claims)
    return [statuses[index] for index in sorted(statuses)]


def waiting(statuses: Iterable[PointStatus]) -> list[str]:
    """Why jobs wait, a line for each reason, with what to do about it."""
    jobs: dict[str, dict[str, None]] = {}
    for each in statuses:
        if each.reason is not None and each.job is not None:
            jobs.setdefault(each.reason, {})[each.job] = None
    return [f"{len(names)} queued: {reason.replace('{jobs}', ','.join(names))}" for reason, names in jobs.items()]


def last_owner(sweep: Sweep, point: GridPoint, claims: Claims) -> Owner | None:
    """The last owner of a point's claim, if it belongs to this sweep."""
    last = claims.last(point.replicate_key)
    return last if last is not None and last.sweep == sweep.id else None


def _claimed(sweep: Sweep, claims: Claims) -> dict[int, PointStatus]:
    """The status of those points that a process of this sweep has claimed, by what the claims alone say."""
    statuses = {}
    for index, point in enumerate(sweep.entries):
        owner = last_owner(sweep, point, claims)
        if owner is not None:
            job_status, failure = _by_claim(point, owner, claims)
            statuses[index] = PointStatus(
                index=index, point=point, at=owner.since, who=owner.name, job_status=job_status, failure=failure
            )
    return statuses


def _point_status(
    sweep: Sweep, index: int, batch: PointBatch, job: str | None, states: Mapping[str, JobState] | None, claims: Claims
) -> PointStatus:
    point, reason, is_free = sweep.entries[index], None, False
    if batch.slurm and job is not None:
        state = None if states is None else states[job]
        job_status, failure = _in_slurm(state, job_log(sweep, job))
        reason = None if state is None else state.waits_for()
        who = f"SLURM job {job}"
    else:
        job_status, failure = _here(sweep, point, batch, claims)
        is_free = job_status is JobStatus.queued and _may_be_shared(point, batch)
        who = f"process {batch.pid} on {batch.host}"
    return PointStatus(
        index=index,
        point=point,
        at=batch.at,
        who=who,
        job_status=job_status,
        failure=failure,
        job=job,
        reason=reason,
        is_free=is_free,
    )


def _may_be_shared(point: GridPoint, batch: PointBatch) -> bool:
    """Whether processes of two sweeps may measure points of a batch side by side.

    A process has a GPU to itself, but not the cores of its machine.
    """
    return batch.shared or point.run.device is Device.cuda or batch.host != socket.gethostname()


def _in_slurm(state: JobState | None, log: Path) -> tuple[JobStatus, Failure | None]:
    if state is None:
        return JobStatus.unknown, None
    if not state.is_over:
        return (JobStatus.queued if state.is_waiting else JobStatus.running), None
    if state.went_through:
        return JobStatus.over, None
    if state.name == UNKNOWN and not log.exists():  # a task that is cancelled while it waits leaves no log
        return JobStatus.over, Failure(kind=FailureKind.cancelled, message="the job was cancelled before it began")
    if OUT_OF_MEMORY.search(tail(log) or ""):  # of a step, whose state is not the job's
        state = JobState(name="OUT_OF_MEMORY")
    kind, words = state.failure
    return JobStatus.over, Failure(kind=kind, message=words)


def _here(sweep: Sweep, point: GridPoint, batch: PointBatch, claims: Claims) -> tuple[JobStatus, Failure | None]:
    """The status of a point of processes on a machine: a claimed point has begun, any other waits for its driver."""
    last = last_owner(sweep, point, claims)
    if last is not None:
        return _by_claim(point, last, claims)
    return (JobStatus.queued if lives(batch.driver) else JobStatus.over), None


def _by_claim(point: GridPoint, last: Owner, claims: Claims) -> tuple[JobStatus, Failure | None]:
    if last.released:
        return JobStatus.over, None
    if claims.holder(point.replicate_key) is not None:
        return JobStatus.running, None
    return JobStatus.over, Failure(kind=FailureKind.killed, message=f"{last} ended before it wrote a record")


def job_log(sweep: Sweep, job: str | None) -> Path:
    """The output of a SLURM job, its setup lines included; submitit chooses the file's name."""
    return sweep.logs / f"{job}_0_log.out"
