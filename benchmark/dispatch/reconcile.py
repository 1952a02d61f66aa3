"""Where the points of a sweep are, and records for those whose job ended without writing one.

Whoever looks settles: the driver while it waits, the next command, `python -m benchmark.status`. Two that do
so at once write the same file, which one of them is refused.
"""

import re
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmark.dispatch.claims import Claims, Owner, process_is_alive
from benchmark.dispatch.ledger import Entry, PointBatch, Sweep, read_sweeps
from benchmark.dispatch.resume import resume_policy
from benchmark.slurm.client import UNKNOWN, JobState, SchedulerDownError, Slurm
from benchmark.store.journal import Journal
from benchmark.util.logs import tail
from crossover.records.record import Failure, FailureKind, Record

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
    """A point that was handed out: to whom, when, and where that stands.

    Attributes:
        failure: why a job that is over ended, unless it ended well; what it means for a point is that of its record.
    """

    index: int
    entry: Entry
    at: str
    who: str
    status: JobStatus
    failure: Failure | None = None
    job: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether its record may still come."""
        return self.status is not JobStatus.over


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Places of the points that a process which died has left: those that got a record now, those it never came to."""

    recorded: list[int]
    untried: list[int]


def point_statuses(sweep: Sweep, slurm: Slurm) -> list[PointStatus]:
    """The status of all points that were handed out, by index; unknown in SLURM while the scheduler is down."""
    batches = [batch for _, batch in sweep.batches()]
    claims = Claims(Path(sweep.output_dir))
    jobs = [str(batch.of_task(task)) for batch in batches if batch.job for task in range(len(batch.tasks))]
    try:
        states: Mapping[str, JobState] | None = slurm.states(jobs)
    except SchedulerDownError:
        states = None
    found = {}
    for batch in batches:
        for task, indices in enumerate(batch.tasks):
            for index in indices:
                found[index] = _point_status(sweep, index, batch, batch.of_task(task), states, claims)
    return [found[index] for index in sorted(found)]


def reconcile(sweep: Sweep, slurm: Slurm) -> list[PointStatus]:
    """Write the records that jobs which are over left out; close a sweep of which nothing is under way."""
    found = point_statuses(sweep, slurm)
    over = [each for each in found if not each.is_live]
    journal = Journal(output_dir=Path(sweep.output_dir))
    missing = [each for each in over if each.failure is not None]
    if missing:
        have = {
            record.key for record in journal.of({each.entry.key for each in missing}).records if _is_of(record, sweep)
        }
        for each in missing:
            if each.entry.key not in have:
                _record(sweep, each, journal)
    if len(over) == len(found):
        sweep.close()
    return found


def reconcile_process(sweep: Sweep, batch: PointBatch, task: int, state: JobState, log: Path) -> Leftover:
    """Write the records that a process of this machine left out, which ended in this state.

    Its driver alone knows the state, and does so at once: a process that died before it claimed a point left no other
    trace, and what kept it from its first point would keep the next process, too. Points behind one that it came to
    are no worse for its death. What somebody else is measuring, or has measured meanwhile, is theirs.
    """
    claims, journal = Claims(Path(sweep.output_dir)), Journal(output_dir=Path(sweep.output_dir))
    indices = batch.tasks[task]
    begun = [index for index in indices if _last_of(sweep, sweep.entries[index], claims) is not None]
    missing = _missing(sweep, indices, claims, journal)
    recorded = [index for index in missing if index in begun or not begun]
    kind, words = state.failure
    for index in recorded:
        status = PointStatus(
            index=index,
            entry=sweep.entries[index],
            at=batch.at,
            who=f"a process on {batch.host}",
            status=JobStatus.over,
            failure=Failure(kind=kind, message=words),
        )
        _record(sweep, status, journal, log)
    return Leftover(recorded=recorded, untried=[index for index in missing if index not in recorded])


def _last_of(sweep: Sweep, entry: Entry, claims: Claims) -> Owner | None:
    """Who of a sweep claimed a point, where nobody of another did since."""
    last = claims.last(entry.key)
    return last if last is not None and last.sweep == sweep.id else None


def _missing(sweep: Sweep, indices: Sequence[int], claims: Claims, journal: Journal) -> list[int]:
    """Those indices whose point has no record that counts, and that nobody is measuring."""
    records = journal.of({sweep.entries[index].key for index in indices}).records
    have = {each.key for each in records if _is_of(each, sweep) or each.started_at >= sweep.began}
    have |= resume_policy(sweep).done(records).keys()
    keys = {index: sweep.entries[index].key for index in indices}
    return [index for index, key in keys.items() if key not in have and claims.holder(key) is None]


def reconcile_all(output_dir: Path, slurm: Slurm, besides: str = "") -> dict[str, PointStatus]:
    """Settle every sweep but one; the points that are under way, by key."""
    live: dict[str, PointStatus] = {}
    for sweep in read_sweeps(output_dir):
        if sweep.id != besides and not sweep.is_closed:
            live |= {each.entry.key: each for each in reconcile(sweep, slurm) if each.is_live}
    return live


def _is_of(record: Record, sweep: Sweep) -> bool:
    return record.sweep == sweep.id


def _point_status(
    sweep: Sweep, index: int, batch: PointBatch, job: str | None, states: Mapping[str, JobState] | None, claims: Claims
) -> PointStatus:
    entry = sweep.entries[index]
    if batch.slurm and job is not None:
        job_status, failure = _in_slurm(None if states is None else states[job], _job_log(sweep, job))
        who = f"SLURM job {job}"
    else:
        job_status, failure = _here(sweep, entry, batch, claims)
        who = f"process {batch.pid} on {batch.host}"
    return PointStatus(index=index, entry=entry, at=batch.at, who=who, status=job_status, failure=failure, job=job)


def _in_slurm(state: JobState | None, log: Path) -> tuple[JobStatus, Failure | None]:
    if state is None:
        return JobStatus.unknown, None
    if not state.is_over:
        return (JobStatus.queued if state.is_waiting else JobStatus.running), None
    if state.went_through:
        return JobStatus.over, None
    if state.name == UNKNOWN and not log.exists():  # a task that is cancelled while it waits leaves no trace at all
        return JobStatus.over, Failure(kind=FailureKind.cancelled, message="the job was cancelled before it began")
    if OUT_OF_MEMORY.search(tail(log) or ""):  # of which the job's own state may know nothing: it was a step's
        state = JobState(name="OUT_OF_MEMORY")
    kind, words = state.failure
    return JobStatus.over, Failure(kind=kind, message=words)


def _here(sweep: Sweep, entry: Entry, batch: PointBatch, claims: Claims) -> tuple[JobStatus, Failure | None]:
    """A point of processes on some machine: what was begun is claimed, what was not waits for the driver."""
    last = _last_of(sweep, entry, claims)
    if last is not None:
        if last.released:
            return JobStatus.over, None
        if claims.holder(entry.key) is not None:
            return JobStatus.running, None
        return JobStatus.over, Failure(kind=FailureKind.killed, message=f"{last} ended before it wrote a record")
    driver_lives = batch.host == socket.gethostname() and process_is_alive(batch.pid, batch.created)
    return (JobStatus.queued if driver_lives else JobStatus.over), None


def _record(sweep: Sweep, status: PointStatus, journal: Journal, log: Path | None = None) -> None:
    """Say what became of a point in its job's stead; the start is its claim's, the same whoever writes."""
    failure = status.failure
    assert failure is not None
    logs = [log or _job_log(sweep, status.job), sweep.log(status.index)]
    ends = [end for log in logs if (end := tail(log)) is not None]
    began = _began(status, _last_of(sweep, status.entry, Claims(journal.output_dir)))
    with suppress(FileExistsError):
        journal.write(
            Record(
                key=status.entry.key,
                name=status.entry.name,
                sweep=sweep.id,
                started_at=began,
                finished_at=began,
                run=status.entry.run,
                environment=None,
                measurement=None,
                failure=Failure(kind=failure.kind, message=failure.message, log_tail="\n".join(ends) or None),
            )
        )


def _job_log(sweep: Sweep, job: str | None) -> Path:
    """What a job of SLURM printed, its setup lines included; submitit names it."""
    return sweep.logs / f"{job}_0_log.out"


def _began(status: PointStatus, last: Owner | None) -> str:
    return status.at if last is None else last.since
