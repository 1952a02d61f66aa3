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

from benchmark.claims import Claims, Owner, process_is_alive
from benchmark.ledger import Entry, Part, Sweep, read_sweeps
from benchmark.sinks.journal import Journal
from benchmark.slurm import UNKNOWN, JobState, SchedulerDownError, Slurm
from benchmark.tails import tail
from benchmark.task import wanted
from records.record import Failure, FailureKind, Record

OUT_OF_MEMORY = re.compile(r"oom[-_]kill event|task \d+: Out Of Memory|exceeded( job)? memory limit", re.IGNORECASE)
"""What SLURM's daemon writes into a job's log when the kernel ended one of its processes for memory."""


class Stand(StrEnum):
    """Whether a point's job waits, runs, or is over."""

    queued = "queued"
    running = "running"
    over = "over"
    unknown = "unknown"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A point that was handed out: to whom, when, and where that stands.

    Attributes:
        failure: why a job that is over ended, unless it ended well; what it means for a point is that of its record.
    """

    place: int
    entry: Entry
    at: str
    who: str
    stand: Stand
    failure: Failure | None = None
    job: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether its record may still come."""
        return self.stand is not Stand.over


@dataclass(frozen=True, kw_only=True)
class Left:
    """Places of the points that a process which died has left: those that got a record now, those it never came to."""

    recorded: list[int]
    untried: list[int]


def standings(sweep: Sweep, slurm: Slurm) -> list[Standing]:
    """All points that were handed out, in the order of their places. A scheduler that is down leaves theirs unknown."""
    parts = [part for _, part in sweep.parts()]
    claims = Claims(Path(sweep.output_dir))
    jobs = [str(part.of_task(task)) for part in parts if part.job for task in range(len(part.tasks))]
    try:
        states: Mapping[str, JobState] | None = slurm.states(jobs)
    except SchedulerDownError:
        states = None
    found = {}
    for part in parts:
        for task, places in enumerate(part.tasks):
            for place in places:
                found[place] = _standing(sweep, place, part, part.of_task(task), states, claims)
    return [found[place] for place in sorted(found)]


def settle(sweep: Sweep, slurm: Slurm) -> list[Standing]:
    """Write the records that jobs which are over left out; close a sweep of which nothing is under way."""
    found = standings(sweep, slurm)
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


def settle_process(sweep: Sweep, part: Part, task: int, state: JobState, log: Path) -> Left:
    """Write the records that a process of this machine left out, which ended in this state.

    Its driver alone knows the state, and does so at once: a process that died before it claimed a point left no other
    trace, and what kept it from its first point would keep the next process, too. Points behind one that it came to
    are no worse for its death. What somebody else is measuring, or has measured meanwhile, is theirs.
    """
    claims, journal = Claims(Path(sweep.output_dir)), Journal(output_dir=Path(sweep.output_dir))
    places = part.tasks[task]
    begun = [place for place in places if _last_of(sweep, sweep.entries[place], claims) is not None]
    missing = _missing(sweep, places, claims, journal)
    recorded = [place for place in missing if place in begun or not begun]
    kind, words = state.failure
    for place in recorded:
        standing = Standing(
            place=place,
            entry=sweep.entries[place],
            at=part.at,
            who=f"a process on {part.host}",
            stand=Stand.over,
            failure=Failure(kind=kind, message=words),
        )
        _record(sweep, standing, journal, log)
    return Left(recorded=recorded, untried=[place for place in missing if place not in recorded])


def _last_of(sweep: Sweep, entry: Entry, claims: Claims) -> Owner | None:
    """Who of a sweep claimed a point, where nobody of another did since."""
    last = claims.last(entry.key)
    return last if last is not None and last.sweep == sweep.id else None


def _missing(sweep: Sweep, places: Sequence[int], claims: Claims, journal: Journal) -> list[int]:
    """Those places whose point has no record that counts, and that nobody is measuring."""
    records = journal.of({sweep.entries[place].key for place in places}).records
    have = {each.key for each in records if _is_of(each, sweep) or each.started_at >= sweep.began}
    have |= wanted(sweep).done(records).keys()
    keys = {place: sweep.entries[place].key for place in places}
    return [place for place, key in keys.items() if key not in have and claims.holder(key) is None]


def settle_all(output_dir: Path, slurm: Slurm, besides: str = "") -> dict[str, Standing]:
    """Settle every sweep but one; the points that are under way, by key."""
    live: dict[str, Standing] = {}
    for sweep in read_sweeps(output_dir):
        if sweep.id != besides and not sweep.is_closed:
            live |= {each.entry.key: each for each in settle(sweep, slurm) if each.is_live}
    return live


def _is_of(record: Record, sweep: Sweep) -> bool:
    return record.sweep == sweep.id


def _standing(
    sweep: Sweep, place: int, part: Part, job: str | None, states: Mapping[str, JobState] | None, claims: Claims
) -> Standing:
    entry = sweep.entries[place]
    if part.slurm and job is not None:
        stand, failure = _in_slurm(None if states is None else states[job], _job_log(sweep, job))
        who = f"SLURM job {job}"
    else:
        stand, failure = _here(sweep, entry, part, claims)
        who = f"process {part.pid} on {part.host}"
    return Standing(place=place, entry=entry, at=part.at, who=who, stand=stand, failure=failure, job=job)


def _in_slurm(state: JobState | None, log: Path) -> tuple[Stand, Failure | None]:
    if state is None:
        return Stand.unknown, None
    if not state.is_over:
        return (Stand.queued if state.is_waiting else Stand.running), None
    if state.went_through:
        return Stand.over, None
    if state.name == UNKNOWN and not log.exists():  # a task that is cancelled while it waits leaves no trace at all
        return Stand.over, Failure(kind=FailureKind.cancelled, message="the job was cancelled before it began")
    if OUT_OF_MEMORY.search(tail(log) or ""):  # of which the job's own state may know nothing: it was a step's
        state = JobState(name="OUT_OF_MEMORY")
    kind, words = state.failure
    return Stand.over, Failure(kind=kind, message=words)


def _here(sweep: Sweep, entry: Entry, part: Part, claims: Claims) -> tuple[Stand, Failure | None]:
    """A point of processes on some machine: what was begun is claimed, what was not waits for the driver."""
    last = _last_of(sweep, entry, claims)
    if last is not None:
        if last.released:
            return Stand.over, None
        if claims.holder(entry.key) is not None:
            return Stand.running, None
        return Stand.over, Failure(kind=FailureKind.killed, message=f"{last} ended before it wrote a record")
    driver_lives = part.host == socket.gethostname() and process_is_alive(part.pid, part.created)
    return (Stand.queued if driver_lives else Stand.over), None


def _record(sweep: Sweep, standing: Standing, journal: Journal, log: Path | None = None) -> None:
    """Say what became of a point in its job's stead; the start is its claim's, the same whoever writes."""
    failure = standing.failure
    assert failure is not None
    logs = [log or _job_log(sweep, standing.job), sweep.log(standing.place)]
    ends = [end for log in logs if (end := tail(log)) is not None]
    began = _began(standing, _last_of(sweep, standing.entry, Claims(journal.output_dir)))
    with suppress(FileExistsError):
        journal.write(
            Record(
                key=standing.entry.key,
                name=standing.entry.name,
                sweep=sweep.id,
                started_at=began,
                finished_at=began,
                run=standing.entry.run,
                environment=None,
                measurement=None,
                failure=Failure(kind=failure.kind, message=failure.message, log_tail="\n".join(ends) or None),
            )
        )


def _job_log(sweep: Sweep, job: str | None) -> Path:
    """What a job of SLURM printed, its setup lines included; submitit names it."""
    return sweep.logs / f"{job}_0_log.out"


def _began(standing: Standing, last: Owner | None) -> str:
    return standing.at if last is None else last.since
